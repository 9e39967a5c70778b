import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { serviceManager } from '../../src/daemon/service-manager.js';

/** Prints the datagrams that come, since Node has no such socket. */
const LISTENER = `import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound", flush=True)
for _ in range(3): print(repr(s.recv(4096).decode()), flush=True)`;

/** A socket's path has 107 bytes. */
function shortDirectory(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'tsrun-test-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  return path;
}

t.test('serviceManager tells systemd of ready, reloading and stopping', async (t) => {
  const path = join(shortDirectory(t), 'n');
  const child = spawn('python3', ['-c', LISTENER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const warnings: string[] = [];
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  await once(child.stdout, 'data');
  const manager = serviceManager(path, { warn: (message) => void warnings.push(message) });
  manager.ready();
  manager.reloading();
  manager.stopping();
  await once(child, 'close');
  const [, ready, reloading, stopping] = text.split('\n');
  t.equal(ready, `'READY=1\\nMAINPID=${process.pid}\\n'`);
  t.match(reloading, /^'RELOADING=1\\nMONOTONIC_USEC=\d+\\n'$/);
  t.equal(stopping, "'STOPPING=1\\n'");
  t.strictSame(warnings, []);
});

t.test('serviceManager warns of a manager that is not there, and is silent without one', async (t) => {
  const warnings: string[] = [];
  const log = { warn: (message: string) => void warnings.push(message) };
  serviceManager(undefined, log).ready();
  t.strictSame(warnings, []);
  serviceManager(join(shortDirectory(t), 'nobody'), log).ready();
  t.match(warnings, [/READY=1: .*ENOENT|No such file/]);
});

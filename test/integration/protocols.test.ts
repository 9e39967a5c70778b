// What callers hand to a container or want from it beside its config: --pidfd-socket, --preserve-fds, socket activation
// (LISTEN_FDS, sd_listen_fds(3)) and NOTIFY_SOCKET (sd_notify(3)).
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { skipUnless } from '../helpers/host.js';
import { call } from '../helpers/launch.js';
import { install, needCompiler, program } from '../helpers/programs.js';
import {
  type Bundle,
  eventually,
  IS_TSRUN,
  must,
  needRuntime,
  RUNTIME,
  type Sandbox,
  sandbox,
} from '../helpers/runtime.js';

const skip = skipUnless(needRuntime(), needCompiler());

interface Listener {
  readonly socket: string;
  readonly child: ChildProcess;
  lines(): string[];
}

function listener(t: Test, box: Sandbox, name: 'agent' | 'sdnotify'): Listener {
  const [socket, log] = [join(box.directory, name), join(box.directory, `${name}.log`)];
  const args = name === 'agent' ? [socket, log] : ['listen', socket, log];
  writeFileSync(log, '');
  const child = spawn(program(name), args, { stdio: ['pipe', 'ignore', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  const lines = () => readFileSync(log, 'utf8').trim().split('\n').slice(1);
  if (!eventually(() => readFileSync(log, 'utf8') !== '')) throw new Error(`${name} does not start`);
  return { socket, child, lines };
}

// runc 1.1 has no --pidfd-socket.
const skipPidfd = skip || (IS_TSRUN ? false : 'runc since 1.2');

t.test('--pidfd-socket gets a pidfd of the process that create, run and exec make', { skip: skipPidfd }, async (t) => {
  const box = sandbox(t);
  const receiver = listener(t, box, 'agent');
  const flag = ['--pidfd-socket', receiver.socket];
  const id = box.id();
  must(box.run(['create', ...flag, '--bundle', box.bundle(['sleep', '1000']).path, id]));
  const { pid } = box.state(id);
  t.ok(eventually(() => receiver.lines().length === 2));
  t.same(receiver.lines(), [`pidfd ${pid}`, 'state 1 1 standard']);
  must(box.run(['start', id]));
  const pidFile = join(box.directory, 'exec.pid');
  must(box.run(['exec', ...flag, '--detach', '--pid-file', pidFile, id, 'sleep', '1000']));
  t.ok(eventually(() => receiver.lines().length === 4));
  t.same(receiver.lines().slice(2), [`pidfd ${readFileSync(pidFile, 'utf8')}`, 'state 1 1 setns']);
  must(box.run(['run', ...flag, '--bundle', box.bundle(['true']).path, box.id()]));
  t.ok(eventually(() => receiver.lines().length === 6));
});

t.test('a pidfd socket that nobody listens on fails create, and nothing is left', { skip: skipPidfd }, async (t) => {
  const box = sandbox(t);
  const id = box.id();
  const socket = join(box.directory, 'nobody');
  const result = box.run(['create', '--pidfd-socket', socket, '--bundle', box.bundle().path, id]);
  t.match(result, { status: 1, stderr: /--pidfd-socket: .*ENOENT[\s\S]*hint: nobody listens on the pidfd socket/ });
  t.notOk(existsSync(join(box.root, id)));
});

/** Runs the runtime as a service manager would: LISTEN_PID is its own pid. */
const asService = (variables: string) => ({ runtime: ['sh', '-c', `${variables} exec "$@"`, 'sh', RUNTIME] });
const SHOW = 'echo "$LISTEN_FDS $LISTEN_PID $LISTEN_FDNAMES"; cat <&3; ls /proc/self/fd | tr "\\n" " "';

function numbered(box: Sandbox, count: number): number[] {
  return Array.from({ length: count }, (_, index) => {
    const path = join(box.directory, `file-${index}`);
    writeFileSync(path, `file ${index}\n`);
    return openSync(path, 'r');
  });
}

t.test('LISTEN_FDS for the runtime itself are handed on, with their names', { skip }, async (t) => {
  const box = sandbox(t);
  const fds = numbered(box, 3);
  const bundle = box.bundle(['sh', '-c', SHOW]);
  const run = ['run', '--bundle', bundle.path, box.id()];
  const service = asService('LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=web:admin');
  const names = IS_TSRUN ? 'web:admin' : '';
  const result = call(box, run, { ...service, fds });
  t.match(result, { status: 0, stdout: `2 1 ${names}\nfile 0\n0 1 2 3 4 ` });
  const both = call(box, ['run', '--preserve-fds', '1', ...run.slice(1)], { ...service, fds });
  t.match(both.stdout, /0 1 2 3 4 5 /);
  for (const fd of fds) closeSync(fd);
});

t.test('LISTEN_FDS for another process stay with us', { skip }, async (t) => {
  const box = sandbox(t);
  const fds = numbered(box, 1);
  const bundle = box.bundle(['sh', '-c', 'echo "$LISTEN_FDS $LISTEN_PID"; ls /proc/self/fd | tr "\\n" " "']);
  for (const variables of ['LISTEN_PID=1 LISTEN_FDS=1', 'LISTEN_FDS=1']) {
    const result = call(box, ['run', '--bundle', bundle.path, box.id()], { ...asService(variables), fds });
    t.match(result, { status: 0, stdout: ' \n0 1 2 3 ' });
  }
  for (const fd of fds) closeSync(fd);
});

t.test('a program in a container serves the socket it was activated with', { skip }, async (t) => {
  const box = sandbox(t);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const fd = (server as unknown as { _handle: { fd: number } })._handle.fd;
  // Another network namespace, yet the socket stays one of the host's.
  const bundle = box.bundle(['sh', '-c', 'grep -c . /proc/net/tcp; readlink /proc/self/fd/3']);
  const result = call(box, ['run', '--bundle', bundle.path, box.id()], {
    ...asService('LISTEN_PID=$$ LISTEN_FDS=1'),
    fds: [fd],
  });
  t.match(result, { status: 0, stdout: /^1\nsocket:\[\d+\]\n$/ }, `handed on from port ${JSON.stringify(address)}`);
  server.close();
});

const NOTIFY = '[ -n "$NOTIFY_SOCKET" ] && sdnotify send STATUS=soon && sleep 0.3 && sdnotify send STATUS=now READY=1';

function notifying(box: Sandbox, then: string): Bundle {
  const bundle = box.bundle(['sh', '-c', `${NOTIFY} 2>&1; ${then}`]);
  install(bundle.rootfs, 'sdnotify');
  return bundle;
}

t.test('start returns when the program has said READY=1, and the manager knows its pid', { skip }, async (t) => {
  const box = sandbox(t);
  const manager = listener(t, box, 'sdnotify');
  const env = { NOTIFY_SOCKET: manager.socket };
  const bundle = notifying(box, 'sleep 1000');
  const id = box.id();
  must(box.run(['create', '--bundle', bundle.path, id], { env }));
  const { pid } = box.state(id);
  t.same(manager.lines(), []);
  must(box.run(['start', id], { env }));
  t.match(
    manager.lines().map((line) => line.trim()),
    ['READY=1', `MAINPID=${pid}`, /^BARRIER=1/],
  );
  t.equal(box.state(id).status, 'running');
  must(box.run(['delete', '--force', id]));
  t.notOk(existsSync(join(box.root, id)));
});

t.test('a detached run waits for READY=1 too', { skip }, async (t) => {
  const box = sandbox(t);
  const manager = listener(t, box, 'sdnotify');
  const id = box.id();
  const bundle = notifying(box, 'sleep 1000');
  must(box.run(['run', '--detach', '--bundle', bundle.path, id], { env: { NOTIFY_SOCKET: manager.socket } }));
  t.match(manager.lines()[1], new RegExp(`MAINPID=${box.state(id).pid}`));
});

t.test('a foreground run passes READY=1 on and is the main process itself', { skip }, async (t) => {
  const box = sandbox(t);
  const manager = listener(t, box, 'sdnotify');
  const bundle = notifying(box, 'sleep 1; echo served; exit 7');
  const env = { NOTIFY_SOCKET: manager.socket };
  const result = call(box, ['run', '--bundle', bundle.path, box.id()], { env, ...asService(`echo pid $$;`) });
  const [pid = '', output] = result.stdout.split('\n');
  t.match({ ...result, output }, { status: 7, output: 'served' });
  t.match(
    manager.lines().map((line) => line.trim()),
    ['READY=1', pid.replace('pid ', 'MAINPID='), /^BARRIER=1/],
  );
});

t.test('a program that ends without READY=1 does not keep start waiting', { skip }, async (t) => {
  const box = sandbox(t);
  const manager = listener(t, box, 'sdnotify');
  const env = { NOTIFY_SOCKET: manager.socket };
  const id = box.id();
  must(box.run(['run', '--detach', '--bundle', box.bundle(['sleep', '0.2']).path, id], { env }));
  t.same(manager.lines(), []);
});

t.test('the notify socket reaches a program in a user namespace, with another user', { skip: skipPidfd }, async (t) => {
  const box = sandbox(t);
  const manager = listener(t, box, 'sdnotify');
  const bundle = notifying(box, 'sleep 1000');
  bundle.config['process'].user = { uid: 1000, gid: 1000 };
  bundle.config['linux'].namespaces.push({ type: 'user' });
  const map = [{ containerID: 0, hostID: 0, size: 65536 }];
  Object.assign(bundle.config['linux'], { uidMappings: map, gidMappings: map });
  bundle.save();
  const id = box.id();
  must(box.run(['run', '--detach', '--bundle', bundle.path, id], { env: { NOTIFY_SOCKET: manager.socket } }));
  t.match(manager.lines()[0], /READY=1/);
});

t.test('a NOTIFY_SOCKET or LISTEN_FDS that makes no sense is refused', { skip: skipPidfd }, async (t) => {
  const box = sandbox(t);
  const args = ['create', '--bundle', box.bundle().path, box.id()];
  t.match(box.run(args, { env: { NOTIFY_SOCKET: 'relative' } }), { status: 1, stderr: /NOTIFY_SOCKET: "relative"/ });
  t.match(call(box, args, asService('LISTEN_PID=$$ LISTEN_FDS=-1')), { status: 1, stderr: /LISTEN_FDS: "-1"/ });
});

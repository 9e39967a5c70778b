// tsrun wait, and the exit record: who learns how a container ended, and when (docs/adr/0005-exit-status.md).
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { needHybrid, skipUnless } from '../helpers/host.js';
import { hasEnded } from '../helpers/launch.js';
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

const skip = skipUnless(needRuntime(), IS_TSRUN ? false : 'only tsrun has wait');

const [major = 0, minor = 0] = release().split('.').map(Number);
/** PIDFD_INFO_EXIT. */
const tellsByPidfd = major > 6 || (major === 6 && minor >= 15);
const skipMemory = skipUnless(skip, needHybrid());
const skipOld = skipUnless(skip, tellsByPidfd ? false : 'needs Linux 6.15');

interface Waiter {
  readonly child: ChildProcess;
  readonly ended: Promise<{ status: number | null; stdout: string; stderr: string }>;
}

function startWaiter(box: Sandbox, args: readonly string[]): Waiter {
  const child = spawn(RUNTIME, ['--root', box.root, 'wait', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.on('data', (bytes: Buffer) => {
      texts[name] += bytes.toString();
    });
  }
  const ended = new Promise<{ status: number | null; stdout: string; stderr: string }>((resolve) =>
    child.once('close', (status) => resolve({ status, ...texts })),
  );
  return { child, ended };
}

/** Its command line is that of the executor it was. */
function monitorOf(id: string): number | undefined {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const found = pids.find((pid) => {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
      return command.includes(id) && readFileSync(`/proc/${pid}/comm`, 'latin1').trim() === 'tsrun-monitor';
    } catch {
      return false;
    }
  });
  return found === undefined ? undefined : Number(found);
}

function detached(box: Sandbox, bundle: Bundle, flags: readonly string[] = []): string {
  const id = box.id();
  must(box.run(['run', '--detach', ...flags, '--bundle', bundle.path, id]));
  return id;
}

t.test('wait after the end tells the status from the record of --exit-file', { skip }, async (t) => {
  const box = sandbox(t);
  for (const [script, record] of [
    ['exit 0', { exitCode: 0, oomKilled: false }],
    ['exit 255', { exitCode: 255 }],
    ['kill -9 $$; sleep 5', { exitCode: 137, signal: 9, oomKilled: false }],
  ] as const) {
    const file = join(box.directory, `exit-${record.exitCode}`);
    // Not the init of a pid namespace, which its own signals would not end.
    const bundle = box.bundle(['sh', '-c', script], (config) => {
      config['linux'].namespaces = config['linux'].namespaces.filter(({ type }: { type: string }) => type !== 'pid');
      config['mounts'] = config['mounts'].filter(({ type }: { type: string }) => type !== 'mqueue');
    });
    const id = detached(box, bundle, ['--exit-file', file]);
    t.ok(
      eventually(() => existsSync(file)),
      script,
    );
    const written = JSON.parse(readFileSync(file, 'utf8'));
    t.match(written, { id, ...record, finished: /^\d{4}-.*Z$/ });
    t.equal(must(box.run(['wait', id])).stdout, `${record.exitCode}\n`);
    t.same(JSON.parse(must(box.run(['wait', '--json', id])).stdout), written);
    t.equal(box.run(['wait', '--exit', id]).status, record.exitCode);
    t.equal(monitorOf(id), undefined, 'the monitor has gone');
  }
});

t.test('a program that was killed for memory is told from one that was killed', { skip: skipMemory }, async (t) => {
  const box = sandbox(t);
  const file = join(box.directory, 'exit');
  const bundle = box.bundle(['tail', '/dev/zero'], (config) => {
    config['linux'].resources = { memory: { limit: 32 << 20, swap: 32 << 20 } };
  });
  const id = detached(box, bundle, ['--exit-file', file]);
  const record = JSON.parse(must(box.run(['wait', '--json', id])).stdout);
  t.match(record, { id, exitCode: 137, signal: 9, oomKilled: true });
});

t.test('several waiters wait for a running container, with and without a monitor', { skip: skipOld }, async (t) => {
  const box = sandbox(t);
  for (const flags of [['--exit-file', join(box.directory, 'exit')], []]) {
    const go = join(box.directory, `go-${flags.length}`);
    const bundle = box.bundle(['sh', '-c', 'while [ ! -e /host/go ]; do sleep 0.1; done; exit 42'], (config) => {
      config['mounts'].push({ destination: '/host', type: 'bind', source: box.directory, options: ['bind'] });
      config['process'].args[2] = `while [ ! -e /host/go-${flags.length} ]; do sleep 0.1; done; exit 42`;
    });
    const id = detached(box, bundle, flags);
    const waiters = [startWaiter(box, [id]), startWaiter(box, ['--json', id]), startWaiter(box, ['-e', id])];
    const waiting = () => waitersOf(id) === waiters.length;
    t.ok(eventually(waiting, 20_000), 'all three wait');
    must(box.run(['exec', id, 'touch', `/host/go-${flags.length}`]));
    const [text, json, status] = await Promise.all(waiters.map(({ ended }) => ended));
    t.same(text, { status: 0, stdout: '42\n', stderr: '' });
    t.match(JSON.parse(json?.stdout ?? ''), { exitCode: 42, oomKilled: false });
    t.match(status, { status: 42, stdout: '' });
    t.ok(existsSync(go));
  }
});

/** Executors that wait for the container. */
function waitersOf(id: string): number {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => {
    try {
      const [program = '', verb, ...rest] = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
      return program.endsWith('tsrun-executor') && verb === 'wait' && rest.includes(id) && hasPidfd(pid);
    } catch {
      return false;
    }
  }).length;
}

function hasPidfd(pid: string): boolean {
  return readdirSync(`/proc/${pid}/fd`).some((fd) =>
    readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'latin1').includes('\nPid:'),
  );
}

t.test('wait on a created container waits for its end', { skip: skipOld }, async (t) => {
  const box = sandbox(t);
  const id = box.id();
  must(box.run(['create', '--bundle', box.bundle(['sh', '-c', 'exit 3']).path, id]));
  const waiter = startWaiter(box, [id]);
  t.ok(eventually(() => waitersOf(id) === 1, 20_000));
  must(box.run(['start', id]));
  t.match(await waiter.ended, { status: 0, stdout: '3\n' });
});

t.test('without a monitor a status that nobody waited for is lost, and wait says so', { skip }, async (t) => {
  const box = sandbox(t);
  const id = detached(box, box.bundle(['true']));
  t.ok(eventually(() => box.state(id).status === 'stopped'));
  // Whoever reaps orphans here may take its time.
  t.ok(eventually(() => box.run(['wait', id]).status !== 0));
  t.match(box.run(['wait', id]).stderr, /nobody knows how container .* ended[\s\S]*hint: .*--exit-file/);
  t.match(box.run(['wait', 'no-such']), { status: 1, stderr: /container does not exist/ });
});

t.test('the monitor is small, holds nothing of the caller and outlives it', { skip }, async (t) => {
  const box = sandbox(t);
  const file = join(box.directory, 'exit');
  const id = detached(box, box.bundle(['sh', '-c', 'sleep 1000']), ['--exit-file', file]);
  const monitor = monitorOf(id) ?? 0;
  const { pid } = box.state(id);
  const field = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]);
  const status = readFileSync(`/proc/${monitor}/status`, 'latin1');
  const parent = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]);
  t.equal(parent, monitor, 'it is the parent of init');
  t.ok(field('RssAnon') < 512, `RssAnon ${field('RssAnon')} kB`);
  t.ok(field('VmRSS') < 1536, `VmRSS ${field('VmRSS')} kB`);
  t.ok(readdirSync(`/proc/${monitor}/fd`).length <= 6);
  must(box.run(['kill', id, 'KILL']));
  t.ok(eventually(() => existsSync(file)));
  t.match(JSON.parse(readFileSync(file, 'utf8')), { exitCode: 137, signal: 9 });
});

t.test('a monitor that was killed loses the record, but not for those who wait', { skip: skipOld }, async (t) => {
  const box = sandbox(t);
  const file = join(box.directory, 'exit');
  const id = detached(box, box.bundle(['sh', '-c', 'sleep 1000']), ['--exit-file', file]);
  const waiter = startWaiter(box, [id]);
  t.ok(eventually(() => waitersOf(id) === 1, 20_000));
  process.kill(monitorOf(id) ?? 0, 'SIGKILL');
  const { pid } = box.state(id);
  t.equal(box.state(id).status, 'running');
  must(box.run(['kill', id, 'KILL']));
  t.match(await waiter.ended, { status: 0, stdout: '137\n' });
  t.ok(eventually(() => hasEnded(pid)));
  t.notOk(existsSync(file));
  must(box.run(['delete', id]));
});

t.test('run in the foreground leaves a record too: with --exit-file, and with --keep', { skip }, async (t) => {
  const box = sandbox(t);
  const file = join(box.directory, 'exit');
  const bundle = box.bundle(['sh', '-c', 'exit 9']);
  t.equal(box.run(['run', '--exit-file', file, '--bundle', bundle.path, box.id()]).status, 9);
  t.match(JSON.parse(readFileSync(file, 'utf8')), { exitCode: 9 });
  const id = box.id();
  t.equal(box.run(['run', '--keep', '--bundle', bundle.path, id]).status, 9);
  t.equal(must(box.run(['wait', id])).stdout, '9\n');
});

t.test('create with an exit file that cannot be written fails and leaves nothing', { skip }, async (t) => {
  const box = sandbox(t);
  const id = box.id();
  const file = join(box.directory, 'nowhere', 'exit');
  const result = box.run(['create', '--exit-file', file, '--bundle', box.bundle().path, id]);
  t.match(result, { status: 1, stderr: /--exit-file: .*ENOENT[\s\S]*hint: the directory of the exit file/ });
  t.notOk(existsSync(join(box.root, id)));
  const failing = box.bundle(['no-such-program']);
  t.match(box.run(['create', '--exit-file', join(box.directory, 'exit'), '--bundle', failing.path, id]), {
    status: 1,
    stderr: /executable file not found/,
  });
  t.notOk(existsSync(join(box.root, id)));
});

t.test('delete --force of a container with a monitor waits for its record', { skip }, async (t) => {
  const box = sandbox(t);
  const file = join(box.directory, 'exit');
  const id = detached(box, box.bundle(['sleep', '1000']), ['--exit-file', file]);
  must(box.run(['delete', '--force', id]));
  t.match(JSON.parse(readFileSync(file, 'utf8')), { exitCode: 137, signal: 9 });
  t.notOk(existsSync(join(box.root, id)));
});

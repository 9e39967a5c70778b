// Containers under control: pause and resume, ps, kill of whole containers, delete with leftovers, and what is true while
// create and start are at work. Runs on any runtime: RUNTIME=/usr/sbin/runc.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { TestConfig } from '../helpers/config.js';
import { eventually, IS_TSRUN, must, needRuntime, RUNTIME, type Sandbox, sandbox } from '../helpers/runtime.js';

const skip = needRuntime();
const onlyTsrun = skip || (IS_TSRUN ? false : 'other runtimes do otherwise');

const alive = (pid: number): boolean =>
  existsSync(`/proc/${pid}`) && !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));

/** A counter that grows as long as the program may run. */
const COUNTING = ['sh', '-c', 'i=0; while :; do i=$((i+1)); echo $i >/tmp/count; sleep 0.02; done'];

const UNTIL_TOLD = 'until [ -e /tmp/end ]; do sleep 0.05; done';

function pidsOf(box: Sandbox, id: string): number[] {
  return JSON.parse(must(box.run(['ps', '--format', 'json', id])).stdout) ?? [];
}

function withoutPidNamespace(config: TestConfig): void {
  config['linux'].namespaces = config['linux'].namespaces.filter(({ type }: { type: string }) => type !== 'pid');
  // proc of the host's pid namespace.
  config['linux'].maskedPaths = [];
  config['linux'].readonlyPaths = [];
}

t.test('pause stops every process, state says paused, resume lets them go on', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(COUNTING);
  const id = box.start(bundle);
  const count = () => readFileSync(join(bundle.rootfs, 'tmp/count'), 'utf8');
  t.ok(eventually(() => existsSync(join(bundle.rootfs, 'tmp/count'))));
  must(box.run(['pause', id]));
  t.match(box.state(id), { status: 'paused' });
  const stopped = count();
  spawnSync('sleep', ['0.2']);
  t.equal(count(), stopped, 'nothing runs');
  must(box.run(['resume', id]));
  t.match(box.state(id), { status: 'running' });
  t.ok(
    eventually(() => count() !== stopped),
    'it goes on',
  );
});

t.test('pause, resume and exec say which state they need', { skip }, async (t) => {
  const box = sandbox(t);
  const id = box.start(box.bundle());
  const refused = (args: string[], text: RegExp) => {
    const result = box.run(args);
    t.not(result.status, 0, args.join(' '));
    t.match(result.stderr, text);
  };
  refused(['resume', id], /container not paused/);
  must(box.run(['pause', id]));
  refused(['pause', id], /container not running/);
  refused(['exec', id, 'true'], /cannot exec in a paused container \(use --ignore-paused to override\)/);
  must(box.run(['resume', id]));
  must(box.run(['kill', id, 'KILL']));
  t.ok(eventually(() => box.state(id).status === 'stopped'));
  refused(['pause', id], /container not running/);
  refused(['resume', id], /container not paused/);
  for (const verb of ['pause', 'resume', 'ps']) refused([verb, box.id()], /container does not exist/);
});

t.test('exec --ignore-paused: the process begins when the container is resumed', { skip: onlyTsrun }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle();
  const id = box.start(bundle);
  must(box.run(['pause', id]));
  const exec = spawn(RUNTIME, ['--root', box.root, 'exec', '--ignore-paused', id, 'touch', '/tmp/began'], {
    stdio: 'ignore',
  });
  const ended = new Promise((resolve) => exec.once('exit', resolve));
  t.ok(
    eventually(() => pidsOf(box, id).length > 1),
    'it waits in the cgroup',
  );
  t.notOk(existsSync(join(bundle.rootfs, 'tmp/began')));
  must(box.run(['resume', id]));
  t.equal(await ended, 0);
  t.ok(existsSync(join(bundle.rootfs, 'tmp/began')));
});

t.test('kill KILL ends a paused container, and so does delete --force', { skip }, async (t) => {
  const box = sandbox(t);
  const [killed, deleted] = [box.start(box.bundle()), box.start(box.bundle())];
  const pids = [killed, deleted].map((id) => box.state(id).pid);
  for (const id of [killed, deleted]) must(box.run(['pause', id]));
  must(box.run(['kill', killed, 'KILL']));
  t.ok(eventually(() => box.state(killed).status === 'stopped'));
  t.not(box.run(['delete', deleted]).status, 0, 'without --force it is refused');
  must(box.run(['delete', '--force', deleted]));
  for (const pid of pids) t.notOk(alive(pid));
});

t.test('ps: the processes of the container, exec and sub-cgroups included, as table and JSON', { skip }, async (t) => {
  const box = sandbox(t);
  const id = box.start(box.bundle(['sh', '-c', 'sleep 1000 & sleep 1000']));
  const { pid } = box.state(id);
  t.ok(eventually(() => pidsOf(box, id).length === 2));
  must(box.run(['exec', '--detach', id, 'sleep', '1001']));
  const pids = pidsOf(box, id);
  t.equal(pids.length, 3);
  t.ok(pids.includes(pid), 'pids as the host sees them');
  const table = must(box.run(['ps', id]))
    .stdout.trim()
    .split('\n');
  t.match(table[0], /^UID +PID +PPID/);
  t.equal(table.length, 4);
  t.match(table.join('\n'), /sleep 1001/);
  const own = must(box.run(['ps', id, '-o', 'pid,comm']))
    .stdout.trim()
    .split('\n');
  t.match(own[0], /^ *PID COMMAND$/);
  const without = box.run(['ps', id, '-o', 'comm']);
  t.not(without.status, 0);
  t.match(without.stderr, /couldn't find PID field in ps output/);
  t.match(box.run(['ps', '--format', 'xml', id]).stderr, /invalid format option/);
  must(box.run(['kill', id, 'KILL']));
  t.ok(eventually(() => box.state(id).status === 'stopped'));
  t.same(pidsOf(box, id), [], 'empty after the end, and no error');
  t.equal(
    must(box.run(['ps', id]))
      .stdout.trim()
      .split('\n').length,
    1,
    'the header alone',
  );
});

t.test('ps without a ps(1) on the host makes a table of its own', { skip: onlyTsrun }, async (t) => {
  const box = sandbox(t);
  const id = box.start(box.bundle(['sleep', '1000']));
  const bin = join(box.directory, 'bin');
  mkdirSync(bin);
  for (const name of ['node', 'sh', 'env', 'readlink']) {
    spawnSync('ln', ['-s', spawnSync('which', [name], { encoding: 'utf8' }).stdout.trim(), join(bin, name)]);
  }
  const { stdout } = must(box.run(['ps', id], { env: { PATH: bin } }));
  t.match(stdout, /^UID +PID +PPID +CMD\n0 +\d+ +\d+ +sleep 1000\n$/);
});

t.test('kill KILL without a pid namespace ends all processes, not only the first', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['sh', '-c', 'sleep 1000 & sleep 1000 & wait'], withoutPidNamespace);
  const id = box.start(bundle);
  t.ok(eventually(() => pidsOf(box, id).length === 3));
  const pids = pidsOf(box, id);
  must(box.run(['kill', id, 'KILL']));
  t.ok(eventually(() => !pids.some(alive)));
});

t.test('kill KILL reaches what the first process left behind', { skip: onlyTsrun }, async (t) => {
  const box = sandbox(t);
  const id = box.start(box.bundle(['sh', '-c', 'sleep 1000 & sleep 0.1'], withoutPidNamespace));
  t.ok(eventually(() => box.state(id).status === 'stopped'));
  const left = pidsOf(box, id);
  t.equal(left.length, 1);
  must(box.run(['kill', id, 'KILL']));
  t.ok(eventually(() => !left.some(alive)));
  const again = box.run(['kill', id, 'KILL']);
  t.not(again.status, 0);
  t.match(again.stderr, /container not running/, 'and then there is nobody');
});

t.test('kill --all: any signal to every process, and none left is no error', { skip: onlyTsrun }, async (t) => {
  const box = sandbox(t);
  // The first one ends last: it takes its pid namespace with it.
  const script = (name: string, then: string) =>
    `trap "echo >/tmp/${name}; ${then} exit" USR1; echo >/tmp/ready-${name}; while :; do sleep 0.05; done`;
  const first = script('first', 'until [ -e /tmp/child ]; do sleep 0.05; done;');
  const bundle = box.bundle(['sh', '-c', `sh -c '${script('child', '')}' & ${first}`]);
  const id = box.start(bundle);
  const seen = (name: string) => eventually(() => existsSync(join(bundle.rootfs, 'tmp', name)));
  t.ok(seen('ready-child') && seen('ready-first'));
  must(box.run(['kill', '--all', id, 'USR1']));
  t.ok(seen('child'), 'the child got it');
  t.ok(seen('first'), 'the first process got it');
  t.ok(eventually(() => box.state(id).status === 'stopped'));
  must(box.run(['kill', '--all', id, 'KILL']));
});

t.test('delete removes what the first process left behind, in sub-cgroups too', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['sh', '-c', `sleep 1000 & sleep 1000 & ${UNTIL_TOLD}`], withoutPidNamespace);
  const id = box.start(bundle);
  const { pid } = box.state(id);
  const cgroup = cgroupOf(pid);
  const sleeps = (one: number) => alive(one) && readFileSync(`/proc/${one}/cmdline`, 'utf8').includes('1000');
  const pids = pidsOf(box, id).filter((one) => one !== pid && sleeps(one));
  t.equal(pids.length, 2);
  const below = join(cgroup, 'a/b');
  mkdirSync(below, { recursive: true });
  writeFileSync(join(below, 'cgroup.procs'), String(pids[0]));
  t.ok(pidsOf(box, id).includes(pids[0] ?? 0), 'ps looks below too');
  writeFileSync(join(bundle.rootfs, 'tmp/end'), '');
  t.ok(eventually(() => box.state(id).status === 'stopped'));
  must(box.run(['delete', ...(IS_TSRUN ? [] : ['--force']), id]));
  t.ok(eventually(() => !pids.some(alive)));
  t.notOk(existsSync(cgroup));
});

t.test('delete ends a stranger that was put into the cgroup', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['sh', '-c', UNTIL_TOLD]);
  const id = box.start(bundle);
  const cgroup = cgroupOf(box.state(id).pid);
  const stranger = spawn('sleep', ['1000'], { stdio: 'ignore' });
  const ended = new Promise((resolve) => stranger.once('exit', (_, signal) => resolve(signal)));
  writeFileSync(join(cgroup, 'cgroup.procs'), String(stranger.pid));
  writeFileSync(join(bundle.rootfs, 'tmp/end'), '');
  t.ok(eventually(() => box.state(id).status === 'stopped'));
  must(box.run(['delete', id]));
  t.equal(await ended, 'SIGKILL');
  t.notOk(existsSync(cgroup));
});

/** Of the hierarchy in which both runtimes make one on every host: cgroup2, or systemd's of v1. */
function cgroupOf(pid: number): string {
  const [, path = ''] = /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8')) ?? [];
  const mount = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .find((line) => line.includes(' - cgroup2 '));
  return join(mount?.split(' ')[4] ?? '', path);
}

/** A hook that says that it runs and waits until it may end. */
function slowHook(
  box: Sandbox,
  kind: string,
): { edit: (config: TestConfig) => void; running: () => boolean; end: () => void } {
  const [began, mayEnd] = [join(box.directory, `${kind}-began`), join(box.directory, `${kind}-may-end`)];
  const script = `cat >/dev/null; echo >${began}; until [ -e ${mayEnd} ]; do sleep 0.02; done`;
  return {
    edit: (config) => {
      config['hooks'] = { [kind]: [{ path: '/bin/sh', args: ['sh', '-c', script], env: ['PATH=/bin:/usr/bin'] }] };
    },
    running: () => eventually(() => existsSync(began), 10_000),
    end: () => writeFileSync(mayEnd, ''),
  };
}

const processes = (): number[] =>
  readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0);

/** Init itself has none of these arguments. */
function isStartOf(pid: number, id: string): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    const files = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    return words.includes('start') && words.includes(id) && files.some((file) => file.endsWith('/exec.fifo'));
  } catch {
    return false;
  }
}

function background(t: Test, box: Sandbox, args: string[]): { child: ChildProcess; ended: Promise<number | null> } {
  const child = spawn(RUNTIME, ['--root', box.root, ...args], { stdio: 'ignore', detached: true });
  t.teardown(() => child.kill('SIGKILL'));
  return { child, ended: new Promise((resolve) => child.once('exit', (code) => resolve(code))) };
}

t.test('while create runs its hooks the state is creating', { skip: onlyTsrun }, async (t) => {
  const box = sandbox(t);
  const hook = slowHook(box, 'createRuntime');
  const id = box.id();
  const create = background(t, box, ['create', '--bundle', box.bundle(undefined, hook.edit).path, id]);
  t.ok(hook.running());
  t.match(box.state(id), { status: 'creating' });
  const exec = box.run(['exec', id, 'true']);
  t.match(exec.stderr, /still being created/);
  hook.end();
  t.equal(await create.ended, 0);
  t.match(box.state(id), { status: 'created' });
  must(box.run(['start', id]));
  t.match(box.state(id), { status: 'running' });
});

t.test('a start that is killed in a startContainer hook: the next one takes over', { skip: onlyTsrun }, async (t) => {
  const box = sandbox(t);
  const id = box.id();
  const bundle = box.bundle(['sleep', '1000'], (config) => {
    const script = 'cat >/dev/null; echo >/tmp/began; until [ -e /tmp/may-end ]; do sleep 0.02; done';
    config['hooks'] = { startContainer: [{ path: '/bin/sh', args: ['sh', '-c', script], env: ['PATH=/bin'] }] };
  });
  must(box.run(['create', '--bundle', bundle.path, id]));
  const first = background(t, box, ['start', id]);
  t.ok(eventually(() => existsSync(join(bundle.rootfs, 'tmp/began')), 10_000));
  t.match(box.state(id), { status: 'created' }, 'the program does not run yet');
  process.kill(-(first.child.pid ?? 0), 'SIGKILL');
  await first.ended;
  const second = background(t, box, ['start', id]);
  t.ok(
    eventually(() => processes().some((pid) => isStartOf(pid, id)), 10_000),
    'it waits',
  );
  writeFileSync(join(bundle.rootfs, 'tmp/may-end'), '');
  t.equal(await second.ended, 0);
  t.match(box.state(id), { status: 'running' });
  t.match(box.run(['start', id]).stderr, /already running/);
});

t.test('a start that is killed, and the program runs: the next one says so', { skip: onlyTsrun }, async (t) => {
  const box = sandbox(t);
  const id = box.id();
  const bundle = box.bundle(['sleep', '1000'], (config) => {
    const script = 'cat >/dev/null; echo >/tmp/began; until [ -e /tmp/may-end ]; do sleep 0.02; done';
    config['hooks'] = { startContainer: [{ path: '/bin/sh', args: ['sh', '-c', script], env: ['PATH=/bin'] }] };
  });
  must(box.run(['create', '--bundle', bundle.path, id]));
  const first = background(t, box, ['start', id]);
  t.ok(eventually(() => existsSync(join(bundle.rootfs, 'tmp/began')), 10_000));
  process.kill(-(first.child.pid ?? 0), 'SIGKILL');
  await first.ended;
  writeFileSync(join(bundle.rootfs, 'tmp/may-end'), '');
  t.ok(eventually(() => box.state(id).status === 'running'));
  t.match(box.run(['start', id]).stderr, /cannot start an already running container/);
});

t.test('pause of a created container holds its start back', { skip: onlyTsrun }, async (t) => {
  const box = sandbox(t);
  const id = box.id();
  must(box.run(['create', '--bundle', box.bundle().path, id]));
  must(box.run(['pause', id]));
  t.match(box.state(id), { status: 'paused' });
  t.match(box.run(['start', id]).stderr, /cannot start a container in the paused state/);
  must(box.run(['resume', id]));
  must(box.run(['start', id]));
  t.ok(readdirSync(box.root).includes(id));
});

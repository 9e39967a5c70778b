// tsrun under containerd (io.containerd.runc.v2, the binary replaced), driven by ctr.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { IMAGE, imageArchive, must, needLimits, type Place, place, RUNTIME } from '../helpers/engine.js';
import { needCommand, skipUnless } from '../helpers/host.js';
import { eventually, needRuntime, type Result, type RunOptions } from '../helpers/runtime.js';

const skip = skipUnless(needRuntime(), needCommand('containerd'), needCommand('ctr', 'containerd'));

interface Containerd extends Place {
  readonly socket: string;
  ctr(args: readonly string[], options?: RunOptions): Result;
  /** ctr run with the runtime under test: FLAGS… IMAGE ID ARGS… */
  start(flags: readonly string[], id: string, args: readonly string[], options?: RunOptions): Result;
}

function containerd(t: Parameters<typeof place>[0]): Containerd {
  const own = place(t);
  const socket = join(own.directory, 'c.sock');
  const config = join(own.directory, 'config.toml');
  for (const name of ['root', 'state']) mkdirSync(join(own.directory, name));
  writeFileSync(
    config,
    `version = 2
root = "${own.directory}/root"
state = "${own.directory}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
address = "${socket}"
[ttrpc]
address = "${socket}.ttrpc"
`,
  );
  const ctr = (args: readonly string[], options?: RunOptions) =>
    own.run('ctr', ['--address', socket, ...args], options);
  own.daemon('containerd', ['--config', config], () => ctr(['version']).status === 0);
  must(ctr(['image', 'import', '--snapshotter', 'native', imageArchive(own.directory)]));
  const start = (flags: readonly string[], id: string, args: readonly string[], options?: RunOptions) =>
    ctr(['run', '--runc-binary', RUNTIME, '--snapshotter', 'native', ...flags, IMAGE, id, ...args], options);
  return { ...own, socket, ctr, start };
}

t.test('containerd runs containers with it', { skip }, async (t) => {
  const c = containerd(t);

  await t.test('--memory-limit and --cpus', { skip: needLimits() }, async (t) => {
    must(c.start(['--detach', '--memory-limit', '67108864', '--cpus', '0.5'], 'limited', ['sleep', '1000']));
    const read = (v1: string, v2: string) => {
      const file = ['/sys/fs/cgroup/memory', '/sys/fs/cgroup/cpu'].some(existsSync) ? v1 : v2;
      return readFileSync(join('/sys/fs/cgroup', file), 'utf8').trim();
    };
    t.equal(read('memory/default/limited/memory.limit_in_bytes', 'default/limited/memory.max'), '67108864');
    t.match(read('cpu/default/limited/cpu.cfs_quota_us', 'default/limited/cpu.max'), /^50000( 100000)?$/);
    must(c.ctr(['task', 'kill', '--signal', 'SIGKILL', 'limited']));
    t.ok(eventually(() => c.ctr(['task', 'rm', 'limited']).status === 0));
    must(c.ctr(['container', 'rm', 'limited']));
  });

  await t.test('run: output, exit status', async (t) => {
    t.same(
      c.start(['--rm'], 'out', ['sh', '-c', 'echo out; echo err >&2']),
      { status: 0, stdout: 'out\n', stderr: 'err\n' },
      c.log(),
    );
    t.equal(c.start(['--rm'], 'status', ['sh', '-c', 'exit 7']).status, 7);
  });

  await t.test('a program that is missing is an error, and leaves no task', async (t) => {
    const result = c.start(['--rm'], 'missing', ['/no/such']);
    t.not(result.status, 0);
    t.match(result.stderr, /no such file or directory|executable file not found/);
    t.notMatch(c.ctr(['task', 'list']).stdout, /missing/);
    c.ctr(['container', 'delete', 'missing']);
  });

  await t.test('a detached task: list, exec, exec status, kill, delete', async (t) => {
    must(c.start(['--detach'], 'life', ['sleep', '1000']));
    t.match(c.ctr(['task', 'list']).stdout, /life +\d+ +RUNNING/);
    t.equal(must(c.ctr(['task', 'exec', '--exec-id', 'e1', 'life', 'echo', 'inside'])).stdout, 'inside\n');
    t.equal(c.ctr(['task', 'exec', '--exec-id', 'e2', 'life', 'sh', '-c', 'exit 9']).status, 9);
    must(c.ctr(['task', 'kill', '--signal', 'SIGKILL', 'life']));
    t.ok(eventually(() => /life +\d+ +STOPPED/.test(c.ctr(['task', 'list']).stdout)));
    must(c.ctr(['task', 'delete', 'life']));
    must(c.ctr(['container', 'delete', 'life']));
  });

  const noPs = /\bps\b/.test(c.run(RUNTIME, ['--help']).stdout) ? false : 'the runtime has no verb ps';
  await t.test('the processes of a task', { skip: noPs }, async (t) => {
    must(c.start(['--detach'], 'ps', ['sleep', '1000']));
    t.match(c.ctr(['task', 'ps', 'ps']).stdout, /\d+/);
    must(c.ctr(['task', 'kill', '--signal', 'SIGKILL', 'ps']));
    t.ok(eventually(() => /ps +\d+ +STOPPED/.test(c.ctr(['task', 'list']).stdout)));
    must(c.ctr(['task', 'delete', 'ps']));
  });

  await t.test('pause, resume, metrics', async (t) => {
    must(c.start(['--detach'], 'held', ['sleep', '1000']));
    must(c.ctr(['task', 'pause', 'held']));
    t.match(c.ctr(['task', 'list']).stdout, /held +\d+ +PAUSED/);
    must(c.ctr(['task', 'resume', 'held']));
    t.match(c.ctr(['task', 'list']).stdout, /held +\d+ +RUNNING/);
    t.match(must(c.ctr(['task', 'metrics', 'held'])).stdout, /held/);
    must(c.ctr(['task', 'kill', '--all', '--signal', 'SIGKILL', 'held']));
    t.ok(eventually(() => /held +\d+ +STOPPED/.test(c.ctr(['task', 'list']).stdout)));
    must(c.ctr(['task', 'delete', 'held']));
    must(c.ctr(['container', 'delete', 'held']));
  });

  await t.test('a terminal', async (t) => {
    const command = `ctr --address ${c.socket} run --rm --tty --runc-binary ${RUNTIME} --snapshotter native ${IMAGE} tty sh -c 'test -t 0 && echo is-tty'`;
    t.match(c.onTerminal(command).stdout, /is-tty/);
  });

  await t.test('standard input', async (t) => {
    // It stays open, because this ctr loses the end of an input that comes before the task runs, whatever the runtime.
    const command = `ctr --address ${c.socket} run --rm --runc-binary ${RUNTIME} --snapshotter native ${IMAGE} stdin head -n 1`;
    const result = c.run('sh', ['-c', `mkfifo held; exec 3<>held; echo through the fifo >&3; exec ${command} <&3`]);
    t.equal(result.stdout, 'through the fifo\n');
  });

  await t.test('twenty at once', async (t) => {
    const ids = Array.from({ length: 20 }, (_, i) => `many-${i}`);
    const outputs = await Promise.all(ids.map((id) => runAsync(c, id)));
    t.same(
      outputs,
      ids.map((id) => `0 ${id}\n`),
    );
    t.equal(c.ctr(['task', 'list', '--quiet']).stdout, '');
  });
});

function runAsync(c: Containerd, id: string): Promise<string> {
  const args = [
    '--address',
    c.socket,
    'run',
    '--rm',
    '--runc-binary',
    RUNTIME,
    '--snapshotter',
    'native',
    IMAGE,
    id,
    'echo',
    id,
  ];
  const child = spawn('ctr', args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 90_000 });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  return new Promise((resolve) => child.on('close', (code) => resolve(`${code} ${output}`)));
}

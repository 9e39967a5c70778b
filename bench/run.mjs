// npm run bench: tsrun beside the runtimes that are installed. Every round asks each of them once, one after the other, so
// that all see the same machine; only ratios within a run mean something. Needs root and a C compiler.
//   -n ROUNDS   (default 30)
//
// The runtimes run in a mount namespace where /sys/fs/cgroup is cgroup v2 alone, so that all take the same way.
// Prints a table in markdown.
import { spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { capture, cleanEnv, fail, hasCommand, ROOT } from '../scripts/lib/run.mjs';

const PRIVATE =
  'mount --make-rprivate / && umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && exec "$@"';
const ROWS = ['create', 'start', 'state', 'exec', 'kill', 'delete', 'create+start+state+delete', 'run'];
const MEMORY = ['init of a created container', 'stays of a foreground run', 'peak of create'];

const rounds = parse(process.argv.slice(2));
if (process.getuid() !== 0) fail('bench: needs root');
if (process.env.BENCH_PRIVATE !== '1') becomePrivate();

const work = mkdtempSync(join(tmpdir(), 'tsrun-bench-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));
const MEASURE = join(work, 'measure');
const built = capture('cc', ['-O2', '-static', '-o', MEASURE, fileURLToPath(new URL('measure.c', import.meta.url))]);
if (built.status !== 0) fail(`bench: ${built.stderr}`);
const LONG = makeBundle('long', ['sleep', '1000']);
const SHORT = makeBundle('short', ['true']);

const tsrun = join(ROOT, 'bin/tsrun');
const runtimes = [
  { name: 'tsrun', path: tsrun, env: { TSRUN_CACHE: join(work, 'cache') } },
  { name: 'tsrun, cold', path: tsrun, env: { TSRUN_CACHE: 'off' } },
  ...['crun', 'runc', 'youki'].filter(hasCommand).map((name) => ({ name, path: pathOf(name), env: {} })),
].map((runtime, i) => ({ ...runtime, root: join(work, `root${i}`), times: {}, memory: {} }));

for (let i = -2; i < rounds; i++) for (const runtime of runtimes) round(runtime, i);
for (const runtime of runtimes) for (let i = 0; i < 5; i++) await foreground(runtime, i);
process.stdout.write(table());

/** The life of one container. Rounds before the first warm up. */
function round(runtime, i) {
  const id = `bench-${process.pid}-${runtimes.indexOf(runtime)}-${i + 2}`;
  const at = (name, ...args) => {
    const { ms, peak } = measure(runtime, args);
    if (i >= 0) push(runtime.times, name, ms);
    if (i >= 0) push(runtime.memory, `peak of ${name}`, peak);
    return ms;
  };
  let life = at('create', 'create', '--bundle', LONG, id);
  const pid = JSON.parse(spawnSync(runtime.path, ['--root', runtime.root, 'state', id]).stdout).pid;
  if (i >= 0) push(runtime.memory, 'init of a created container', residentOf(pid));
  life += at('start', 'start', id);
  life += at('state', 'state', id);
  at('exec', 'exec', id, '/bin/true');
  at('kill', 'kill', id, 'KILL');
  untilEnded(pid);
  life += at('delete', 'delete', id);
  if (i >= 0) push(runtime.times, 'create+start+state+delete', life);
  at('run', 'run', '--bundle', SHORT, `${id}r`);
}

async function foreground(runtime, i) {
  const id = `bench-${process.pid}-${runtimes.indexOf(runtime)}-f${i}`;
  const env = { ...cleanEnv(), ...runtime.env };
  const child = spawn(runtime.path, ['--root', runtime.root, 'run', '--bundle', LONG, id], { stdio: 'ignore', env });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const running = () => /"running"/.test(spawnSync(runtime.path, ['--root', runtime.root, 'state', id]).stdout);
  while (!running()) await new Promise((resolve) => setTimeout(resolve, 50));
  await new Promise((resolve) => setTimeout(resolve, 300)); // what is left of the start
  push(runtime.memory, 'stays of a foreground run', residentOf(child.pid));
  spawnSync(runtime.path, ['--root', runtime.root, 'kill', id, 'KILL']);
  await ended;
}

function measure(runtime, args) {
  const env = { ...cleanEnv(), ...runtime.env };
  const words = [runtime.path, '--root', runtime.root, ...args];
  // Files, not pipes: a container keeps them open, and whoever waits for the end of a pipe waits for the container.
  const [answer, errors] = [join(work, 'answer'), join(work, 'errors')];
  const files = [openSync(errors, 'w'), openSync(answer, 'w')];
  spawnSync(MEASURE, words, { env, stdio: ['ignore', 'ignore', ...files] });
  for (const file of files) closeSync(file);
  const [ns, peak, status] = readFileSync(answer, 'utf8').split(' ').map(Number);
  if (status !== 0) fail(`bench: ${runtime.name} ${args.join(' ')}: ${readFileSync(errors, 'utf8').trim()}`);
  return { ms: ns / 1e6, peak };
}

function residentOf(pid) {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

function untilEnded(pid) {
  const alive = () => {
    try {
      return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
    } catch {
      return false;
    }
  };
  while (alive()) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
}

/** Medians, with the spread of the middle half, and as a multiple of the first runtime's. */
function table() {
  const names = runtimes.map(({ name }) => name);
  const head = ['median, ms (middle half)', ...names];
  const lines = ROWS.map((row) => [row, ...cells(row, 'times', timeText)]);
  const memory = MEMORY.map((row) => [`${row}, kB`, ...cells(row, 'memory', ({ median }) => String(median))]);
  const rows = [head, head.map(() => '---'), ...lines, ...memory];
  return rows.map((row) => `| ${row.join(' | ')} |\n`).join('');
}

function cells(row, kind, text) {
  const base = quartiles(runtimes[0][kind][row] ?? []);
  return runtimes.map((runtime, i) => {
    const found = quartiles(runtime[kind][row] ?? []);
    const factor = i === 0 ? '' : `, ${(found.median / base.median).toFixed(2)}×`;
    return `${text(found)}${factor}`;
  });
}

function timeText({ low, median, high }) {
  return `${median.toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)})`;
}

function quartiles(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (part) => sorted[Math.floor((sorted.length - 1) * part)] ?? Number.NaN;
  return { low: at(0.25), median: at(0.5), high: at(0.75) };
}

function push(table, name, value) {
  table[name] = [...(table[name] ?? []), value];
}

/** What `tsrun spec` writes, without terminal and without device rules (crun 1.8 cannot load any everywhere). */
function makeBundle(name, args) {
  const path = join(work, name);
  const rootfs = join(path, 'rootfs');
  for (const directory of ['bin', 'dev', 'etc', 'proc', 'sys', 'tmp'])
    mkdirSync(join(rootfs, directory), { recursive: true });
  copyFileSync(pathOf('busybox'), join(rootfs, 'bin/busybox'));
  for (const applet of ['sh', 'true', 'sleep']) symlinkSync('busybox', join(rootfs, 'bin', applet));
  const made = capture(join(ROOT, 'bin/tsrun'), ['spec', '--bundle', path]);
  if (made.status !== 0) fail(`bench: tsrun spec: ${made.stderr}`);
  const config = JSON.parse(readFileSync(join(path, 'config.json'), 'utf8'));
  config.process.terminal = false;
  config.process.args = args;
  delete config.linux.resources;
  config.ociVersion = '1.0.2'; // crun 1.8 knows no later one
  writeFileSync(join(path, 'config.json'), JSON.stringify(config));
  return path;
}

function pathOf(name) {
  return capture('sh', ['-c', `command -v ${name}`]).stdout.trim();
}

function becomePrivate() {
  const self = [process.execPath, fileURLToPath(import.meta.url), '-n', String(rounds)];
  const env = cleanEnv({ BENCH_PRIVATE: '1' });
  const { status } = spawnSync('unshare', ['-m', 'sh', '-c', PRIVATE, 'sh', ...self], { stdio: 'inherit', env });
  process.exit(status ?? 1);
}

function parse(args) {
  if (args.length === 0) return 30;
  if (args.length === 2 && args[0] === '-n' && Number(args[1]) > 0) return Number(args[1]);
  return fail('bench: the only option is -n ROUNDS', 2);
}

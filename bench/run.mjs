// npm run bench: tsrun beside the runtimes that are installed. Every round asks each of them once, one after the other, so
// that all see the same machine; only ratios within a run mean something. Needs root, a C compiler and busybox.
//   -n ROUNDS   (default 30)
//   --print     print the tables only; else they go into bench/RESULTS.md, with a chart in bench/results.svg
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { capture, cleanEnv, fail, hasCommand, ROOT } from '../scripts/lib/run.mjs';
import { addMounts, addRules, makeBundle, makeProcess, pathOf } from './lib/bundles.mjs';
import { becomePrivate } from './lib/private.mjs';
import { chart, machine, table } from './lib/report.mjs';

const AT_ONCE = 64;
const IN_SEQUENCE = 1000;
const MANY = 100;

const { rounds, print } = parse();
if (process.getuid() !== 0) fail('bench: needs root');
becomePrivate(fileURLToPath(import.meta.url));

const work = mkdtempSync('/run/tsrun-bench-');
process.on('exit', () => rmSync(work, { recursive: true, force: true }));
const MEASURE = build('measure');
const LIMIT = build('limit');
const LONG = makeBundle(work, 'long', ['sleep', '1000']);
const PROCESS = makeProcess(LONG, ['/bin/true']);
const SHORT = makeBundle(work, 'short', ['true']);
const GROWN = {
  '64 mounts more': makeBundle(work, 'mounts', ['true'], addMounts(64)),
  'a filter of 300 rules': makeBundle(work, 'rules', ['true'], addRules(300)),
};

const tsrun = join(ROOT, 'bin/tsrun');
const runtimes = [
  { name: 'tsrun', path: tsrun, env: { TSRUN_CACHE: join(work, 'cache') } },
  { name: 'tsrun, cold', path: tsrun, env: { TSRUN_CACHE: 'off' } },
  ...['crun', 'runc', 'youki'].filter(hasCommand).map((name) => ({ name, path: pathOf(name), env: {} })),
].map((runtime, i) => ({ ...runtime, root: join(work, `root${i}`) }));
const names = runtimes.map(({ name }) => name);
const columns = [...names, 'bare C'];

/** Row → column → values. */
const times = {};
const cpu = {};
const instructions = {};
const memory = {};
const rates = {};
const growth = {};

let serial = 0;
const newId = () => `bench-${process.pid}-${++serial}`;

for (let i = -2; i < rounds; i++) {
  for (const runtime of runtimes) life(runtime, i >= 0);
  limit(i >= 0);
}
for (let i = 0; i < 5; i++) for (const runtime of runtimes) await foreground(runtime);
for (let i = 0; i < 3; i++) for (const runtime of runtimes) await together(runtime);
for (const runtime of runtimes) inSequence(runtime);
for (let i = -1; i < Math.max(3, rounds / 3); i++) for (const runtime of runtimes) grow(runtime, i >= 0);
besideMany();
report();

/** The life of one container. */
function life(runtime, counts) {
  const id = newId();
  const at = (name, ...args) => {
    const taken = measure(runtime, args);
    if (!counts) return taken.ms;
    push(times, name, runtime.name, taken.ms);
    push(cpu, name, runtime.name, taken.cpu);
    if (taken.instructions > 0) push(instructions, name, runtime.name, taken.instructions);
    if (name === 'create') push(memory, 'peak of create', runtime.name, taken.peak);
    return taken.ms;
  };
  let sum = at('create', 'create', '--bundle', LONG, id);
  const { pid } = stateOf(runtime, id);
  if (counts) push(memory, 'init of a created container', runtime.name, residentOf(pid));
  sum += at('start', 'start', id);
  sum += at('state', 'state', id);
  at('exec', 'exec', id, '/bin/true');
  at('exec --process', 'exec', '--process', PROCESS, id);
  at('ps --format json', 'ps', '--format', 'json', id);
  at('kill', 'kill', id, 'KILL');
  untilEnded(pid);
  sum += at('delete', 'delete', id);
  if (counts) push(times, 'create+start+state+delete', runtime.name, sum);
  at('run', 'run', '--bundle', SHORT, newId());
}

/** The kernel's own price. */
function limit(counts) {
  const words = [join(SHORT, 'rootfs'), `/sys/fs/cgroup/${newId()}`, '/bin/true'];
  const taken = measure({ name: 'bare C', path: LIMIT, env: {} }, words);
  if (!counts) return;
  push(times, 'run', 'bare C', taken.ms);
  push(cpu, 'run', 'bare C', taken.cpu);
}

async function foreground(runtime) {
  const id = newId();
  const words = ['--root', runtime.root, 'run', '--bundle', LONG, id];
  const child = spawn(runtime.path, words, { stdio: 'ignore', env: envOf(runtime) });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  while (stateOf(runtime, id)?.status !== 'running') await new Promise((resolve) => setTimeout(resolve, 50));
  await new Promise((resolve) => setTimeout(resolve, 300)); // what is left of the start
  push(memory, 'stays of a foreground run', runtime.name, residentOf(child.pid));
  spawnSync(runtime.path, ['--root', runtime.root, 'kill', id, 'KILL']);
  await ended;
}

async function together(runtime) {
  const begin = performance.now();
  const words = () => ['--root', runtime.root, 'run', '--bundle', SHORT, newId()];
  const all = Array.from({ length: AT_ONCE }, () => {
    const child = spawn(runtime.path, words(), { stdio: 'ignore', env: envOf(runtime) });
    return new Promise((resolve) => child.once('exit', resolve));
  });
  const failed = (await Promise.all(all)).filter((status) => status !== 0).length;
  if (failed > 0) process.stderr.write(`bench: ${runtime.name}: ${failed} of ${AT_ONCE} at once failed\n`);
  push(rates, `${AT_ONCE} at once`, runtime.name, ((AT_ONCE - failed) * 1000) / (performance.now() - begin));
}

function inSequence(runtime) {
  const count = runtime.name.endsWith('cold') ? IN_SEQUENCE / 10 : IN_SEQUENCE;
  const begin = performance.now();
  for (let i = 0; i < count; i++) measure(runtime, ['run', '--bundle', SHORT, newId()]);
  push(rates, `${IN_SEQUENCE} in sequence`, runtime.name, (count * 1000) / (performance.now() - begin));
}

function grow(runtime, counts) {
  for (const [row, bundle] of Object.entries(GROWN)) {
    const { ms } = measure(runtime, ['run', '--bundle', bundle, newId()]);
    if (counts) push(growth, `run, ${row}`, runtime.name, ms);
  }
}

/** Each beside as many containers of its own. */
function besideMany() {
  for (const runtime of runtimes) {
    const ids = Array.from({ length: MANY }, newId);
    for (const id of ids) measure(runtime, ['create', '--bundle', LONG, id]);
    for (let i = 0; i < Math.max(3, rounds / 3); i++) {
      const row = (name, args) =>
        push(growth, `${name}, beside ${MANY} containers`, runtime.name, measure(runtime, args).ms);
      row('run', ['run', '--bundle', SHORT, newId()]);
      row('list', ['list', '-q']);
    }
    for (const id of ids) spawnSync(runtime.path, ['--root', runtime.root, 'delete', '--force', id]);
  }
}

function envOf(runtime) {
  return { ...cleanEnv(), ...runtime.env };
}

function measure(runtime, args) {
  const words = runtime.root === undefined ? args : ['--root', runtime.root, ...args];
  // Files, not pipes: a container keeps them open, and whoever waits for the end of a pipe waits for the container.
  const [answer, errors] = [join(work, 'answer'), join(work, 'errors')];
  const files = [openSync(errors, 'w'), openSync(answer, 'w')];
  spawnSync(MEASURE, [runtime.path, ...words], { env: envOf(runtime), stdio: ['ignore', 'ignore', ...files] });
  for (const file of files) closeSync(file);
  const [ns, peak, status, us, instructions] = readFileSync(answer, 'utf8').split(' ').map(Number);
  if (status !== 0) fail(`bench: ${runtime.name} ${args.join(' ')}: ${status} ${readFileSync(errors, 'utf8').trim()}`);
  return { ms: ns / 1e6, peak, cpu: us / 1e3, instructions: instructions / 1e6 };
}

function stateOf(runtime, id) {
  const { stdout } = spawnSync(runtime.path, ['--root', runtime.root, 'state', id], { encoding: 'utf8' });
  return stdout === '' ? undefined : JSON.parse(stdout);
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

function push(results, row, column, value) {
  results[row] ??= {};
  results[row][column] ??= [];
  results[row][column].push(value);
}

function report() {
  const tables = [
    table('time', times, columns, 'ms'),
    table('CPU time', cpu, columns, 'ms'),
    ...countedTable(),
    table('containers', rates, names, 'per second'),
    table('growth', growth, names, 'ms'),
    table('memory', memory, names, 'kB'),
  ].join('\n');
  process.stdout.write(tables);
  if (print) return;
  const how = `${rounds} rounds on ${machine()}. Medians (middle half), and as a multiple of tsrun with its plan cached.`;
  const text = `# Results of npm run bench\n\n${how}\n\n![time, as a multiple of tsrun's](results.svg)\n\n${tables}`;
  writeFileSync(join(ROOT, 'bench/RESULTS.md'), text);
  writeFileSync(join(ROOT, 'bench/results.svg'), chart(times, columns));
}

function countedTable() {
  const some = Object.keys(instructions).length > 0;
  return [
    some ? table('instructions', instructions, names, 'millions') : 'No instructions are counted on this machine.\n',
  ];
}

function build(name) {
  const program = join(work, name);
  const source = fileURLToPath(new URL(`${name}.c`, import.meta.url));
  const built = capture('cc', ['-O2', '-static', '-o', program, source]);
  if (built.status !== 0) fail(`bench: ${built.stderr}`);
  return program;
}

function parse() {
  const options = { rounds: { type: 'string', short: 'n', default: '30' }, print: { type: 'boolean', default: false } };
  try {
    const { values } = parseArgs({ options });
    if (Number(values.rounds) > 0) return { rounds: Number(values.rounds), print: values.print };
  } catch {
    // the same answer
  }
  return fail('bench: the only options are -n ROUNDS and --print', 2);
}

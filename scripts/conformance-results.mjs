// npm run conformance:results: runs the suite on tsrun, runc and crun, on this host, in user-mode Linux and in QEMU, and
// writes conformance/RESULTS.md.
//   npm run conformance:results -- [--on host,uml,qemu] [--runtime tsrun,runc,crun] [--filter TEXT]... [--write]
// Reports are kept in build/conformance: the table is made of all that are there, so a part can be run again by itself;
// with --filter its cases replace those of the report that is there or are added, and --write runs nothing. A report of an older set of cases is refused.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bundleConformance } from './lib/conformance.mjs';
import { printResults } from './lib/results.mjs';
import { cleanEnv, fail, ROOT, run } from './lib/run.mjs';
import { runVm, vmMissing } from './vm.mjs';

const REPORTS = join(ROOT, 'build/conformance');
const RUNTIMES = { tsrun: join(ROOT, 'bin/tsrun'), runc: 'runc', crun: 'crun' };
/** Seconds that an operation of a runtime may take: an emulated processor is slow. */
const DEADLINES = { host: 30, uml: 120, qemu: 120 };
const HOURS = 3;
const ABOUT = {
  host: 'controllers are bound to cgroup v1; crun, which refuses that, in a mount namespace with cgroup v2 alone, which has hardly any controller here (`--cgroup2-only`)',
  uml: 'user-mode Linux, one processor',
  qemu: 'a Debian with systemd in QEMU',
};

const { values } = parseArgs({
  options: {
    on: { type: 'string', default: 'host,uml,qemu' },
    runtime: { type: 'string', default: 'tsrun,runc,crun' },
    filter: { type: 'string', multiple: true, default: [] },
    write: { type: 'boolean', default: false },
  },
});
const places = pick('on', values.on, DEADLINES);
const runtimes = pick('runtime', values.runtime, RUNTIMES);

const { ALL_CASES } = createRequire(import.meta.url)(await bundleConformance());
mkdirSync(REPORTS, { recursive: true });
if (!values.write) for (const place of places) for (const runtime of runtimes) await report(place, runtime);
write();

function pick(option, text, known) {
  const names = text.split(',');
  for (const name of names)
    if (!(name in known)) fail(`conformance:results: --${option}: '${name}' is none of ${Object.keys(known)}`, 2);
  return names;
}

/** Beside its place and renamed: a run that is stopped leaves the report of the one before. */
async function report(place, runtime) {
  const directory = mkdtempSync(join(tmpdir(), 'tsrun-results-'));
  const filters = values.filter.flatMap((text) => ['--filter', text]);
  const options = ['--runtime', RUNTIMES[runtime], '--report', 'json', ...filters];
  process.stdout.write(`${runtime} on ${place}: `);
  try {
    if (place === 'host') onHost(runtime, [...options, '--output', join(directory, 'report')]);
    else await inVm(place, directory, [...options, '--output', '/mnt/report']);
    const file = join(REPORTS, `${place}-${runtime}.json`);
    const made = { ...JSON.parse(readFileSync(join(directory, 'report'), 'utf8')), runtime, place };
    const known = filters.length > 0 && existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
    writeFileSync(join(REPORTS, 'new'), JSON.stringify(known ? replaceCases(known, made) : made));
    renameSync(join(REPORTS, 'new'), file);
  } catch (error) {
    process.stdout.write(`no report: ${error.message}\n`);
    process.exitCode = 1;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The cases that were run take the place of what was known of them, or are added: a column can be made in parts. */
function replaceCases(known, made) {
  const again = new Map(made.results.map((result) => [result.id, result]));
  const all = new Map([...known.results.map((result) => [result.id, result]), ...again]);
  const order = new Map(ALL_CASES.map(({ id }, index) => [id, index]));
  const results = [...all.values()].sort((a, b) => order.get(a.id) - order.get(b.id));
  const seconds = known.seconds + (known.results.some(({ id }) => again.has(id)) ? 0 : made.seconds);
  const count = (status) => results.filter((result) => result.status === status).length;
  return { ...known, seconds, results, passed: count('passed'), failed: count('failed'), skipped: count('skipped') };
}

function onHost(runtime, options) {
  const view = runtime === 'crun' ? ['--cgroup2-only'] : [];
  run(process.execPath, ['scripts/conformance.mjs', ...options, ...view], { env: cleanEnv() });
}

async function inVm(place, share, options) {
  const missing = vmMissing(place);
  if (missing) throw new Error(missing);
  const { stderr, status, console } = await runVm([process.execPath, 'scripts/conformance.mjs', ...options], {
    ...{ kernel: place, share, cwd: ROOT, timeout: HOURS * 3600 },
    env: { CONFORMANCE_DEADLINE: String(DEADLINES[place]) },
  });
  process.stdout.write(stderr);
  if (status > 1) throw new Error(`status ${status}: ${console.slice(-500)}`);
}

function write() {
  const known = new Set(ALL_CASES.map(({ id }) => id));
  const names = Object.keys(DEADLINES).flatMap((place) => Object.keys(RUNTIMES).map((name) => `${place}-${name}.json`));
  const there = readdirSync(REPORTS);
  const reports = names
    .filter((name) => there.includes(name))
    .map((name) => {
      const report = JSON.parse(readFileSync(join(REPORTS, name), 'utf8'));
      const old = report.results.find(({ id }) => !known.has(id));
      if (old) fail(`conformance:results: ${name} has the case ${old.id}, which is no more: run that part again`);
      return { ...report, name: nameOf(report), about: ABOUT[report.place] };
    });
  if (reports.length === 0) fail('conformance:results: there is no report');
  const lists = Object.fromEntries(reports.map(({ name }) => [name, expected(name)]));
  writeFileSync(join(ROOT, 'conformance/RESULTS.md'), printResults(reports, lists, known.size));
  process.stdout.write(`conformance/RESULTS.md: ${reports.length} reports\n`);
}

/** "crun-1.8.1": what the lists of deviations are called. tsrun has one list for what it is now. */
function nameOf({ runtime, version }) {
  if (runtime === 'tsrun') return runtime;
  return `${runtime}-${/\d+\.\d+\.\d+/.exec(version)?.[0] ?? 'unknown'}`;
}

function expected(name) {
  try {
    return JSON.parse(readFileSync(join(ROOT, `conformance/expected/${name}.json`), 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return [];
    throw error;
  }
}

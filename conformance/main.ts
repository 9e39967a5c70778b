/**
 * The command line: npm run conformance -- --runtime PATH, or tsrun conformance. Exit status 0 if no case failed, 1 if one
 * did, 2 for a mistake on the command line.
 */
import { existsSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ADAPTERS, parseSuite, runSuiteOfOthers, type SuiteRequest } from './adapters/index.js';
import { AREAS, REQUIREMENTS } from './cases/index.js';
import { LEFTOVER_IDS, leftovers } from './cases/leftovers.js';
import { closeBench, findRuntime, openBench } from './harness/bench.js';
import { printCoverage } from './harness/coverage.js';
import { compare, parseDeviations } from './harness/expected.js';
import { describeHost, holds, needProblem } from './harness/host.js';
import { removeLeft } from './harness/leaks.js';
import { CannotRun, type Result } from './harness/model.js';
import { count, FORMATS, type Format, printReport } from './harness/report.js';
import { casesOf, type RunOptions, runAreas } from './harness/run.js';
import { versionOf } from './harness/runtime.js';
import { rerunWithCgroup2Only } from './harness/view.js';

export const USAGE = `usage: conformance --runtime PATH [options]

Runs the conformance suite of the OCI runtime specification on a runtime, by its command line alone. Needs root.

  --runtime PATH        the runtime; a name without a slash is looked for on PATH
  --filter TEXT         only cases whose id begins with TEXT or contains it; may be repeated
  --report FORMAT       ${FORMATS.join(', ')} (default: tap)
  --output FILE         write the report there instead of to standard output
  --global-args TEXT    options before the command; {root} is a directory of the suite (default: "--root {root}")
  --jobs N              containers at a time (default: 4)
  --cgroup2-only        run where /sys/fs/cgroup is cgroup v2 alone, in a mount namespace of the suite; for a host that has
                        v1 beside it and a runtime that refuses that, as crun 1.8 does
  --probe FILE          the compiled program of conformance/probe
  --expected FILE       a list of cases that are known to fail, with reasons: [{"case", "reason", "on"?, "sometimes"?}];
                        the run fails if another fails, or one of them does not
  --suite NAME=PATH     run the suite of others that lies there instead, and report it the same way; --filter is for its
                        programs or files. NAME: ${Object.keys(ADAPTERS).join(', ')}
  --timeout SECONDS     for each program or file of such a suite (default: 900)
  --coverage            print the table of requirements and cases and end
  --list                print the ids of the cases and end
`;

const OPTIONS = {
  runtime: { type: 'string' },
  filter: { type: 'string', multiple: true },
  report: { type: 'string', default: 'tap' },
  output: { type: 'string' },
  'global-args': { type: 'string', default: '--root {root}' },
  jobs: { type: 'string', default: '4' },
  'cgroup2-only': { type: 'boolean', default: false },
  probe: { type: 'string' },
  expected: { type: 'string' },
  suite: { type: 'string' },
  timeout: { type: 'string', default: '900' },
  coverage: { type: 'boolean', default: false },
  list: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** Every case, also those that the whole run is. */
export const ALL_CASES = [
  ...AREAS.flatMap(casesOf),
  ...LEFTOVER_IDS.map((id) => ({ id, requirement: 'delete.undoes' })),
];

export interface Defaults {
  readonly probe: string;
  readonly runtime?: string;
}

/** Returns the exit status. */
export async function main(argv: readonly string[], defaults: Defaults): Promise<number> {
  let values: ReturnType<typeof parse>;
  try {
    values = parse(argv);
  } catch (error) {
    return usageError(error instanceof Error ? error.message : String(error));
  }
  if (values.help) return print(USAGE, 0);
  if (values.list)
    return print(
      `${AREAS.flatMap(casesOf)
        .map(({ id }) => id)
        .join('\n')}\n`,
      0,
    );
  if (values.coverage) return deliver(printCoverage(REQUIREMENTS, ALL_CASES), values.output);
  const runtime = values.runtime ?? defaults.runtime;
  if (runtime === undefined) return usageError('--runtime is missing');
  const format = FORMATS.find((name) => name === values.report);
  if (format === undefined) return usageError(`--report: '${values.report}' is none of ${FORMATS.join(', ')}`);
  const others = values.suite === undefined ? undefined : parseSuite(values.suite);
  if (typeof others === 'string') return usageError(`--suite: ${others}`);
  const timeout = Number(values.timeout);
  if (!(timeout > 0)) return usageError(`--timeout: '${values.timeout}' is no number of seconds`);
  const probe = resolve(values.probe ?? defaults.probe);
  if (!existsSync(probe)) return usageError(`--probe: ${probe} does not exist: run npm run build:native`);
  const missing = needProblem('root');
  if (missing !== undefined) return usageError(missing);
  const elsewhere = values['cgroup2-only'] ? rerunWithCgroup2Only() : undefined;
  if (elsewhere !== undefined) return elsewhere;
  try {
    return await runSuite({ ...values, runtime, probe, format, timeout, others });
  } catch (error) {
    if (error instanceof CannotRun) return usageError(error.message, error.status);
    throw error;
  }
}

function parse(argv: readonly string[]) {
  return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: false }).values;
}

/** All of it, before the caller ends the process: process.stdout would still hold what a full pipe does not take. */
function say(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(fd, bytes, done);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

function print(text: string, status: number): number {
  say(1, text);
  return status;
}

function usageError(text: string, status = 2): number {
  say(2, `conformance: ${text}\n`);
  return status;
}

export interface SuiteOptions {
  readonly runtime: string;
  readonly probe: string;
  readonly format: Format;
  readonly 'global-args': string;
  readonly jobs: string;
  readonly filter?: string[] | undefined;
  readonly others?: SuiteRequest | undefined;
  readonly timeout?: number;
  readonly output?: string | undefined;
  readonly expected?: string | undefined;
}

async function runSuite(options: SuiteOptions): Promise<number> {
  const begin = Date.now();
  const results = options.others === undefined ? await collect(options) : await collectOthers(options, options.others);
  const seconds = (Date.now() - begin) / 1000;
  const requirements = new Map(REQUIREMENTS.map((one) => [one.id, one]));
  const what = { runtime: options.runtime, version: await versionOf(options.runtime), host: describeHost() };
  deliver(printReport(options.format, { ...what, results, requirements, seconds }), options.output);
  const { passed, failed, skipped } = count(results);
  say(2, `${passed} passed, ${failed} failed, ${skipped} skipped (${seconds.toFixed(0)} s)\n`);
  // Who refuses everything refuses also what must be refused.
  if (results.some(({ id, status }) => id === 'create.status' && status === 'failed'))
    say(
      2,
      'create.status failed: the usual container cannot be made here, and cases that want an error show nothing\n',
    );
  if (options.expected === undefined) return failed === 0 ? 0 : 1;
  const list = parseDeviations(readFileSync(options.expected, 'utf8'));
  const { unexpected, stale } = compare(results, list, holds);
  for (const { id, detail } of unexpected) say(2, `not expected to fail: ${id}: ${detail}\n`);
  for (const { case: name } of stale) say(2, `expected to fail, but does not: ${name}\n`);
  return unexpected.length + stale.length === 0 ? 0 : 1;
}

function deliver(text: string, output: string | undefined): number {
  if (output === undefined) say(1, text);
  else writeFileSync(output, text);
  return 0;
}

const wanted =
  ({ filter = [''] }: Pick<SuiteOptions, 'filter'>) =>
  (id: string): boolean =>
    filter.some((text) => id.includes(text));

function collectOthers(options: SuiteOptions, request: SuiteRequest): Promise<readonly Result[]> {
  const { timeout = 900 } = options;
  return runSuiteOfOthers(request, { runtime: findRuntime(options.runtime), wants: wanted(options), timeout });
}

/** The first signal ends the run once the containers under way are removed, the second at once. */
function watchSignals() {
  let seen: NodeJS.Signals | undefined;
  const note = (signal: NodeJS.Signals): void => {
    seen ??= signal;
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of signals) process.once(name, note);
  const release = (): void => {
    for (const name of signals) process.off(name, note);
  };
  return { seen: () => seen, release };
}

/** In the order of the cases, whatever ran first. */
export async function collect(
  options: Omit<SuiteOptions, 'format'>,
  until?: RunOptions['until'],
): Promise<readonly Result[]> {
  const bench = openBench({ ...options, globalArgs: options['global-args'] });
  const results: Result[] = [];
  const wants = wanted(options);
  const signal = watchSignals();
  try {
    const onResult = (result: Result) => results.push(result);
    const over = (result: Result) => signal.seen() !== undefined || until?.(result) === true;
    await runAreas(bench, AREAS, { wants, jobs: Number(options.jobs), onResult, until: over });
    const stopped = signal.seen();
    if (stopped !== undefined) throw new CannotRun(`stopped by ${stopped}`, 128 + constants.signals[stopped]);
    results.push(...leftovers(bench).filter(({ id }) => wants(id)));
  } finally {
    for (const left of await removeLeft([bench.mark])) say(2, `conformance: stays: ${left}\n`);
    signal.release();
    closeBench(bench);
  }
  const order = new Map(AREAS.flatMap(casesOf).map(({ id }, index) => [id, index]));
  const place = ({ id }: Result): number => order.get(id) ?? order.size;
  return results.sort((a, b) => place(a) - place(b));
}

/**
 * The command line: npm run conformance -- --runtime PATH, or tsrun conformance. Exit status 0 if no case failed, 1 if one
 * did, 2 for a mistake on the command line.
 */
import { existsSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { AREAS, REQUIREMENTS } from './cases/index.js';
import { LEFTOVER_IDS, leftovers } from './cases/leftovers.js';
import { closeBench, openBench } from './harness/bench.js';
import { cgroupVersion } from './harness/cgroup.js';
import { printCoverage } from './harness/coverage.js';
import { compare, parseDeviations } from './harness/expected.js';
import { needProblem } from './harness/host.js';
import type { Result } from './harness/model.js';
import { count, FORMATS, type Format, printReport } from './harness/report.js';
import { casesOf, runAreas } from './harness/run.js';

export const USAGE = `usage: conformance --runtime PATH [options]

Runs the conformance suite of the OCI runtime specification on a runtime, by its command line alone. Needs root.

  --runtime PATH        the runtime; a name without a slash is looked for on PATH
  --filter TEXT         only cases whose id begins with TEXT or contains it; may be repeated
  --report FORMAT       ${FORMATS.join(', ')} (default: tap)
  --output FILE         write the report there instead of to standard output
  --global-args TEXT    options before the command; {root} is a directory of the suite (default: "--root {root}")
  --jobs N              containers at a time (default: 2)
  --probe FILE          the compiled program of conformance/probe
  --expected FILE       a list of cases that are known to fail, with reasons: [{"case", "reason", "on"?: "v1"|"v2"}];
                        the run fails if another fails, or one of them does not
  --coverage            print the table of requirements and cases and end
  --list                print the ids of the cases and end
`;

const OPTIONS = {
  runtime: { type: 'string' },
  filter: { type: 'string', multiple: true },
  report: { type: 'string', default: 'tap' },
  output: { type: 'string' },
  'global-args': { type: 'string', default: '--root {root}' },
  jobs: { type: 'string', default: '2' },
  probe: { type: 'string' },
  expected: { type: 'string' },
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
  const probe = resolve(values.probe ?? defaults.probe);
  if (!existsSync(probe)) return usageError(`--probe: ${probe} does not exist: run npm run build:native`);
  const missing = needProblem('root');
  if (missing !== undefined) return usageError(missing);
  return runSuite({ ...values, runtime, probe, format });
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

function usageError(text: string): number {
  say(2, `conformance: ${text}\n`);
  return 2;
}

export interface SuiteOptions {
  readonly runtime: string;
  readonly probe: string;
  readonly format: Format;
  readonly 'global-args': string;
  readonly jobs: string;
  readonly filter?: string[] | undefined;
  readonly output?: string | undefined;
  readonly expected?: string | undefined;
}

async function runSuite(options: SuiteOptions): Promise<number> {
  const begin = Date.now();
  const results = await collect(options);
  const seconds = (Date.now() - begin) / 1000;
  const requirements = new Map(REQUIREMENTS.map((one) => [one.id, one]));
  deliver(printReport(options.format, { runtime: options.runtime, results, requirements, seconds }), options.output);
  const { passed, failed, skipped } = count(results);
  say(2, `${passed} passed, ${failed} failed, ${skipped} skipped (${seconds.toFixed(0)} s)\n`);
  if (options.expected === undefined) return failed === 0 ? 0 : 1;
  const list = parseDeviations(readFileSync(options.expected, 'utf8'));
  const { unexpected, stale } = compare(results, list, cgroupVersion());
  for (const { id, detail } of unexpected) say(2, `not expected to fail: ${id}: ${detail}\n`);
  for (const { case: name } of stale) say(2, `expected to fail, but does not: ${name}\n`);
  return unexpected.length + stale.length === 0 ? 0 : 1;
}

function deliver(text: string, output: string | undefined): number {
  if (output === undefined) say(1, text);
  else writeFileSync(output, text);
  return 0;
}

/** In the order of the cases, whatever ran first. */
export async function collect(options: Omit<SuiteOptions, 'format'>): Promise<readonly Result[]> {
  const bench = openBench({ ...options, globalArgs: options['global-args'] });
  const results: Result[] = [];
  const filters = options.filter ?? [''];
  const wants = (id: string): boolean => filters.some((filter) => id.includes(filter));
  try {
    await runAreas(bench, AREAS, { wants, jobs: Number(options.jobs), onResult: (result) => results.push(result) });
    results.push(...leftovers(bench).filter(({ id }) => wants(id)));
  } finally {
    closeBench(bench);
  }
  const order = new Map(AREAS.flatMap(casesOf).map(({ id }, index) => [id, index]));
  const place = ({ id }: Result): number => order.get(id) ?? order.size;
  return results.sort((a, b) => place(a) - place(b));
}

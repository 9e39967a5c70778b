/**
 * The program of a mutant: node wrapper.mjs NAME RUNTIME [global options] OPERATION …. It calls the good runtime, having
 * changed the one thing that the mutant's name says.
 */
import { spawnSync } from 'node:child_process';
import { openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serialize } from '../harness/patch.js';
import { findMutant } from './index.js';
import type { Mutant, Operation } from './mutant.js';

const OPERATIONS: readonly string[] = ['create', 'start', 'state', 'kill', 'delete', 'features'];

interface Invocation {
  readonly runtime: string;
  readonly before: readonly string[];
  readonly operation: Operation;
  readonly args: readonly string[];
}

function run({ runtime, before }: Invocation, args: readonly string[], mutant: Mutant, capture: boolean) {
  const extra = mutant.leaks === true && args[0] === 'create' ? [openSync('/dev/null', 'r')] : [];
  const preserve = extra.length > 0 ? ['--preserve-fds', '1'] : [];
  const [operation = '', ...rest] = args;
  const stdio = ['inherit' as const, capture ? ('pipe' as const) : ('inherit' as const), 'inherit' as const, ...extra];
  return spawnSync(runtime, [...before, operation, ...preserve, ...rest], { stdio, encoding: 'utf8' });
}

/** config.json as the mutant reads it, while the runtime looks at it. */
function withConfig<T>(mutant: Mutant, args: readonly string[], step: () => T): T {
  const at = args.indexOf('--bundle');
  const path = join(args[at + 1] ?? '.', 'config.json');
  if (mutant.config === undefined || at < 0) return step();
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
    const config = JSON.parse(text);
    mutant.config(config);
    writeFileSync(path, serialize(config));
  } catch {
    return step(); // what cannot be read is the runtime's to refuse
  }
  try {
    return step();
  } finally {
    writeFileSync(path, text);
  }
}

function perform(mutant: Mutant, invocation: Invocation): number {
  const { operation } = invocation;
  const args = mutant.args === undefined ? invocation.args : mutant.args(operation, invocation.args);
  if (args === undefined) return 0;
  const change = mutant.output?.[operation];
  const done = withConfig(mutant, args, () => run(invocation, args, mutant, change !== undefined));
  if (change !== undefined && done.status === 0) {
    const document = JSON.parse(String(done.stdout));
    change(document);
    process.stdout.write(JSON.stringify(document));
  }
  const next = mutant.afterwards?.[operation];
  if (next !== undefined && done.status === 0) run(invocation, [next, args.at(-1) ?? ''], mutant, false);
  return mutant.swallows?.includes(operation) === true ? 0 : (done.status ?? 1);
}

const [name = '', runtime = '', ...argv] = process.argv.slice(2);
const at = argv.findIndex((arg) => OPERATIONS.includes(arg));
process.exitCode = perform(findMutant(name), {
  runtime,
  before: argv.slice(0, at),
  operation: argv[at] as Operation,
  args: argv.slice(at),
});

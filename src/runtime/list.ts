/**
 * list: the states of all containers below the root directory, which the executor reads and prints. One that cannot be
 * read is a warning, so that a corrupt record does not hide the others.
 */
import { ExecError, TsrunError } from '../errors.js';
import type { StatusRecord } from '../exec/channel.js';
import { callExecutor, judgeHandover, type Outcome } from '../exec/executor.js';
import type { FailureContext } from '../exec/failure.js';
import { describeErrno } from '../util/errno.js';
import { quote } from '../util/quote.js';
import { hostFacts, type Runtime } from './runtime.js';
import type { ContainerState } from './state.js';

export interface ListedContainer extends ContainerState {
  /** User name, or "#uid" for one without. */
  readonly owner: string;
}

export interface ListOptions {
  readonly format: 'table' | 'json';
  /** The ids alone. */
  readonly quiet?: boolean;
}

/** Its detail begins with the id and a NUL: csrc/executor/verbs/list.c. The words are those of state. */
function divide(context: FailureContext, warning: StatusRecord): readonly [StatusRecord, FailureContext] {
  const end = warning.detail.indexOf(0);
  const id = warning.detail.toString('latin1', 0, Math.max(0, end));
  return [
    { ...warning, detail: warning.detail.subarray(end + 1) },
    { ...context, verb: 'state', id },
  ];
}

async function runList(runtime: Runtime, { format, quiet = false }: ListOptions, capture: boolean): Promise<Outcome> {
  const { root, stdio, debug, warn } = runtime;
  const base: FailureContext = { verb: 'list', id: '', plan: () => undefined, facts: hostFacts, debug };
  const context: FailureContext = { ...base, divide: (warning) => divide(base, warning) };
  const handover = runtime.handover?.();
  const flags = ['--format', format, ...(quiet ? ['--quiet'] : [])];
  try {
    if (handover !== undefined) return judgeHandover(handover.answer, context, warn);
    return await callExecutor({ verb: 'list', root, flags, stdio, capture }, context, warn);
  } catch (cause) {
    if (!(cause instanceof ExecError) || cause.op !== 'list') throw cause;
    const place = cause.syscall === 'write' ? 'stdout' : `--root: ${quote(root)}`;
    throw new TsrunError('IO', `${place}: ${describeErrno(cause.errno)}`, { cause });
  }
}

/** Prints to stdout. */
export async function printList(runtime: Runtime, options: ListOptions): Promise<void> {
  await runList(runtime, options, false);
}

export async function listContainers(runtime: Runtime): Promise<readonly ListedContainer[]> {
  const { stdout } = await runList(runtime, { format: 'json' }, true);
  // Our own executor printed it; the fields are those of stateJson in compile/.
  return (JSON.parse(stdout.toString('utf8')) as ListedContainer[] | null) ?? [];
}

/**
 * Joins what the executor reports (list, index, errno) with the op's origin: the failure of a system call becomes a
 * sentence about the config field that asked for it, and one hint.
 *
 * Pure; the facts are only asked for when there is something to explain.
 */
import { ExecError, TsrunError } from '../errors.js';
import type { HostFacts } from '../host/facts.js';
import { type Op, SLOT } from '../plan/op.gen.js';
import type { Plan } from '../plan/plan.js';
import { describeErrno, errnoText } from '../util/errno.js';
import { asPointer } from '../util/pointer.js';
import { plain, quote } from '../util/quote.js';
import type { StatusRecord } from './channel.js';
import { explainRefusal } from './explain.js';
import { blamedOp } from './killed.js';
import { describeOp } from './phrase.js';
import { describeProblem, seconds } from './problems.js';
import { explainProgram, explainRefusedProgram, splitProgram } from './program.js';

export interface FailureContext {
  readonly verb: string;
  readonly id: string;
  /** The plan the verb ran, or the one kept in the state directory; undefined when there is none. */
  readonly plan: () => Plan | undefined;
  readonly facts: () => HostFacts;
  readonly debug?: (message: string) => void;
  /** For warnings that are each about another container. */
  readonly divide?: (warning: StatusRecord) => readonly [StatusRecord, FailureContext];
}

const ENOENT = 2;
const EACCES = 13;
const ENOEXEC = 8;
const ETXTBSY = 26;

/** What the executor looked at when it refused a directory: the kernel says EACCES for it too. */
const DIRECTORY = 'S_ISDIR';

/** What the command line asked for, not the config. */
const FLAGS: { readonly [name in Op['op']]?: string } = {
  STATE_CREATE: '--root',
  STATE_PLAN: '--root',
  STATE_FILE: '--root',
  EXEC_FIFO: '--root',
  NOTIFY_DIRECTORY: '--root',
  PID_FILE: '--pid-file',
  EXIT_FILE: '--exit-file',
  SEND_PIDFD: '--pidfd-socket',
  CONSOLE_CONNECT: '--console-socket',
};

function findOp(record: StatusRecord, { plan, id }: FailureContext): Op | undefined {
  const blamed = blamedOp(record.problem, plan);
  if (blamed !== undefined) return blamed;
  if (record.opcode === 0 || record.list === undefined) return undefined;
  const op = plan()?.lists[record.list][record.index];
  if (op === undefined) return undefined;
  const fields = Object.entries(op).map(([name, value]) => [
    name,
    typeof value === 'string' ? value.replaceAll(SLOT.id, id) : value,
  ]);
  return Object.fromEntries(fields) as Op;
}

/** runc and Go say `exec: "x": executable file not found in $PATH`; docker and podman turn these texts into 126 and 127. */
function describeSearch(file: string, { errno, syscall }: StatusRecord): string {
  const name = quote(file);
  if (errno === ENOENT && !file.includes('/')) return `exec: ${name}: executable file not found in $PATH`;
  if (errno === ENOENT) return `exec: ${name}: stat ${plain(file)}: ${errnoText(errno)}`;
  if (syscall === DIRECTORY) return `exec: ${name}: is a directory: permission denied`;
  return `exec: ${name}: ${errnoText(errno)}`;
}

/** Of a config without process, which may be created: runtime-spec config.md, "Process". */
const hasNoProgram = (op: Op | undefined): boolean => op?.op === 'EXEC' && op.args.length === 0;

function describeFailure(record: StatusRecord, op: Op | undefined): string {
  if (hasNoProgram(op)) return 'process not set: there is no program to start';
  if (op?.op === 'FIND_PROGRAM') return describeSearch(op.file, record);
  if (op?.op === 'EXEC')
    return `exec ${plain(splitProgram(record.detail).path || (op.args[0] ?? ''))}: ${errnoText(record.errno)}`;
  const what = op === undefined ? record.syscall : describeOp(op);
  return `${what}: ${describeErrno(record.errno)}`;
}

function hintFor(record: StatusRecord, op: Op | undefined, facts: () => HostFacts): string | undefined {
  if (hasNoProgram(op)) return 'add "process" to config.json and create the container anew';
  const program = op?.op === 'EXEC' || op?.op === 'FIND_PROGRAM';
  const fileFault = [ENOENT, EACCES, ENOEXEC, ETXTBSY].includes(record.errno);
  if (op?.op === 'FIND_PROGRAM' && (record.errno === ENOENT || record.syscall === DIRECTORY)) return undefined;
  const refused = op?.op === 'FIND_PROGRAM' ? explainRefusedProgram(record.syscall) : undefined;
  if (refused !== undefined) return refused;
  if (program && fileFault) return explainProgram(splitProgram(record.detail), record.errno, facts().arch);
  const detail = record.detail.toString('utf8');
  return explainRefusal({ op, errno: record.errno, syscall: record.syscall, detail }, facts());
}

/** The error of a failed verb; or of a warning, such as a poststop hook that failed. */
export function toError(record: StatusRecord, context: FailureContext): TsrunError {
  const op = findOp(record, context);
  const origin = op === undefined ? '' : (FLAGS[op.op] ?? op.origin);
  const at = origin === '' ? '' : `${plain(origin)}: `;
  const arch = () => context.facts().arch;
  const failed = { verb: context.verb, id: context.id, record, op, plan: context.plan, arch, at };
  const { problem, syscall, errno } = record;
  const place = { path: asPointer(origin), op: op?.op ?? context.verb, syscall, errno };
  const error =
    describeProblem(failed) ??
    new ExecError(at + describeFailure(record, op), place, hintFor(record, op, context.facts));
  error.operation = { problem, ...place };
  return error;
}

/** The executor ended without a verdict. */
export function withoutVerdict(
  verb: string,
  ended: { readonly status: number | null; readonly signal: string | null },
): TsrunError {
  const how = ended.signal === null ? `ended with status ${ended.status}` : `was killed by ${ended.signal}`;
  // Killed, or without the memory to say so: what it was asked for may have been done.
  const hint =
    verb === 'create' || verb === 'run'
      ? 'tsrun delete --force removes what it may have left'
      : 'it may have done its work before: tsrun state, ps and mounts list tell';
  return new TsrunError('EXEC_FAILED', `the executor ${how} without a verdict`, { hint });
}

/** What --debug logs of a hook that went well. */
export function describeNote(record: StatusRecord, context: FailureContext): string {
  const op = findOp(record, context);
  const what = op?.op === 'RUN_HOOK' ? `${op.origin}: ${describeOp(op)}` : 'an operation';
  return `${plain(what)}: took ${seconds(record.elapsed)}`;
}

/**
 * Calls the executor: one child process per verb, or, to supervise a foreground container, in place of this process. Any
 * number of calls may be under way at once; none changes this process or stops its event loop.
 *
 * The plan goes over in a sealed memfd. The answer comes back in another memfd rather than a pipe: whoever keeps a copy
 * of the descriptor, the container's init included, cannot make us wait. The environment is empty (security rule 3).
 */
import { closeSync, existsSync, fstatSync, readSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { TsrunError } from '../errors.js';
import { addon } from '../native/addon.js';
import { encodePlan } from '../plan/encode.js';
import type { Plan } from '../plan/plan.js';
import { signalName } from '../util/signals.js';
import { type Answer, decodeAnswer } from './channel.js';
import type { FailureContext } from './failure.js';
import { preservedFds } from './fds.js';
import { MONITOR_PATH, type Monitor, monitorArgv, monitorFailure } from './monitor.js';
import type { Trace } from './trace.js';

export type Verb =
  | 'create'
  | 'exec'
  | 'mounts'
  | 'start'
  | 'kill'
  | 'pause'
  | 'resume'
  | 'update'
  | 'state'
  | 'list'
  | 'ps'
  | 'delete'
  | 'wait';

export interface Call {
  readonly verb: Verb;
  readonly root: string;
  /** None for list. */
  readonly id?: string;
  /** Flags beside root, id and descriptors. */
  readonly flags?: readonly string[];
  readonly plan?: Plan;
  /** Socket over which the console's master comes back. */
  readonly consoleFd?: number;
  /** Unbound datagram socket, for start to bind. */
  readonly notifyFd?: number;
  readonly preserveFds?: number;
  /** Absolute; where hooks of the runtime's side start. "/" if unset, so that nothing depends on the caller's. */
  readonly cwd?: string;
  /** Soft limit on open files of our caller, which the container inherits. */
  readonly openFiles?: number | undefined;
  /** Descriptors of this process that the program gets as 3, 4, …, in place of preserveFds. */
  readonly programFds?: readonly number[];
  /** In place of ours. */
  readonly stdio?: Stdio | undefined;
  /** restore: socket to the one who talks to CRIU. */
  readonly adoptFd?: number;
  /** --trace: the memfd for the timestamps, and where our own time is noted. */
  readonly trace?: { readonly fd: number; readonly spans: Trace } | undefined;
  /** Keep what the verb prints instead of passing it to our stdout. */
  readonly capture?: boolean;
  /** The executor runs below it, and what it makes stays there. */
  readonly monitor?: Monitor;
}

/** Descriptors of this process. They may be closed as soon as the use case has returned its promise. */
export type Stdio = readonly [stdin: number, stdout: number, stderr: number];

export interface Outcome {
  readonly pid: number;
  /** Empty unless capture. */
  readonly stdout: Buffer;
}

const EXECUTOR = 'tsrun-executor';

/** The same from src/exec/ and from the bundle, whose import.meta.url the build keeps as in the source tree. */
export const EXECUTOR_PATH = fileURLToPath(new URL(`../../build/Release/${EXECUTOR}`, import.meta.url));

function executorPath(): string {
  if (existsSync(EXECUTOR_PATH)) return EXECUTOR_PATH;
  throw new TsrunError('IO', `${EXECUTOR} has not been built`, { hint: 'build it with "npm run build:native"' });
}

/** Memfds that go over with a call. */
interface Channel {
  readonly plan: number | undefined;
  readonly status: number;
  /** What the verb prints, with capture. */
  readonly output: number | undefined;
}

/** Descriptors as the executor numbers them: stdio, then the container's own, then ours. */
function inherit(call: Call, { plan, status, output }: Channel): { fds: number[]; flags: string[] } {
  const program = call.programFds ?? preservedFds(call.preserveFds ?? 0);
  const [stdin, stdout, stderr] = call.stdio ?? [0, 1, 2];
  const fds = [stdin, output ?? stdout, stderr, ...program];
  const flags: string[] = [];
  const add = (flag: string, fd: number | undefined) => {
    if (fd !== undefined) flags.push(flag, String(fds.push(fd) - 1));
  };
  add('--plan-fd', plan);
  add('--status-fd', status);
  add('--console-fd', call.consoleFd);
  add('--adopt-fd', call.adoptFd);
  add('--notify-fd', call.notifyFd);
  add('--trace-fd', call.trace?.fd);
  if (program.length > 0) flags.push('--preserve-fds', String(program.length));
  return { fds, flags };
}

function readAll(fd: number): Buffer {
  const bytes = Buffer.alloc(fstatSync(fd).size);
  return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, 0));
}

interface Ended {
  readonly status: number | null;
  readonly signal: string | null;
}

function encode({ trace }: Call, plan: Plan): Uint8Array {
  return trace === undefined ? encodePlan(plan) : trace.spans.span('encode the plan', () => encodePlan(plan));
}

async function spawn(call: Call, channel: Channel): Promise<Ended> {
  const executor = executorPath();
  const { fds, flags } = inherit(call, channel);
  const id = call.id === undefined ? [] : ['--id', call.id];
  const words = [call.verb, '--root', call.root, ...id, ...flags, ...(call.flags ?? [])];
  const { monitor } = call;
  const path = monitor === undefined ? executor : MONITOR_PATH;
  const argv = monitor === undefined ? [EXECUTOR, ...words] : [...monitorArgv(monitor), '--', executor, ...words];
  const limit = call.openFiles === undefined ? {} : { openFiles: call.openFiles };
  try {
    const [, status, signal] = await addon().spawn({ path, argv, env: [], fds, cwd: call.cwd ?? '/', ...limit });
    return signal === 0 ? { status, signal: null } : { status: null, signal: signalName(signal) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TsrunError('IO', `${EXECUTOR} cannot be started: ${reason}`, { cause: error });
  }
}

export type Warn = (message: string, cause: TsrunError) => void;

/**
 * Runs a verb to its end. Throws the error its verdict says, joined with the config field it comes from. Descriptors of
 * the call may be closed once there is a promise.
 */
export async function callExecutor(call: Call, context: FailureContext, warn: Warn): Promise<Outcome> {
  const fds: number[] = [];
  const memfd = (name: string, bytes?: Uint8Array): number => {
    const fd = addon().memfd(name, bytes);
    fds.push(fd);
    return fd;
  };
  try {
    const plan = call.plan === undefined ? undefined : memfd('tsrun-plan', encode(call, call.plan));
    const output = call.capture === true ? memfd('tsrun-output') : undefined;
    const status = memfd('tsrun-status');
    const ended = await spawn(call, { plan, status, output });
    const answer = decodeAnswer(readAll(status));
    if (call.monitor !== undefined) checkMonitor(answer, ended, call.monitor);
    const pid = await judge(answer, ended, context, warn);
    return { pid, stdout: output === undefined ? Buffer.alloc(0) : readAll(output) };
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}

/** What the executor has to say counts more. */
function checkMonitor({ verdict }: Answer, { status }: Ended, monitor: Monitor): void {
  const silent = verdict === undefined || verdict.problem === 'NONE';
  if (silent && status !== 0) throw monitorFailure(monitor);
}

/** The same for a verb that the launcher has run. */
export async function judgeHandover(answer: Answer, context: FailureContext, warn: Warn): Promise<Outcome> {
  return { pid: await judge(answer, { status: 1, signal: null }, context, warn), stdout: Buffer.alloc(0) };
}

/** The pid of a verdict that is none of failure. What words the others is loaded for them alone. */
async function judge(answer: Answer, ended: Ended, context: FailureContext, warn: Warn): Promise<number> {
  const { notes, warnings, verdict } = answer;
  if (verdict?.problem === 'NONE' && notes.length === 0 && warnings.length === 0) return verdict.pid;
  const { describeNote, toError, withoutVerdict } = await import('./failure.js');
  for (const note of notes) context.debug?.(describeNote(note, context));
  for (const warning of warnings) {
    const error = toError(...(context.divide?.(warning) ?? [warning, context]));
    warn(error.message, error);
  }
  if (verdict === undefined) throw withoutVerdict(context.verb, ended);
  if (verdict.problem !== 'NONE') throw toError(verdict, context);
  return verdict.pid;
}

export interface Supervision {
  readonly pid: number;
  /** Our end of the socket on which the console's master waits. */
  readonly consoleFd?: number;
  /** Bound by start; the manager at socket is told when READY=1 comes. */
  readonly notify?: { readonly socket: string; readonly fd: number };
  /** Of `run`: deleted when its program has ended, unless it is kept, with a record of how it ended. */
  readonly container?: {
    readonly root: string;
    readonly id: string;
    readonly keep: boolean;
    /** Absolute path of another record. */
    readonly exitFile: string | undefined;
    /** The start of a `tsrun delete`, which runs poststop hooks and says what went wrong: the supervisor has no log. */
    readonly reporter: readonly string[];
  };
}

/**
 * Makes the program of a foreground container our child once the executor has ended: prctl(2)
 * PR_SET_CHILD_SUBREAPER. The attribute survives the execve of superviseInPlace, which passes on a signal that came
 * meanwhile: ending here would leave a container that nobody waits for.
 */
export function adoptOrphans(): void {
  addon().setSubreaper(true);
  addon().catchSignals();
}

/** Becomes the supervisor, so that nothing of Node stays in memory. Its exit status is the program's. */
export function superviseInPlace(supervision: Supervision): never {
  const { pid, consoleFd, notify, container } = supervision;
  const argv = [EXECUTOR, 'supervise', '--pid', String(pid)];
  if (consoleFd !== undefined) argv.push('--console-fd', String(consoleFd));
  if (notify !== undefined) argv.push('--notify-socket', notify.socket, '--notify-fd', String(notify.fd));
  const signal = addon().caughtSignal();
  if (signal !== 0) argv.push('--signal', String(signal));
  if (container !== undefined) argv.push('--root', container.root, '--id', container.id);
  if (container?.keep === true) argv.push('--keep');
  if (container?.exitFile !== undefined) argv.push('--exit-file', container.exitFile);
  if (container !== undefined) argv.push('--', ...container.reporter);
  const keep = [consoleFd, notify?.fd].filter((fd) => fd !== undefined);
  return addon().execve(executorPath(), argv, [], keep);
}

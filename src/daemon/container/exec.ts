/**
 * exec: one more program in a running container, below a monitor of its own, so that it outlives the daemon like the
 * container does. What is known of it lies in the monitor's directory too.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execMonitored } from '../../runtime/monitored.js';
import type { ExecCreate } from '../api/types.gen.js';
import { badRequest, conflict } from '../http/api-error.js';
import { type Container, shortened } from './container.js';
import { parseDetachKeys } from './detach-keys.js';
import { execProcess } from './exec-process.js';
import { readExit, type Watch, watchMonitor } from './monitor-client.js';
import { exitCodeOf } from './start.js';

export interface Exec {
  readonly id: string;
  readonly container: Container;
  readonly config: ExecCreate;
  readonly detachKeys: Buffer;
  /** Of its monitor. */
  readonly directory: string;
  status: 'created' | 'running' | 'ended';
  /** Undefined while it runs, and before. */
  exitCode: number | undefined;
  pid: number;
}

/** How long an ended one can still be asked for its exit code. */
const KEPT_MS = 5 * 60_000;
/** Ended or never started ones of a container. */
const MOST_KEPT = 1000;

const commandOf = ({ config }: Exec): string => (config.Cmd ?? []).join(' ');

/** The exit code of what could not be started, if the reason has none of its own. */
const COULD_NOT = 126;

/** asked: what the client calls the container. Throws ApiError 400, 409. */
export function createExec(container: Container, asked: string, config: ExecCreate): Exec {
  requireRunning(container, asked);
  if ((config.Cmd ?? []).length === 0) throw badRequest('No exec command specified');
  const id = randomBytes(32).toString('hex');
  const exec: Exec = {
    ...{ id, container, config },
    detachKeys: parseDetachKeys(config.DetachKeys),
    directory: execDirectory(container, id),
    ...{ status: 'created', exitCode: undefined, pid: 0 },
  };
  forgetOldest(container);
  container.execs.set(id, exec);
  container.happened(`exec_create: ${commandOf(exec)}`, { execID: id });
  return exec;
}

/** Of all containers in one place, where recover.ts finds them. */
const execDirectory = (container: Container, id: string): string =>
  join(container.needs.monitors, `exec-${shortened(id)}`);

function forgetOldest({ execs }: Container): void {
  if (execs.size < MOST_KEPT) return;
  for (const [id, { status }] of execs) {
    if (status === 'running') continue;
    execs.delete(id);
    return;
  }
}

/** Throws ApiError 409. */
export function requireRunning({ record, id }: Container, asked: string): void {
  const { status } = record.state;
  if (status === 'paused') throw conflict(`Container ${asked} is paused, unpause the container before exec`);
  if (status === 'restarting') throw conflict(`Container ${id} is restarting, wait until the container is running`);
  if (status !== 'running') throw conflict(`container ${id} is not running`);
}

/** Throws ApiError 409 for one that was started before, or whose container does not run. */
export function claimExec(exec: Exec): void {
  requireRunning(exec.container, exec.container.id);
  if (exec.status === 'running') throw conflict(`Error: Exec command ${exec.id} is already running`);
  if (exec.status === 'ended') throw conflict(`Error: Exec command ${exec.id} has already run`);
  exec.status = 'running';
}

export interface ExecStreams {
  readonly attached: boolean;
  readonly stdin: boolean;
  readonly size: readonly number[] | undefined;
}

/** The promise is of its end. Throws SpecError, StateError, ExecError, ApiError; the exit code is set then. */
export async function startExec(exec: Exec, streams: ExecStreams): Promise<Watch> {
  const { container, config, directory } = exec;
  const { needs } = container;
  try {
    const process = await execProcess(container, config, streams.size);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    writeFileSync(join(directory, 'exec.json'), JSON.stringify({ id: exec.id, container: container.id, config }));
    exec.pid = await execMonitored(needs.runtime, container.id, process, {
      directory,
      stdin: streams.stdin ? 'once' : 'closed',
      terminal: config.Tty === true,
      awaitClient: streams.attached,
    });
    const watch = await watchMonitor(directory).catch((error: unknown) => watchEnded(directory, error));
    container.happened(`exec_start: ${commandOf(exec)}`, { execID: exec.id });
    followExec(exec, watch);
    return watch;
  } catch (error) {
    finish(exec, exitCodeOf(error instanceof Error ? error.message : '', COULD_NOT));
    throw error;
  }
}

/** Nobody has to wait for a monitor that nobody attaches to: a short program has ended before it is asked. */
function watchEnded(directory: string, error: unknown): Watch {
  const exit = readExit(directory);
  if (exit === undefined) throw error;
  return { ended: Promise.resolve(exit) };
}

/** Also of one that another daemon has started. */
export function followExec(exec: Exec, watch: Watch): void {
  void watch.ended.then((exit) => finish(exec, exit?.exitCode ?? 255));
}

function finish(exec: Exec, exitCode: number): void {
  const { container, id, directory } = exec;
  exec.status = 'ended';
  exec.exitCode = exitCode;
  rmSync(directory, { recursive: true, force: true });
  container.happened('exec_die', { execID: id, exitCode: String(exitCode) });
  setTimeout(() => container.execs.delete(id), KEPT_MS).unref();
}

/**
 * stop, kill, restart, pause, unpause. stop and kill do not take the container's mutex while they wait: a stop without
 * end must not keep a kill away.
 */
import { TsrunError } from '../../errors.js';
import { killContainer } from '../../runtime/kill.js';
import { pauseContainer } from '../../runtime/pause.js';
import { resumeContainer } from '../../runtime/resume.js';
import { plain } from '../../util/quote.js';
import { parseSignal } from '../../util/signals.js';
import { ApiError, badRequest, conflict } from '../http/api-error.js';
import type { Container } from './container.js';
import { cancelRestart, launch } from './start.js';

const SIGKILL = 9;
const SIGTERM = 15;
const DEFAULT_SECONDS = 10;
const KILL_MS = 10_000;

/** Throws ApiError 400. */
export function signalOf(text: string | undefined, otherwise: number): number {
  if (text === undefined || text === '') return otherwise;
  const signal = parseSignal(text);
  if (signal === undefined || signal === 0) throw badRequest(`Invalid signal: ${plain(text, 64)}`);
  return signal;
}

const stopSignal = ({ record }: Container): number => parseSignal(record.config.StopSignal ?? '') || SIGTERM;

async function send(container: Container, signal: number): Promise<void> {
  const { needs, id } = container;
  try {
    await killContainer(needs.runtime, id, signal, false);
  } catch (error) {
    // It has ended meanwhile, which is what was wanted.
    if (!(error instanceof TsrunError && /^CONTAINER_/.test(error.code))) throw error;
  }
  container.happened('kill', { signal: String(signal) });
}

/** Whether the run is over within this time. */
async function overWithin(container: Container, ms: number): Promise<boolean> {
  const { run } = container;
  if (run === undefined) return true;
  if (ms < 0) return run.over.then(() => true);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const result = await Promise.race([run.over.then(() => true), late]);
  clearTimeout(timer);
  return result;
}

/** A frozen process takes no signal. */
async function thaw(container: Container): Promise<void> {
  if (container.record.state.status === 'paused') await unpause(container);
}

async function killNow(container: Container): Promise<void> {
  await send(container, SIGKILL);
  await thaw(container).catch(() => undefined);
  if (await overWithin(container, KILL_MS)) return;
  throw new ApiError(
    500,
    `container ${container.id} did not end ${KILL_MS / 1000} s after SIGKILL: a process of it hangs in the kernel`,
  );
}

/** One that waits for its restart has nothing to be stopped but that. */
function endRestarting(container: Container): boolean {
  if (container.record.state.status !== 'restarting') return false;
  cancelRestart(container);
  container.become({ status: 'exited' });
  container.tellExit();
  return true;
}

export interface StopRequest {
  readonly signal: number | undefined;
  /** Seconds; negative: for ever. */
  readonly timeout: number | undefined;
}

/** false: it does not run. Throws ApiError. */
export async function stop(container: Container, { signal, timeout }: StopRequest): Promise<boolean> {
  await container.mutex.run(async () => undefined); // a start that is under way
  if (!container.isActive) return false;
  container.record.stoppedByUser = true;
  container.ending = true;
  container.save();
  if (endRestarting(container)) {
    container.happened('stop');
    return true;
  }
  const seconds = timeout ?? container.record.config.StopTimeout ?? DEFAULT_SECONDS;
  const first = signal ?? stopSignal(container);
  if (first === SIGKILL) await killNow(container);
  else {
    await send(container, first);
    await thaw(container);
    if (!(await overWithin(container, seconds < 0 ? -1 : seconds * 1000))) await killNow(container);
  }
  container.happened('stop');
  return true;
}

/** Throws ApiError 409 for one that does not run. */
export async function kill(container: Container, signal: number): Promise<void> {
  await container.mutex.run(async () => undefined);
  if (!container.isActive)
    throw conflict(`cannot kill container: ${container.record.name}: container ${container.id} is not running`);
  const final =
    signal === SIGKILL || container.record.config.StopSignal === undefined || signal === stopSignal(container);
  // A signal that only tells the program something, such as HUP, is no stop.
  if (final) container.record.stoppedByUser = container.ending = true;
  container.save();
  if (endRestarting(container)) return;
  if (signal === SIGKILL) return killNow(container);
  await send(container, signal);
  if (final) await thaw(container);
}

/** Throws ApiError. */
export async function restart(container: Container, request: StopRequest): Promise<void> {
  if (container.record.state.status === 'removing')
    throw conflict('container is marked for removal and cannot be started');
  container.keep = true;
  try {
    await stop(container, request);
    await container.mutex.run(async () => {
      container.record.stoppedByUser = false;
      container.restartDelay = 0;
      if (!container.isRunning) await launch(container);
    });
  } finally {
    container.keep = false;
  }
  container.happened('restart');
}

export async function pause(container: Container): Promise<void> {
  await container.mutex.run(async () => {
    const { status } = container.record.state;
    if (status === 'paused') throw conflict(`Container ${container.id} is already paused`);
    if (status === 'restarting')
      throw conflict(`Container ${container.id} is restarting, wait until the container is running`);
    if (status !== 'running') throw conflict(`Container ${container.id} is not running`);
    await pauseContainer(container.needs.runtime, container.id);
    container.become({ status: 'paused' });
    container.happened('pause');
  });
}

/** Without the mutex: kill needs it while another operation may wait. */
export async function unpause(container: Container): Promise<void> {
  if (container.record.state.status !== 'paused') throw conflict(`Container ${container.id} is not paused`);
  await resumeContainer(container.needs.runtime, container.id);
  container.become({ status: 'running' });
  container.happened('unpause');
}

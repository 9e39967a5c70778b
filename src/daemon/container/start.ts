/**
 * start: surroundings, monitor, runtime's create and start, in this order; what fails is undone. Before any of it the
 * record is on disk, so that a daemon that is killed here finds what to undo (recover.ts).
 */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { TsrunError } from '../../errors.js';
import { deleteContainer } from '../../runtime/delete.js';
import { createMonitored } from '../../runtime/monitored.js';
import { startContainer } from '../../runtime/start.js';
import { describeSystemError } from '../../util/errno.js';
import { stringifyJson } from '../../util/json-write.js';
import { ApiError, conflict, failureOf, messageOf } from '../http/api-error.js';
import type { Container } from './container.js';
import { ended } from './ending.js';
import { HealthMonitor } from './health.js';
import { logPlace, monitorLog } from './log-config.js';
import { type Watch, watchMonitor } from './monitor-client.js';
import { remove } from './remove.js';
import { now } from './times.js';

/** false: it ran already. Throws ApiError. */
export async function start(container: Container): Promise<boolean> {
  return container.mutex.run(async () => {
    const { status } = container.record.state;
    if (status === 'running') return false;
    if (status === 'paused') throw conflict('cannot start a paused container, try unpause instead');
    if (status === 'removing' || status === 'dead')
      throw conflict('container is marked for removal and cannot be started');
    cancelRestart(container);
    container.record.stoppedByUser = false;
    container.restartDelay = 0;
    await launch(container);
    return true;
  });
}

export function cancelRestart(container: Container): void {
  clearTimeout(container.restartTimer);
  container.restartTimer = undefined;
}

/** Under the container's mutex. Throws ApiError. */
export async function launch(container: Container): Promise<void> {
  const { record } = container;
  container.ending = false;
  let watch: Watch;
  let pid: number;
  try {
    ({ watch, pid } = await bringUp(container));
  } catch (error) {
    throw await startFailed(container, error);
  }
  let over: () => void = () => undefined;
  const run = { pid, began: performance.now(), over: new Promise<void>((resolve) => (over = resolve)) };
  container.run = run;
  record.starts++;
  const before = record.state;
  container.become({ status: 'running', pid, exitCode: 0, error: '', oomKilled: false, startedAt: now() });
  try {
    await container.saved();
  } catch (error) {
    container.run = undefined;
    record.starts--;
    record.state = before;
    throw await startFailed(container, error);
  }
  container.happened('start');
  container.health = HealthMonitor.of(container);
  void watch.ended.then((exit) => ended(container, run, exit)).finally(over);
}

async function bringUp(container: Container): Promise<{ watch: Watch; pid: number }> {
  const { needs, id, record, monitorDirectory } = container;
  rmSync(monitorDirectory, { recursive: true, force: true });
  mkdirSync(monitorDirectory, { recursive: true, mode: 0o700 });
  const { bundle, config } = await needs.surroundings.prepare(record);
  writeFileSync(join(bundle, 'config.json'), stringifyJson(config), { mode: 0o600 });
  const place = logPlace(record, needs.directory);
  if (place !== undefined) mkdirSync(dirname(place.path), { recursive: true, mode: 0o710 });
  const log = monitorLog(record, needs.directory);
  const { OpenStdin = false, StdinOnce = false, Tty = false } = record.config;
  const stdin = OpenStdin ? (StdinOnce ? 'once' : 'open') : 'closed';
  const pid = await createMonitored(
    needs.runtime,
    id,
    bundle,
    {
      directory: monitorDirectory,
      stdin,
      terminal: Tty,
      ...(log === undefined ? {} : { log }),
    },
    needs.systemdCgroup,
  );
  const watch = await watchMonitor(monitorDirectory);
  await container.attachments.connect(monitorDirectory);
  await startContainer(needs.runtime, id);
  return { watch, pid };
}

/** The monitor's directory is the first thing that a start makes, and the last that goes. */
export const mayHaveLeft = ({ monitorDirectory }: Container): boolean => existsSync(monitorDirectory);

/** What a start may have left, as far as it came. */
export async function tearDown(container: Container): Promise<void> {
  await unmake(container);
  rmSync(container.monitorDirectory, { recursive: true, force: true });
}

/** All but the monitor's directory, where it stands how the program ended. */
export async function unmake(container: Container): Promise<void> {
  const { needs, id, record } = container;
  try {
    await deleteContainer(needs.runtime, id, { force: true });
  } catch (error) {
    if (!(error instanceof TsrunError)) throw error;
    needs.warn(`container ${id} is not deleted: ${error.message}`);
  }
  await needs.surroundings.release(record);
}

/** --rm, whatever ended it. Not waited for: who removes needs the mutex that a start may hold. */
export function removeByItself(container: Container): void {
  if (container.record.hostConfig.AutoRemove !== true || container.keep) return;
  remove(container, { force: true, volumes: true }).catch((error: unknown) =>
    container.needs.warn(`container ${container.id} does not remove itself: ${String(error)}`),
  );
}

/** The exit codes of the command line: what clients look for in the text. */
const CODES: readonly (readonly [RegExp, number])[] = [
  [/: change to the directory '/, 126],
  [/executable file not found|no such file or directory|system cannot find the file/, 127],
  [/permission denied|is a directory/, 126],
  [/not a directory/, 127],
];

export function exitCodeOf(message: string, otherwise = 128): number {
  if (message.startsWith('failed to set up container networking: ')) return otherwise;
  return CODES.find(([pattern]) => pattern.test(message))?.[1] ?? otherwise;
}

/** Clients look for these beginnings. */
const CONTEXT = /^failed to (create task for container|set up container networking): /;

const wordsOf = (cause: TsrunError | ApiError): string =>
  cause instanceof ApiError || CONTEXT.test(cause.message)
    ? cause.message
    : `failed to create task for container: ${messageOf(cause)}`;

/** What Node says of a full disk names no file. */
export function ofFiles(error: unknown): unknown {
  if (error instanceof TsrunError || !(error instanceof Error) || !('syscall' in error)) return error;
  return new TsrunError('IO', `the files of the container: ${describeSystemError(error)}`, { cause: error });
}

/** A port that somebody else has may be free the next time: the same request is not at fault. */
const statusOf = (cause: TsrunError): number =>
  cause.message.includes('driver failed programming external connectivity') ? 500 : (failureOf(cause)?.status ?? 500);

async function startFailed(container: Container, error: unknown): Promise<unknown> {
  const cause = ofFiles(error);
  await tearDown(container).catch((second: unknown) => container.needs.warn(`undo of a start: ${String(second)}`));
  container.attachments.end();
  if (!(cause instanceof TsrunError || cause instanceof ApiError)) return cause;
  const words = wordsOf(cause);
  const exitCode = exitCodeOf(words);
  // One that has run stays exited; of a restart that fails nothing is left to wait for.
  const status = container.record.state.status === 'created' ? 'created' : 'exited';
  container.become({ status, pid: 0, exitCode, error: words });
  container.happened('die', { exitCode: String(exitCode) });
  container.tellExit();
  removeByItself(container);
  if (cause instanceof ApiError) return cause;
  const clear = exitCode === 128 && cause.hint !== undefined ? ` (hint: ${cause.hint})` : '';
  return new ApiError(exitCode === 128 ? statusOf(cause) : 400, words + clear, { cause });
}

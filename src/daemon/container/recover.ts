/**
 * What another daemon has left, which may have been killed at any point: containers run on below their monitors, some have
 * ended meanwhile, starts and removals are half done.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readState } from '../../runtime/state.js';
import { readExecCreate } from '../api/read.js';
import type { Actors } from './actors.js';
import { applyLimits } from './apply-limits.js';
import type { Container, Run } from './container.js';
import { parseDetachKeys } from './detach-keys.js';
import { ended, scheduleRestart } from './ending.js';
import { type Exec, followExec } from './exec.js';
import { HealthMonitor } from './health.js';
import { readExit, readMonitorPid, type Watch, watchMonitor } from './monitor-client.js';
import { finishRemoval } from './remove.js';
import { startsWithDaemon } from './restart-policy.js';
import { launch, tearDown } from './start.js';
import { unpause } from './stop.js';
import { now } from './times.js';

/** How many at a time: each is a few processes. */
const AT_ONCE = 8;

/** Before the first request is served. Never rejects for a single container. */
export async function recover(actors: Actors): Promise<void> {
  const { warn } = actors.needs;
  const queue = [...actors.all()];
  const worker = async () => {
    for (let container = queue.pop(); container !== undefined; container = queue.pop()) {
      const { id } = container;
      await recoverOne(container).catch((error: unknown) => warn(`container ${id} is not recovered: ${String(error)}`));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  await recoverExecs(actors);
}

async function recoverOne(container: Container): Promise<void> {
  const { record, monitorDirectory } = container;
  const { status } = record.state;
  if (status === 'removing' || status === 'dead') {
    await finishRemoval(container, record.volumesGo === true || record.hostConfig.AutoRemove === true);
    return;
  }
  if (container.isRunning) return adopt(container);
  // A start that nobody heard the end of did not happen.
  if (existsSync(monitorDirectory)) await tearDown(container);
  if (status === 'restarting') scheduleRestart(container, 0);
  else if (status === 'exited') await afterExit(container);
}

async function afterExit(container: Container): Promise<void> {
  const { record } = container;
  if (record.hostConfig.AutoRemove === true) await finishRemoval(container, true);
  else if (startsWithDaemon(record.hostConfig.RestartPolicy, record.stoppedByUser)) await launchAgain(container);
}

async function launchAgain(container: Container): Promise<void> {
  container.record.stoppedByUser = false;
  await container.mutex.run(() => launch(container));
}

async function adopt(container: Container): Promise<void> {
  const { record, monitorDirectory } = container;
  const pid = readMonitorPid(monitorDirectory) ?? record.state.pid;
  let watch: Watch;
  try {
    watch = await watchMonitor(monitorDirectory);
  } catch {
    return withoutMonitor(container, pid);
  }
  let over: () => void = () => undefined;
  await takeOver(container).catch((error: unknown) =>
    container.needs.warn(`container ${container.id} is as the daemon before has left it: ${String(error)}`),
  );
  const run: Run = { pid, began: performance.now(), over: new Promise((resolve) => (over = resolve)) };
  container.run = run;
  container.ending = record.stoppedByUser;
  container.health = HealthMonitor.of(container, false);
  void watch.ended.then((exit) => ended(container, run, exit)).finally(over);
}

/** What the daemon before was in the middle of: a pause, an unpause, an update, a commit. */
async function takeOver(container: Container): Promise<void> {
  const { record, needs, id } = container;
  const { status } = await readState(needs.runtime, id);
  if (status !== 'paused' && status !== 'running') return; // it has just ended
  const { updating, pausedForImage } = record;
  delete record.updating;
  delete record.pausedForImage;
  if (status !== record.state.status || updating !== undefined || pausedForImage !== undefined)
    container.become({ status });
  if (updating !== undefined) await applyLimits(needs.runtime, record, updating);
  if (pausedForImage === true && status === 'paused') await unpause(container);
}

/** It has ended, or the machine was started again: nothing can be running then. */
async function withoutMonitor(container: Container, pid: number): Promise<void> {
  const { record, monitorDirectory, needs } = container;
  const exit = readExit(monitorDirectory);
  container.ending = record.stoppedByUser;
  if (exit !== undefined) return ended(container, { pid }, exit);
  needs.warn(`container ${container.id} ran when the daemon ended, and nothing is known of its end`);
  const lost = { exitCode: 255, finished: now() };
  await ended(container, { pid }, lost);
  if (container.record.state.status === 'exited' && container.record.hostConfig.AutoRemove !== true)
    await afterExit(container);
}

const PREFIX = 'exec-';

async function recoverExecs(actors: Actors): Promise<void> {
  const { needs } = actors;
  if (!existsSync(needs.monitors)) return;
  const names = readdirSync(needs.monitors).filter((name) => name.startsWith(PREFIX));
  for (const name of names) {
    const directory = join(needs.monitors, name);
    const exec = readExec(directory, actors);
    if (exec === undefined) rmSync(directory, { recursive: true, force: true });
    else await adoptExec(exec);
  }
}

function readExec(directory: string, actors: Actors): Exec | undefined {
  try {
    const { id, container: owner, config: body } = JSON.parse(readFileSync(join(directory, 'exec.json'), 'utf8'));
    const container = actors.all().find((one) => one.id === owner);
    if (container?.run === undefined || typeof id !== 'string') return undefined;
    const config = readExecCreate(body);
    const detachKeys = parseDetachKeys(config.DetachKeys);
    return { id, container, config, detachKeys, directory, status: 'running', exitCode: undefined, pid: 0 };
  } catch {
    return undefined;
  }
}

async function adoptExec(exec: Exec): Promise<void> {
  const { container, directory } = exec;
  exec.pid = readMonitorPid(directory) ?? 0;
  container.execs.set(exec.id, exec);
  const watch = await watchMonitor(directory).catch((): Watch => ({ ended: Promise.resolve(readExit(directory)) }));
  followExec(exec, watch);
}

/** The program has ended: what start made is undone, the record says how, and the restart policy decides. */
import { rmSync, statSync } from 'node:fs';
import { cgroupDirs, readCgroupFile } from '../../runtime/cgroup-dir.js';
import { readContainer } from '../../runtime/container.js';
import { parseFlat } from '../../runtime/stats-parse.js';
import { parseRfc3339 } from '../../util/nanoseconds.js';
import { type Container, LOST, type Run } from './container.js';
import type { Exit } from './monitor-client.js';
import { type Ending, mayRestart, nextDelay } from './restart-policy.js';
import { launch, removeByItself, unmake } from './start.js';
import { now } from './times.js';

/** What is known of a program whose monitor was killed: nothing. dockerd says so after a reboot. */
const UNKNOWN_CODE = 255;
const POLL_MS = 250;

/** Never rejects. exit undefined: the monitor is gone without a word. */
export async function ended(container: Container, run: Pick<Run, 'pid'>, exit: Exit | undefined): Promise<void> {
  try {
    await settle(container, run, exit);
  } catch (error) {
    container.needs.warn(`the end of container ${container.id}: ${String(error)}`);
    container.become({ status: 'exited', pid: 0, error: String(error), finishedAt: now() });
    container.tellExit();
  }
}

async function settle(container: Container, run: Pick<Run, 'pid'>, exit: Exit | undefined): Promise<void> {
  if (exit === undefined) {
    container.needs.warn(`the monitor of container ${container.id} is gone: how the program ends will not be known`);
    await gone(run.pid);
  }
  if (exit?.lost !== undefined)
    container.needs.warn(`container ${container.id}: ${exit.lost} log entries are lost, as the disk takes nothing`);
  container.health?.stop();
  container.health = undefined;
  const oomKilled = wasOomKilled(container);
  // What stays is found by the monitor's directory, when the container is removed or another daemon begins.
  const isUnmade = await unmake(container).then(
    () => true,
    (error: unknown) => {
      container.needs.warn(`the end of container ${container.id}: ${String(error)}`);
      return false;
    },
  );
  container.run = undefined;
  container.attachments.disconnect();
  // What was not begun in this run is of no other.
  for (const [id, { status }] of container.execs) if (status === 'created') container.execs.delete(id);
  const { record } = container;
  const finishedAt = exit?.finished ?? now();
  const ending = endingOf(container, exit, finishedAt);
  const error = exit === undefined ? LOST : '';
  const restarts = !container.ending && mayRestart(record.hostConfig.RestartPolicy, ending);
  container.become({
    status: restarts ? 'restarting' : 'exited',
    ...{ pid: 0, exitCode: ending.exitCode, oomKilled, error, finishedAt },
  });
  // How it ended is told by nothing else from here on.
  const isSaved = await container.saved().then(
    () => true,
    () => false,
  );
  if (isSaved && isUnmade) rmSync(container.monitorDirectory, { recursive: true, force: true });
  if (oomKilled) container.happened('oom');
  container.happened('die', {
    exitCode: String(ending.exitCode),
    execDuration: String(Math.max(0, Math.floor(ending.lived / 1000))),
  });
  container.tellExit();
  if (restarts) scheduleRestart(container, ending.lived);
  else removeByItself(container);
}

function endingOf(container: Container, exit: Exit | undefined, finishedAt: string): Ending {
  const { record } = container;
  const started = parseRfc3339(record.state.startedAt) ?? 0n;
  return {
    exitCode: exit?.exitCode ?? UNKNOWN_CODE,
    lived: Number((parseRfc3339(finishedAt) ?? started) - started) / 1e6,
    byUser: record.stoppedByUser,
    restarts: record.restartCount,
  };
}

export function scheduleRestart(container: Container, lived: number): void {
  container.restartDelay = nextDelay(container.restartDelay, lived);
  container.restartTimer = setTimeout(() => void restartNow(container), container.restartDelay);
}

async function restartNow(container: Container): Promise<void> {
  await container.mutex.run(async () => {
    container.restartTimer = undefined;
    if (container.record.state.status !== 'restarting') return;
    container.record.restartCount++;
    try {
      await launch(container);
    } catch (error) {
      container.needs.warn(`container ${container.id} is not started again: ${String(error)}`);
    }
  });
}

/** Of any of its processes, as dockerd has it. */
function wasOomKilled(container: Container): boolean {
  if (container.record.hostConfig.Memory === undefined || container.record.hostConfig.Memory === 0) return false;
  try {
    const { v1, v2 } = cgroupDirs(readContainer(container.needs.runtime, container.id));
    const file = v1['memory'] === undefined ? [v2, 'memory.events'] : [v1['memory'], 'memory.oom_control'];
    const [directory, name = ''] = file;
    return directory !== undefined && (parseFlat(readCgroupFile(directory, name))['oom_kill'] ?? 0n) > 0n;
  } catch {
    return false; // the state directory is gone: nobody counts any more
  }
}

/** A process that is not ours: /proc tells. A zombie of pid 1 goes soon. */
async function gone(pid: number): Promise<void> {
  while (pid > 0 && exists(pid)) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
}

function exists(pid: number): boolean {
  try {
    statSync(`/proc/${pid}`);
    return true;
  } catch {
    return false;
  }
}

/**
 * events: statistics of a container, and what happens to it, until it ends. Not in runtime-spec; the behaviour is runc's
 * (events.go).
 */
import { type FSWatcher, watch } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { StateError } from '../errors.js';
import type { ContainerId } from '../state/container-id.js';
import { type CgroupDirs, cgroupDirs, readCgroupFile } from './cgroup-dir.js';
import { readContainer } from './container.js';
import { identify, isAlive } from './identity.js';
import type { Runtime } from './runtime.js';
import { readState } from './state.js';
import { readStats, type Stats } from './stats.js';
import { parseFlat } from './stats-parse.js';

export type ContainerEvent =
  | { readonly type: 'stats'; readonly id: string; readonly data: Stats }
  | { readonly type: 'oom'; readonly id: string };

export interface EventsRequest {
  readonly id: ContainerId;
  readonly intervalMs: number;
  readonly emit: (event: ContainerEvent) => void;
}

/** How often init, and in cgroup v1 the count of OOM kills, are looked at. */
const TICK_MS = 200;

interface Target {
  readonly dirs: CgroupDirs;
  readonly pid: number;
}

/** Throws StateError for a container that does not run. */
async function findTarget(runtime: Runtime, id: ContainerId): Promise<Target> {
  const dirs = cgroupDirs(readContainer(runtime, id));
  const { status, pid } = await readState(runtime, id);
  if (status !== 'stopped') return { dirs, pid };
  throw new StateError('CONTAINER_STATE', id, `container with id ${id} is not running`);
}

/** The statistics of this moment. */
export async function statsEvent(runtime: Runtime, id: ContainerId): Promise<ContainerEvent> {
  const { dirs, pid } = await findTarget(runtime, id);
  return { type: 'stats', id, data: readStats(dirs, pid) };
}

/** Processes killed for memory so far, in the cgroup and below; undefined when nobody counts. */
function countKills({ v1, v2 }: CgroupDirs): bigint | undefined {
  const memory = v1['memory'];
  if (memory !== undefined) return parseFlat(readCgroupFile(memory, 'memory.oom_control'))['oom_kill'];
  return v2 === undefined ? undefined : parseFlat(readCgroupFile(v2, 'memory.events'))['oom_kill'];
}

/** Calls at once when the kernel says that the file changed (inotify); the cgroup may be gone when the next tick comes. */
function watchFile(dirs: CgroupDirs, changed: () => void): FSWatcher | undefined {
  if (dirs.v2 === undefined || dirs.v1['memory'] !== undefined) return undefined;
  try {
    return watch(join(dirs.v2, 'memory.events'), changed).on('error', () => undefined);
  } catch {
    return undefined; // no memory controller there
  }
}

/** Emits statistics every interval and each OOM kill; resolves when the container has ended. */
export async function watchEvents(runtime: Runtime, { id, intervalMs, emit }: EventsRequest): Promise<void> {
  const { dirs, pid } = await findTarget(runtime, id);
  const init = identify(pid);
  let seen = countKills(dirs) ?? 0n;
  const reportKills = () => {
    for (const count = countKills(dirs) ?? 0n; seen < count; seen++) emit({ type: 'oom', id });
  };
  const watcher = watchFile(dirs, reportKills);
  try {
    let next = performance.now() + intervalMs;
    while (init !== undefined && isAlive(init)) {
      await sleep(Math.max(1, Math.min(TICK_MS, next - performance.now())));
      reportKills();
      if (performance.now() < next || !isAlive(init)) continue;
      emit({ type: 'stats', id, data: readStats(dirs, pid) });
      next += intervalMs * Math.ceil((performance.now() - next) / intervalMs);
    }
    reportKills();
  } finally {
    watcher?.close();
  }
}

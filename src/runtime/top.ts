/** top: what all containers below the root directory use. No other runtime has it. */
import type { ContainerId } from '../state/container-id.js';
import { type CgroupDirs, cgroupDirs } from './cgroup-dir.js';
import { readContainer } from './container.js';
import { type ListedContainer, listContainers } from './list.js';
import type { Runtime } from './runtime.js';
import { readStats } from './stats.js';
import { type Sample, type Usage, usageOf } from './usage.js';

export interface TopEntry {
  readonly id: string;
  readonly status: string;
  readonly pid: number;
  /** undefined for one that has stopped. */
  readonly usage: Usage | undefined;
}

/** Looks again and again: shares of the CPU are those since the look before. */
export class Sampler {
  private readonly dirs = new Map<string, CgroupDirs>();
  private samples: ReadonlyMap<string, Sample> = new Map();

  constructor(private readonly runtime: Runtime) {}

  /** Those that use the CPU most come first, those that have stopped last. */
  async look(): Promise<TopEntry[]> {
    const next = new Map<string, Sample>();
    const entries = (await listContainers(this.runtime)).map((container) => this.describe(container, next));
    this.samples = next;
    return entries.sort((a, b) => rank(b) - rank(a) || (a.id < b.id ? -1 : 1));
  }

  private describe(container: ListedContainer, next: Map<string, Sample>): TopEntry {
    const { id, status, pid, created } = container;
    if (status === 'stopped') return { id, status, pid, usage: undefined };
    const key = `${id} ${created}`;
    const at = performance.now();
    const usage = usageOf(readStats(this.dirsOf(key, id), pid), at, this.samples.get(key));
    next.set(key, { cpuTime: usage.cpuTime, at });
    return { id, status, pid, usage };
  }

  /** Kept, because a whole config is read for them. */
  private dirsOf(key: string, id: string): CgroupDirs {
    const dirs = this.dirs.get(key) ?? this.read(id);
    this.dirs.set(key, dirs);
    return dirs;
  }

  private read(id: string): CgroupDirs {
    try {
      // From the list, which holds ids alone.
      return cgroupDirs(readContainer(this.runtime, id as ContainerId));
    } catch (error) {
      this.runtime.warn(error instanceof Error ? error.message : String(error));
      return { v2: undefined, v1: {} };
    }
  }
}

function rank({ usage }: TopEntry): number {
  return usage === undefined ? -1 : (usage.cpuPercent ?? 0);
}

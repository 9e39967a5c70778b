/**
 * The few numbers of the statistics that people look at, and the share of the CPU between two samples.
 *
 * Pure.
 */
import type { BlkioEntry, Counter, Stats } from './stats.js';

/** A limit at or above this means none: v1 says 2^63 less a page, v2 "max". */
const NO_LIMIT = 2n ** 62n;

export interface Usage {
  /** Nanoseconds. */
  readonly cpuTime: Counter;
  /** Of one CPU; undefined for a first sample. */
  readonly cpuPercent: number | undefined;
  /** Bytes. */
  readonly memory: Counter;
  readonly memoryLimit: Counter | undefined;
  readonly pids: Counter;
  readonly ioRead: Counter;
  readonly ioWritten: Counter;
  /** undefined without a network namespace of its own. */
  readonly received: Counter | undefined;
  readonly sent: Counter | undefined;
  readonly oomKills: Counter;
}

export interface Sample {
  readonly cpuTime: Counter;
  /** Milliseconds of a clock that only goes forward. */
  readonly at: number;
}

function sum(values: readonly (Counter | undefined)[]): Counter {
  return values.reduce<Counter>((total, value) => total + (value ?? 0n), 0n);
}

function bytes(entries: readonly BlkioEntry[] = [], wanted: string): Counter {
  return sum(entries.filter(({ op }) => op === wanted).map(({ value }) => value));
}

function percent(cpuTime: Counter, at: number, previous: Sample | undefined): number | undefined {
  if (previous === undefined || at <= previous.at || cpuTime < previous.cpuTime) return undefined;
  return Number(cpuTime - previous.cpuTime) / ((at - previous.at) * 1e4);
}

export function usageOf(stats: Stats, at: number, previous?: Sample): Usage {
  const { cpu, memory, pids, blkio, network_interfaces: interfaces } = stats;
  const cpuTime = cpu.usage.total ?? 0n;
  const { limit } = memory.usage;
  // Nobody asks what the loopback interface carried.
  const links = interfaces?.filter(({ Name }) => Name !== 'lo');
  return {
    cpuTime,
    cpuPercent: percent(cpuTime, at, previous),
    memory: memory.usage.usage ?? 0n,
    memoryLimit: limit === 0n || limit >= NO_LIMIT ? undefined : limit,
    pids: pids.current ?? 0n,
    ioRead: bytes(blkio.ioServiceBytesRecursive, 'Read'),
    ioWritten: bytes(blkio.ioServiceBytesRecursive, 'Write'),
    received: links === undefined ? undefined : sum(links.map(({ RxBytes }) => RxBytes)),
    sent: links === undefined ? undefined : sum(links.map(({ TxBytes }) => TxBytes)),
    oomKills: memory.events?.['oom_kill'] ?? 0n,
  };
}

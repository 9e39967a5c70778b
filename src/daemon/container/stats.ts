/** GET /containers/{id}/stats: what the runtime reads of cgroups, in the API's shape. */
import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { type CgroupDirs, cgroupDirs } from '../../runtime/cgroup-dir.js';
import { readContainer } from '../../runtime/container.js';
import { type BlkioEntry, type Counter, readStats, type Stats } from '../../runtime/stats.js';
import type { Container } from './container.js';
import { NEVER } from './record.js';
import { now } from './times.js';

const NO_LIMIT = 2n ** 62n;
/** USER_HZ: what /proc/stat counts in, always. proc_stat(5). */
const TICK_NS = 10_000_000n;

export interface Sample {
  readonly read: string;
  readonly stats: Stats;
  readonly system: Counter;
}

/** Where a container's cgroups are is decided at its start. */
export class Sampler {
  readonly #pid: number;
  readonly #dirs: CgroupDirs;

  /** Throws StateError for one that does not run. */
  constructor(container: Container) {
    this.#dirs = cgroupDirs(readContainer(container.needs.runtime, container.id));
    this.#pid = container.record.state.pid;
  }

  read(): Sample {
    return { read: now(), stats: readStats(this.#dirs, this.#pid), system: systemTime() };
  }
}

/** Nanoseconds that the host's CPUs have spent so far, idle time too. */
function systemTime(): Counter {
  const [first = ''] = readFileSync('/proc/stat', 'utf8').split('\n', 1);
  const ticks = first.split(/\s+/).slice(1, 8);
  return ticks.reduce((sum, text) => sum + BigInt(text || 0), 0n) * TICK_NS;
}

/** Values beyond 2^53 are nobody's memory. */
const n = (value: Counter | undefined): number => Number(value ?? 0n);

export function describe({ record, id }: Container, sample: Sample | undefined, previous: Sample | undefined): unknown {
  const cpu = sample === undefined ? {} : cpuStats(sample);
  return {
    read: sample?.read ?? NEVER,
    preread: previous?.read ?? NEVER,
    pids_stats: sample === undefined ? {} : pidsStats(sample.stats),
    blkio_stats: sample === undefined ? blkioStats(undefined) : blkioStats(sample.stats),
    num_procs: 0,
    storage_stats: {},
    cpu_stats: cpu,
    precpu_stats: previous === undefined ? NO_CPU : cpuStats(previous),
    memory_stats: sample === undefined ? {} : memoryStats(sample.stats),
    name: `/${record.name}`,
    id,
    ...(sample?.stats.network_interfaces ? { networks: networks(sample.stats) } : {}),
  };
}

const NO_CPU = {
  cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
  throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
};

function cpuStats({ stats, system }: Sample) {
  const { usage, throttling } = stats.cpu;
  return {
    cpu_usage: {
      total_usage: n(usage.total),
      usage_in_kernelmode: n(usage.kernel),
      usage_in_usermode: n(usage.user),
      ...(usage.percpu === undefined ? {} : { percpu_usage: usage.percpu.map(n) }),
    },
    system_cpu_usage: n(system),
    online_cpus: availableParallelism(),
    throttling_data: {
      periods: n(throttling.periods),
      throttled_periods: n(throttling.throttledPeriods),
      throttled_time: n(throttling.throttledTime),
    },
  };
}

function pidsStats({ pids }: Stats) {
  const limited = pids.limit !== undefined && pids.limit > 0n && pids.limit < NO_LIMIT;
  return { current: n(pids.current), ...(limited ? { limit: n(pids.limit) } : {}) };
}

function memoryStats({ memory }: Stats) {
  const { usage, limit, max } = memory.usage;
  const host = totalmem();
  const bounded = limit > 0n && limit < BigInt(host);
  return {
    usage: n(usage),
    ...(max === undefined ? {} : { max_usage: n(max) }),
    stats: Object.fromEntries(Object.entries(memory.raw ?? {}).map(([name, value]) => [name, n(value)])),
    limit: bounded ? Number(limit) : host,
  };
}

const BLKIO = {
  io_service_bytes_recursive: 'ioServiceBytesRecursive',
  io_serviced_recursive: 'ioServicedRecursive',
  io_queue_recursive: 'ioQueueRecursive',
  io_service_time_recursive: 'ioServiceTimeRecursive',
  io_wait_time_recursive: 'ioWaitTimeRecursive',
  io_merged_recursive: 'ioMergedRecursive',
  io_time_recursive: 'ioTimeRecursive',
  sectors_recursive: 'sectorsRecursive',
} as const;

function blkioStats(stats: Stats | undefined) {
  const entries = (list: readonly BlkioEntry[] | undefined) =>
    list?.map(({ major, minor, op = '', value }) => ({
      major: n(major),
      minor: n(minor),
      op: op.toLowerCase(),
      value: n(value),
    })) ?? null;
  return Object.fromEntries(Object.entries(BLKIO).map(([name, field]) => [name, entries(stats?.blkio[field])]));
}

function networks({ network_interfaces: all }: Stats) {
  const own = (all ?? []).filter(({ Name }) => Name !== 'lo');
  return Object.fromEntries(
    own.map((one) => [
      one.Name,
      {
        rx_bytes: n(one.RxBytes),
        rx_packets: n(one.RxPackets),
        rx_errors: n(one.RxErrors),
        rx_dropped: n(one.RxDropped),
        tx_bytes: n(one.TxBytes),
        tx_packets: n(one.TxPackets),
        tx_errors: n(one.TxErrors),
        tx_dropped: n(one.TxDropped),
      },
    ]),
  );
}

/**
 * What a container uses, in the shape of `runc events` (types/events.go): engines and scripts read it. Values that cgroup
 * v2 counts otherwise are given as v1 has them: nanoseconds, swap together with memory. Beyond runc: memory.events, rdma,
 * and the interfaces of the container's network namespace.
 */
import type { CgroupDirs } from './cgroup-dir.js';
import { readNetwork } from './stats-network.js';
import { statsV1 } from './stats-v1.js';
import { statsV2 } from './stats-v2.js';

export type Counter = bigint;

export interface Pressure {
  readonly avg10: number;
  readonly avg60: number;
  readonly avg300: number;
  readonly total: Counter;
}

export interface Psi {
  readonly some?: Pressure;
  readonly full?: Pressure;
}

export interface CpuStats {
  readonly usage: {
    readonly total?: Counter;
    readonly percpu?: readonly Counter[];
    readonly percpu_kernel?: readonly Counter[];
    readonly percpu_user?: readonly Counter[];
    readonly kernel: Counter;
    readonly user: Counter;
  };
  readonly throttling: {
    readonly periods?: Counter;
    readonly throttledPeriods?: Counter;
    readonly throttledTime?: Counter;
  };
  readonly psi?: Psi;
}

export interface CpusetStats {
  readonly cpus?: readonly number[];
  readonly cpu_exclusive: Counter;
  readonly mems?: readonly number[];
  readonly mem_hardwall: Counter;
  readonly mem_exclusive: Counter;
  readonly memory_migrate: Counter;
  readonly memory_spread_page: Counter;
  readonly memory_spread_slab: Counter;
  readonly memory_pressure: Counter;
  readonly sched_load_balance: Counter;
  readonly sched_relax_domain_level: Counter;
}

export interface MemoryEntry {
  readonly limit: Counter;
  readonly usage?: Counter;
  readonly max?: Counter;
  readonly failcnt: Counter;
}

export interface MemoryStats {
  readonly cache?: Counter;
  readonly usage: MemoryEntry;
  readonly swap: MemoryEntry;
  readonly kernel: MemoryEntry;
  readonly kernelTCP: MemoryEntry;
  readonly raw?: { readonly [name: string]: Counter };
  readonly psi?: Psi;
  /** Ours: memory.events of cgroup v2 (low, high, max, oom, oom_kill, …), or what memory.oom_control of v1 counts. */
  readonly events?: { readonly [name: string]: Counter };
}

export interface BlkioEntry {
  readonly major?: Counter;
  readonly minor?: Counter;
  readonly op?: string;
  readonly value?: Counter;
}

export interface BlkioStats {
  readonly ioServiceBytesRecursive?: readonly BlkioEntry[];
  readonly ioServicedRecursive?: readonly BlkioEntry[];
  readonly ioQueueRecursive?: readonly BlkioEntry[];
  readonly ioServiceTimeRecursive?: readonly BlkioEntry[];
  readonly ioWaitTimeRecursive?: readonly BlkioEntry[];
  readonly ioMergedRecursive?: readonly BlkioEntry[];
  readonly ioTimeRecursive?: readonly BlkioEntry[];
  readonly sectorsRecursive?: readonly BlkioEntry[];
  readonly psi?: Psi;
}

export interface HugetlbEntry {
  readonly usage?: Counter;
  readonly max?: Counter;
  readonly failcnt: Counter;
}

/** Ours: hca_handle and hca_object of each device. */
export interface RdmaStats {
  readonly [device: string]: { readonly [resource: string]: { readonly current?: Counter; readonly limit?: Counter } };
}

export interface NetworkInterface {
  readonly Name: string;
  readonly RxBytes: Counter;
  readonly RxPackets: Counter;
  readonly RxErrors: Counter;
  readonly RxDropped: Counter;
  readonly TxBytes: Counter;
  readonly TxPackets: Counter;
  readonly TxErrors: Counter;
  readonly TxDropped: Counter;
}

/** What a version of cgroups tells; undefined where the controller is not in that version here. */
export interface CgroupStats {
  readonly cpu: CpuStats | undefined;
  readonly cpuset: CpusetStats | undefined;
  readonly memory: MemoryStats | undefined;
  readonly pids: { readonly current?: Counter; readonly limit?: Counter } | undefined;
  readonly blkio: BlkioStats | undefined;
  readonly hugetlb: { readonly [pageSize: string]: HugetlbEntry } | undefined;
  readonly rdma?: RdmaStats | undefined;
}

export interface Stats {
  readonly cpu: CpuStats;
  readonly cpuset: CpusetStats;
  readonly memory: MemoryStats;
  readonly pids: { readonly current?: Counter; readonly limit?: Counter };
  readonly blkio: BlkioStats;
  readonly hugetlb: { readonly [pageSize: string]: HugetlbEntry };
  readonly intel_rdt: object;
  /** null when the container has no network namespace of its own. */
  readonly network_interfaces: readonly NetworkInterface[] | null;
  readonly rdma?: RdmaStats;
}

const NO_MEMORY: MemoryEntry = { limit: 0n, failcnt: 0n };

const NO_CPUSET: CpusetStats = {
  cpu_exclusive: 0n,
  mem_hardwall: 0n,
  mem_exclusive: 0n,
  memory_migrate: 0n,
  memory_spread_page: 0n,
  memory_spread_slab: 0n,
  memory_pressure: 0n,
  sched_load_balance: 0n,
  sched_relax_domain_level: 0n,
};

const NOTHING: CgroupStats = {
  cpu: { usage: { kernel: 0n, user: 0n }, throttling: {} },
  cpuset: NO_CPUSET,
  memory: { usage: NO_MEMORY, swap: NO_MEMORY, kernel: NO_MEMORY, kernelTCP: NO_MEMORY },
  pids: {},
  blkio: {},
  hugetlb: {},
};

/** On a hybrid host each controller is in one of the two; v1 is asked first, because cgroup2 counts some things always. */
export function readStats(dirs: CgroupDirs, pid: number): Stats {
  const sources = [statsV1(dirs.v1), dirs.v2 === undefined ? NOTHING : statsV2(dirs.v2), NOTHING];
  const first = <K extends keyof CgroupStats>(key: K): NonNullable<CgroupStats[K]> =>
    sources.map((source) => source[key]).find((value) => value !== undefined) as NonNullable<CgroupStats[K]>;
  const rdma = first('rdma');
  return {
    cpu: first('cpu'),
    cpuset: first('cpuset'),
    memory: first('memory'),
    pids: first('pids'),
    blkio: first('blkio'),
    hugetlb: first('hugetlb'),
    intel_rdt: {},
    network_interfaces: readNetwork(pid),
    ...(rdma === undefined ? {} : { rdma }),
  };
}

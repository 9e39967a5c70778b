/** The statistics of cgroup v1, each controller in a hierarchy of its own: cgroup-v1/. */
import { readdirSync } from 'node:fs';
import { readCgroupFile } from './cgroup-dir.js';
import type { BlkioEntry, CgroupStats, Counter, CpusetStats, HugetlbEntry, MemoryEntry } from './stats.js';
import { nonZero, parseFlat, parseValue } from './stats-parse.js';
import { expand } from './stats-v2.js';

/** USER_HZ of every architecture Linux runs on: cpuacct.stat counts in it. */
const NS_PER_TICK = 10_000_000n;

type Dirs = { readonly [controller: string]: string };
type Read = (file: string) => string | undefined;

export function statsV1(dirs: Dirs): CgroupStats {
  const on = <T>(controller: string, stats: (read: Read, directory: string) => T): T | undefined => {
    const directory = dirs[controller];
    return directory === undefined ? undefined : stats((file) => readCgroupFile(directory, file), directory);
  };
  return {
    cpu: on('cpuacct', (acct) => cpu(acct, on('cpu', (read) => read) ?? acct)),
    cpuset: on('cpuset', cpuset),
    memory: on('memory', memory),
    pids: on('pids', pids),
    blkio: on('blkio', blkio),
    hugetlb: on('hugetlb', hugetlb),
  };
}

function cpu(acct: Read, read: Read): CgroupStats['cpu'] {
  const times = parseFlat(acct('cpuacct.stat'));
  const stat = parseFlat(read('cpu.stat'));
  const percpu = (acct('cpuacct.usage_percpu') ?? '').trim().split(' ').filter(Boolean).map(BigInt);
  return {
    usage: {
      ...nonZero({ total: parseValue(acct('cpuacct.usage')) }),
      ...(percpu.length === 0 ? {} : { percpu, ...perCpu(acct('cpuacct.usage_all')) }),
      kernel: (times['system'] ?? 0n) * NS_PER_TICK,
      user: (times['user'] ?? 0n) * NS_PER_TICK,
    },
    throttling: nonZero({
      periods: stat['nr_periods'],
      throttledPeriods: stat['nr_throttled'],
      throttledTime: stat['throttled_time'],
    }),
  };
}

/** Lines of "cpu user system" below a header. */
function perCpu(text: string | undefined): { percpu_kernel?: Counter[]; percpu_user?: Counter[] } {
  const rows = (text ?? '').split('\n').flatMap((line) => {
    const found = /^\d+ (\d+) (\d+)$/.exec(line);
    return found === null ? [] : [[BigInt(found[1] ?? 0), BigInt(found[2] ?? 0)] as const];
  });
  if (rows.length === 0) return {};
  return { percpu_kernel: rows.map(([, kernel]) => kernel), percpu_user: rows.map(([user]) => user) };
}

const CPUSET_FILES = [
  'cpu_exclusive',
  'mem_hardwall',
  'mem_exclusive',
  'memory_migrate',
  'memory_spread_page',
  'memory_spread_slab',
  'memory_pressure',
  'sched_load_balance',
  'sched_relax_domain_level',
] as const;

function cpuset(read: Read): CpusetStats {
  const numbers = CPUSET_FILES.map((file) => [file, parseValue(read(`cpuset.${file}`)) ?? 0n] as const);
  const values = Object.fromEntries(numbers) as { readonly [F in (typeof CPUSET_FILES)[number]]: Counter };
  const [cpus, mems] = [expand(read('cpuset.cpus')), expand(read('cpuset.mems'))];
  const { cpu_exclusive, ...rest } = values;
  return {
    ...(cpus === undefined ? {} : { cpus }),
    cpu_exclusive,
    ...(mems === undefined ? {} : { mems }),
    ...rest,
  };
}

function memory(read: Read): CgroupStats['memory'] {
  const raw = parseFlat(read('memory.stat'));
  const control = parseFlat(read('memory.oom_control'));
  return {
    ...nonZero({ cache: raw['cache'] }),
    usage: entry(read, 'memory'),
    swap: entry(read, 'memory.memsw'),
    kernel: entry(read, 'memory.kmem'),
    kernelTCP: entry(read, 'memory.kmem.tcp'),
    raw,
    ...(control['oom_kill'] === undefined ? {} : { events: { oom_kill: control['oom_kill'] } }),
  };
}

function entry(read: Read, name: string): MemoryEntry {
  const value = (what: string) => parseValue(read(`${name}.${what}`));
  const used = nonZero({ usage: value('usage_in_bytes'), max: value('max_usage_in_bytes') });
  return { limit: value('limit_in_bytes') ?? 0n, ...used, failcnt: value('failcnt') ?? 0n };
}

function pids(read: Read): CgroupStats['pids'] {
  const limit = read('pids.max')?.trim() === 'max' ? 0n : parseValue(read('pids.max'));
  return nonZero({ current: parseValue(read('pids.current')), limit });
}

/** Which files there are depends on the scheduler: BFQ, or the throttling of the block layer. */
const BLKIO_TABLES = [
  ['ioServiceBytesRecursive', 'io_service_bytes_recursive'],
  ['ioServicedRecursive', 'io_serviced_recursive'],
  ['ioQueueRecursive', 'io_queued_recursive'],
  ['ioServiceTimeRecursive', 'io_service_time_recursive'],
  ['ioWaitTimeRecursive', 'io_wait_time_recursive'],
  ['ioMergedRecursive', 'io_merged_recursive'],
  ['ioTimeRecursive', 'time_recursive'],
  ['sectorsRecursive', 'sectors_recursive'],
] as const;

function blkio(read: Read): CgroupStats['blkio'] {
  const prefix = ['blkio.bfq', 'blkio', 'blkio.throttle'].find((name) =>
    parseBlkio(read(`${name}.io_serviced_recursive`)).some((line) => line.major !== undefined),
  );
  if (prefix === undefined) return {};
  const tables = BLKIO_TABLES.map(([table, file]) => [table, parseBlkio(read(`${prefix}.${file}`))] as const);
  return Object.fromEntries(tables.filter(([, lines]) => lines.length > 0));
}

/** Lines of "8:0 Read 4096"; the sum over all devices, "Total 4096", is left out. */
export function parseBlkio(text: string | undefined): BlkioEntry[] {
  return (text ?? '').split('\n').flatMap((line) => {
    const found = /^(\d+):(\d+)(?: (\w+))? (\d+)$/.exec(line);
    if (found === null) return [];
    const [, major = '0', minor = '0', op, value = '0'] = found;
    const device = nonZero({ major: BigInt(major), minor: BigInt(minor) });
    return [{ ...device, ...(op === undefined ? {} : { op }), ...nonZero({ value: BigInt(value) }) }];
  });
}

function hugetlb(read: Read, directory: string): CgroupStats['hugetlb'] {
  const sizes = names(directory).flatMap((name) => /^hugetlb\.(\d+[KMG]B)\.usage_in_bytes$/.exec(name)?.[1] ?? []);
  const describe = (size: string): HugetlbEntry => {
    const value = (what: string) => parseValue(read(`hugetlb.${size}.${what}`));
    const used = nonZero({ usage: value('usage_in_bytes'), max: value('max_usage_in_bytes') });
    return { ...used, failcnt: value('failcnt') ?? 0n };
  };
  return Object.fromEntries(sizes.map((size) => [size, describe(size)]));
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

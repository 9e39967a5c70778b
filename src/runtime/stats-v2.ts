/** The statistics that cgroup v2 keeps: cgroup-v2.rst, "Controllers". */
import { readdirSync } from 'node:fs';
import { parseNumberList } from '../util/number-list.js';
import { readCgroupFile, readPids } from './cgroup-dir.js';
import type { BlkioEntry, CgroupStats, Counter, HugetlbEntry, MemoryEntry, RdmaStats } from './stats.js';
import { nonZero, parseFlat, parseNested, parsePressure, parseValue, UNLIMITED, withPsi } from './stats-parse.js';

const NS_PER_US = 1000n;

type Read = (file: string) => string | undefined;

export function statsV2(directory: string): CgroupStats {
  const read: Read = (file) => readCgroupFile(directory, file);
  return {
    cpu: cpu(read),
    cpuset: cpuset(read),
    memory: memory(read),
    pids: pids(directory, read),
    blkio: blkio(read),
    hugetlb: hugetlb(directory, read),
    rdma: rdma(read),
  };
}

/** cpu.stat is there without the controller too. */
function cpu(read: Read): CgroupStats['cpu'] {
  const text = read('cpu.stat');
  if (text === undefined) return undefined;
  const stat = parseFlat(text);
  const nanoseconds = (key: string): Counter => (stat[key] ?? 0n) * NS_PER_US;
  return {
    usage: {
      ...nonZero({ total: nanoseconds('usage_usec') }),
      kernel: nanoseconds('system_usec'),
      user: nanoseconds('user_usec'),
    },
    throttling: nonZero({
      periods: stat['nr_periods'],
      throttledPeriods: stat['nr_throttled'],
      throttledTime: nanoseconds('throttled_usec'),
    }),
    ...withPsi(parsePressure(read('cpu.pressure'))),
  };
}

/** The rest of the shape are files that only v1 has. */
function cpuset(read: Read): CgroupStats['cpuset'] {
  const cpus = expand(read('cpuset.cpus.effective'));
  const mems = expand(read('cpuset.mems.effective'));
  if (cpus === undefined && mems === undefined) return undefined;
  return {
    ...(cpus === undefined ? {} : { cpus }),
    cpu_exclusive: 0n,
    ...(mems === undefined ? {} : { mems }),
    mem_hardwall: 0n,
    mem_exclusive: 0n,
    memory_migrate: 0n,
    memory_spread_page: 0n,
    memory_spread_slab: 0n,
    memory_pressure: 0n,
    sched_load_balance: 0n,
    sched_relax_domain_level: 0n,
  };
}

/** "0-2,5" to 0, 1, 2, 5 */
export function expand(text: string | undefined): number[] | undefined {
  const ranges = text === undefined || text.trim() === '' ? undefined : parseNumberList(text.trim());
  return ranges?.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, index) => first + index));
}

function memory(read: Read): CgroupStats['memory'] {
  const usage = entry(read, 'memory');
  if (usage === undefined) return undefined;
  const raw = parseFlat(read('memory.stat'));
  return {
    ...nonZero({ cache: raw['file'] }),
    usage,
    swap: withMemory(usage, entry(read, 'memory.swap')),
    kernel: { limit: 0n, ...nonZero({ usage: raw['kernel'] }), failcnt: 0n },
    kernelTCP: { limit: 0n, ...nonZero({ usage: raw['sock'] }), failcnt: 0n },
    raw,
    ...withPsi(parsePressure(read('memory.pressure'))),
    events: parseFlat(read('memory.events')),
  };
}

function entry(read: Read, name: string): MemoryEntry | undefined {
  const usage = parseValue(read(`${name}.current`));
  if (usage === undefined) return undefined;
  const limit = parseValue(read(`${name}.max`)) ?? 0n;
  return { limit, ...nonZero({ usage, max: parseValue(read(`${name}.peak`)) }), failcnt: 0n };
}

/** v1 counts swap together with memory; the peaks of the two cannot be added. */
function withMemory(memory: MemoryEntry, swap: MemoryEntry | undefined): MemoryEntry {
  if (swap === undefined) return { limit: 0n, failcnt: 0n };
  const unlimited = swap.limit === UNLIMITED || memory.limit === UNLIMITED;
  const limit = unlimited ? UNLIMITED : swap.limit + memory.limit;
  return { limit, ...nonZero({ usage: (memory.usage ?? 0n) + (swap.usage ?? 0n) }), failcnt: 0n };
}

/** No limit is left out, as 0 is. Without the controller there is still somebody to count. */
function pids(directory: string, read: Read): CgroupStats['pids'] {
  const current = parseValue(read('pids.current')) ?? BigInt(readPids(directory).length);
  const limit = parseValue(read('pids.max'));
  return nonZero({ current, limit: limit === UNLIMITED ? 0n : limit });
}

const IO_KEYS = [
  ['ioServiceBytesRecursive', 'Read', 'rbytes'],
  ['ioServiceBytesRecursive', 'Write', 'wbytes'],
  ['ioServicedRecursive', 'Read', 'rios'],
  ['ioServicedRecursive', 'Write', 'wios'],
] as const;

function blkio(read: Read): CgroupStats['blkio'] {
  const text = read('io.stat');
  if (text === undefined) return undefined;
  const tables: { [name: string]: BlkioEntry[] } = {};
  for (const [device, values] of parseNested(text)) {
    const [major, minor] = device.split(':').map((number) => parseValue(number));
    for (const [table, op, key] of IO_KEYS) {
      tables[table] ??= [];
      tables[table].push({ ...nonZero({ major, minor }), op, ...nonZero({ value: values[key] }) });
    }
  }
  return { ...tables, ...withPsi(parsePressure(read('io.pressure'))) };
}

function hugetlb(directory: string, read: Read): CgroupStats['hugetlb'] {
  const sizes = names(directory).flatMap((name) => /^hugetlb\.(\d+[KMG]B)\.current$/.exec(name)?.[1] ?? []);
  if (sizes.length === 0) return undefined;
  const describe = (size: string): HugetlbEntry => {
    const failcnt = parseFlat(read(`hugetlb.${size}.events`))['max'] ?? 0n;
    return { ...nonZero({ usage: parseValue(read(`hugetlb.${size}.current`)) }), failcnt };
  };
  return Object.fromEntries(sizes.map((size) => [size, describe(size)]));
}

/** Removed meanwhile: no files. */
function names(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function rdma(read: Read): RdmaStats | undefined {
  const [current, limits] = [parseNested(read('rdma.current')), new Map(parseNested(read('rdma.max')))];
  if (current.length === 0) return undefined;
  return Object.fromEntries(
    current.map(([device, used]) => {
      const resources = Object.entries(used).map(([resource, value]) => {
        const limit = limits.get(device)?.[resource];
        return [resource, nonZero({ current: value, limit: limit === UNLIMITED ? 0n : limit })];
      });
      return [device, Object.fromEntries(resources)];
    }),
  );
}

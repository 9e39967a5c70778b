/**
 * Limits: what cannot be is refused, what this host cannot apply is dropped with a warning. Rules and words are
 * dockerd's, of `docker run` and `docker update` alike.
 *
 * Pure.
 */
import type { LimitSupport } from '../../../host/limits.js';
import { parseNumberList } from '../../../util/number-list.js';
import type { HostConfig } from '../../api/types.gen.js';
import { refuse } from './refuse.js';

const LEAST_MEMORY = 6 * 1024 * 1024;

type Limits = { -readonly [key in keyof HostConfig]: HostConfig[key] };

interface Adaption {
  readonly limits: Limits;
  readonly host: LimitSupport;
  readonly warnings: string[];
}

export interface AdaptedLimits {
  readonly limits: HostConfig;
  readonly warnings: readonly string[];
}

/** update: only what changes is given. Throws TsrunError REQUEST_INVALID. */
export function adaptLimits(asked: HostConfig, host: LimitSupport, update = false): AdaptedLimits {
  const adaption: Adaption = { limits: { ...asked }, host, warnings: [] };
  const { limits } = adaption;
  if ((limits.Memory ?? 0) > 0 && (limits.MemorySwap ?? 0) === 0 && !update)
    limits.MemorySwap = (limits.Memory ?? 0) * 2;
  if (limits.MemorySwappiness === -1) delete limits.MemorySwappiness;
  if ((limits.PidsLimit ?? 0) <= 0 && !update) delete limits.PidsLimit;
  memory(adaption, update);
  pids(adaption);
  cpu(adaption);
  cpuset(adaption);
  blkio(adaption);
  return adaption;
}

/** Takes limits away that the host lacks. */
function drop({ limits, warnings }: Adaption, supported: boolean, names: readonly (keyof Limits)[], why: string): void {
  const set = names.filter((name) => {
    const value = limits[name];
    return Array.isArray(value)
      ? value.length > 0
      : value !== undefined && value !== 0 && value !== '' && value !== false;
  });
  if (supported || set.length === 0) return;
  for (const name of set) delete limits[name];
  warnings.push(why);
}

const mounted = (what: string, then: string): string =>
  `Your kernel does not support ${what} or the cgroup is not mounted. ${then}`;

function memory(adaption: Adaption, update: boolean): void {
  const { limits, host, warnings } = adaption;
  const asked = limits.Memory ?? 0;
  if (asked !== 0 && asked < LEAST_MEMORY) throw refuse('Minimum memory limit allowed is 6MB');
  if (asked > 0 && !host.memory) {
    warnings.push(mounted('memory limit capabilities', 'Limitation discarded.'));
    limits.Memory = 0;
    limits.MemorySwap = -1;
  }
  const limit = limits.Memory ?? 0;
  if (limit > 0 && (limits.MemorySwap ?? 0) !== -1 && !host.swap) {
    warnings.push(mounted('swap limit capabilities', 'Memory limited without swap.'));
    limits.MemorySwap = -1;
  }
  const swap = limits.MemorySwap ?? 0;
  if (swap < -1) throw refuse(`Invalid value: ${swap}, MemorySwap must be -1, 0 or at least the memory limit`);
  if (limit > 0 && swap > 0 && swap < limit)
    throw refuse('Minimum memoryswap limit should be larger than memory limit, see usage');
  if (limit === 0 && swap > 0 && !update)
    throw refuse('You should always set the Memory limit when using Memoryswap limit, see usage');
  memoryDetails(adaption, limit);
}

function memoryDetails(adaption: Adaption, limit: number): void {
  const { limits, host, warnings } = adaption;
  const swappiness = limits.MemorySwappiness;
  if (swappiness !== undefined && (swappiness < 0 || swappiness > 100))
    throw refuse(`Invalid value: ${swappiness}, valid memory swappiness range is 0-100`);
  if (swappiness !== undefined && !host.swappiness) {
    delete limits.MemorySwappiness;
    warnings.push(mounted('memory swappiness capabilities', 'Memory swappiness discarded.'));
  }
  const reservation = limits.MemoryReservation ?? 0;
  if (reservation !== 0 && reservation < LEAST_MEMORY) throw refuse('Minimum memory reservation allowed is 6MB');
  if (limit > 0 && reservation > 0 && limit < reservation)
    throw refuse('Minimum memory limit can not be less than memory reservation limit, see usage');
  drop(
    adaption,
    host.memoryReservation,
    ['MemoryReservation'],
    mounted('memory soft limit capabilities', 'Limitation discarded.'),
  );
  drop(
    adaption,
    host.oomKillDisable,
    ['OomKillDisable'],
    'Your kernel does not support OomKillDisable. OomKillDisable discarded.',
  );
  if (limits.OomKillDisable === true && limit === 0)
    warnings.push(
      'OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.',
    );
  for (const name of ['KernelMemory', 'KernelMemoryTCP'] as const) delete limits[name]; // gone with API 1.42
}

function pids(adaption: Adaption): void {
  drop(adaption, adaption.host.pids, ['PidsLimit'], mounted('PIDs limit capabilities', 'PIDs limit discarded.'));
}

function cpu(adaption: Adaption): void {
  const { limits, host } = adaption;
  const { NanoCpus = 0, CpuPeriod = 0, CpuQuota = 0, CpuShares = 0 } = limits;
  if (NanoCpus > 0 && CpuPeriod > 0) throw refuse('Conflicting options: Nano CPUs and CPU Period cannot both be set');
  if (NanoCpus > 0 && CpuQuota > 0) throw refuse('Conflicting options: Nano CPUs and CPU Quota cannot both be set');
  if (NanoCpus > 0 && !host.cpuQuota)
    throw refuse(`NanoCPUs can not be set: ${mounted('CPU CFS scheduler', '').trim()}`);
  if (NanoCpus < 0 || NanoCpus > host.cpus * 1e9)
    throw refuse(
      `range of CPUs is from 0.01 to ${host.cpus}.00, as there are only ${host.cpus} CPUs available (NanoCpus: ${NanoCpus})`,
    );
  if (CpuShares < 0) throw refuse(`Invalid value: ${CpuShares}, CPU shares must not be negative`);
  drop(adaption, host.cpuShares, ['CpuShares'], mounted('CPU shares', 'Shares discarded.'));
  drop(
    adaption,
    host.cpuQuota,
    ['CpuPeriod', 'CpuQuota'],
    'Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.',
  );
  if (CpuPeriod !== 0 && (CpuPeriod < 1000 || CpuPeriod > 1_000_000))
    throw refuse('CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)');
  if (CpuQuota !== 0 && CpuQuota !== -1 && CpuQuota < 1000)
    throw refuse('CPU cfs quota can not be less than 1ms (i.e. 1000)');
  if (((limits.CpuRealtimePeriod ?? 0) !== 0 || (limits.CpuRealtimeRuntime ?? 0) !== 0) && !host.cpuRealtime)
    throw refuse('Your kernel does not support CPU real-time scheduler');
  if ((limits.CpuPercent ?? 0) > 0) {
    delete limits.CpuPercent;
    adaption.warnings.push('linux does not support CPU percent. Percent discarded.');
  }
}

function cpuset(adaption: Adaption): void {
  const { limits, host } = adaption;
  drop(adaption, host.cpuset, ['CpusetCpus', 'CpusetMems'], mounted('cpuset', 'Cpuset discarded.'));
  checkList(limits.CpusetCpus ?? '', host.cpuList, 'cpus', 'CPUs');
  checkList(limits.CpusetMems ?? '', host.nodeList, 'mems', 'memory nodes');
}

function checkList(asked: string, available: string, name: string, what: string): void {
  if (asked === '') return;
  const ranges = /\s/.test(asked) ? undefined : parseNumberList(asked);
  if (ranges === undefined)
    throw refuse(
      `Invalid value ${asked} for cpuset ${name}: want numbers and ranges as 0-2,4 (there are ${available})`,
    );
  const all = parseNumberList(available) ?? [];
  const inside = ranges.every(([first, last]) => all.some((range) => first >= range[0] && last <= range[1]));
  if (!inside) throw refuse(`Requested ${what} are not available - requested ${asked}, available: ${available}`);
}

function blkio(adaption: Adaption): void {
  const { limits, host } = adaption;
  const weight = limits.BlkioWeight ?? 0;
  if (weight > 0 && (weight < 10 || weight > 1000)) throw refuse('Range of blkio weight is from 10 to 1000');
  if ((limits.IOMaximumBandwidth ?? 0) !== 0 || (limits.IOMaximumIOps ?? 0) !== 0)
    throw refuse('Invalid QoS settings: linux does not support Maximum IO Bandwidth or Maximum IO IOps');
  drop(adaption, host.ioWeight, ['BlkioWeight'], mounted('Block I/O weight', 'Weight discarded.'));
  drop(adaption, host.ioWeight, ['BlkioWeightDevice'], mounted('Block I/O weight_device', 'Weight-device discarded.'));
  const throttles = [
    ['BlkioDeviceReadBps', 'BPS Block I/O read limit', 'Block I/O BPS read limit discarded.'],
    ['BlkioDeviceWriteBps', 'BPS Block I/O write limit', 'Block I/O BPS write limit discarded.'],
    ['BlkioDeviceReadIOps', 'IOPS Block read limit', 'Block I/O IOPS read limit discarded.'],
    ['BlkioDeviceWriteIOps', 'IOPS Block write limit', 'Block I/O IOPS write limit discarded.'],
  ] as const;
  for (const [name, what, then] of throttles) drop(adaption, host.ioThrottle, [name], mounted(what, then));
}

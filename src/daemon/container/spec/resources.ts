/** Limits of HostConfig as those of the OCI spec; what the host lacks was dropped at create. Pure. */
import { DEFAULT_DEVICES } from '../../../bundle/container-defaults.js';
import type {
  LinuxBlockIO,
  LinuxCPU,
  LinuxDeviceCgroup,
  LinuxMemory,
  LinuxResources,
} from '../../../spec/types.gen.js';
import type { HostConfig, ThrottleDevice } from '../../api/types.gen.js';
import { parseDeviceRule } from '../options/check-host.js';
import { refuse } from '../options/refuse.js';
import type { DeviceNumber, HostDevice } from './request.js';

/** Microseconds: that of --cpus. */
const PERIOD = 100_000;
const NANO = 1_000_000_000;

type Fields<T> = { -readonly [key in keyof T]: T[key] };

/** The limits of `docker update` and `docker run`. */
export function limitsOf(host: HostConfig): LinuxResources {
  const memory = memoryOf(host);
  const cpu = cpuOf(host);
  const { PidsLimit } = host;
  return {
    ...(Object.keys(memory).length === 0 ? {} : { memory }),
    ...(Object.keys(cpu).length === 0 ? {} : { cpu }),
    ...(PidsLimit === undefined || PidsLimit === 0 ? {} : { pids: { limit: BigInt(PidsLimit) } }),
  };
}

export function resourcesOf(
  host: HostConfig,
  devices: readonly HostDevice[],
  blockDevices: { readonly [path: string]: DeviceNumber },
): LinuxResources {
  const blockIO = blockIoOf(host, blockDevices);
  return {
    devices: deviceRules(host, devices),
    ...limitsOf(host),
    ...(Object.keys(blockIO).length === 0 ? {} : { blockIO }),
  };
}

function memoryOf(host: HostConfig): LinuxMemory {
  const { Memory = 0, MemorySwap = 0, MemoryReservation = 0, MemorySwappiness, OomKillDisable } = host;
  const memory: Fields<LinuxMemory> = {};
  if (Memory > 0) memory.limit = BigInt(Memory);
  if (MemorySwap > 0 || (MemorySwap === -1 && Memory > 0)) memory.swap = BigInt(MemorySwap);
  if (MemoryReservation > 0) memory.reservation = BigInt(MemoryReservation);
  if (MemorySwappiness !== undefined && MemorySwappiness >= 0) memory.swappiness = BigInt(MemorySwappiness);
  if (OomKillDisable === true) memory.disableOOMKiller = true;
  return memory;
}

function cpuOf(host: HostConfig): LinuxCPU {
  const { CpuShares = 0, NanoCpus = 0, CpuPeriod = 0, CpuQuota = 0, CpusetCpus = '', CpusetMems = '' } = host;
  const { CpuRealtimePeriod = 0, CpuRealtimeRuntime = 0 } = host;
  const cpu: Fields<LinuxCPU> = {};
  // Fewer than the kernel takes; dockerd too.
  if (CpuShares > 0) cpu.shares = BigInt(Math.min(Math.max(CpuShares, 2), 262_144));
  if (NanoCpus > 0) {
    cpu.period = BigInt(PERIOD);
    cpu.quota = BigInt(Math.max(Math.floor((NanoCpus * PERIOD) / NANO), 1000));
  }
  if (CpuPeriod > 0) cpu.period = BigInt(CpuPeriod);
  if (CpuQuota !== 0) cpu.quota = BigInt(CpuQuota);
  if (CpuRealtimePeriod > 0) cpu.realtimePeriod = BigInt(CpuRealtimePeriod);
  if (CpuRealtimeRuntime > 0) cpu.realtimeRuntime = BigInt(CpuRealtimeRuntime);
  if (CpusetCpus !== '') cpu.cpus = CpusetCpus;
  if (CpusetMems !== '') cpu.mems = CpusetMems;
  return cpu;
}

const THROTTLES = [
  ['BlkioDeviceReadBps', 'throttleReadBpsDevice'],
  ['BlkioDeviceWriteBps', 'throttleWriteBpsDevice'],
  ['BlkioDeviceReadIOps', 'throttleReadIOPSDevice'],
  ['BlkioDeviceWriteIOps', 'throttleWriteIOPSDevice'],
] as const;

function blockIoOf(host: HostConfig, numbers: { readonly [path: string]: DeviceNumber }): LinuxBlockIO {
  const at = (path = ''): { readonly major: bigint; readonly minor: bigint } => {
    const found = numbers[path];
    if (found === undefined) throw refuse(`no such block device: ${path}`);
    return { major: BigInt(found.major), minor: BigInt(found.minor) };
  };
  const blockIO: Fields<LinuxBlockIO> = {};
  if ((host.BlkioWeight ?? 0) > 0) blockIO.weight = host.BlkioWeight ?? 0;
  const weights = (host.BlkioWeightDevice ?? []).map(({ Path, Weight = 0 }) => ({ ...at(Path), weight: Weight }));
  if (weights.length > 0) blockIO.weightDevice = weights;
  for (const [field, name] of THROTTLES) {
    const devices = (host[field] ?? []).map(({ Path, Rate = 0 }: ThrottleDevice) => ({
      ...at(Path),
      rate: BigInt(Rate),
    }));
    if (devices.length > 0) blockIO[name] = devices;
  }
  return blockIO;
}

/** Paths that blockDevices must have. */
export function blockDevicePaths(host: HostConfig): string[] {
  const lists = [host.BlkioWeightDevice ?? [], ...THROTTLES.map(([field]) => host[field] ?? [])];
  return [...new Set(lists.flat().map(({ Path = '' }) => Path))];
}

function deviceRules(host: HostConfig, devices: readonly HostDevice[]): LinuxDeviceCgroup[] {
  if (host.Privileged === true) return [{ allow: true, access: 'rwm' }];
  const own = devices.map(({ type, major, minor, access }) => ({
    allow: true,
    type,
    major: BigInt(major),
    minor: BigInt(minor),
    access,
  }));
  const asked = (host.DeviceCgroupRules ?? []).map((text) => {
    const { type, major, minor, access } = parseDeviceRule(text);
    return {
      allow: true,
      ...(type === 'a' ? {} : { type }),
      ...(major === undefined ? {} : { major: BigInt(major) }),
      ...(minor === undefined ? {} : { minor: BigInt(minor) }),
      access,
    };
  });
  return [...DEFAULT_DEVICES, ...own, ...asked];
}

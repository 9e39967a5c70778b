/**
 * Which limits this host can apply to containers, in the controllers of either cgroup version. What a daemon drops with a
 * warning where the runtime would refuse.
 */
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { CgroupFacts } from './facts.js';

export interface LimitSupport {
  readonly memory: boolean;
  readonly swap: boolean;
  readonly swappiness: boolean;
  readonly memoryReservation: boolean;
  readonly oomKillDisable: boolean;
  readonly pids: boolean;
  readonly cpuShares: boolean;
  readonly cpuQuota: boolean;
  readonly cpuRealtime: boolean;
  readonly cpuset: boolean;
  readonly ioWeight: boolean;
  readonly ioThrottle: boolean;
  readonly cpus: number;
  /** "0-3" */
  readonly cpuList: string;
  readonly nodeList: string;
}

/** Of cgroup v2 and v1 together: on hybrid hosts a controller is in one of them. */
export function probeLimits(cgroup: CgroupFacts): LimitSupport {
  const inV2 = (controller: string): boolean => cgroup.controllers.includes(controller);
  /** A file that the controller's cgroups have. */
  const inV1 = (controller: string, file: string): boolean =>
    cgroup.v1.some(
      ({ controllers, mount, own }) =>
        controllers.split(',').includes(controller) &&
        (existsSync(join(mount, own, file)) || existsSync(join(mount, file))),
    );
  const v2Swap = cgroup.mount !== null && inV2('memory') && existsSync('/proc/swaps');
  return {
    memory: inV2('memory') || inV1('memory', 'memory.limit_in_bytes'),
    swap: v2Swap || inV1('memory', 'memory.memsw.limit_in_bytes'),
    swappiness: inV1('memory', 'memory.swappiness'),
    memoryReservation: inV2('memory') || inV1('memory', 'memory.soft_limit_in_bytes'),
    oomKillDisable: inV1('memory', 'memory.oom_control'),
    pids: inV2('pids') || cgroup.v1.some(({ controllers }) => controllers.split(',').includes('pids')),
    cpuShares: inV2('cpu') || inV1('cpu', 'cpu.shares'),
    cpuQuota: inV2('cpu') || inV1('cpu', 'cpu.cfs_quota_us'),
    cpuRealtime: inV1('cpu', 'cpu.rt_runtime_us'),
    cpuset: inV2('cpuset') || inV1('cpuset', 'cpuset.cpus'),
    ioWeight: inV2('io') || inV1('blkio', 'blkio.weight') || inV1('blkio', 'blkio.bfq.weight'),
    ioThrottle: inV2('io') || inV1('blkio', 'blkio.throttle.read_bps_device'),
    cpus: availableParallelism(),
    cpuList: list('/sys/devices/system/cpu/online', `0-${availableParallelism() - 1}`),
    nodeList: list('/sys/devices/system/node/online', '0'),
  };
}

function list(path: string, otherwise: string): string {
  try {
    return readFileSync(path, 'utf8').trim() || otherwise;
  } catch {
    return otherwise;
  }
}

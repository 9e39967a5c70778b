/**
 * linux.resources.hugepageLimits and network for cgroup v1, whose names differ or that cgroup2 does not have.
 *
 * OCI runtime-spec, config-linux "Huge page limits", "Network", "PIDs", "RDMA"; cgroup-v1/hugetlb.rst, net_cls.rst,
 * net_prio.rst. Pure.
 */
import { WRITE } from '../../../plan/op.gen.js';
import type { LinuxHugepageLimit, LinuxNetwork } from '../../../spec/types.gen.js';
import { refusePageSize } from '../counts.js';
import { findV1, type Limits, resource, setV1Limit } from '../limits.js';

/** Both the pages in use and the reserved ones; 0 is no reason to refuse a host without the controller. */
export function compileHugepagesV1(limits: Limits, hugepageLimits: readonly LinuxHugepageLimit[]): void {
  const available = findV1(limits.facts, 'hugetlb') !== undefined;
  for (const [index, { pageSize, limit }] of hugepageLimits.entries()) {
    if (limit === 0n && !available) continue;
    if (available && !limits.facts.hugepageSizes.includes(pageSize)) {
      refusePageSize(limits, index, pageSize);
      continue;
    }
    const set = (file: string, flags: number) =>
      setV1Limit(limits, 'hugetlb', resource('hugepageLimits', index), file, String(limit), flags);
    set(`hugetlb.${pageSize}.limit_in_bytes`, 0);
    if (available) set(`hugetlb.${pageSize}.rsvd.limit_in_bytes`, WRITE.IGNORE_MISSING);
  }
}

/** The interfaces of priorities are those of the runtime's network namespace: the kernel looks them up in the writer's. */
export function compileNetworkV1(limits: Limits, { classID = 0, priorities = [] }: LinuxNetwork): void {
  if (classID !== 0) setV1Limit(limits, 'net_cls', resource('network', 'classID'), 'net_cls.classid', String(classID));
  for (const [index, { name, priority }] of priorities.entries()) {
    const origin = resource('network', 'priorities', index);
    setV1Limit(limits, 'net_prio', origin, 'net_prio.ifpriomap', `${name} ${priority}`);
  }
}

/**
 * linux.resources.pids and rdma, whose files are the same in cgroup v1 and v2, hugepageLimits and network.
 *
 * OCI runtime-spec, config-linux "PIDs", "Huge page limits", "RDMA", "Network"; cgroup-v2.rst. Pure.
 */
import { WRITE } from '../../plan/op.gen.js';
import type { LinuxHugepageLimit, LinuxNetwork, LinuxPids, LinuxRdma } from '../../spec/types.gen.js';
import { refuse } from '../report.js';
import { type Limits, refuseOnV2, resource, setLimit, setSameLimit } from './limits.js';

/** 0 is settled before: spec/pids-limit.ts. */
export function compilePids(limits: Limits, { limit }: LinuxPids): void {
  if (limit === undefined) return;
  setSameLimit(limits, 'pids', resource('pids', 'limit'), 'pids.max', limit < 0n ? 'max' : String(limit));
}

/**
 * Both the pages in use and the reserved ones, as the spec wants; rsvd is missing before Linux 5.7. A limit of 0 is
 * written where it can be: Kubernetes sends it for every size, so it is no reason to refuse a host without hugetlb.
 */
export function compileHugepages(limits: Limits, hugepageLimits: readonly LinuxHugepageLimit[]): void {
  for (const [index, { pageSize, limit }] of hugepageLimits.entries()) {
    const origin = resource('hugepageLimits', index);
    const available = limits.facts.controllers.includes('hugetlb');
    if (limit === 0n && !available) continue;
    if (available && !limits.facts.hugepageSizes.includes(pageSize)) {
      refusePageSize(limits, index, pageSize);
      continue;
    }
    setLimit(limits, 'hugetlb', origin, `hugetlb.${pageSize}.max`, String(limit));
    if (available)
      setLimit(limits, 'hugetlb', origin, `hugetlb.${pageSize}.rsvd.max`, String(limit), WRITE.IGNORE_MISSING);
  }
}

export function refusePageSize({ report, facts }: Limits, index: number, pageSize: string): void {
  const hint = `sizes here: ${facts.hugepageSizes.join(', ') || 'none'}`;
  const path = resource('hugepageLimits', index, 'pageSize');
  refuse(report, 'HUGEPAGE_SIZE_UNKNOWN', path, 'this host has no huge pages of that size', { value: pageSize, hint });
}

export function compileRdma(limits: Limits, rdma: { readonly [device: string]: LinuxRdma }): void {
  for (const [device, { hcaHandles, hcaObjects }] of Object.entries(rdma)) {
    const handles = hcaHandles === undefined ? '' : ` hca_handle=${hcaHandles}`;
    const objects = hcaObjects === undefined ? '' : ` hca_object=${hcaObjects}`;
    setSameLimit(limits, 'rdma', resource('rdma', device), 'rdma.max', device + handles + objects);
  }
}

export function compileNetwork(limits: Limits, { classID = 0, priorities = [] }: LinuxNetwork): void {
  if (classID !== 0) refuseOnV2(limits, resource('network', 'classID'), 'class identifier for network packets');
  if (priorities.length > 0) refuseOnV2(limits, resource('network', 'priorities'), 'priorities for network interfaces');
}

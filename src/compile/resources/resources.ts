/**
 * linux.resources to writes into the container's cgroups: create's limits, and update's.
 *
 * OCI runtime-spec, config-linux "Control groups". Pure.
 */
import type { HostFacts } from '../../host/facts.js';
import { BPF } from '../../plan/op.gen.js';
import type { LinuxResources } from '../../spec/types.gen.js';
import { compileDeviceFilter } from '../device-filter.js';
import { compileBlockIo } from './block-io.js';
import { compileHugepages, compileNetwork, compilePids, compileRdma } from './counts.js';
import { compileCpu, compileCpuset } from './cpu.js';
import { findV1, isOnV1, type Limits, noLimits, resource } from './limits.js';
import { compileMemory } from './memory.js';
import { compileUnified } from './unified.js';
import { compileBlockIoV1 } from './v1/block-io.js';
import { compileHugepagesV1, compileNetworkV1 } from './v1/counts.js';
import { compileCpusetV1, compileCpuV1 } from './v1/cpu.js';
import { compileDevicesV1 } from './v1/devices.js';
import { compileMemoryV1 } from './v1/memory.js';

export interface ResourceChoices {
  /** Not for an update, which leaves the device filter as it is. */
  readonly devices: boolean;
}

/**
 * In the order in which runtimes write; unified is last by the spec. The ops write into the hierarchies (0: cgroup2)
 * that CGROUP_CREATE and CGROUP_CREATE_V1, or for an existing container CGROUP_OPEN and CGROUP_OPEN_V1, have opened.
 * What cannot be done is in the report of the result.
 */
export function compileResources(resources: LinuxResources, facts: HostFacts, choices: ResourceChoices): Limits {
  const limits = noLimits(facts.cgroup);
  const { pids, memory, blockIO, cpu, hugepageLimits, rdma, network, unified } = resources;
  const on = (controller: string) => isOnV1(limits, controller);
  if (pids) compilePids(limits, pids);
  if (memory) (on('memory') ? compileMemoryV1 : compileMemory)(limits, memory);
  if (blockIO) (on('blkio') ? compileBlockIoV1 : compileBlockIo)(limits, blockIO);
  if (cpu) (on('cpu') ? compileCpuV1 : compileCpu)(limits, cpu);
  if (choices.devices) compileDevices(limits, resources, facts);
  if (cpu) (on('cpuset') ? compileCpusetV1 : compileCpuset)(limits, cpu);
  if (hugepageLimits) (on('hugetlb') ? compileHugepagesV1 : compileHugepages)(limits, hugepageLimits);
  if (rdma) compileRdma(limits, rdma);
  if (network) compileNetworkOf(limits, network);
  if (unified) compileUnified(limits, unified);
  return limits;
}

function compileNetworkOf(limits: Limits, network: NonNullable<LinuxResources['network']>): void {
  const v1 = isOnV1(limits, 'net_cls') || isOnV1(limits, 'net_prio');
  (v1 ? compileNetworkV1 : compileNetwork)(limits, network);
}

/** The filter of cgroup2 is the one also on a hybrid host: it takes rules in any order. */
function compileDevices(limits: Limits, resources: LinuxResources, facts: HostFacts): void {
  if (limits.facts.mount === null && isOnV1(limits, 'devices')) {
    const asked = (resources.devices ?? []).length > 0;
    const possible = limits.facts.v1[(findV1(limits.facts, 'devices') ?? 0) - 1]?.writable ?? false;
    if (!isUnprivileged(facts) && (asked || possible)) compileDevicesV1(limits, resources.devices);
    return;
  }
  const program = compileDeviceFilter(resources.devices);
  if (program === null) return;
  const flags = isUnprivileged(facts) ? BPF.IGNORE_ERRORS : 0;
  limits.ops.push({ op: 'CGROUP_DEVICES', program, flags, origin: resource('devices') });
}

/** Such a runtime may not load programs; its containers cannot make device nodes either, so the filter is not missed. */
export function isUnprivileged(facts: HostFacts): boolean {
  return facts.rootless;
}

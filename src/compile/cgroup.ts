/**
 * linux.cgroupsPath and linux.resources to the cgroup v2 of the container: where it is, what is written into it, and how
 * it goes away. The cgroupfs driver of docs/adr/0002-cgroup-drivers.md.
 *
 * OCI runtime-spec, config-linux "Control groups". Pure.
 */
import { SpecError, type SpecIssue } from '../errors.js';
import type { CgroupFacts, HostFacts } from '../host/facts.js';
import { BPF, type Op } from '../plan/op.gen.js';
import type { LinuxResources } from '../spec/types.gen.js';
import type { ValidSpec } from '../spec/valid.js';
import { pointer } from '../util/pointer.js';
import { compileDeviceFilter } from './device-filter.js';
import { refuse, warn } from './report.js';
import { compileBlockIo } from './resources/block-io.js';
import { CGROUPS_PATH, checkCgroupsPath, placeCgroup } from './resources/cgroup-path.js';
import { compileHugepages, compileNetwork, compilePids, compileRdma } from './resources/counts.js';
import { compileCpu, compileCpuset } from './resources/cpu.js';
import { type Limits, MOUNT_HINT, noLimits, resource } from './resources/limits.js';
import { compileMemory } from './resources/memory.js';
import { compileUnified } from './resources/unified.js';

/** Where cgroup2 is mounted and the cgroup below it; with SLOT.id in it when the config does not name one. */
export interface CgroupPlace {
  readonly mount: string;
  readonly path: string;
}

export interface CompiledCgroup {
  readonly setup: readonly Op[];
  /** For a driver that makes the cgroup around a process that is there already. */
  readonly settle: readonly Op[];
  readonly teardown: readonly Op[];
  /** null: the container stays in the runtime's cgroup. */
  readonly cgroup: CgroupPlace | null;
  readonly warnings: readonly SpecIssue[];
}

/** Nobody has to ask for these: statistics and a later update need them. The kernel may refuse them. */
const WANTED = ['cpu', 'io', 'memory', 'pids'];

/** Throws SpecError with every field that this host's cgroup2 cannot serve. */
export function compileCgroup(spec: ValidSpec, facts: HostFacts): CompiledCgroup {
  const { cgroupsPath = '', resources = {} } = spec.linux ?? {};
  const limits = noLimits(facts.cgroup);
  checkCgroupsPath(limits.report, cgroupsPath);
  compileLimits(limits, resources, facts);
  const obstacle = findObstacle(facts.cgroup, cgroupsPath);
  if (obstacle !== undefined) refuseWhatNeedsOne(limits, spec, facts, obstacle);
  if (limits.report.issues.length > 0) throw new SpecError(limits.report.issues);
  const { mount, own } = facts.cgroup;
  if (obstacle !== undefined || mount === null) return withoutCgroup(limits, obstacle ?? '');
  const origin = cgroupsPath === '' ? pointer('linux') : CGROUPS_PATH;
  const cgroup = { mount, path: placeCgroup(cgroupsPath, own) };
  return {
    setup: [{ op: 'CGROUP_CREATE', ...cgroup, ...chooseControllers(limits), origin }, ...limits.ops],
    settle: [],
    teardown: [
      { op: 'CGROUP_KILL', ...cgroup, origin },
      { op: 'CGROUP_REMOVE', ...cgroup, origin },
    ],
    cgroup,
    warnings: limits.report.warnings,
  };
}

/** The order in which runtimes write; unified is last by the spec. */
export function compileLimits(limits: Limits, resources: LinuxResources, facts: HostFacts): void {
  if (resources.pids) compilePids(limits, resources.pids);
  if (resources.memory) compileMemory(limits, resources.memory);
  if (resources.blockIO) compileBlockIo(limits, resources.blockIO);
  if (resources.cpu) compileCpu(limits, resources.cpu);
  compileDevices(limits, resources, facts);
  if (resources.cpu) compileCpuset(limits, resources.cpu);
  if (resources.hugepageLimits) compileHugepages(limits, resources.hugepageLimits);
  if (resources.rdma) compileRdma(limits, resources.rdma);
  if (resources.network) compileNetwork(limits, resources.network);
  if (resources.unified) compileUnified(limits, resources.unified);
}

function compileDevices(limits: Limits, resources: LinuxResources, facts: HostFacts): void {
  const program = compileDeviceFilter(resources.devices);
  if (program === null) return;
  const flags = isUnprivileged(facts) ? BPF.IGNORE_ERRORS : 0;
  limits.ops.push({ op: 'CGROUP_DEVICES', program, flags, origin: resource('devices') });
}

/** Such a runtime may not load programs; its containers cannot make device nodes either, so the filter is not missed. */
function isUnprivileged(facts: HostFacts): boolean {
  return facts.inUserNamespace || facts.euid !== 0;
}

/** As cgroup.subtree_control takes them. */
export function enable(names: Iterable<string>): string {
  return Array.from(names, (name) => `+${name}`).join(' ');
}

function chooseControllers({ facts, controllers }: Limits): { controllers: string; wanted: string } {
  const wanted = WANTED.filter((name) => facts.controllers.includes(name) && !controllers.has(name));
  return { controllers: enable(controllers), wanted: enable(wanted) };
}

/** Why no cgroup can be made; undefined when one can, as far as the facts tell. */
function findObstacle(facts: CgroupFacts, cgroupsPath: string): string | undefined {
  if (facts.mount === null) return 'cgroup2 is not mounted on this host';
  if (!facts.writable && !cgroupsPath.startsWith('/')) return 'the runtime may not make cgroups beside its own';
  return undefined;
}

/** Without a cgroup the config must not silently lose a limit, its device filter, or a place it may delegate to. */
function refuseWhatNeedsOne(limits: Limits, spec: ValidSpec, facts: HostFacts, obstacle: string): void {
  const { cgroupsPath = '', resources = {} } = spec.linux ?? {};
  const hasMount = facts.cgroup.mount !== null;
  const filterAsked = (resources.devices ?? []).length > 0 && !isUnprivileged(facts);
  const ops = limits.ops.filter((op) => op.op !== 'CGROUP_DEVICES' || filterAsked);
  const origins = new Set(ops.map((op) => op.origin));
  if (hasMount && cgroupsPath !== '') origins.add(CGROUPS_PATH);
  const hint = hasMount ? 'delegate a cgroup to this user, or leave the field out' : MOUNT_HINT;
  for (const path of origins)
    refuse(limits.report, 'CGROUP_UNAVAILABLE', path, `needs a cgroup, but ${obstacle}`, { hint });
}

function withoutCgroup({ report }: Limits, obstacle: string): CompiledCgroup {
  warn(report, 'NO_CGROUP', pointer('linux'), `the container gets no cgroup of its own: ${obstacle}`);
  return { setup: [], settle: [], teardown: [], cgroup: null, warnings: report.warnings };
}

/**
 * What the files of this directory fill: the writes into the container's cgroup, the controllers they need, and what
 * cannot be done. A limit whose controller cgroup2 does not have on this host is refused with the way out; a limit that
 * nobody asked for never is.
 *
 * OCI runtime-spec, config-linux "Control groups". Pure.
 */
import type { CgroupFacts } from '../../host/facts.js';
import type { Op } from '../../plan/op.gen.js';
import { append, type JsonPointer, pointer } from '../../util/pointer.js';
import { type Report, refuse } from '../report.js';

export type Controller = 'cpu' | 'cpuset' | 'memory' | 'io' | 'pids' | 'hugetlb' | 'rdma';

export interface Limits {
  readonly facts: CgroupFacts;
  readonly ops: Op[];
  readonly controllers: Set<string>;
  readonly report: Report;
}

export const MOUNT_HINT = 'mount cgroup2: mount -t cgroup2 none /sys/fs/cgroup';

const RESOURCES = pointer('linux', 'resources');

export function noLimits(facts: CgroupFacts): Limits {
  return { facts, ops: [], controllers: new Set(), report: { issues: [], warnings: [] } };
}

/** resource('memory', 'limit') is `/linux/resources/memory/limit`. */
export function resource(...tokens: readonly (string | number)[]): JsonPointer {
  return append(RESOURCES, ...tokens);
}

/** What a new cgroup has: no limit at all. ctr asks for 1024 shares and Podman for any number of processes this way. */
const KERNEL_DEFAULTS: { readonly [file: string]: string } = {
  'cpu.weight': '100',
  'cpu.max': 'max 100000',
  'memory.max': 'max',
  'memory.swap.max': 'max',
  'pids.max': 'max',
};

/**
 * Asks for a file of the controller to hold value; refused when this host's cgroup2 lacks the controller, unless the
 * value is what holds without it.
 */
export function setLimit(
  limits: Limits,
  controller: string,
  origin: JsonPointer,
  file: string,
  value: string,
  flags = 0,
): void {
  if (!limits.facts.controllers.includes(controller) && KERNEL_DEFAULTS[file] === value) return;
  if (needController(limits, controller, origin)) limits.ops.push({ op: 'CGROUP_WRITE', file, value, flags, origin });
}

/** Notes that the controller is needed, or the issue that it is not there. */
export function needController(limits: Limits, controller: string, origin: JsonPointer): boolean {
  if (limits.facts.controllers.includes(controller)) {
    limits.controllers.add(controller);
    return true;
  }
  const message = `needs the ${controller} controller, which cgroup v2 does not have on this host`;
  refuse(limits.report, 'CONTROLLER_UNAVAILABLE', origin, message, { hint: controllerHint(limits.facts, controller) });
  return false;
}

/** Something cgroup v1 could do and cgroup v2 cannot: the spec wants an error, not silence. */
export function refuseOnV2(limits: Limits, origin: JsonPointer, what: string): void {
  refuse(limits.report, 'NOT_ON_CGROUP_V2', origin, `cgroup v2 has no ${what}`, { hint: 'remove the field' });
}

function controllerHint(facts: CgroupFacts, controller: string): string {
  const v1Name = controller === 'io' ? 'blkio' : controller;
  const v1Mount = Object.hasOwn(facts.v1, v1Name) ? facts.v1[v1Name] : undefined;
  if (v1Mount !== undefined) {
    return `it is bound to cgroup v1 at ${v1Mount}: boot with cgroup_no_v1=${v1Name} or systemd.unified_cgroup_hierarchy=1, or remove the limit`;
  }
  if (facts.mount === null) return MOUNT_HINT;
  return `the kernel offers only: ${facts.controllers.join(' ') || 'none'} (see cgroup.controllers, /proc/cgroups and cgroup_disable= of the kernel command line), or remove the limit`;
}

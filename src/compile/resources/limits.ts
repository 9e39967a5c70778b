/**
 * What the files of this directory fill: the writes into the container's cgroups, the controllers they need, and what
 * cannot be done. Each controller is in cgroup2, or in a hierarchy of cgroup v1, for which v1/ translates. A limit whose
 * controller is in neither is refused with the way out; a limit that nobody asked for never is.
 *
 * OCI runtime-spec, config-linux "Control groups". Pure.
 */
import type { CgroupFacts } from '../../host/facts.js';
import type { Op } from '../../plan/op.gen.js';
import { append, type JsonPointer, pointer } from '../../util/pointer.js';
import { type Report, refuse } from '../report.js';

export interface Limits {
  readonly facts: CgroupFacts;
  readonly ops: Op[];
  /** Of cgroup2, to be enabled on the way to the container's cgroup. */
  readonly controllers: Set<string>;
  readonly report: Report;
}

/** The number of cgroup2 in plans; hierarchies of v1 count from 1. */
export const CGROUP2 = 0;

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
  // cgroup v1
  'cpu.shares': '1024',
  'cpu.cfs_quota_us': '-1',
  'cpu.cfs_period_us': '100000',
  'memory.limit_in_bytes': '-1',
  'memory.memsw.limit_in_bytes': '-1',
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
  if (!needController(limits, controller, origin)) return;
  limits.ops.push({ op: 'CGROUP_WRITE', hierarchy: CGROUP2, file, value, flags, origin });
}

/** Notes that the controller is needed in cgroup2, or the issue that it is not there. */
export function needController(limits: Limits, controller: string, origin: JsonPointer): boolean {
  if (limits.facts.controllers.includes(controller)) {
    limits.controllers.add(controller);
    return true;
  }
  refuseController(limits, controller, origin);
  return false;
}

/** The same in cgroup v1, whose controllers have other names for some files. */
export function setV1Limit(
  limits: Limits,
  controller: string,
  origin: JsonPointer,
  file: string,
  value: string,
  flags = 0,
): void {
  if (findV1(limits.facts, controller) === undefined && KERNEL_DEFAULTS[file] === value) return;
  const hierarchy = needV1(limits, controller, origin);
  if (hierarchy !== undefined) limits.ops.push({ op: 'CGROUP_WRITE', hierarchy, file, value, flags, origin });
}

/** A file with the same name and values in both. */
export function setSameLimit(
  limits: Limits,
  controller: string,
  origin: JsonPointer,
  file: string,
  value: string,
): void {
  const set = isOnV1(limits, controller) ? setV1Limit : setLimit;
  set(limits, controller, origin, file, value);
}

/** The hierarchy to write to; undefined, with an issue, when there is none. */
export function needV1(limits: Limits, controller: string, origin: JsonPointer): number | undefined {
  const hierarchy = findV1(limits.facts, controller);
  const facts = hierarchy === undefined ? undefined : limits.facts.v1[hierarchy - 1];
  if (facts?.writable) return hierarchy;
  if (facts === undefined) refuseController(limits, controller, origin);
  else {
    const message = `needs a cgroup, but the runtime may not make cgroups below ${facts.mount}`;
    refuse(limits.report, 'CGROUP_UNAVAILABLE', origin, message, { hint: 'run as root, or leave the field out' });
  }
  return undefined;
}

/** The number that plans give the hierarchy of v1 with this controller. */
export function findV1({ v1 }: CgroupFacts, controller: string): number | undefined {
  const index = v1.findIndex(({ controllers }) => controllers.split(',').includes(controller));
  return index < 0 ? undefined : index + 1;
}

/** Whether a limit is translated for v1: where its controller is bound to v1, and where there is nothing but v1. */
export function isOnV1({ facts }: Limits, controller: string): boolean {
  return findV1(facts, controller) !== undefined || (facts.mount === null && facts.v1.length > 0);
}

/** Something cgroup v1 could do and cgroup v2 cannot: the spec wants an error, not silence. */
export function refuseOnV2(limits: Limits, origin: JsonPointer, what: string): void {
  refuse(limits.report, 'NOT_ON_CGROUP_V2', origin, `cgroup v2 has no ${what}`, { hint: 'remove the field' });
}

function refuseController({ facts, report }: Limits, controller: string, origin: JsonPointer): void {
  const message = `needs the ${controller} controller, which this host does not have`;
  refuse(report, 'CONTROLLER_UNAVAILABLE', origin, message, { hint: controllerHint(facts) });
}

function controllerHint({ mount, v1, controllers }: CgroupFacts): string {
  if (mount === null && v1.length === 0) return MOUNT_HINT;
  const names = [...controllers, ...v1.flatMap((one) => one.controllers.split(','))];
  return `the kernel offers only: ${names.join(' ') || 'none'} (see cgroup.controllers, /proc/cgroups and cgroup_disable= of the kernel command line), or remove the limit`;
}

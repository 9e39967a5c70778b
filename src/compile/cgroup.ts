/**
 * linux.cgroupsPath and linux.resources to the cgroups of the container: where they are, what is written into them, who
 * joins them, and how they go away. The cgroupfs driver of docs/adr/0002-cgroup-drivers.md: one cgroup in cgroup2, and on
 * hosts that still have hierarchies of cgroup v1 one in each of those.
 *
 * OCI runtime-spec, config-linux "Control groups". Pure.
 */
import { SpecError, type SpecIssue } from '../errors.js';
import type { HostFacts } from '../host/facts.js';
import type { Op } from '../plan/op.gen.js';
import { settlePidsLimit } from '../spec/pids-limit.js';
import type { ValidSpec } from '../spec/valid.js';
import { type JsonPointer, pointer } from '../util/pointer.js';
import { createV1, enable, isCgroup2, joinCgroups, killIn, removeFrom } from './cgroup-ops.js';
import { refuse, warn } from './report.js';
import { CGROUPS_PATH, type CgroupPlace, checkCgroupsPath, placeCgroups } from './resources/cgroup-path.js';
import { CGROUP2, type Limits, MOUNT_HINT } from './resources/limits.js';
import { compileResources, isUnprivileged } from './resources/resources.js';

export type { CgroupPlace } from './resources/cgroup-path.js';

export interface CompiledCgroup {
  readonly setup: readonly Op[];
  /** The way into cgroups that CLONE cannot put the first process into: those of v1, and one that systemd makes. */
  readonly settle: readonly Op[];
  readonly teardown: readonly Op[];
  /** None: the container stays in the runtime's cgroup. */
  readonly places: readonly CgroupPlace[];
  readonly warnings: readonly SpecIssue[];
}

/** Nobody has to ask for these: statistics and a later update need them. The kernel may refuse them. */
const WANTED = ['cpu', 'io', 'memory', 'pids'];

/** Throws SpecError with every field that this host's cgroups cannot serve. */
export function compileCgroup(spec: ValidSpec, facts: HostFacts): CompiledCgroup {
  const { cgroupsPath = '', resources = {} } = spec.linux ?? {};
  const limits = compileResources(settlePidsLimit(resources, spec.ociVersion), facts, { devices: true });
  checkCgroupsPath(limits.report, cgroupsPath);
  const places = placeCgroups(cgroupsPath, facts.cgroup);
  const { mount } = facts.cgroup;
  const obstacle =
    mount === null ? 'cgroup2 is not mounted on this host' : 'the runtime may not make cgroups beside its own';
  if (!places.some(isCgroup2)) refuseWhatNeedsOne(limits, spec, facts, obstacle);
  if (limits.report.issues.length > 0) throw new SpecError(limits.report.issues);
  if (places.length === 0) warnOfNone(limits, spec, facts, obstacle);
  const origin = cgroupsPath === '' ? pointer('linux') : CGROUPS_PATH;
  return {
    setup: [...places.map((place) => create(place, places, limits, origin)), ...possible(limits, places)],
    settle: joinCgroups(places, origin),
    teardown: [
      ...places.flatMap((place) => killIn(place, places, origin)),
      ...places.map((place) => removeFrom(place, origin)),
    ],
    places,
    warnings: limits.report.warnings,
  };
}

function create(place: CgroupPlace, places: readonly CgroupPlace[], limits: Limits, origin: JsonPointer): Op {
  if (!isCgroup2(place)) return createV1(place, places, 0, origin);
  const { mount, path } = place;
  return { op: 'CGROUP_CREATE', mount, path, ...chooseControllers(limits), origin };
}

function chooseControllers({ facts, controllers }: Limits): { controllers: string; wanted: string } {
  const wanted = WANTED.filter((name) => facts.controllers.includes(name) && !controllers.has(name));
  return { controllers: enable(controllers), wanted: enable(wanted) };
}

/** All, but for a device filter that nobody asked for and that no cgroup takes. */
function possible({ ops }: Limits, places: readonly CgroupPlace[]): readonly Op[] {
  return places.some(isCgroup2) ? ops : ops.filter(({ op }) => op !== 'CGROUP_DEVICES');
}

const needsCgroup2 = (op: Op): boolean => op.op === 'CGROUP_DEVICES' || ('hierarchy' in op && op.hierarchy === CGROUP2);

const DELEGATE_HINT =
  'have one delegated, for example by "systemd-run --user --scope -p Delegate=yes tsrun …", or leave the field out';

/** Without a cgroup the config must not silently lose a limit, its device filter, or a place it may delegate to. */
function refuseWhatNeedsOne(limits: Limits, spec: ValidSpec, facts: HostFacts, obstacle: string): void {
  const { cgroupsPath = '', resources = {} } = spec.linux ?? {};
  const hasMount = facts.cgroup.mount !== null;
  const filterAsked = (resources.devices ?? []).length > 0 && !isUnprivileged(facts);
  const ops = limits.ops.filter((op) => needsCgroup2(op) && (op.op !== 'CGROUP_DEVICES' || filterAsked));
  const origins = new Set(ops.map((op) => op.origin));
  // --rootless=false, by somebody who cannot have one.
  if (!facts.rootless && facts.euid !== 0) origins.add(CGROUPS_PATH);
  if (hasMount && cgroupsPath !== '') origins.add(CGROUPS_PATH);
  const hint = hasMount ? DELEGATE_HINT : MOUNT_HINT;
  for (const path of origins)
    refuse(limits.report, 'CGROUP_UNAVAILABLE', path, `needs a cgroup, but ${obstacle}`, { hint });
}

/** Without root that is the rule and not worth a word, unless processes could outlive the container. */
function warnOfNone({ report }: Limits, spec: ValidSpec, facts: HostFacts, obstacle: string): void {
  const pid = (spec.linux?.namespaces ?? []).find(({ type }) => type === 'pid');
  const shared = pid === undefined || (pid.path ?? '') !== '';
  const message = `the container gets no cgroup of its own: ${obstacle}`;
  const risk = 'without a pid namespace of its own either, what it leaves behind cannot be found and killed';
  if (shared) warn(report, 'NO_CGROUP', pointer('linux'), `${message}; ${risk}`);
  else if (!facts.rootless) warn(report, 'NO_CGROUP', pointer('linux'), message);
}

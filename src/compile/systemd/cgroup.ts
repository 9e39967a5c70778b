/**
 * The systemd cgroup driver: the container's first process is cloned into the runtime's own cgroup, systemd moves it into
 * a scope that it makes for it, and the limits are then written there as with the cgroupfs driver, whose ops these are
 * (docs/adr/0002-cgroup-drivers.md). Until it has been moved, init waits.
 *
 * org.freedesktop.systemd1(5), systemd.scope(5), https://systemd.io/CGROUP_DELEGATION. Pure.
 */
import { SpecError } from '../../errors.js';
import type { HostFacts, SystemdFacts } from '../../host/facts.js';
import { CGROUP, type Op } from '../../plan/op.gen.js';
import { settlePidsLimit } from '../../spec/pids-limit.js';
import type { ValidSpec } from '../../spec/valid.js';
import { asPointer, pointer } from '../../util/pointer.js';
import type { CompiledCgroup } from '../cgroup.js';
import { createV1, enable, isCgroup2, joinCgroups, killIn, removeFrom } from '../cgroup-ops.js';
import { type Report, refuse, refuseSlots } from '../report.js';
import { CGROUPS_PATH, type CgroupPlace } from '../resources/cgroup-path.js';
import type { Limits } from '../resources/limits.js';
import { compileResources } from '../resources/resources.js';
import { annotatedProperties } from './annotations.js';
import { deviceProperties } from './devices.js';
import { managedFacts, placeUnitCgroups, trackedPlace } from './hierarchies.js';
import { marshal, PROCESSES } from './marshal.js';
import { limitProperties, type Property } from './properties.js';
import { placeUnit, type Unit } from './unit.js';

const FLAG = asPointer('--systemd-cgroup');
const ORIGIN = CGROUPS_PATH;

/** Throws SpecError with everything that this host's systemd and cgroups cannot serve. */
export function compileSystemdCgroup(spec: ValidSpec, facts: HostFacts, id: string): CompiledCgroup {
  const { cgroupsPath = '', resources = {} } = spec.linux ?? {};
  const managed = managedFacts(facts);
  const limits = compileResources(settlePidsLimit(resources, spec.ociVersion), managed, { devices: true });
  const { report } = limits;
  const manager = findManager(report, managed);
  refuseSlots(report, CGROUPS_PATH, cgroupsPath);
  const annotated = annotatedProperties(report, spec);
  const unit = manager && placeUnit(report, cgroupsPath, id, manager);
  const places = placeUnitCgroups(unit?.path ?? '', managed.cgroup);
  const tracked = manager && findTracked(report, places, managed);
  if (report.issues.length > 0 || manager === undefined || unit === undefined || tracked === undefined)
    throw new SpecError(report.issues);
  const properties = [
    ...scopeProperties(),
    ...annotated,
    // A user's manager may attach no filter.
    ...(manager.manager === 'system' ? deviceProperties(resources.devices ?? [], manager) : []),
    ...limitProperties(limits.ops, manager.version),
  ];
  const { mount, path } = tracked;
  const connect = connectTo(manager);
  return {
    setup: [],
    settle: [
      connect,
      start(unit, { mount, path }, properties),
      ...places.map((place) => adopt(place, places, limits)),
      ...limits.ops,
      ...joinCgroups(places, ORIGIN),
    ],
    teardown: [
      ...places.flatMap((place) => killIn(place, places, ORIGIN)),
      connect,
      { op: 'SYSTEMD_STOP_UNIT', unit: unit.name, mount, path, origin: ORIGIN },
      ...places.map((place) => removeFrom(place, ORIGIN)),
    ],
    places,
    warnings: report.warnings,
  };
}

/** What systemd has made is taken over; in v1 what it has not made is made. */
function adopt(place: CgroupPlace, places: readonly CgroupPlace[], limits: Limits): Op {
  if (!isCgroup2(place)) return createV1(place, places, CGROUP.ADOPT, ORIGIN);
  const { mount, path } = place;
  return { op: 'CGROUP_ADOPT', mount, path, controllers: enable(limits.controllers), wanted: '', origin: ORIGIN };
}

const LEAVE_OUT =
  'leave --systemd-cgroup out: engines choose the driver (podman --cgroup-manager, containerd SystemdCgroup)';

function findManager(report: Report, { systemd }: HostFacts): SystemdFacts | undefined {
  if (systemd !== null) return systemd;
  const message = 'systemd does not run on this host, or has no manager for this user';
  refuse(report, 'SYSTEMD_UNAVAILABLE', FLAG, message, { hint: LEAVE_OUT });
  return undefined;
}

function findTracked(report: Report, places: readonly CgroupPlace[], { cgroup }: HostFacts): CgroupPlace | undefined {
  const found = trackedPlace(places, cgroup);
  if (found !== undefined) return found;
  const message =
    'the cgroups that systemd puts processes into are not in reach: no cgroup2 at /sys/fs/cgroup or /sys/fs/cgroup/unified, and no hierarchy of cgroup v1 with the name systemd that this user may write to';
  refuse(report, 'SYSTEMD_UNAVAILABLE', FLAG, message, { hint: LEAVE_OUT });
  return undefined;
}

const yes = (name: string): Property => ({ name, value: { signature: 'b', value: true } });

/** Accounting: statistics need the controllers, and joining the memory controller later would lose what was charged. */
function scopeProperties(): Property[] {
  return [
    yes('Delegate'),
    PROCESSES,
    ...['MemoryAccounting', 'CPUAccounting', 'IOAccounting', 'TasksAccounting'].map(yes),
    { name: 'DefaultDependencies', value: { signature: 'b', value: false } },
  ];
}

function connectTo({ direct, bus }: SystemdFacts): Op {
  return { op: 'SYSTEMD_CONNECT', direct, bus, origin: FLAG };
}

function start(unit: Unit, place: { readonly mount: string; readonly path: string }, properties: Property[]): Op {
  return {
    op: 'SYSTEMD_START_UNIT',
    unit: unit.name,
    ...place,
    // What names the container is text of the plan: its place in the plan cache is a slot (docs/adr/0007).
    texts: ['Description', `tsrun container ${unit.title}`, 'Slice', unit.slice],
    ...marshal(properties),
    annotated: properties.flatMap(({ name, annotation }) => (annotation === undefined ? [] : [name, annotation])),
    origin: ORIGIN,
  };
}

/** For `update`: tells systemd of the writes into the cgroup of unit. Nothing when no property stands for them. */
export function updateUnit(unit: string | null, writes: readonly Op[], { systemd }: HostFacts): Op[] {
  const properties = limitProperties(writes, systemd?.version ?? null);
  if (unit === null || systemd === null || properties.length === 0) return [];
  const { properties: told, newer } = marshal(properties);
  return [
    connectTo(systemd),
    { op: 'SYSTEMD_SET_PROPERTIES', unit, properties: told, newer, origin: pointer('linux', 'resources') },
  ];
}

/**
 * For `exec`: a user may not move a process between the cgroups of his login and those of his manager, but may ask systemd
 * to do it. Nothing for root, who clones it right there.
 */
export function joinUnit(unit: string | null, facts: HostFacts): Op[] {
  // Not asked about systemd, a plan can be kept: src/runtime/remember.ts.
  if (unit === null || facts.systemd?.manager !== 'user') return [];
  return [connectTo(facts.systemd), { op: 'SYSTEMD_ATTACH', unit, origin: FLAG }];
}

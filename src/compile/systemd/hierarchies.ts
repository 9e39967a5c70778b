/**
 * Which cgroups a unit has. systemd follows processes in one hierarchy: cgroup2 where it has mounted that, alone (unified)
 * or beside the controllers of cgroup v1 (hybrid), else one of cgroup v1 that bears its name (legacy). In v1 it makes the
 * unit's cgroup also for the controllers that it knows; those of the others, such as cpuset and freezer, are for the
 * runtime to make at the same path.
 *
 * docs/CGROUP_DELEGATION of systemd, "Three Different Tree Setups". Pure.
 */
import type { CgroupFacts, HostFacts } from '../../host/facts.js';
import type { CgroupPlace } from '../resources/cgroup-path.js';
import { CGROUP2, findV1 } from '../resources/limits.js';

/** Where systemd mounts cgroup2; what is mounted elsewhere is somebody else's, and no process of a unit is in it. */
const OF_SYSTEMD: readonly string[] = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'];
const NAMED = 'name=systemd';

/** The facts for limits of a unit: cgroup2 only as far as systemd uses it, and the controllers that it may hand on. */
export function managedFacts(facts: HostFacts): HostFacts {
  const { systemd, cgroup } = facts;
  const ours = cgroup.layout === 'unified' || OF_SYSTEMD.includes(cgroup.mount ?? '');
  if (!ours) return withCgroup(facts, { ...cgroup, mount: null, controllers: [] });
  return withCgroup(facts, { ...cgroup, controllers: systemd?.controllers ?? cgroup.controllers });
}

/** Inherits the other facts: to copy them would be to ask for all, and some keep a plan out of the cache. */
function withCgroup(facts: HostFacts, cgroup: CgroupFacts): HostFacts {
  return Object.create(facts, { cgroup: { value: cgroup, enumerable: true } });
}

/** The cgroups at path; of v1 those that this user may make, or have made for him. */
export function placeUnitCgroups(path: string, { mount, v1 }: CgroupFacts): CgroupPlace[] {
  const v2 = mount === null ? [] : [{ hierarchy: CGROUP2, controllers: '', mount, path }];
  const others = v1.flatMap((one, index) =>
    one.writable ? [{ hierarchy: index + 1, controllers: one.controllers, mount: one.mount, path }] : [],
  );
  return [...v2, ...others];
}

/** Of these, the one that systemd puts processes into. */
export function trackedPlace(places: readonly CgroupPlace[], facts: CgroupFacts): CgroupPlace | undefined {
  const hierarchy = facts.mount === null ? findV1(facts, NAMED) : CGROUP2;
  return places.find((place) => place.hierarchy === hierarchy);
}

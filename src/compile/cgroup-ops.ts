/**
 * The ops on the container's cgroups that both drivers have: one cgroup in cgroup2, and one in each hierarchy of cgroup v1.
 *
 * docs/adr/0002-cgroup-drivers.md. Pure.
 */
import { CGROUP, type Op } from '../plan/op.gen.js';
import type { JsonPointer } from '../util/pointer.js';
import type { CgroupPlace } from './resources/cgroup-path.js';
import { CGROUP2 } from './resources/limits.js';

export const isCgroup2 = ({ hierarchy }: CgroupPlace) => hierarchy === CGROUP2;

const hasController = ({ controllers }: CgroupPlace, name: string) => controllers.split(',').includes(name);

/** Freezing and killing is cgroup2's where there is one: it needs no controller for it. */
const isFreezer = (place: CgroupPlace, places: readonly CgroupPlace[]) =>
  hasController(place, 'freezer') && !places.some(isCgroup2);

export function createV1(place: CgroupPlace, places: readonly CgroupPlace[], more: number, origin: JsonPointer): Op {
  const { hierarchy, controllers, mount, path } = place;
  const cpuset = hasController(place, 'cpuset') ? CGROUP.INHERIT_CPUSET : 0;
  const flags = more | cpuset | (isFreezer(place, places) ? CGROUP.FREEZER : 0);
  return { op: 'CGROUP_CREATE_V1', hierarchy, flags, controllers, mount, path, origin };
}

export function killIn(place: CgroupPlace, places: readonly CgroupPlace[], origin: JsonPointer): Op[] {
  const { hierarchy, mount, path } = place;
  if (isCgroup2(place)) return [{ op: 'CGROUP_KILL', mount, path, origin }];
  return isFreezer(place, places) ? [{ op: 'CGROUP_KILL_V1', hierarchy, mount, path, origin }] : [];
}

export function removeFrom({ hierarchy, mount, path }: CgroupPlace, origin: JsonPointer): Op {
  return { op: 'CGROUP_REMOVE', hierarchy, mount, path, origin };
}

/** For a process that CLONE, or systemd, has put into the cgroup of cgroup2. */
export function joinCgroups(places: readonly CgroupPlace[], origin: JsonPointer): Op[] {
  const v1 = places.filter((place) => !isCgroup2(place));
  return v1.map(({ hierarchy }) => ({ op: 'CGROUP_JOIN', hierarchy, origin }));
}

/** The cgroups of a container that exists: for its other processes, and to change its limits. */
export function openCgroups(places: readonly CgroupPlace[], origin: JsonPointer): Op[] {
  return places.map((place) => {
    const { hierarchy, controllers, mount, path } = place;
    if (isCgroup2(place)) return { op: 'CGROUP_OPEN', mount, path, origin };
    return { op: 'CGROUP_OPEN_V1', hierarchy, controllers, mount, path, origin };
  });
}

/** As cgroup.subtree_control takes them. */
export function enable(names: Iterable<string>): string {
  return Array.from(names, (name) => `+${name}`).join(' ');
}

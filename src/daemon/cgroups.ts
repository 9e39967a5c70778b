/**
 * The cgroups of containers: where the daemon may make them by itself, or a user's systemd makes them, or there are none.
 *
 * Pure.
 */
import { join, posix } from 'node:path';
import type { CgroupFacts, HostFacts } from '../host/facts.js';

/** CgroupDriver of GET /info. */
export type CgroupDriver = 'cgroupfs' | 'systemd' | 'none';

type Facts = Pick<HostFacts, 'rootless' | 'systemd' | 'cgroup'>;

/** A user has delegated cgroups only of cgroup v2, and its own systemd to ask for them. */
export function cgroupDriver({ rootless, systemd, cgroup }: Facts): CgroupDriver {
  if (!rootless) return 'cgroupfs';
  if (cgroup.layout === 'unified') {
    if (systemd?.manager === 'user') return 'systemd';
    return cgroup.writable && posix.dirname(cgroup.own) === '/' ? 'cgroupfs' : 'none';
  }
  return cgroup.v1.length > 0 && cgroup.v1.every(({ writable }) => writable) ? 'cgroupfs' : 'none';
}

const NONE = { mount: null, controllers: [], v1: [] } as const;

/** What containers' cgroups can limit. */
export function cgroupsOfContainers(facts: Facts): CgroupFacts {
  const { cgroup, systemd } = facts;
  switch (cgroupDriver(facts)) {
    case 'cgroupfs':
      return cgroup;
    case 'systemd':
      return { ...cgroup, controllers: systemd?.controllers ?? [] };
    case 'none':
      return { ...cgroup, ...NONE };
  }
}

/** linux.cgroupsPath; parent: CgroupParent, '' where nobody said. */
export function cgroupsPath(driver: CgroupDriver, parent: string, id: string): string | undefined {
  switch (driver) {
    case 'cgroupfs':
      return join('/', parent || 'tsrun', id);
    case 'systemd':
      return `${parent || 'user.slice'}:tsrun:${id}`;
    case 'none':
      return undefined;
  }
}

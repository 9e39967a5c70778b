/**
 * A container with a cgroup namespace of its own and a writable cgroup mount may make cgroups below its own: its root gets
 * the directory and those files in it that the kernel says are harmless. The limits stay the host's.
 *
 * cgroups(7) and cgroup-v2.rst, "Delegation"; /sys/kernel/cgroup/delegate. Pure.
 */
import type { Op } from '../plan/op.gen.js';
import { pointer } from '../util/pointer.js';
import type { CgroupPlace } from './cgroup.js';
import type { Context } from './context.js';
import { containerRoot } from './id-maps.js';
import { isNew } from './namespaces.js';

export function compileDelegation(c: Context, cgroups: readonly CgroupPlace[]): Op[] {
  const { uid } = containerRoot(c);
  const cgroup2 = cgroups.some(({ hierarchy }) => hierarchy === 0);
  if (!cgroup2 || !isNew(c.namespaces, 'cgroup') || !isNew(c.namespaces, 'user') || uid === c.facts.euid) return [];
  const mounts = c.spec.mounts ?? [];
  const index = mounts.findLastIndex(({ type = '' }) => type === 'cgroup' || type === 'cgroup2');
  const mount = mounts[index];
  if (mount === undefined || mount.options?.includes('ro')) return [];
  return [{ op: 'CGROUP_DELEGATE', uid, origin: pointer('mounts', index) }];
}

/**
 * linux.cgroupsPath to a path below the mount of each hierarchy.
 *
 * OCI runtime-spec, config-linux "Cgroups Path": absolute is taken relative to the mount point, relative is for the
 * runtime to place, unset is the runtime's choice. Pure.
 */
import { posix } from 'node:path';
import type { CgroupFacts } from '../../host/facts.js';
import { SLOT } from '../../plan/op.gen.js';
import { isSystemdPath } from '../../spec/rules/linux.js';
import { pointer } from '../../util/pointer.js';
import { type Report, refuse, refuseSlots } from '../report.js';
import { CGROUP2 } from './limits.js';

export const CGROUPS_PATH = pointer('linux', 'cgroupsPath');

/** The container's cgroup in one hierarchy. */
export interface CgroupPlace {
  /** 0 is cgroup2; those of v1 count from 1. */
  readonly hierarchy: number;
  /** Of v1, as /proc/PID/cgroup names the hierarchy; empty for cgroup2. */
  readonly controllers: string;
  readonly mount: string;
  /** Below the mount; with SLOT.id in it when the config does not name one. */
  readonly path: string;
}

/**
 * A relative or unset path is below the runtime's own cgroup in v1, so that the limits the runtime has hold for its
 * containers too; in cgroup2 beside it, as one that holds processes may have no children that do.
 */
export function placeCgroups(cgroupsPath: string, facts: CgroupFacts): CgroupPlace[] {
  const { mount, own, writable, v1 } = facts;
  const below = (base: string) => {
    const relative = cgroupsPath === '' ? SLOT.id : cgroupsPath;
    const path = cgroupsPath.startsWith('/') ? posix.normalize(cgroupsPath) : posix.join(base, relative);
    return path.replace(/(.)\/$/, '$1');
  };
  const usable = mount !== null && (writable || cgroupsPath.startsWith('/'));
  const v2 = usable ? [{ hierarchy: CGROUP2, controllers: '', mount, path: below(posix.dirname(own)) }] : [];
  const others = v1.flatMap((one, index) =>
    one.writable
      ? [{ hierarchy: index + 1, controllers: one.controllers, mount: one.mount, path: below(one.own) }]
      : [],
  );
  return [...v2, ...others];
}

/** What else is wrong with a path is a rule of spec/. */
export function checkCgroupsPath(report: Report, cgroupsPath: string): void {
  refuseSlots(report, CGROUPS_PATH, cgroupsPath);
  if (!isSystemdPath(cgroupsPath)) return;
  const hint = 'add --systemd-cgroup before the command, or give a path such as /tsrun/name';
  const message = 'slice:prefix:name is a path for the systemd driver';
  refuse(report, 'SYSTEMD_CGROUPS_PATH', CGROUPS_PATH, message, { value: cgroupsPath, hint });
}

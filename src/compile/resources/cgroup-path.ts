/**
 * linux.cgroupsPath to a path below the cgroup2 mount.
 *
 * OCI runtime-spec, config-linux "Cgroups Path": absolute is taken relative to the mount point, relative is for the
 * runtime to place, unset is the runtime's choice. Pure.
 */
import { posix } from 'node:path';
import { SLOT } from '../../plan/op.gen.js';
import { isSystemdPath } from '../../spec/rules/linux.js';
import { pointer } from '../../util/pointer.js';
import { type Report, refuse, refuseSlots } from '../report.js';

export const CGROUPS_PATH = pointer('linux', 'cgroupsPath');

/** Relative and unset: beside the runtime's own cgroup, which holds processes and so may have no children that do. */
export function placeCgroup(cgroupsPath: string, own: string): string {
  const relative = cgroupsPath === '' ? SLOT.id : cgroupsPath;
  const path = cgroupsPath.startsWith('/') ? posix.normalize(cgroupsPath) : posix.join(posix.dirname(own), relative);
  return path.replace(/(.)\/$/, '$1');
}

/** What else is wrong with a path is a rule of spec/. */
export function checkCgroupsPath(report: Report, cgroupsPath: string): void {
  refuseSlots(report, CGROUPS_PATH, cgroupsPath);
  if (!isSystemdPath(cgroupsPath)) return;
  const hint = 'add --systemd-cgroup before the command, or give a path such as /tsrun/name';
  const message = 'slice:prefix:name is a path for the systemd driver';
  refuse(report, 'SYSTEMD_CGROUPS_PATH', CGROUPS_PATH, message, { value: cgroupsPath, hint });
}

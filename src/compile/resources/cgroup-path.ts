/**
 * linux.cgroupsPath to a path below the cgroup2 mount.
 *
 * OCI runtime-spec, config-linux "Cgroups Path": absolute is taken relative to the mount point, relative is for the
 * runtime to place, unset is the runtime's choice. Pure.
 */
import { posix } from 'node:path';
import { SLOT } from '../../plan/op.gen.js';
import { pointer } from '../../util/pointer.js';
import { type Report, refuse } from '../report.js';

export const CGROUPS_PATH = pointer('linux', 'cgroupsPath');

/** NAME_MAX */
const MAX_COMPONENT = 255;

/** Relative and unset: beside the runtime's own cgroup, which holds processes and so may have no children that do. */
export function placeCgroup(cgroupsPath: string, own: string): string {
  const relative = cgroupsPath === '' ? SLOT.id : cgroupsPath;
  const path = cgroupsPath.startsWith('/') ? posix.normalize(cgroupsPath) : posix.join(posix.dirname(own), relative);
  return path.replace(/(.)\/$/, '$1');
}

export function checkCgroupsPath(report: Report, cgroupsPath: string): void {
  if (/^[^/:]*:[^/:]*:[^/:]*$/.test(cgroupsPath)) {
    const hint = 'add --systemd-cgroup, or give a path such as /tsrun/name';
    const message = 'slice:prefix:name is a path for the systemd driver';
    refuse(report, 'SYSTEMD_CGROUPS_PATH', CGROUPS_PATH, message, { value: cgroupsPath, hint });
    return;
  }
  const message = reasonAgainst(cgroupsPath);
  if (message !== undefined) refuse(report, 'CGROUPS_PATH', CGROUPS_PATH, message, { value: cgroupsPath });
}

function reasonAgainst(cgroupsPath: string): string | undefined {
  const parts = cgroupsPath.split('/').filter((part) => part !== '' && part !== '.');
  const tooLong = parts.some((part) => Buffer.byteLength(part) > MAX_COMPONENT);
  if (cgroupsPath !== '' && parts.length === 0) return 'must name a cgroup below the mount point';
  if (parts.includes('..')) return 'must not contain ".."';
  return tooLong ? `must have no component longer than ${MAX_COMPONENT} bytes` : undefined;
}

/**
 * Hints for what a security module refuses: profiles of AppArmor, labels of SELinux.
 *
 * Pure.
 */
import type { Op } from '../plan/op.gen.js';
import type { Entry } from './hint.js';

const isLabelled = (op: Op | undefined): boolean =>
  (op?.op === 'MOUNT_FS' || op?.op === 'OPEN_FS') && op.options.some((option) => option.startsWith('context='));

export const LSM_HINTS: readonly Entry[] = [
  {
    ops: ['SET_FILE_LABEL'],
    errnos: ['EINVAL', 'EOPNOTSUPP', 'EACCES', 'EPERM'],
    hint: 'the SELinux policy does not know linux.mountLabel, or does not let the runtime give it to files',
  },
  {
    ops: ['APPARMOR'],
    errnos: ['ENOENT'],
    hint: 'the profile is not loaded: see aa-status, load it with apparmor_parser',
  },
  {
    ops: ['SELINUX_EXEC', 'SELINUX_KEYS'],
    errnos: ['EINVAL'],
    hint: 'the SELinux policy does not know this label, or no policy is loaded: see sestatus',
  },
  {
    ops: ['SELINUX_EXEC', 'SELINUX_KEYS'],
    errnos: ['EACCES', 'EPERM'],
    hint: 'the SELinux policy does not let the runtime give this label away: ausearch -m avc tells what it misses',
  },
  {
    ops: ['MOUNT_FS', 'OPEN_FS'],
    errnos: ['EINVAL'],
    when: ({ op }) => isLabelled(op),
    hint: 'the SELinux policy may not know the label (linux.mountLabel, or context= of the mount): the kernel log says more',
  },
];

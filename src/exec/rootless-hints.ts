/**
 * Hints for what the kernel refuses to a user without root: ids, the state directory, file systems that belong to a
 * namespace the container does not own.
 *
 * Pure.
 */
import type { HostFacts } from '../host/facts.js';
import { DEVICE } from '../plan/op.gen.js';
import type { Entry, Refusal } from './hint.js';

const isMountOf =
  (type: string) =>
  ({ op }: Refusal) =>
    op?.op === 'MOUNT_FS' && op.type === type;

const withoutRoot = (_: Refusal, { euid }: HostFacts) => euid !== 0;

export const ROOTLESS_HINTS: readonly Entry[] = [
  {
    ops: ['STATE_CREATE'],
    errnos: ['EROFS', 'EACCES', 'EPERM'],
    when: withoutRoot,
    hint: (_, { euid }) =>
      `without root the state lies in $XDG_RUNTIME_DIR, which a login by systemd sets (/run/user/${euid}): set it, or name a directory of your own with --root`,
  },
  {
    ops: ['CGROUP_CREATE', 'CGROUP_CREATE_V1'],
    errnos: ['EACCES', 'EPERM', 'EROFS'],
    hint: 'this user may not make cgroups there: run as root, or have one delegated and leave linux.cgroupsPath out (systemd-run --user --scope -p Delegate=yes …)',
  },
  {
    ops: ['ID_MAPS'],
    errnos: ['EPERM', 'EINVAL'],
    when: (_, { inUserNamespace }) => inUserNamespace,
    hint: 'only ids that the user namespace of the runtime has itself can be mapped: see /proc/self/uid_map and gid_map',
  },
  {
    ops: ['ID_MAPS'],
    errnos: ['EPERM'],
    hint: 'this user may not map these ids: check /etc/subuid and /etc/subgid, or map only the own id',
  },
  {
    ops: ['MAKE_DEVICE'],
    errnos: ['ENOENT'],
    when: ({ op }) => op?.op === 'MAKE_DEVICE' && (op.flags & DEVICE.BIND) !== 0,
    hint: "in a user namespace no device can be made: the host's node is bound, and there is none of these numbers",
  },
  {
    ops: ['MOUNT_FS'],
    errnos: ['EPERM'],
    when: isMountOf('mqueue'),
    hint: 'mqueue can only be mounted by the owner of the ipc namespace: add an ipc namespace, or leave the mount out',
  },
  {
    ops: ['MOUNT_FS'],
    errnos: ['EPERM'],
    when: isMountOf('proc'),
    hint: "in a user namespace proc needs a pid namespace of the container's own, and a host whose /proc is not covered in parts (as in an outer container); binding /proc needs neither",
  },
];

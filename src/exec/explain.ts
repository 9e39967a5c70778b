/**
 * From a refused system call to one thing the user can do about it. The executor tries first; only what the kernel
 * refused is looked up here, most specific entry first. At most one hint per failure.
 *
 * Pure.
 */
import type { HostFacts } from '../host/facts.js';
import { MOUNT, type Op } from '../plan/op.gen.js';
import { errnoName } from '../util/errno.js';
import { quote, quoteName } from '../util/quote.js';
import { FIELD_HINTS } from './field-hints.js';
import { fileSystemName } from './fs-types.js';
import { type Entry, lacks, type Refusal } from './hint.js';
import { LSM_HINTS } from './lsm-hints.js';
import { ROOTLESS_HINTS } from './rootless-hints.js';

export type { Refusal } from './hint.js';

const CAP_SYS_ADMIN = 21n;
const CAP_SYS_RESOURCE = 24n;
const isNewEnough = ({ kernel: [major, minor] }: HostFacts) => major > 5 || (major === 5 && minor >= 14);
const field = (refusal: Refusal, name: 'type' | 'source' | 'dest' | 'path' | 'file'): string => {
  const value = refusal.op === undefined ? undefined : (refusal.op as Op & { readonly [key: string]: unknown })[name];
  return typeof value === 'string' ? quoteName(value) : 'it';
};

const MOUNTS = ['MOUNT_FS', 'MOUNT_LEGACY', 'OPEN_FS'] as const;

/** csrc/executor/fscontext.h: the option, then what the kernel logged, a line each: "e tmpfs: Bad value for 'size'". */
const kernelMessages = ({ detail = '' }: Refusal): string =>
  detail
    .split('\n')
    .slice(1)
    .map((line) => line.replace(/^[ewi] /, ''))
    .join('; ');

const FILTERED =
  'a seccomp filter around tsrun refuses it: update or loosen the container engine or service that tsrun runs in';

const ENTRIES: readonly Entry[] = [
  {
    errnos: ['EPERM', 'ENOSYS'],
    // No file system says EPERM to it; RECORD_INIT is what uses it first where there is no cgroup.
    when: ({ op, syscall }, facts) => isNewEnough(facts) && (syscall === 'openat2' || op?.op === 'RECORD_INIT'),
    hint: `this kernel has openat2: ${FILTERED}`,
  },
  ...FIELD_HINTS,
  ...LSM_HINTS,
  ...ROOTLESS_HINTS,
  {
    ops: ['STATE_CREATE', 'STATE_FILE', 'STATE_PLAN', 'EXEC_FIFO'],
    errnos: ['EROFS', 'EACCES', 'EPERM'],
    hint: 'choose a directory that can be written with --root, or run as root',
  },
  {
    ops: ['PROPAGATION'],
    errnos: ['EINVAL'],
    hint: 'tsrun runs in a chroot whose root is no mount point: mount --bind the directory on itself before chroot',
  },
  {
    errnos: ['ENOSPC', 'EDQUOT'],
    ops: ['STATE_CREATE', 'STATE_FILE', 'STATE_PLAN'],
    hint: 'the file system of --root is full',
  },
  {
    ops: ['CGROUP_CREATE'],
    errnos: ['EBUSY'],
    hint: 'a process in a parent cgroup keeps controllers from being enabled for its children: move it into a leaf cgroup',
  },
  {
    ops: ['CGROUP_WRITE'],
    errnos: ['ENOENT'],
    when: ({ op }) => op?.op === 'CGROUP_WRITE' && op.hierarchy === 0,
    hint: (_, facts) =>
      `the controller is not available in cgroup v2 here (it has: ${facts.cgroup.controllers.join(' ') || 'none'})`,
  },
  {
    ops: ['CGROUP_WRITE', 'CGROUP_WRITE_EITHER'],
    errnos: ['ENOENT'],
    hint: 'this kernel was built without that limit (memory.memsw.*: boot with swapaccount=1)',
  },
  {
    ops: ['CGROUP_WRITE'],
    errnos: ['EPERM'],
    when: ({ op }) => op?.op === 'CGROUP_WRITE' && op.file.startsWith('devices.'),
    hint: 'a device can only be allowed where the parent cgroup allows it',
  },
  {
    ops: ['CGROUP_JOIN'],
    errnos: ['ENOSPC'],
    hint: 'the cgroup has no CPUs or memory nodes: write cpuset.cpus and cpuset.mems of its parents',
  },
  {
    ops: ['CGROUP_WRITE'],
    errnos: ['EINVAL', 'ERANGE', 'EOPNOTSUPP'],
    hint: 'the kernel does not take this value for this limit',
  },
  {
    ops: ['CGROUP_WRITE'],
    errnos: ['EBUSY'],
    hint: 'the cgroup already uses more than this limit, or its children need what is being taken away',
  },
  {
    ops: ['RLIMIT'],
    errnos: ['EPERM'],
    when: (_, facts) => lacks(facts, CAP_SYS_RESOURCE),
    hint: 'raising a hard limit needs CAP_SYS_RESOURCE, which this process does not have: ask for at most the current hard limit',
  },
  {
    ops: ['OOM_SCORE_ADJ'],
    errnos: ['EACCES'],
    hint: 'lowering oom_score_adj needs CAP_SYS_RESOURCE: ask for at least the current value',
  },
  { ops: ['CLONE', 'STAGE'], errnos: ['ENOSPC'], hint: 'a limit in /proc/sys/user/max_*_namespaces is reached' },
  {
    ops: ['CLONE', 'STAGE'],
    errnos: ['EPERM'],
    when: (_, facts) => facts.euid !== 0,
    hint: 'without root a container needs a user namespace of its own (see tsrun spec --rootless), and the host must allow them (kernel.unprivileged_userns_clone, AppArmor)',
  },
  {
    ops: ['CLONE', 'STAGE'],
    errnos: ['EPERM'],
    hint: 'making namespaces needs CAP_SYS_ADMIN, or a user namespace in the config; a seccomp filter of an outer container may forbid it',
  },
  { ops: ['CLONE'], errnos: ['EINVAL'], hint: 'the kernel lacks one of these namespaces' },
  {
    ops: ['CLONE', 'STAGE'],
    errnos: ['EAGAIN'],
    hint: 'a limit on processes is reached: RLIMIT_NPROC, pids.max of a cgroup, or kernel.pid_max',
  },
  {
    ops: ['OPEN_NAMESPACE'],
    errnos: ['ENOENT'],
    hint: 'the namespace file is gone: has the process it belonged to ended?',
  },
  {
    ops: ['OPEN_ROOTFS'],
    errnos: ['ENOENT', 'ENOTDIR'],
    hint: 'root.path must name an existing directory; a relative path starts at the bundle',
  },
  {
    ops: ['OPEN_SOURCE', 'MOUNT_BIND'],
    errnos: ['ENOENT'],
    hint: 'a bind mount needs an existing source: create it first',
  },
  {
    ops: ['MOUNT_BIND'],
    errnos: ['ENOTDIR', 'EISDIR'],
    hint: 'source and destination must both be directories or both be files',
  },
  {
    ops: MOUNTS,
    errnos: ['ENODEV'],
    hint: (refusal) =>
      ["'bind'", "'none'"].includes(field(refusal, 'type'))
        ? 'a bind mount needs "bind" or "rbind" among its options'
        : `the kernel has no file system ${field(refusal, 'type')}: is the module loaded?`,
  },
  {
    ops: ['MOUNT_FS', 'OPEN_FS', 'REMOUNT'],
    errnos: ['EINVAL'],
    when: (refusal) => kernelMessages(refusal) !== '',
    hint: (refusal) => `the kernel says: ${quote(kernelMessages(refusal))}`,
  },
  {
    ops: MOUNTS,
    errnos: ['EINVAL'],
    hint: (refusal) =>
      `${field(refusal, 'type')} does not take one of these options; its own messages are in the kernel log`,
  },
  {
    ops: MOUNTS,
    errnos: ['EPERM'],
    when: ({ op }) =>
      op?.op === 'MOUNT_FS' && (op.type === 'sysfs' || (op.flags & MOUNT.BIND_HOST_SYSFS_ON_REFUSAL) !== 0),
    hint: 'sysfs can only be mounted by the owner of the network namespace: add a network namespace, or bind /sys',
  },
  {
    ops: [...MOUNTS, 'MOUNT_BIND', 'SET_MOUNT_ATTR', 'OPEN_ROOTFS', 'PIVOT_ROOT'],
    errnos: ['EPERM'],
    when: (_, facts) => lacks(facts, CAP_SYS_ADMIN),
    hint: 'mounting needs CAP_SYS_ADMIN, or a user namespace in the config',
  },
  {
    ops: ['SET_MOUNT_ATTR', 'MOUNT_BIND'],
    errnos: ['EPERM'],
    hint: 'flags that the host set on this mount (ro, nosuid, nodev, noexec, atime) cannot be cleared in a user namespace',
  },
  {
    ops: MOUNTS,
    errnos: ['EBUSY'],
    hint: 'something is already mounted there, or the file system is in use elsewhere',
  },
  {
    ops: ['PIVOT_ROOT'],
    errnos: ['EINVAL'],
    hint: 'pivot_root does not work on a ramdisk: try --no-pivot',
  },
  {
    ops: ['OPEN_USERNS'],
    errnos: ['EPERM', 'EINVAL'],
    hint: 'the kernel does not take these mappings: no id twice, and only ids that the runtime itself has',
  },
  { ops: ['OPEN_USERNS'], errnos: ['ENOSPC'], hint: 'the limit in /proc/sys/user/max_user_namespaces is reached' },
  {
    ops: ['IDMAP_MOUNT'],
    errnos: ['EINVAL'],
    hint: ({ detail = '' }, facts) =>
      `${fileSystemName(detail)}, or what is mounted below it, takes no id mapping on Linux ${facts.kernel.join('.')}` +
      (fileSystemName(detail) === 'overlay' ? ': map the directories that the overlay is made of' : ''),
  },
  {
    ops: ['IDMAP_MOUNT'],
    errnos: ['EPERM'],
    hint: ({ detail = '' }) =>
      `only root of the user namespace that mounted ${fileSystemName(detail)} may map its ids, and only once`,
  },
  {
    ops: ['MOUNT_BIND'],
    errnos: ['EINVAL'],
    when: ({ syscall }) => syscall === 'move_mount',
    hint: 'source and destination must both be directories or both be files',
  },
  {
    ops: ['MOUNT_BIND'],
    errnos: ['EOVERFLOW'],
    hint: 'the mapping of the mount leaves out an id that is needed: root, or the owner of a file that tmpcopyup copies',
  },
  { ops: ['SYSCTL'], errnos: ['ENOENT'], hint: 'this kernel has no such sysctl, or it does not exist in a namespace' },
  { ops: ['SYSCTL'], errnos: ['EINVAL'], hint: 'the kernel does not take this value' },
  {
    ops: ['MAKE_DIRECTORY', 'MAKE_DEVICE', 'MAKE_SYMLINK', ...MOUNTS, 'MOUNT_BIND'],
    errnos: ['EROFS'],
    hint: 'the root file system is read-only and the path does not exist in it: create it in the image',
  },
  {
    ops: ['MAKE_DIRECTORY', ...MOUNTS],
    errnos: ['ENOTDIR'],
    hint: 'a file of the image is in the way: each part of the path must be a directory',
  },
  { ops: ['CHDIR'], errnos: ['EACCES'], hint: "the container's user may not enter this directory" },
  { ops: ['CONSOLE_CONNECT'], errnos: ['ENOENT', 'ECONNREFUSED'], hint: 'nobody listens on the console socket' },
  {
    ops: ['OPEN_CONSOLE'],
    errnos: ['ENOENT', 'ENODEV'],
    hint: 'a terminal needs a devpts mount on /dev/pts in the config',
  },
  { ops: ['PID_FILE'], errnos: ['ENOENT'], hint: 'the directory of the pid file must exist' },
  { ops: ['EXIT_FILE'], errnos: ['ENOENT'], hint: 'the directory of the exit file must exist' },
  {
    ops: ['SEND_LISTENER'],
    errnos: ['ENOENT', 'ECONNREFUSED'],
    hint: 'nobody listens there: start the seccomp agent first (linux.seccomp.listenerPath)',
  },
  {
    ops: ['SEND_LISTENER'],
    errnos: ['EPERM'],
    hint: "taking the descriptor needs the right to ptrace the container's first process (kernel.yama.ptrace_scope, CAP_SYS_PTRACE)",
  },
  {
    ops: ['SEND_LISTENER'],
    errnos: ['EPROTOTYPE'],
    hint: 'the agent must listen on a socket of type SOCK_STREAM',
  },
  { ops: ['SEND_PIDFD'], errnos: ['ENOENT', 'ECONNREFUSED'], hint: 'nobody listens on the pidfd socket' },
  {
    ops: ['SECCOMP'],
    errnos: ['EACCES'],
    hint: 'without CAP_SYS_ADMIN a filter needs process.noNewPrivileges',
  },
  { ops: ['FIND_PROGRAM'], errnos: ['ELOOP'], hint: 'symbolic links in the path run in a circle' },
  { errnos: ['ELOOP'], hint: 'a symbolic link is in the way, or links run in a circle' },
  {
    errnos: ['ENOSYS'],
    when: (_, facts) => isNewEnough(facts),
    hint: ({ syscall }) => `this kernel has ${quoteName(syscall)}: ${FILTERED}`,
  },
  { errnos: ['ENOSYS'], hint: (_, facts) => `tsrun needs Linux 5.14 or later, this is ${facts.kernel.join('.')}` },
  { errnos: ['ENOMEM'], hint: 'the machine, or the memory limit of a cgroup, has no memory left' },
];

/** The hint for a refused op, without the word "hint". */
export function explainRefusal(refusal: Refusal, facts: HostFacts): string | undefined {
  const name = errnoName(refusal.errno);
  const entry = ENTRIES.find(
    ({ ops, errnos, when }) =>
      errnos.includes(name) &&
      (ops === undefined || (refusal.op !== undefined && ops.includes(refusal.op.op))) &&
      (when?.(refusal, facts) ?? true),
  );
  return typeof entry?.hint === 'function' ? entry.hint(refusal, facts) : entry?.hint;
}

/**
 * Names of the Linux ABI that more than one layer looks up: capabilities, rlimits and mount options.
 *
 * Pure.
 */

/** capabilities(7): the index is the number. */
export const CAPABILITIES: readonly string[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_DAC_READ_SEARCH',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_LINUX_IMMUTABLE',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_BROADCAST',
  'CAP_NET_ADMIN',
  'CAP_NET_RAW',
  'CAP_IPC_LOCK',
  'CAP_IPC_OWNER',
  'CAP_SYS_MODULE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_CHROOT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_PACCT',
  'CAP_SYS_ADMIN',
  'CAP_SYS_BOOT',
  'CAP_SYS_NICE',
  'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME',
  'CAP_SYS_TTY_CONFIG',
  'CAP_MKNOD',
  'CAP_LEASE',
  'CAP_AUDIT_WRITE',
  'CAP_AUDIT_CONTROL',
  'CAP_SETFCAP',
  'CAP_MAC_OVERRIDE',
  'CAP_MAC_ADMIN',
  'CAP_SYSLOG',
  'CAP_WAKE_ALARM',
  'CAP_BLOCK_SUSPEND',
  'CAP_AUDIT_READ',
  'CAP_PERFMON',
  'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
];

/** The number of a capability, or undefined. */
export function capabilityNumber(name: string): number | undefined {
  const number = CAPABILITIES.indexOf(name);
  return number < 0 ? undefined : number;
}

/** getrlimit(2): numbers of asm-generic/resource.h (all architectures we build for). */
export const RLIMITS = {
  RLIMIT_CPU: 0,
  RLIMIT_FSIZE: 1,
  RLIMIT_DATA: 2,
  RLIMIT_STACK: 3,
  RLIMIT_CORE: 4,
  RLIMIT_RSS: 5,
  RLIMIT_NPROC: 6,
  RLIMIT_NOFILE: 7,
  RLIMIT_MEMLOCK: 8,
  RLIMIT_AS: 9,
  RLIMIT_LOCKS: 10,
  RLIMIT_SIGPENDING: 11,
  RLIMIT_MSGQUEUE: 12,
  RLIMIT_NICE: 13,
  RLIMIT_RTPRIO: 14,
  RLIMIT_RTTIME: 15,
} as const;

/** Options that set or clear an attribute of one mount, in pairs where the kernel has both directions. */
const ATTRIBUTES = [
  'ro',
  'rw',
  'suid',
  'nosuid',
  'dev',
  'nodev',
  'exec',
  'noexec',
  'atime',
  'noatime',
  'diratime',
  'nodiratime',
  'relatime',
  'norelatime',
  'strictatime',
  'nostrictatime',
  'symfollow',
  'nosymfollow',
] as const;

/** Options of the superblock, shared by all mounts of it. */
const SUPERBLOCK = [
  'async',
  'sync',
  'dirsync',
  'iversion',
  'noiversion',
  'lazytime',
  'nolazytime',
  'mand',
  'nomand',
  'silent',
  'loud',
] as const;

/** mount_namespaces(7). */
export const PROPAGATIONS = [
  'shared',
  'rshared',
  'slave',
  'rslave',
  'private',
  'rprivate',
  'unbindable',
  'runbindable',
] as const;

/** Every option word of a mount that is not handed to the file system (runtime-spec config.md, "Linux mount options"). */
export const MOUNT_OPTIONS = [
  ...ATTRIBUTES,
  ...ATTRIBUTES.map((name) => `r${name}` as const),
  ...SUPERBLOCK,
  ...PROPAGATIONS,
  'defaults',
  'bind',
  'rbind',
  'remount',
  'idmap',
  'ridmap',
  'tmpcopyup',
] as const;

export type MountOption = (typeof MOUNT_OPTIONS)[number];
export type Propagation = (typeof PROPAGATIONS)[number];

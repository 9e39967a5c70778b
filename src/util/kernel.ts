/**
 * Numbers of the kernel's user API that plans carry: CLONE_NEW* of linux/sched.h, MS_* and MOUNT_ATTR_* of
 * linux/mount.h, S_IF* of linux/stat.h. The same on x86_64, aarch64 and riscv64. Names and numbers that specs use too
 * are in linux-names.ts.
 *
 * Pure.
 */

/** clone(2), setns(2), by the OCI name of the namespace. */
export const CLONE_NEW = {
  mount: 0x20000n,
  cgroup: 0x2000000n,
  uts: 0x4000000n,
  ipc: 0x8000000n,
  user: 0x10000000n,
  pid: 0x20000000n,
  network: 0x40000000n,
  time: 0x80n,
} as const;

/** mount(2): superblock flags (SB_* inside the kernel) and mount flags. */
export const MS = {
  RDONLY: 0x1n,
  NOSUID: 0x2n,
  NODEV: 0x4n,
  NOEXEC: 0x8n,
  SYNCHRONOUS: 0x10n,
  REMOUNT: 0x20n,
  MANDLOCK: 0x40n,
  DIRSYNC: 0x80n,
  NOSYMFOLLOW: 0x100n,
  NOATIME: 0x400n,
  NODIRATIME: 0x800n,
  BIND: 0x1000n,
  REC: 0x4000n,
  SILENT: 0x8000n,
  UNBINDABLE: 0x20000n,
  PRIVATE: 0x40000n,
  SLAVE: 0x80000n,
  SHARED: 0x100000n,
  RELATIME: 0x200000n,
  I_VERSION: 0x800000n,
  STRICTATIME: 0x1000000n,
  LAZYTIME: 0x2000000n,
} as const;

/** mount_setattr(2). The access time modes are values of one field, _ATIME, where relatime is 0. */
export const MOUNT_ATTR = {
  RDONLY: 0x1n,
  NOSUID: 0x2n,
  NODEV: 0x4n,
  NOEXEC: 0x8n,
  _ATIME: 0x70n,
  RELATIME: 0x0n,
  NOATIME: 0x10n,
  STRICTATIME: 0x20n,
  NODIRATIME: 0x80n,
  NOSYMFOLLOW: 0x200000n,
} as const;

/** mknod(2). */
export const S_IFMT = { FIFO: 0o010000, CHR: 0o020000, BLK: 0o060000, MASK: 0o170000 } as const;

/** prlimit(2). */
export const RLIM_INFINITY = 0xffff_ffff_ffff_ffffn;

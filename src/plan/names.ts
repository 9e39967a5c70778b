/**
 * Kernel flags and numbers of a plan as words: MOUNT_ATTR_RDONLY is "ro", 0x20020000 is "pid, mount".
 *
 * Pure.
 */
import { CLONE_NEW, MOUNT_ATTR, MS, RLIM_INFINITY, S_IFMT } from '../util/kernel.js';
import { CAPABILITIES, RLIMITS } from '../util/linux-names.js';
import { MEMORY_POLICY_FLAGS, MEMORY_POLICY_MODES, SCHEDULER_FLAGS } from '../util/linux-policies.js';

type Words = readonly (readonly [flag: bigint, word: string])[];

const ATTR_SET: Words = [
  [MOUNT_ATTR.RDONLY, 'ro'],
  [MOUNT_ATTR.NOSUID, 'nosuid'],
  [MOUNT_ATTR.NODEV, 'nodev'],
  [MOUNT_ATTR.NOEXEC, 'noexec'],
  [MOUNT_ATTR.NOATIME, 'noatime'],
  [MOUNT_ATTR.STRICTATIME, 'strictatime'],
  [MOUNT_ATTR.NODIRATIME, 'nodiratime'],
  [MOUNT_ATTR.NOSYMFOLLOW, 'nosymfollow'],
];

const ATTR_CLEAR: Words = [
  [MOUNT_ATTR.RDONLY, 'rw'],
  [MOUNT_ATTR.NOSUID, 'suid'],
  [MOUNT_ATTR.NODEV, 'dev'],
  [MOUNT_ATTR.NOEXEC, 'exec'],
  [MOUNT_ATTR.NODIRATIME, 'diratime'],
  [MOUNT_ATTR.NOSYMFOLLOW, 'symfollow'],
];

const SUPERBLOCK: Words = [
  [MS.RDONLY, 'ro'],
  [MS.SYNCHRONOUS, 'sync'],
  [MS.DIRSYNC, 'dirsync'],
  [MS.MANDLOCK, 'mand'],
  [MS.LAZYTIME, 'lazytime'],
  [MS.I_VERSION, 'iversion'],
  [MS.SILENT, 'silent'],
];

const MOUNT_FLAGS: Words = [
  ...SUPERBLOCK,
  [MS.NOSUID, 'nosuid'],
  [MS.NODEV, 'nodev'],
  [MS.NOEXEC, 'noexec'],
  [MS.NOSYMFOLLOW, 'nosymfollow'],
  [MS.NOATIME, 'noatime'],
  [MS.NODIRATIME, 'nodiratime'],
  [MS.RELATIME, 'relatime'],
  [MS.STRICTATIME, 'strictatime'],
];

const PROPAGATION: Words = [
  [MS.SHARED, 'shared'],
  [MS.SLAVE, 'slave'],
  [MS.PRIVATE, 'private'],
  [MS.UNBINDABLE, 'unbindable'],
];

const NAMESPACES: Words = Object.entries(CLONE_NEW).map(([name, flag]) => [flag, name] as const);

/** The words of the flags set; what no word stands for is shown in hexadecimal. */
function words(flags: bigint, table: Words): string[] {
  const known = table.filter(([flag]) => (flags & flag) === flag);
  const rest = known.reduce((left, [flag]) => left & ~flag, flags);
  return [...known.map(([, word]) => word), ...(rest === 0n ? [] : [`0x${rest.toString(16)}`])];
}

/** ["ro", "exec", "relatime"] for MOUNT_ATTR_* set and cleared: a cleared access time mode with none set is relatime. */
export function mountAttrWords(attrSet: bigint, attrClr: bigint): string[] {
  const relatime = (attrClr & MOUNT_ATTR._ATIME) !== 0n && (attrSet & MOUNT_ATTR._ATIME) === 0n;
  const cleared = words(attrClr & ~MOUNT_ATTR._ATIME & ~attrSet, ATTR_CLEAR);
  return [...words(attrSet, ATTR_SET), ...cleared, ...(relatime ? ['relatime'] : [])];
}

export const superblockWords = (flags: number): string[] => words(BigInt(flags), SUPERBLOCK);
export const mountFlagWords = (flags: bigint): string[] => words(flags, MOUNT_FLAGS);
/** "rslave" for MS_SLAVE | MS_REC. */
export const propagationWord = (flags: bigint): string =>
  ((flags & MS.REC) === 0n ? '' : 'r') + words(flags & ~MS.REC, PROPAGATION).join(', ');
export const namespaceWords = (flags: bigint): string => words(flags, NAMESPACES).join(', ');

/** "CHOWN, KILL"; "none" and "all" (of the capabilities known here) where that says more. */
export function capabilityWords(mask: bigint): string {
  if (mask === 0n) return 'none';
  const table = CAPABILITIES.map((name, bit) => [1n << BigInt(bit), name.slice('CAP_'.length)] as const);
  const all = (1n << BigInt(CAPABILITIES.length)) - 1n;
  return mask === all ? 'all' : words(mask, table).join(', ');
}

export function rlimitName(resource: number): string {
  return Object.entries(RLIMITS).find(([, number]) => number === resource)?.[0] ?? `RLIMIT ${resource}`;
}

export const rlimitValue = (value: bigint): string => (value === RLIM_INFINITY ? 'unlimited' : String(value));

/** "char", "block", "fifo" for the S_IF* bits of a mode. */
export function nodeWord(mode: number): string {
  const type = mode & S_IFMT.MASK;
  return type === S_IFMT.CHR ? 'char' : type === S_IFMT.BLK ? 'block' : type === S_IFMT.FIFO ? 'fifo' : 'node';
}

export const octal = (mode: number): string => (mode & 0o7777).toString(8).padStart(4, '0');

export const schedulerFlagWords = (flags: bigint): string[] =>
  words(
    flags,
    Object.entries(SCHEDULER_FLAGS).map(([word, flag]) => [flag, word] as const),
  );

/** "MPOL_BIND, MPOL_F_STATIC_NODES" for the mode argument of set_mempolicy(2). */
export function memoryPolicyWords(mode: number): string {
  const flags = Object.entries(MEMORY_POLICY_FLAGS).filter(([, flag]) => (mode & flag) !== 0);
  const base = mode & ~flags.reduce((all, [, flag]) => all | flag, 0);
  const known = Object.entries(MEMORY_POLICY_MODES).find(([, number]) => number === base)?.[0];
  return [known ?? `policy ${base}`, ...flags.map(([word]) => word)].join(', ');
}

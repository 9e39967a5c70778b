/**
 * Mount options as data: what each word sets, clears or asks for. Words that are not here belong to the file system.
 *
 * A bind keeps the flags of its source and changes only those that its options name; runc replaces them all as soon as
 * one is named, which drops a nosuid of the host's without anybody asking for it.
 *
 * OCI runtime-spec, config "Linux mount options"; mount(8), mount_setattr(2). Pure.
 */
import { type IdMapValue, isIdMapOption, parseIdMapOption } from '../util/idmap-option.js';
import { MOUNT_ATTR, MS } from '../util/kernel.js';

const SB = (flag: bigint): number => Number(flag);

export interface MountOption {
  /** MOUNT_ATTR_* set and cleared on this mount, or with recursive on all mounts below it too. */
  readonly set?: bigint;
  readonly clear?: bigint;
  /** Superblock flags by their MS_* value. */
  readonly superblock?: number;
  readonly superblockClear?: number;
  readonly propagation?: bigint;
  readonly recursive?: boolean;
  readonly asks?: 'bind' | 'remount' | 'copyUp';
}

const attr = (flag: bigint): MountOption => ({ set: flag });
const unset = (flag: bigint): MountOption => ({ clear: flag });
const superblock = (flag: bigint): MountOption => ({ superblock: SB(flag) });
const noSuperblock = (flag: bigint): MountOption => ({ superblockClear: SB(flag) });
const NOTHING: MountOption = {};

/** Access time modes are exclusive, so that setting one clears the field; with nothing set it says relatime. */
const atime = (mode: bigint): MountOption => ({ set: mode, clear: MOUNT_ATTR._ATIME });

/** Options of one mount that have a recursive twin with an r in front. */
const ATTRIBUTES: { readonly [option: string]: MountOption } = {
  ro: attr(MOUNT_ATTR.RDONLY),
  rw: unset(MOUNT_ATTR.RDONLY),
  nosuid: attr(MOUNT_ATTR.NOSUID),
  suid: unset(MOUNT_ATTR.NOSUID),
  nodev: attr(MOUNT_ATTR.NODEV),
  dev: unset(MOUNT_ATTR.NODEV),
  noexec: attr(MOUNT_ATTR.NOEXEC),
  exec: unset(MOUNT_ATTR.NOEXEC),
  nodiratime: attr(MOUNT_ATTR.NODIRATIME),
  diratime: unset(MOUNT_ATTR.NODIRATIME),
  nosymfollow: attr(MOUNT_ATTR.NOSYMFOLLOW),
  symfollow: unset(MOUNT_ATTR.NOSYMFOLLOW),
  noatime: atime(MOUNT_ATTR.NOATIME),
  atime: unset(MOUNT_ATTR.NOATIME),
  relatime: atime(MOUNT_ATTR.RELATIME),
  strictatime: atime(MOUNT_ATTR.STRICTATIME),
  nostrictatime: unset(MOUNT_ATTR.STRICTATIME),
};

const RECURSIVE = Object.entries(ATTRIBUTES).map(
  ([name, option]) => [`r${name}`, { ...option, recursive: true }] as const,
);

const PROPAGATIONS = [
  ['shared', MS.SHARED],
  ['slave', MS.SLAVE],
  ['private', MS.PRIVATE],
  ['unbindable', MS.UNBINDABLE],
].flatMap(([name, propagation]) => [
  [name, { propagation }] as const,
  [`r${name}`, { propagation, recursive: true }] as const,
]);

export const MOUNT_OPTIONS: { readonly [option: string]: MountOption } = {
  ...ATTRIBUTES,
  ...Object.fromEntries(RECURSIVE),
  ...(Object.fromEntries(PROPAGATIONS) as { [option: string]: MountOption }),
  // The access time mode without noatime and strictatime is relatime already.
  norelatime: NOTHING,
  rnorelatime: { recursive: true },
  defaults: NOTHING,
  bind: { asks: 'bind' },
  rbind: { asks: 'bind', recursive: true },
  remount: { asks: 'remount' },
  tmpcopyup: { asks: 'copyUp' },
  idmap: NOTHING,
  ridmap: NOTHING,
  sync: superblock(MS.SYNCHRONOUS),
  async: noSuperblock(MS.SYNCHRONOUS),
  dirsync: superblock(MS.DIRSYNC),
  mand: superblock(MS.MANDLOCK),
  nomand: noSuperblock(MS.MANDLOCK),
  lazytime: superblock(MS.LAZYTIME),
  nolazytime: noSuperblock(MS.LAZYTIME),
  iversion: superblock(MS.I_VERSION),
  noiversion: noSuperblock(MS.I_VERSION),
  silent: superblock(MS.SILENT),
  loud: noSuperblock(MS.SILENT),
};

export interface Attributes {
  readonly set: bigint;
  readonly clear: bigint;
}

export interface Propagation {
  /** MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE. */
  readonly flag: bigint;
  readonly recursive: boolean;
}

export interface IdMapOption {
  readonly index: number;
  readonly recursive: boolean;
  readonly value: IdMapValue | undefined;
}

export interface ParsedOptions {
  readonly attributes: Attributes;
  /** Of the options with an r in front. */
  readonly recursive: Attributes;
  readonly superblock: number;
  /** In the order given: "rslave", "shared" is not "shared", "rslave". */
  readonly propagation: readonly Propagation[];
  readonly bind: 'no' | 'bind' | 'rbind';
  readonly remount: boolean;
  readonly copyUp: boolean;
  /** The last idmap or ridmap, with what is behind its "=". */
  readonly idmap: IdMapOption | undefined;
  /** Indexes of options to complain about. */
  readonly nosymfollow: readonly number[];
  /** For the file system, with their indexes. */
  readonly data: readonly { readonly index: number; readonly text: string }[];
}

const NO_ATTRIBUTES: Attributes = { set: 0n, clear: 0n };

/** A later option wins over an earlier one. */
export function parseMountOptions(options: readonly string[]): ParsedOptions {
  const known = options.map((text, index) => ({ text, index, option: lookUp(text) }));
  const found = known.flatMap(({ option }) => (option === undefined ? [] : [option]));
  const asks = (what: MountOption['asks']) => found.filter((option) => option.asks === what);
  const indexes = (test: (option: MountOption) => boolean) =>
    known.flatMap(({ option, index }) => (option !== undefined && test(option) ? [index] : []));
  const binds = asks('bind');
  return {
    attributes: found.filter(({ recursive }) => !recursive).reduce(merge, NO_ATTRIBUTES),
    recursive: found.filter(({ recursive }) => recursive).reduce(merge, NO_ATTRIBUTES),
    superblock: found.reduce((flags, option) => (flags & ~(option.superblockClear ?? 0)) | (option.superblock ?? 0), 0),
    propagation: found.flatMap(({ propagation: flag, recursive = false }) =>
      flag === undefined ? [] : [{ flag, recursive }],
    ),
    bind: binds.length === 0 ? 'no' : binds.some(({ recursive }) => recursive) ? 'rbind' : 'bind',
    remount: asks('remount').length > 0,
    copyUp: asks('copyUp').length > 0,
    idmap: idMapOption(options),
    nosymfollow: indexes(({ set = 0n }) => set === MOUNT_ATTR.NOSYMFOLLOW),
    data: known.flatMap(({ text, index, option }) => (option === undefined && text !== '' ? [{ index, text }] : [])),
  };
}

function idMapOption(options: readonly string[]): IdMapOption | undefined {
  const index = options.findLastIndex(isIdMapOption);
  if (index < 0) return undefined;
  const text = options[index] ?? '';
  const value = parseIdMapOption(text);
  // spec/ has refused one that is wrong.
  return { index, recursive: text.startsWith('r'), value: typeof value === 'string' ? undefined : value };
}

function lookUp(text: string): MountOption | undefined {
  if (isIdMapOption(text)) return NOTHING;
  return Object.hasOwn(MOUNT_OPTIONS, text) ? MOUNT_OPTIONS[text] : undefined;
}

/** The kernel wants the whole access time field cleared as soon as a part of it changes. */
export function merge(before: Attributes, { set = 0n, clear = 0n }: { set?: bigint; clear?: bigint }): Attributes {
  const next = { set: (before.set & ~clear) | set, clear: (before.clear & ~set) | clear };
  const atimeTouched = ((next.set | next.clear) & MOUNT_ATTR._ATIME) !== 0n;
  return atimeTouched ? { ...next, clear: next.clear | MOUNT_ATTR._ATIME } : next;
}

export const isEmpty = ({ set, clear }: Attributes): boolean => set === 0n && clear === 0n;

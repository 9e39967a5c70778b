/**
 * The entry stream between us and tsrun-snapshot: see csrc/snapshot/stream.h, which this mirrors.
 *
 * Pure.
 */
export const ENTRY = {
  end: 1,
  directory: 2,
  file: 3,
  symlink: 4,
  hardlink: 5,
  character: 6,
  block: 7,
  fifo: 8,
  whiteout: 9,
  attributes: 10,
} as const;

export type EntryKind = keyof typeof ENTRY;

export const FLAG = { opaque: 1, noData: 2, keep: 4, bare: 8, same: 16 } as const;

/** Names are bytes as latin1 text. */
export interface Entry {
  readonly kind: EntryKind;
  readonly flags: number;
  readonly links: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly major: number;
  readonly minor: number;
  readonly path: string;
  readonly link: string;
  readonly size: number;
  readonly mtime: { readonly seconds: number; readonly nanoseconds: number };
  /** Of 512 bytes; 0 where it was not packed from files. */
  readonly blocks: number;
  readonly index: number;
  readonly xattrs: ReadonlyMap<string, Buffer>;
}

const MAGIC = 0x45525354;
export const HEADER_SIZE = 72;
export const CHUNK_SIZE = 16;

const KINDS: ReadonlyMap<number, EntryKind> = new Map(
  Object.entries(ENTRY).map(([name, value]) => [value, name as EntryKind]),
);

const NO_XATTRS: ReadonlyMap<string, Buffer> = new Map();

/** What an entry has unless it says otherwise. */
export const BLANK: Omit<Entry, 'kind' | 'path'> = {
  flags: 0,
  links: 1,
  mode: 0,
  uid: 0,
  gid: 0,
  major: 0,
  minor: 0,
  link: '',
  size: 0,
  mtime: { seconds: 0, nanoseconds: 0 },
  blocks: 0,
  index: 0,
  xattrs: NO_XATTRS,
};

function encodeXattrs(xattrs: ReadonlyMap<string, Buffer>): Buffer {
  const parts: Buffer[] = [];
  for (const [name, value] of xattrs) {
    const key = Buffer.from(name, 'latin1');
    const header = Buffer.alloc(8);
    header.writeUInt32LE(key.length, 0);
    header.writeUInt32LE(value.length, 4);
    parts.push(header, key, value);
  }
  return Buffer.concat(parts);
}

export function encodeEntry(entry: Entry): Buffer {
  const path = Buffer.from(entry.path, 'latin1');
  const link = Buffer.from(entry.link, 'latin1');
  const xattrs = encodeXattrs(entry.xattrs);
  const header = Buffer.alloc(HEADER_SIZE);
  header.writeUInt32LE(MAGIC, 0);
  header.writeUInt8(ENTRY[entry.kind], 4);
  header.writeUInt8(entry.flags, 5);
  header.writeUInt16LE(entry.links, 6);
  const words = [entry.mode, entry.uid, entry.gid, entry.major, entry.minor, path.length, link.length, xattrs.length];
  words.forEach((word, i) => {
    header.writeUInt32LE(word, 8 + i * 4);
  });
  header.writeBigUInt64LE(BigInt(entry.size), 40);
  header.writeBigInt64LE(BigInt(entry.mtime.seconds), 48);
  header.writeBigUInt64LE(BigInt(entry.blocks), 56);
  header.writeUInt32LE(entry.mtime.nanoseconds, 64);
  header.writeUInt32LE(entry.index, 68);
  return Buffer.concat([header, path, link, xattrs]);
}

export function encodeChunk(offset: number, length: number): Buffer {
  const header = Buffer.alloc(CHUNK_SIZE);
  header.writeBigUInt64LE(BigInt(offset), 0);
  header.writeUInt32LE(length, 8);
  return header;
}

/** Lengths of the three texts that follow a header. */
export function bodyLength(header: Buffer): number {
  if (header.readUInt32LE(0) !== MAGIC) throw new Error('not an entry stream');
  return header.readUInt32LE(28) + header.readUInt32LE(32) + header.readUInt32LE(36);
}

function decodeXattrs(bytes: Buffer): ReadonlyMap<string, Buffer> {
  if (bytes.length === 0) return NO_XATTRS;
  const xattrs = new Map<string, Buffer>();
  for (let at = 0; at < bytes.length; ) {
    const key = at + 8;
    const value = key + bytes.readUInt32LE(at);
    const end = value + bytes.readUInt32LE(at + 4);
    xattrs.set(bytes.toString('latin1', key, value), Buffer.from(bytes.subarray(value, end)));
    at = end;
  }
  return xattrs;
}

/** bytes: the header and its texts. */
export function decodeEntry(bytes: Buffer): Entry {
  const path = HEADER_SIZE;
  const link = path + bytes.readUInt32LE(28);
  const xattrs = link + bytes.readUInt32LE(32);
  return {
    kind: KINDS.get(bytes.readUInt8(4)) ?? 'end',
    flags: bytes.readUInt8(5),
    links: bytes.readUInt16LE(6),
    mode: bytes.readUInt32LE(8),
    uid: bytes.readUInt32LE(12),
    gid: bytes.readUInt32LE(16),
    major: bytes.readUInt32LE(20),
    minor: bytes.readUInt32LE(24),
    path: bytes.toString('latin1', path, link),
    link: bytes.toString('latin1', link, xattrs),
    size: Number(bytes.readBigUInt64LE(40)),
    mtime: { seconds: Number(bytes.readBigInt64LE(48)), nanoseconds: bytes.readUInt32LE(64) },
    blocks: Number(bytes.readBigUInt64LE(56)),
    index: bytes.readUInt32LE(68),
    xattrs: decodeXattrs(bytes.subarray(xattrs, xattrs + bytes.readUInt32LE(36))),
  };
}

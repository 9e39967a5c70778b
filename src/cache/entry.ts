/**
 * The bytes of a cache entry, which csrc/launcher/entry.h describes: a pattern that a question must match, and the plan
 * it then gets. Little endian; texts lie in a pool at the end, everything else is numbers in tables of fixed records.
 *
 * Pure.
 */
import type { Pattern } from './pattern.js';
import type { Slot } from './slots.js';
import type { Piece, Template } from './template.js';

export const ENTRY_MAGIC = 'TSRCACH1';
export const ENTRY_VERSION = 3;
export const MAX_ENTRY_BYTES = 4 * 1024 * 1024;

const HEADER_SIZE = 128;
const TABLES_AT = 32;
const SLOTS_AT = 40;
const POOL_AT = 88;
const LABEL_AT = 104;
/** Where the launcher counts: the only bytes that change, and no part of the checksum. */
export const HITS_AT = 16;
const CHECKSUM_AT = 12;
/** The checksum is of what begins here. */
const CHECKED_AT = 24;

/** A file whose replacement makes the plan a stale one. */
export interface Witness {
  readonly path: string;
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtime: bigint;
  readonly ctime: bigint;
}

export interface Entry {
  readonly pattern: Pattern;
  readonly template: Template;
  /** The config asks for a terminal. */
  readonly terminal: boolean;
  /** Texts none of which may be the first or lie below it, which is the root file system: see mount-bind.ts. */
  readonly apart: readonly (readonly Piece[])[];
  readonly witnesses: readonly Witness[];
  /** For people: the bundle it was made from. */
  readonly label: string;
}

const KINDS: { readonly [K in Slot['kind']]: number } = { text: 0, path: 1, word: 2 };
const LITERAL = 0xffff_ffff;
const PLAIN = 0xffff_ffff;

/** Texts one behind the other. */
class Pool {
  readonly #parts: Buffer[] = [];
  #size = 0;

  /** Offset and size. */
  add(content: string | Uint8Array): [number, number] {
    const bytes = typeof content === 'string' ? Buffer.from(content) : Buffer.from(content);
    const at = this.#size;
    this.#parts.push(bytes);
    this.#size += bytes.length;
    return [at, bytes.length];
  }

  bytes(): Buffer {
    const padding = Buffer.alloc((8 - (this.#size % 8)) % 8);
    return Buffer.concat([...this.#parts, padding]);
  }
}

/** Neighbours that are constants become one. */
function join(pieces: readonly Piece[]): Piece[] {
  const joined: Piece[] = [];
  for (const piece of pieces) {
    const last = joined.at(-1);
    if (typeof piece === 'string' && typeof last === 'string') joined[joined.length - 1] = last + piece;
    else joined.push(piece);
  }
  return joined;
}

export function encodeEntry(entry: Entry): Buffer {
  const { pattern, template, terminal, apart, witnesses } = entry;
  const pool = new Pool();
  const pieces: number[][] = [];
  const strings: number[][] = [];
  const addString = (parts: readonly Piece[]): number => {
    const first = pieces.length;
    for (const piece of join(parts)) {
      pieces.push(typeof piece === 'number' ? [piece, 0, 0] : [LITERAL, ...pool.add(piece)]);
    }
    return strings.push([first, pieces.length - first]) - 1;
  };
  const spans = [pool.add(template.plan), pool.add(entry.label)];
  const literals = pattern.literals.map((text) => pool.add(text));
  const slots = pattern.slots.map(({ kind, min, max }) => [KINDS[kind], min, max]);
  const patches = template.patches.map(({ at, count, pieces: parts }) => [at, count ?? PLAIN, addString(parts)]);
  const guards = apart.map((parts) => [addString(parts)]);
  const files = witnesses.map(({ path, dev, ino, size, mtime, ctime }) => [
    ...pool.add(`${path}\0`),
    ...[dev, ino, size, mtime, ctime].flatMap((wide) => [Number(wide & 0xffff_ffffn), Number(wide >> 32n)]),
  ]);
  return assemble({ terminal, spans, tables: [literals, slots, pieces, strings, patches, guards, files], pool });
}

interface Parts {
  readonly terminal: boolean;
  /** The plan and the label. */
  readonly spans: readonly (readonly [number, number])[];
  /** Records of numbers, all of 32 bits. */
  readonly tables: readonly (readonly (readonly number[])[])[];
  readonly pool: Pool;
}

function assemble({ terminal, spans, tables, pool }: Parts): Buffer {
  const texts = pool.bytes();
  const words = tables.flat(2);
  const poolAt = HEADER_SIZE + words.length * 4 + (words.length % 2) * 4;
  const bytes = Buffer.alloc(poolAt + texts.length);
  bytes.write(ENTRY_MAGIC, 'latin1');
  bytes.writeUInt32LE(ENTRY_VERSION, 8);
  bytes.writeUInt32LE(bytes.length, 24);
  bytes.writeUInt32LE(terminal ? 1 : 0, 28);
  let at = HEADER_SIZE;
  const heads = tables.map((table) => {
    const first = at;
    at += table.flat().length * 4;
    return [first, table.length] as const;
  });
  [...heads, [poolAt, texts.length] as const, ...spans].forEach(([first, count], index) => {
    bytes.writeUInt32LE(first, TABLES_AT + index * 8);
    bytes.writeUInt32LE(count, TABLES_AT + index * 8 + 4);
  });
  words.forEach((word, index) => {
    bytes.writeUInt32LE(word >>> 0, HEADER_SIZE + index * 4);
  });
  texts.copy(bytes, poolAt);
  bytes.writeUInt32LE(checksum(bytes), CHECKSUM_AT);
  return bytes;
}

/** FNV-1a over 32-bit words: against accidents. Who may write the file may write a plan as well. */
export function checksum(bytes: Buffer): number {
  let sum = 0x811c_9dc5;
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  for (let index = CHECKED_AT / 4; index < words.length; index++) {
    sum = Math.imul(sum ^ (words[index] ?? 0), 0x0100_0193);
  }
  return sum >>> 0;
}

/** What `plan --cache` shows of an entry. */
export interface EntrySummary {
  readonly hits: number;
  readonly slots: number;
  readonly label: string;
}

/** undefined for bytes that are no entry of this version. Reads no more than it shows; the launcher checks the rest. */
export function summarize(bytes: Buffer): EntrySummary | undefined {
  if (bytes.length < HEADER_SIZE || bytes.toString('latin1', 0, 8) !== ENTRY_MAGIC) return undefined;
  if (bytes.readUInt32LE(8) !== ENTRY_VERSION || bytes.readUInt32LE(24) !== bytes.length) return undefined;
  const at = bytes.readUInt32LE(POOL_AT) + bytes.readUInt32LE(LABEL_AT);
  const label = bytes.toString('utf8', at, at + bytes.readUInt32LE(LABEL_AT + 4));
  return { hits: Number(bytes.readBigUInt64LE(HITS_AT)), slots: bytes.readUInt32LE(SLOTS_AT + 4), label };
}

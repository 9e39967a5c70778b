/**
 * Sparse files: GNU's old form (type S, a map in the header) and its three PAX forms (0.0, 0.1, 1.0). tar's manual,
 * "Storing Sparse Files". What the archive holds are the extents one behind the other.
 *
 * Pure.
 */
import { TarError } from './entry.js';
import { parseNumber } from './header.js';
import { type PaxRecords, paxNumber, paxText } from './pax.js';

export interface Extent {
  readonly offset: number;
  readonly length: number;
}

/** GNU's header holds four extents, an extension block 21. */
const IN_HEADER = { offset: 386, count: 4, more: 482, realSize: 483 };
const IN_BLOCK = { offset: 0, count: 21, more: 504 };
const EXTENTS_MAX = 1 << 20;

function readExtents(block: Buffer, place: { readonly offset: number; readonly count: number }): Extent[] {
  const extents: Extent[] = [];
  for (let i = 0; i < place.count; i++) {
    const at = place.offset + i * 24;
    const extent = {
      offset: parseNumber(block.subarray(at, at + 12)),
      length: parseNumber(block.subarray(at + 12, at + 24)),
    };
    if (block[at] !== 0) extents.push(extent);
  }
  return extents;
}

export function gnuHeaderMap(block: Buffer): { extents: Extent[]; more: boolean; realSize: number } {
  return {
    extents: readExtents(block, IN_HEADER),
    more: block[IN_HEADER.more] === 1,
    realSize: parseNumber(block.subarray(IN_HEADER.realSize, IN_HEADER.realSize + 12)),
  };
}

export function gnuBlockMap(block: Buffer): { extents: Extent[]; more: boolean } {
  return { extents: readExtents(block, IN_BLOCK), more: block[IN_BLOCK.more] === 1 };
}

export interface PaxSparse {
  readonly realSize: number;
  /** undefined: form 1.0, the map is in front of the data. */
  readonly extents: readonly Extent[] | undefined;
}

/** undefined where the records speak of no sparse file. */
export function paxSparse(records: PaxRecords): PaxSparse | undefined {
  const size = paxNumber(records, 'GNU.sparse.realsize') ?? paxNumber(records, 'GNU.sparse.size');
  if (size === undefined) return undefined;
  const major = paxNumber(records, 'GNU.sparse.major');
  if (major === 1) return { realSize: size, extents: undefined };
  const map = paxText(records, 'GNU.sparse.map');
  if (map === undefined) throw new TarError('sparse file without a map');
  return { realSize: size, extents: pairs(map.split(',')) };
}

function pairs(numbers: readonly string[]): Extent[] {
  const values = numbers.map((text) => (/^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN));
  if (values.length % 2 !== 0 || values.some((value) => !Number.isSafeInteger(value))) {
    throw new TarError('malformed map of a sparse file');
  }
  const extents: Extent[] = [];
  for (let i = 0; i + 1 < values.length; i += 2) {
    extents.push({ offset: values[i] ?? 0, length: values[i + 1] ?? 0 });
  }
  return extents;
}

/** Form 1.0: count, then pairs, one decimal number a line, filled up to a block. undefined: more blocks are needed. */
export function parseInlineMap(text: string): Extent[] | undefined {
  const first = text.indexOf('\n');
  if (first < 0) return undefined;
  const count = /^[0-9]{1,7}$/.test(text.slice(0, first)) ? Number(text.slice(0, first)) : Number.NaN;
  if (!(count <= EXTENTS_MAX)) throw new TarError('malformed map of a sparse file');
  const lines = text.slice(first + 1).split('\n');
  if (lines.length <= count * 2) return undefined;
  return pairs(lines.slice(0, count * 2));
}

/** Ascending, inside the file, and together as long as what the archive holds. */
export function checkExtents(extents: readonly Extent[], realSize: number, stored: number): void {
  let end = 0;
  let sum = 0;
  for (const { offset, length } of extents) {
    if (offset < end || length > realSize - offset) throw new TarError('malformed map of a sparse file');
    end = offset + length;
    sum += length;
  }
  if (sum !== stored || extents.length > EXTENTS_MAX) throw new TarError('malformed map of a sparse file');
}

/**
 * Ranges: of a blob that is asked for (RFC 9110 14.1.2), and of a chunk that is uploaded (distribution-spec "Pushing a blob
 * in chunks": "first-last", without a unit).
 *
 * Pure.
 */
export interface Range {
  /** Both ends are within. */
  readonly first: number;
  readonly last: number;
}

const ONE = /^bytes=(\d{0,15})-(\d{0,15})$/;
const CHUNK = /^(?:bytes )?(\d{1,15})-(\d{1,15})(?:\/(?:\*|\d+))?$/;

/** Undefined: everything, for want of a range that we know. 'unsatisfiable': status 416. */
export function parseRange(header: string | undefined, size: number): Range | 'unsatisfiable' | undefined {
  const [, from, to] = ONE.exec(header ?? '') ?? [];
  if (from === undefined || to === undefined || (from === '' && to === '')) return undefined;
  const first = from === '' ? Math.max(0, size - Number(to)) : Number(from);
  const last = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1);
  return first <= last ? { first, last } : 'unsatisfiable';
}

/** Undefined where the header is none. */
export function parseChunkRange(header: string): Range | undefined {
  const [, first, last] = CHUNK.exec(header) ?? [];
  if (first === undefined || last === undefined || Number(last) < Number(first)) return undefined;
  return { first: Number(first), last: Number(last) };
}

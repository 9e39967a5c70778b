/**
 * The mount options idmap and ridmap with a mapping of their own, as crun(1) takes them and podman passes them on:
 * "idmap=uids=0-1-10#10-11-10;gids=@0-100-10". A triplet is the first id on the file system, the id it becomes and how
 * many there are; with "@" the id it becomes is one of the container's.
 *
 * Pure.
 */
export interface IdRange {
  /** First id on the file system. */
  readonly from: number;
  /** What it becomes: an id of the host's, or of the container's when relative. */
  readonly to: number;
  readonly size: number;
  readonly relative: boolean;
}

export interface IdMapValue {
  readonly uids: readonly IdRange[];
  readonly gids: readonly IdRange[];
}

export const isIdMapOption = (option: string): boolean => /^r?idmap(=|$)/.test(option);

const TRIPLET = /^(@?)(\d{1,10})-(\d{1,10})-(\d{1,10})$/;
const MAX_ID = 2 ** 32 - 1;

function parseRange(text: string): IdRange | undefined {
  const [, at, from, to, size] = TRIPLET.exec(text) ?? [];
  if (at === undefined) return undefined;
  const range = { from: Number(from), to: Number(to), size: Number(size), relative: at === '@' };
  return range.size >= 1 && Math.max(range.from, range.to) + range.size <= MAX_ID ? range : undefined;
}

/** The mapping behind "=", undefined for the bare option, or what is wrong with it. */
export function parseIdMapOption(option: string): IdMapValue | undefined | string {
  const equals = option.indexOf('=');
  if (equals < 0) return undefined;
  const found: { uids: IdRange[]; gids: IdRange[] } = { uids: [], gids: [] };
  for (const part of option.slice(equals + 1).split(';')) {
    const [, kind, ranges = ''] = /^(uids|gids)=(.*)$/.exec(part) ?? [];
    if (kind !== 'uids' && kind !== 'gids') return 'want uids=FROM-TO-SIZE#...;gids=FROM-TO-SIZE#...';
    for (const text of ranges.split('#')) {
      const range = parseRange(text);
      if (range === undefined) return `${JSON.stringify(text)} is not FROM-TO-SIZE, numbers of ids below 4294967295`;
      found[kind].push(range);
    }
  }
  return found;
}

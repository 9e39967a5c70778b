/**
 * "did you mean": the nearest of a list of known words by edit distance.
 *
 * Pure.
 */

/** Optimal string alignment distance: insert, delete, replace, swap of neighbours; more than `most` is most + 1. */
export function distance(a: string, b: string, most: number): number {
  if (Math.abs(a.length - b.length) > most) return most + 1;
  let before: readonly number[] = [];
  let row: readonly number[] = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = nextRow(a, b, i, row, before);
    // Distances only grow from one row to the next but one, so far words are given up early.
    if (Math.min(...next) > most && Math.min(...row) > most) return most + 1;
    before = row;
    row = next;
  }
  return Math.min(row[b.length] ?? 0, most + 1);
}

function nextRow(
  a: string,
  b: string,
  i: number,
  row: readonly number[],
  before: readonly number[],
): readonly number[] {
  const next = [i];
  let left = i;
  for (let j = 1; j <= b.length; j++) {
    const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
    left = Math.min((row[j] ?? 0) + 1, left + 1, replaced);
    if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
      left = Math.min(left, (before[j - 2] ?? 0) + 1);
    }
    next.push(left);
  }
  return next;
}

/** Letters and digits only, lower case, so that `no-new-privileges` and `noNewPrivileges` are the same word. */
const fold = (word: string): string => word.toLowerCase().replaceAll(/[^a-z0-9]/g, '');

/** More edits than this make another word. */
const MOST = 3;

/**
 * The candidate that a word was most likely meant to be: the same but for case and signs, or one edit in four away.
 * What all candidates begin with (CAP_) does not count, and may be missing. The first letter must be right: it nearly
 * always is, and this is on the start-up path.
 */
export function closest(word: string, candidates: readonly string[]): string | undefined {
  if (word.length > 64) return undefined;
  const common = commonPrefix(candidates);
  const own = word.toLowerCase().startsWith(common.toLowerCase()) ? word.slice(common.length) : word;
  const wanted = fold(own);
  let found: string | undefined;
  let best = Math.min(MOST, Math.max(1, Math.floor(wanted.length / 4))) + 1;
  for (const candidate of candidates) {
    const rest = candidate.slice(common.length);
    if (rest[0]?.toLowerCase() !== own[0]?.toLowerCase() || Math.abs(rest.length - own.length) > MOST + 1) continue;
    const away = distance(wanted, fold(rest), best - 1);
    if (away < best) {
      best = away;
      found = candidate;
    }
  }
  return found === word ? undefined : found;
}

function commonPrefix([first = '', ...others]: readonly string[]): string {
  let length = first.length;
  for (const other of others) {
    while (!other.startsWith(first.slice(0, length))) length--;
  }
  return first.slice(0, length);
}

/** `did you mean "x"?`, or undefined when nothing is near. */
export function didYouMean(word: unknown, candidates: readonly string[]): string | undefined {
  const found = typeof word === 'string' ? closest(word, candidates) : undefined;
  return found === undefined ? undefined : `did you mean "${found}"?`;
}

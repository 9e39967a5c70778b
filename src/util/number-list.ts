/**
 * Lists of CPUs or memory nodes as the kernel reads them (cpuset(7), "List format"): "0-3,7,8-15:2/4".
 *
 * Pure.
 */

/** Above any kernel's CONFIG_NR_CPUS and node count: keeps a list from standing for billions of numbers. */
const MOST = 65535;

const RANGE = /^([0-9]{1,5})(?:-([0-9]{1,5})(?::([0-9]{1,5})\/([0-9]{1,5}))?)?$/;

/** The ranges of a list, both ends included, in the order given; undefined if it is malformed. */
export function parseNumberList(text: string): readonly (readonly [first: number, last: number])[] | undefined {
  const ranges = text.split(',').map((part) => parseRange(part.trim()));
  return ranges.every((range) => range !== undefined) ? ranges.flat() : undefined;
}

function parseRange(text: string): readonly (readonly [number, number])[] | undefined {
  const found = RANGE.exec(text);
  if (found === null) return undefined;
  const first = Number(found[1]);
  const last = Number(found[2] ?? found[1]);
  if (last < first || last > MOST) return undefined;
  if (found[3] === undefined) return [[first, last]];
  return grouped(first, last, Number(found[3]), Number(found[4]));
}

/** "8-15:2/4": the first 2 of every 4. */
function grouped(
  first: number,
  last: number,
  used: number,
  size: number,
): readonly (readonly [number, number])[] | undefined {
  if (used === 0 || used > size) return undefined;
  const ranges: (readonly [number, number])[] = [];
  for (let at = first; at <= last; at += size) ranges.push([at, Math.min(at + used - 1, last)]);
  return ranges;
}

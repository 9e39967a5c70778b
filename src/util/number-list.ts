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

/** The mask that system calls take for a list: bit n of the little-endian words stands for number n. "" is empty. */
export function numberMask(text: string): Uint8Array {
  const ranges = text === '' ? [] : (parseNumberList(text) ?? []);
  const most = Math.max(-1, ...ranges.map(([, last]) => last));
  const mask = new Uint8Array(Math.ceil((most + 1) / 64) * 8);
  for (const [first, last] of ranges) {
    for (let at = first; at <= last; at += 1) mask[at >> 3] = (mask[at >> 3] ?? 0) | (1 << (at & 7));
  }
  return mask;
}

/** The shortest list of a mask: "0-3,7". */
export function maskText(mask: Uint8Array): string {
  const isSet = (at: number) => (((mask[at >> 3] ?? 0) >> (at & 7)) & 1) === 1;
  const ranges: string[] = [];
  for (let at = 0; at < mask.length * 8; at += 1) {
    if (!isSet(at)) continue;
    const first = at;
    while (isSet(at + 1)) at += 1;
    ranges.push(first === at ? `${first}` : `${first}-${at}`);
  }
  return ranges.join(',');
}

/**
 * The file formats of cgroups (cgroup-v2.rst, "Interface Files"): one value, flat keyed, nested keyed, pressure.
 *
 * Pure.
 */
import type { Counter, Psi } from './stats.js';

/** Go's math.MaxUint64, which runc gives for "max". */
export const UNLIMITED: Counter = 2n ** 64n - 1n;

/** "max" is UNLIMITED; undefined for a file that is not there or holds no number. */
export function parseValue(text: string | undefined): Counter | undefined {
  const word = text?.trim();
  if (word === 'max') return UNLIMITED;
  return word !== undefined && /^-?\d+$/.test(word) ? BigInt(word) : undefined;
}

/** Lines of "key value". */
export function parseFlat(text: string | undefined): { readonly [key: string]: Counter } {
  const pairs = (text ?? '').split('\n').map((line) => line.split(' '));
  return Object.fromEntries(
    pairs.flatMap(([key = '', value]) => {
      const number = parseValue(value);
      return number === undefined ? [] : [[key, number]];
    }),
  );
}

/** Lines of "name key=value key=value": io.stat, rdma.max. */
export function parseNested(
  text: string | undefined,
): (readonly [name: string, { readonly [key: string]: Counter }])[] {
  return (text ?? '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [name = '', ...pairs] = line.trim().split(/\s+/);
      return [name, parseFlat(pairs.map((pair) => pair.replace('=', ' ')).join('\n'))] as const;
    });
}

/** psi.rst; undefined when the kernel keeps none. */
export function parsePressure(text: string | undefined): Psi | undefined {
  const lines = (text ?? '').split('\n').flatMap((line) => {
    const found = /^(some|full) avg10=([\d.]+) avg60=([\d.]+) avg300=([\d.]+) total=(\d+)$/.exec(line);
    if (found === null) return [];
    const [, kind = '', avg10, avg60, avg300, total = '0'] = found;
    return [[kind, { avg10: Number(avg10), avg60: Number(avg60), avg300: Number(avg300), total: BigInt(total) }]];
  });
  return lines.length === 0 ? undefined : Object.fromEntries(lines);
}

/** runc leaves out what is zero (Go's omitempty). */
export function nonZero<T extends { readonly [key: string]: Counter | undefined }>(
  values: T,
): { readonly [K in keyof T]?: Counter } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined && value !== 0n)) as {
    readonly [K in keyof T]?: Counter;
  };
}

export function withPsi(psi: Psi | undefined): { readonly psi?: Psi } {
  return psi === undefined ? {} : { psi };
}

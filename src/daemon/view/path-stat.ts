/** What HEAD archive says of a path: JSON in base64, with Go's FileMode. Pure. */
import { posix } from 'node:path';
import type { Entry } from '../../snapshot/entry.js';

/** io/fs: the bits of kinds stand above those of Unix. */
const KINDS: { readonly [kind in Entry['kind']]?: number } = {
  directory: 2 ** 31,
  symlink: 2 ** 27,
  block: 2 ** 26,
  character: 2 ** 26 + 2 ** 21,
  fifo: 2 ** 25,
};

export function goFileMode({ kind, mode }: Pick<Entry, 'kind' | 'mode'>): number {
  const bit = (from: number, to: number): number => ((mode & from) === 0 ? 0 : 2 ** to);
  return (mode & 0o777) + (KINDS[kind] ?? 0) + bit(0o4000, 23) + bit(0o2000, 22) + bit(0o1000, 20);
}

/** target: where a link leads to. */
export function pathStat(entry: Entry, path: string, target: string): string {
  const { seconds, nanoseconds } = entry.mtime;
  const fraction = nanoseconds === 0 ? '' : `.${String(nanoseconds).padStart(9, '0').replace(/0+$/, '')}`;
  const stat = {
    name: posix.basename(path.replace(/\/\.$/, '')) || '/',
    size: entry.kind === 'symlink' ? entry.link.length : entry.size,
    mode: goFileMode(entry),
    mtime: `${new Date(seconds * 1000).toISOString().slice(0, 19)}${fraction}Z`,
    linkTarget: target,
  };
  return Buffer.from(JSON.stringify(stat)).toString('base64');
}

/** The ids of the user namespace that this process is in: user_namespaces(7). */
import { readFileSync } from 'node:fs';

/** Ids from `inside` on are those from `outside` on of the namespace around it. */
export interface IdRange {
  readonly inside: number;
  readonly outside: number;
  readonly size: number;
}

export interface IdMaps {
  readonly uids: readonly IdRange[];
  readonly gids: readonly IdRange[];
}

/** The initial one maps every id to itself. */
const ALL = 2 ** 32 - 1;

export function parseIdMap(text: string): IdRange[] {
  return text.split('\n').flatMap((line) => {
    const [inside, outside, size, ...more] = line.trim().split(/\s+/).map(Number);
    if (inside === undefined || outside === undefined || size === undefined || more.length > 0) return [];
    return [{ inside, outside, size }];
  });
}

export const isMapped = (ranges: readonly IdRange[], id: number): boolean =>
  ranges.some(({ inside, size }) => id >= inside && id < inside + size);

/** undefined: not in one, but for the initial. */
export function ownIdMaps(): IdMaps | undefined {
  const [uids, gids] = [read('uid_map'), read('gid_map')];
  const [first] = uids;
  return first === undefined || (first.inside === 0 && first.outside === 0 && first.size === ALL)
    ? undefined
    : { uids, gids };
}

export const inUserNamespace = (): boolean => ownIdMaps() !== undefined;

function read(name: string): IdRange[] {
  try {
    return parseIdMap(readFileSync(`/proc/self/${name}`, 'latin1'));
  } catch {
    return []; // a kernel without user namespaces
  }
}

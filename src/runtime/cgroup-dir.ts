/**
 * The container's cgroup as files to be read: who is in it. cgroups(7). Directories below it are the container's to make
 * and to name, but no symbolic link can be made in a cgroup file system.
 */
import { type Dirent, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CgroupPlace } from '../compile/cgroup.js';
import { SLOT } from '../plan/op.gen.js';
import type { Container } from './container.js';

/** ENODEV: it was removed between open and read. EOPNOTSUPP: threaded, its processes are listed above it. */
const GONE = new Set(['ENOENT', 'ENODEV', 'EOPNOTSUPP']);

function unlessGone<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error && 'code' in error && GONE.has(String(error.code))) return otherwise;
    throw error;
  }
}

/** Where the container's cgroups are, absolute: one of cgroup2, and of v1 one for each controller bound to it. */
export interface CgroupDirs {
  readonly v2: string | undefined;
  readonly v1: { readonly [controller: string]: string };
}

export function cgroupDirs({ id, cgroups }: Container): CgroupDirs {
  const directory = ({ mount, path }: CgroupPlace) => join(mount, path.replaceAll(SLOT.id, id));
  const v2 = cgroups.find(({ hierarchy }) => hierarchy === 0);
  const v1 = cgroups.filter(({ hierarchy }) => hierarchy !== 0);
  return {
    v2: v2 && directory(v2),
    v1: Object.fromEntries(v1.flatMap((one) => one.controllers.split(',').map((name) => [name, directory(one)]))),
  };
}

/** undefined when there is no such file, or no such cgroup any more. */
export function readCgroupFile(directory: string, name: string): string | undefined {
  return unlessGone(() => readFileSync(join(directory, name), 'utf8'), undefined);
}

/** Pids of the cgroup and all below it, in rising order; those of other pid namespaces have none here. */
export function readPids(directory: string): number[] {
  const pids: number[] = [];
  const pending = [directory];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const lines = (readCgroupFile(path, 'cgroup.procs') ?? '').split('\n');
    pids.push(...lines.map(Number).filter((pid) => pid > 0));
    const below: Dirent[] = unlessGone(() => readdirSync(path as string, { withFileTypes: true }), []);
    for (const entry of below) if (entry.isDirectory()) pending.push(join(path, entry.name));
  }
  return pids.sort((a, b) => a - b);
}

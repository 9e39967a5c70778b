/**
 * list: the states of all containers below the root directory. One that cannot be read is a warning, so that a corrupt
 * record does not hide the others.
 */
import { readFileSync } from 'node:fs';
import { TsrunError } from '../errors.js';
import type { ContainerId } from '../state/container-id.js';
import { listIds, ownerOf } from '../state/directory.js';
import type { Runtime } from './runtime.js';
import { type ContainerState, readState } from './state.js';

export interface ListedContainer extends ContainerState {
  /** User name, or "#uid" for one without. */
  readonly owner: string;
}

/** The host's own users; a plain file, so no NSS module is loaded. */
function userNames(): ReadonlyMap<number, string> {
  try {
    // Of several names for an id getpwuid(3) gives the first.
    const lines = readFileSync('/etc/passwd', 'utf8').split('\n').reverse();
    return new Map(lines.map((line) => line.split(':')).map(([name = '', , uid]) => [Number(uid ?? Number.NaN), name]));
  } catch {
    return new Map();
  }
}

function describe(runtime: Runtime, id: ContainerId, names: ReadonlyMap<number, string>): ListedContainer {
  const uid = ownerOf(runtime.root, id);
  const { ociVersion, pid, status, bundle, rootfs, created, annotations } = readState(runtime, id);
  const owner = names.get(uid) ?? `#${uid}`;
  const state = { ociVersion, id, pid, status, bundle, rootfs, created };
  return annotations === undefined ? { ...state, owner } : { ...state, annotations, owner };
}

/** undefined when the root directory does not exist. */
export function listContainers(runtime: Runtime): ListedContainer[] | undefined {
  const ids = listIds(runtime.root);
  if (ids === undefined) return undefined;
  const names = userNames();
  return ids.flatMap((id) => {
    try {
      return [describe(runtime, id, names)];
    } catch (error) {
      // Deleted since the directory was read.
      const gone = (error instanceof TsrunError && error.code === 'CONTAINER_NOT_FOUND') || isMissing(error);
      if (!gone) runtime.warn(error instanceof Error ? error.message : String(error));
      return [];
    }
  });
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

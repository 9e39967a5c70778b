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

async function describe(
  runtime: Runtime,
  id: ContainerId,
  names: ReadonlyMap<number, string>,
): Promise<ListedContainer> {
  const uid = ownerOf(runtime.root, id);
  const { ociVersion, pid, status, bundle, rootfs, created, annotations } = await readState(runtime, id);
  const owner = names.get(uid) ?? `#${uid}`;
  const state = { ociVersion, id, pid, status, bundle, rootfs, created };
  return annotations === undefined ? { ...state, owner } : { ...state, annotations, owner };
}

/** Nothing for one that cannot be read. */
async function listed(
  runtime: Runtime,
  id: ContainerId,
  names: ReadonlyMap<number, string>,
): Promise<ListedContainer[]> {
  try {
    return [await describe(runtime, id, names)];
  } catch (error) {
    // Deleted since the directory was read.
    const gone = (error instanceof TsrunError && error.code === 'CONTAINER_NOT_FOUND') || isMissing(error);
    if (!gone) runtime.warn(error instanceof Error ? error.message : String(error));
    return [];
  }
}

/** undefined when the root directory does not exist. */
export async function listContainers(runtime: Runtime): Promise<ListedContainer[] | undefined> {
  const ids = listIds(runtime.root);
  if (ids === undefined) return undefined;
  const names = userNames();
  const found: ListedContainer[] = [];
  // A few at a time: each is a process.
  for (let at = 0; at < ids.length; at += AT_ONCE) {
    const some = await Promise.all(ids.slice(at, at + AT_ONCE).map((id) => listed(runtime, id, names)));
    found.push(...some.flat());
  }
  return found;
}

const AT_ONCE = 16;

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

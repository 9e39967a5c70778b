/**
 * What killed commands have left: snapshots and bundles whose container is gone, and containers that were to be removed
 * and have ended without anybody to do it.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { TsrunError } from '../errors.js';
import { deleteContainer } from '../runtime/delete.js';
import type { Runtime } from '../runtime/runtime.js';
import { readState } from '../runtime/state.js';
import type { SnapshotRecord, SnapshotStore } from '../snapshot/store.js';
import { isContainerId } from '../state/container-id.js';
import { detach, lockPlace, placeOf, runsOf } from './places.js';

/** The keys of the containers that were removed. */
export async function collectRuns(runtime: Runtime, dataRoot: string, store: SnapshotStore): Promise<string[]> {
  const runs = runsOf(dataRoot);
  const owners = new Map(store.actives().map((record) => [record.key, record.owner]));
  const collected: string[] = [];
  for (const key of existsSync(runs) ? readdirSync(runs) : []) {
    const place = placeOf(dataRoot, key);
    const unlock = lockPlace(place.path);
    if (unlock === undefined) continue;
    try {
      if (await isAlive(runtime, owners.get(key))) continue;
      await detach(place.mountPoint).catch(() => undefined); // nothing is mounted there any more
      if (owners.has(key)) await store.removeActive(key);
      await store.removeBundle(place.path);
      collected.push(key);
    } finally {
      unlock();
    }
  }
  return collected;
}

/** A stopped container that was to be removed is removed; its hook has done the rest then. */
async function isAlive(runtime: Runtime, owner: SnapshotRecord['owner']): Promise<boolean> {
  if (owner === undefined || !isContainerId(owner.id) || !existsSync(join(owner.root, owner.id))) return false;
  if (!owner.remove) return true;
  const theirs = { ...runtime, root: owner.root };
  try {
    if ((await readState(theirs, owner.id)).status !== 'stopped') return true;
    await deleteContainer(theirs, owner.id, { force: false });
    return false;
  } catch (error) {
    if (!(error instanceof TsrunError)) throw error;
    return existsSync(join(owner.root, owner.id)); // another command is at it, or its record is damaged
  }
}

/**
 * Snapshots by copying, for hosts whose file system overlayfs does not take: the layers are applied one after the other
 * to a tree of the snapshot's own.
 */
import { join } from 'node:path';
import { changesBetween, type Listing } from './changes.js';
import { copyTree } from './copy-tree.js';
import { type Driver, isMark } from './driver.js';
import { type Entry, FLAG } from './entry.js';
import { bindMount } from './mount.js';
import type { SnapshotRecord, SnapshotStore } from './store.js';
import { listTree, packed } from './trees.js';

const fsOf = (store: SnapshotStore, { key }: SnapshotRecord): string => join(store.activePath(key), 'fs');

/** What overlayfs would show of these trees, the uppermost first. */
async function listMerged(trees: readonly string[], subject: string): Promise<Listing> {
  const merged = new Map<string, Entry>();
  for (const tree of [...trees].reverse()) {
    for (const [path, entry] of await listTree([tree], subject)) {
      const hides = entry.kind !== 'directory' || (entry.flags & FLAG.opaque) !== 0;
      if (hides) forgetBelow(merged, path);
      if (entry.kind === 'whiteout') merged.delete(path);
      else merged.set(path, entry);
    }
  }
  return merged;
}

function forgetBelow(listing: Map<string, Entry>, path: string): void {
  const kind = listing.get(path)?.kind;
  if (kind !== 'directory') return;
  for (const other of listing.keys()) if (other.startsWith(`${path}/`)) listing.delete(other);
}

/** What the layer needs: changed entries, and the file that a changed hard link is another name of. */
function wantedPaths(before: Listing, after: Listing): { readonly wanted: Set<string>; readonly removed: string[] } {
  const changes = changesBetween(before, after);
  const wanted = new Set(changes.filter(({ kind }) => kind !== 'deleted').map(({ path }) => path));
  for (const path of [...wanted]) {
    const entry = after.get(path);
    if (entry?.kind === 'hardlink') wanted.add(entry.link);
  }
  return { wanted, removed: changes.filter(({ kind }) => kind === 'deleted').map(({ path }) => path) };
}

export const copyDriver: Driver = {
  name: 'copy',

  async fill(store, path, parent) {
    for (const tree of store.trees(parent).reverse())
      await copyTree({ verb: 'pack', args: ['layer', tree] }, join(path, 'fs'), 'copying a layer');
  },

  mounts(store, record) {
    return [bindMount(fsOf(store, record), record.readOnly)];
  },

  view(store, record) {
    return [fsOf(store, record)];
  },

  async *diff(store, record) {
    const lower = store.trees(record.parent);
    const subject = `snapshot ${record.key}`;
    const before = await listMerged(lower, subject);
    const { wanted, removed } = wantedPaths(before, await listTree([fsOf(store, record)], subject));
    const options = { wanted: (entry: Entry) => wanted.has(entry.path) && !isMark(record, entry), removed };
    yield* packed(['tree', fsOf(store, record)], subject, options);
  },

  own: fsOf,
};

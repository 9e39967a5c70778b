/**
 * Where the bundles of images' containers lie: <data root>/run/<key>/ with config.json, the files that are bound over the
 * image's, and the mount point of the snapshot. `lock` is held while it is made, so that a collector keeps off.
 */
import { closeSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openLockFile, tryLock } from '../image/locks.js';
import { HELPER, runHelper } from '../snapshot/helper.js';
import type { Mount } from '../snapshot/mount.js';
import type { SnapshotStore } from '../snapshot/store.js';
import type { Hook } from '../spec/types.gen.js';
import { findTool } from '../util/tools.js';
import { ownIdMaps } from '../util/user-namespace.js';

export interface BundlePlace {
  readonly path: string;
  readonly mountPoint: string;
}

export const runsOf = (dataRoot: string): string => join(dataRoot, 'run');

export function placeOf(dataRoot: string, key: string): BundlePlace {
  const path = join(runsOf(dataRoot), key);
  return { path, mountPoint: join(path, 'rootfs') };
}

/** Its lock is held until the result is called. */
export function makePlace({ path, mountPoint }: BundlePlace): () => void {
  mkdirSync(mountPoint, { recursive: true, mode: 0o700 });
  return lockPlace(path) ?? (() => undefined);
}

/** undefined: somebody is making it. */
export function lockPlace(path: string): (() => void) | undefined {
  const fd = openLockFile(join(path, 'lock'));
  if (tryLock(fd)) return () => closeSync(fd);
  closeSync(fd);
  return undefined;
}

/**
 * mount(2) takes all options on one page: the layers are named relative to the directory they share, which is that of
 * all trees.
 */
export async function attach(mounts: readonly Mount[], target: string, store: SnapshotStore): Promise<void> {
  for (const { type, source, options } of mounts) {
    const args =
      type === 'bind'
        ? [target, 'bind', source, options.includes('ro') ? 'ro' : '']
        : [target, 'overlay', store.root, options.map((option) => option.replaceAll(`${store.root}/`, '')).join(',')];
    await runHelper({ verb: 'mount', args, subject: target });
  }
}

export async function detach(target: string): Promise<void> {
  await runHelper({ verb: 'unmount', args: [target], subject: target });
}

/** When the container is deleted, by whatever command: without Node, which is why it is tsrun-snapshot. */
export function discardHook(dataRoot: string, store: SnapshotStore, key: string): Hook {
  const { mountPoint } = placeOf(dataRoot, key);
  const active = join(store.root, 'active');
  const discard = ['tsrun-snapshot', 'discard', mountPoint, active, key, runsOf(dataRoot), key];
  const ids = ownIdMaps();
  if (ids === undefined) return { path: HELPER, args: discard };
  // Whoever deletes it may stand outside, where the files belong to strangers.
  const maps = [ids.uids, ids.gids].map((ranges) => ranges.map((r) => `${r.inside} ${r.outside} ${r.size}`).join(' '));
  const isOne = ids.uids.length === 1 && ids.uids[0]?.size === 1;
  const tools = ['newuidmap', 'newgidmap'].map((name) => (isOne ? '' : (findTool(name) ?? '')));
  return { path: HELPER, args: ['tsrun-snapshot', 'enter', ...maps, ...tools, HELPER, ...discard.slice(1)] };
}

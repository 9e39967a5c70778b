/**
 * Images that are mounted on the host, read-only, at <data root>/mounts/<key>. What a user mounts in a user namespace
 * nobody else would see: then it is a copy of the image's files, which lies where snapshots are.
 */
import { mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { TsrunError } from '../errors.js';
import { readImage } from '../image/image.js';
import type { ContentStore } from '../image/store.js';
import type { Snapshotter } from '../snapshot/snapshotter.js';
import type { SnapshotRecord } from '../snapshot/store.js';
import { digestParts } from '../util/digest.js';
import { quote } from '../util/quote.js';
import { attach, detach } from './places.js';
import { unpackImage } from './run.js';

export interface MountedImage {
  readonly record: SnapshotRecord;
  readonly path: string;
}

const pathOf = (content: ContentStore, key: string): string => join(content.dataRoot, 'mounts', key);

function isMounted(path: string): boolean {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return lines.some((line) => line.split(' ')[4] === path);
}

/** copied: not mounted, but a copy. */
export function mountedImages(content: ContentStore, snapshots: Snapshotter, copied: boolean): MountedImage[] {
  const actives = snapshots.store.actives();
  const views = actives.filter(
    ({ readOnly, image, driver }) => readOnly && image !== undefined && (!copied || driver === 'copy'),
  );
  return views.flatMap((record) => {
    const path = copied ? copyOf(snapshots, record.key) : pathOf(content, record.key);
    return copied || isMounted(path) ? [{ record, path }] : [];
  });
}

const copyOf = (snapshots: Snapshotter, key: string): string => snapshots.directories(key)[0] ?? '';

/** Where it is mounted now; it may have been before. */
export async function mountImage(
  content: ContentStore,
  snapshots: Snapshotter,
  name: string,
  options: { readonly copied: boolean; readonly warn: (message: string) => void },
): Promise<string> {
  const image = readImage(content, content.resolve(name));
  const key = keyOf(image.id);
  const before = mountedImages(content, snapshots, options.copied).find(({ record }) => record.key === key);
  if (before !== undefined) return before.path;
  const parent = await unpackImage(content, snapshots.store, image, options.warn);
  // A snapshot without its mount is one of before the machine was started again.
  if (snapshots.store.actives().some((record) => record.key === key)) await snapshots.remove(key);
  const mounts = await snapshots.view({ key, parent, image: image.descriptor.digest });
  if (options.copied) return copyOf(snapshots, key);
  const path = pathOf(content, key);
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    await attach(mounts, path, snapshots.store);
    return path;
  } catch (error) {
    await snapshots.remove(key).catch(() => undefined);
    throw error;
  }
}

const keyOf = (id: Parameters<typeof digestParts>[0]): string => `image-${digestParts(id).hex.slice(0, 32)}`;

/** Throws TsrunError SNAPSHOT_NOT_FOUND when it is not mounted. */
export async function unmountImage(
  content: ContentStore,
  snapshots: Snapshotter,
  name: string,
  copied: boolean,
): Promise<void> {
  const mounted = mountedImages(content, snapshots, copied);
  const byPath = mounted.find(({ path }) => path === name);
  const key = byPath?.record.key ?? keyOf(readImage(content, content.resolve(name)).id);
  const found = mounted.find(({ record }) => record.key === key);
  if (found === undefined) throw new TsrunError('SNAPSHOT_NOT_FOUND', `image ${quote(name)} is not mounted`);
  if (!copied) {
    await detach(found.path);
    rmdirSync(found.path);
  }
  await snapshots.remove(key);
}

/** Images that are mounted on the host, read-only, at <data root>/mounts/<key>. */
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

export function mountedImages(content: ContentStore, snapshots: Snapshotter): MountedImage[] {
  const views = snapshots.store.actives().filter(({ readOnly, image }) => readOnly && image !== undefined);
  return views.map((record) => ({ record, path: pathOf(content, record.key) })).filter(({ path }) => isMounted(path));
}

/** Where it is mounted now; it may have been before. */
export async function mountImage(
  content: ContentStore,
  snapshots: Snapshotter,
  name: string,
  warn: (message: string) => void,
): Promise<string> {
  const image = readImage(content, content.resolve(name));
  const key = keyOf(image.id);
  const path = pathOf(content, key);
  if (isMounted(path)) return path;
  const parent = await unpackImage(content, snapshots.store, image, warn);
  // A snapshot without its mount is one of before the machine was started again.
  if (snapshots.store.actives().some((record) => record.key === key)) await snapshots.remove(key);
  const mounts = await snapshots.view({ key, parent, image: image.descriptor.digest });
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
export async function unmountImage(content: ContentStore, snapshots: Snapshotter, name: string): Promise<void> {
  const found = mountedImages(content, snapshots).find(({ path }) => path === name);
  const key = found?.record.key ?? keyOf(readImage(content, content.resolve(name)).id);
  const path = pathOf(content, key);
  if (!isMounted(path)) throw new TsrunError('SNAPSHOT_NOT_FOUND', `image ${quote(name)} is not mounted`);
  await detach(path);
  rmdirSync(path);
  await snapshots.remove(key);
}

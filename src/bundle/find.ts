/** What a user means by the name of a tree: a container of an image, or an image, which is unpacked. */
import { readImage } from '../image/image.js';
import type { ContentStore } from '../image/store.js';
import type { Snapshotter } from '../snapshot/snapshotter.js';
import { unpackImage } from './run.js';

export interface FoundTree {
  /** The directories that show it, the uppermost first. */
  readonly directories: readonly string[];
  /** What it was made from: the container's image, or the image without its uppermost layer. */
  readonly below: readonly string[];
}

/** Throws TsrunError IMAGE_NOT_FOUND. */
export async function findTree(
  content: ContentStore,
  snapshots: Snapshotter,
  name: string,
  warn: (message: string) => void,
): Promise<FoundTree> {
  const { store } = snapshots;
  const active = store.actives().find(({ key, readOnly }) => key === name && !readOnly);
  if (active !== undefined) return { directories: snapshots.directories(name), below: store.trees(active.parent) };
  const top = await unpackImage(content, store, readImage(content, content.resolve(name)), warn);
  const parent = top === null ? null : (store.layer(top)?.parent ?? null);
  return { directories: store.trees(top), below: store.trees(parent) };
}

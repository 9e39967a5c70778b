/** Taking names and images out of the store; what nothing needs any more goes with them. */
import { TsrunError } from '../errors.js';
import { quote } from '../util/quote.js';
import { configDigest } from './find.js';
import { type ListedImage, listImages } from './list.js';
import type { Collected, ContentStore, StoredImage } from './store.js';

export interface Removed {
  readonly untagged: readonly string[];
  readonly collected: Collected;
}

/**
 * text: a name loses its image only that name; an id or a digest all of them, with force if there are several. Throws
 * TsrunError IMAGE_NOT_FOUND.
 */
export function removeImage(store: ContentStore, text: string, force: boolean): Removed {
  const found = store.resolve(text);
  const gone = new Set(isById(store, found, text) ? allNames(store, found, text, force) : [found.name]);
  const isGone = ({ name, manifest }: StoredImage) => manifest.digest === found.manifest.digest && gone.has(name);
  store.update((images) => images.filter((image) => !isGone(image)));
  const untagged = [...gone].flatMap((name) => (name === undefined ? [] : [name]));
  return { untagged, collected: store.collectGarbage() };
}

function isById(store: ContentStore, found: StoredImage, text: string): boolean {
  const hex = text.replace(/^sha256:/, '');
  const ids = [found.manifest.digest, configDigest(store, found)];
  return found.name === undefined || (found.name !== text && ids.some((id) => id?.startsWith(`sha256:${hex}`)));
}

function allNames(store: ContentStore, found: StoredImage, text: string, force: boolean): (string | undefined)[] {
  const names = store.list().flatMap(({ name, manifest }) => (manifest.digest === found.manifest.digest ? [name] : []));
  if (names.length < 2 || force) return names;
  throw new TsrunError('IMAGE_NOT_FOUND', `image ${quote(text)}: ${names.length} names are of this image`, {
    hint: 'name the one that is to go, or give --force',
  });
}

export interface Pruned extends Removed {
  /** Bytes of broken off pulls. */
  readonly unfinished: number;
}

/** Removes the images that go, and what broken off pulls have left. */
export function pruneImages(store: ContentStore, goes: (image: ListedImage) => boolean): Pruned {
  const gone = listImages(store).filter(goes);
  const keys = new Set(gone.map(({ stored }) => keyOf(stored)));
  store.update((images) => images.filter((image) => !keys.has(keyOf(image))));
  const untagged = gone.flatMap(({ stored }) => (stored.name === undefined ? [] : [stored.name]));
  return { untagged, collected: store.collectGarbage(), unfinished: store.removeUnfinished() };
}

const keyOf = ({ name, manifest }: StoredImage): string => `${name ?? ''} ${manifest.digest}`;

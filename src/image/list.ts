/** What is in the store, an entry for each name, newest images first. */
import { parseReference } from '../registry/reference.js';
import type { Digest } from '../util/digest.js';
import { readImage } from './image.js';
import type { ContentStore, StoredImage } from './store.js';

export interface ListedImage {
  readonly stored: StoredImage;
  /** Undefined where the image is damaged or an artifact: reason says why. */
  readonly id: Digest | undefined;
  readonly created: Date | undefined;
  /** Bytes of its blobs, compressed as they came. */
  readonly size: number | undefined;
  readonly labels: { readonly [key: string]: string };
  readonly reason: string | undefined;
}

export function listImages(store: ContentStore): ListedImage[] {
  return store
    .list()
    .map((stored) => describe(store, stored))
    .sort((a, b) => (b.created?.getTime() ?? 0) - (a.created?.getTime() ?? 0));
}

function describe(store: ContentStore, stored: StoredImage): ListedImage {
  try {
    const { id, manifest, config } = readImage(store, stored);
    const blobs = new Map([manifest.config, ...manifest.layers].map(({ digest, size }) => [digest, size]));
    const size = [...blobs.values()].reduce((sum, bytes) => sum + bytes, 0);
    return { stored, id, created: parseTime(config.created), size, labels: config.config.labels, reason: undefined };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { stored, id: undefined, created: undefined, size: undefined, labels: {}, reason };
  }
}

export function parseTime(text: string | undefined): Date | undefined {
  const time = new Date(text ?? Number.NaN);
  return Number.isNaN(time.getTime()) ? undefined : time;
}

/** Repository and tag of an entry as far as it has them; of a foreign layout's the name as it is. */
export function splitName({ name, source }: StoredImage): {
  readonly repository: string | undefined;
  readonly tag: string | undefined;
} {
  const text = name ?? source;
  if (text === undefined) return { repository: undefined, tag: undefined };
  try {
    const { registry, repository, tag } = parseReference(text);
    return { repository: `${registry}/${repository}`, tag };
  } catch {
    return { repository: text, tag: undefined };
  }
}

/** Images from and to archives: GET /images/get, POST /images/load, and what POST /images/create?fromSrc=- makes of a tar. */
import { makeImage } from '../../bundle/make-image.js';
import { decompressed } from '../../image/decompress.js';
import { configDigest } from '../../image/find.js';
import { loadImages } from '../../image/load.js';
import { saveImages } from '../../image/save.js';
import type { ContentStore, Lease, StoredImage } from '../../image/store.js';
import type { Snapshotter } from '../../snapshot/snapshotter.js';
import type { EventBus } from '../events.js';
import { badRequest } from '../http/api-error.js';
import { type Reply, stream } from '../http/route.js';
import type { Log } from '../log.js';
import { familiar, findImage } from './names.js';
import type { Emit } from './progress.js';
import { unpackImage } from './pull.js';

export interface ArchiveDeps {
  readonly log: Log;
  readonly content: ContentStore;
  readonly snapshots: Snapshotter;
  readonly events: EventBus;
}

/** Throws ApiError 404 before the first byte. */
export async function saveReply({ content, events }: ArchiveDeps, names: readonly string[]): Promise<Reply> {
  if (names.length === 0) throw badRequest('no image was named: names is missing');
  const images = names.flatMap((name) => namedEntries(content, name));
  const begun = saveImages(content, images);
  for (const image of images)
    events.publish('image', 'save', configDigest(content, image) ?? '', { name: image.name ?? '' });
  return stream(200, { 'Content-Type': 'application/x-tar' }, protectedTar(content, images, begun));
}

/** An id stands for the image without a name, as docker saves it. */
function namedEntries(content: ContentStore, text: string): StoredImage[] {
  const found = findImage(content, text);
  const named = found.name !== undefined && familiar(found.name).startsWith(familiar(text).split(/[:@]/)[0] ?? '');
  return [named ? found : { ...found, name: undefined }];
}

async function* protectedTar(
  content: ContentStore,
  images: readonly StoredImage[],
  tar: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const lease = content.withLease(async (own) => {
    own.protect(...images.map(({ manifest }) => manifest.digest));
    await held;
  });
  try {
    yield* tar;
  } finally {
    release();
    await lease;
  }
}

/** What comes in is kept as a blob first: an archive is read more than once. */
async function received<T>(
  content: ContentStore,
  source: AsyncIterable<Uint8Array>,
  use: (path: string, lease: Lease) => Promise<T>,
): Promise<T> {
  try {
    return await content.withLease(async (lease) => {
      const { digest, size } = await content.ingestNew(source, lease);
      if (size === 0) throw badRequest('the body is empty: it is the archive');
      return use(content.path(digest), lease);
    });
  } finally {
    content.collectGarbage();
  }
}

export async function load(deps: ArchiveDeps, source: AsyncIterable<Uint8Array>, emit: Emit): Promise<void> {
  const { content, events } = deps;
  const images = await received(content, source, (path) => loadImages(content, path));
  for (const image of images) {
    await unpackImage(deps, image, () => undefined);
    const id = configDigest(content, image) ?? '';
    const name = image.name === undefined ? undefined : familiar(image.name);
    emit({ stream: name === undefined ? `Loaded image ID: ${id}\n` : `Loaded image: ${name}\n` });
    events.publish('image', 'load', id, { name: name ?? id });
  }
}

export interface ImportWish {
  /** Whole; undefined: none. */
  readonly name: string | undefined;
  readonly message: string;
  /** What the image says to run, and how. */
  readonly config: { readonly [field: string]: unknown };
}

export async function importTar(
  { content, snapshots, events }: ArchiveDeps,
  source: AsyncIterable<Uint8Array>,
  { name, message, config }: ImportWish,
  emit: Emit,
): Promise<void> {
  const about = { name, message, author: '', created: new Date(), createdBy: '', config };
  const id = await received(content, source, (path) =>
    makeImage(
      content,
      snapshots.store,
      decompressed(path, () => undefined),
      undefined,
      about,
    ),
  );
  emit({ status: id });
  events.publish('image', 'import', id, { name: name === undefined ? id : familiar(name) });
}

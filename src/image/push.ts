/** Push: an image of the store to a registry, blobs first, so that the manifest never names what is not there. */
import { createReadStream } from 'node:fs';
import type { RegistryClient } from '../registry/client.js';
import { pushManifest } from '../registry/manifests.js';
import { formatReference, parseReference, type Reference } from '../registry/reference.js';
import { type Uploaded, uploadBlob } from '../registry/upload.js';
import type { Digest } from '../util/digest.js';
import { quote } from '../util/quote.js';
import { readManifest } from './image.js';
import { type Descriptor, MAX_DOCUMENT } from './manifest.js';
import { layerType } from './media-types.js';
import { sideBySide } from './side-by-side.js';
import type { ContentStore, StoredImage } from './store.js';

export interface PushRequest {
  readonly stored: StoredImage;
  /** Where to: with a tag. */
  readonly reference: Reference;
  readonly client: RegistryClient;
  /** Layers that are sent at a time. */
  readonly atOnce?: number;
  readonly progress: (layer: Digest, state: Uploaded | 'sending', bytes: number, size: number) => void;
}

const AT_ONCE = 4;
const READ_CHUNK = 256 * 1024;
/** Each asks the registry once: the first few are as good as all. */
const MAX_MOUNTS = 2;

/** The descriptor of what the tag is now. Throws RegistryError, TsrunError BLOB_MISSING. */
export async function pushImage(store: ContentStore, request: PushRequest): Promise<Descriptor> {
  const { stored, reference, client, progress } = request;
  const what = `image ${quote(formatReference(reference))}`;
  return store.withLease(async (lease) => {
    const { manifest, descriptor } = readManifest(store, stored);
    lease.protect(descriptor.digest);
    // Foreign layers are not ours to give away: image-spec layer.md.
    const layers = manifest.layers.filter(({ mediaType }) => layerType(mediaType)?.foreign !== true);
    const blobs = [...new Map([...layers, manifest.config].map((blob) => [blob.digest, blob])).values()];
    const sources = repositoriesOf(store, reference);
    await sideBySide(blobs, request.atOnce ?? AT_ONCE, async ({ digest, size }) => {
      const isLayer = digest !== manifest.config.digest;
      const tell = (state: Uploaded | 'sending', bytes: number) => {
        if (isLayer) progress(digest, state, bytes, size);
      };
      const uploaded = await uploadBlob(client, {
        ...{ repository: reference.repository, digest, size, what },
        mountFrom: (sources.get(digest) ?? []).slice(0, MAX_MOUNTS),
        read: (from, to) =>
          createReadStream(store.path(digest), { start: from, end: to - 1, highWaterMark: READ_CHUNK }),
        progress: (sent) => tell('sending', sent),
      });
      tell(uploaded, size);
    });
    const bytes = store.read(descriptor.digest, MAX_DOCUMENT);
    const tag = reference.tag ?? descriptor.digest;
    await pushManifest(client, {
      repository: reference.repository,
      reference: tag,
      mediaType: descriptor.mediaType,
      bytes,
      what,
    });
    return descriptor;
  });
}

/** Which other repositories of the same registry have a blob, as far as this store knows. */
function repositoriesOf(store: ContentStore, target: Reference): ReadonlyMap<Digest, readonly string[]> {
  const found = new Map<Digest, string[]>();
  for (const image of store.list()) {
    const repository = repositoryIn(image.source, target);
    if (repository === undefined) continue;
    for (const digest of blobsOf(store, image)) {
      const known = found.get(digest) ?? [];
      if (!known.includes(repository)) found.set(digest, [...known, repository]);
    }
  }
  return found;
}

function repositoryIn(source: string | undefined, target: Reference): string | undefined {
  try {
    const { registry, repository } = parseReference(source ?? '');
    return registry === target.registry && repository !== target.repository ? repository : undefined;
  } catch {
    return undefined;
  }
}

function blobsOf(store: ContentStore, image: StoredImage): Digest[] {
  try {
    const { manifest } = readManifest(store, image);
    return [manifest.config, ...manifest.layers].map(({ digest }) => digest);
  } catch {
    return []; // a damaged image helps nobody
  }
}

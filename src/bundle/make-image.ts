/**
 * New images: of a tar, or of what a container changed on top of its image. image-spec config.md, manifest.md. The same
 * tree, time and message give the same image.
 */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { readImage } from '../image/image.js';
import { hostPlatform } from '../image/platform.js';
import type { ContentStore, StoredImage } from '../image/store.js';
import { unpackLayers } from '../snapshot/layers.js';
import type { SnapshotStore } from '../snapshot/store.js';
import { type Digest, finishDigest } from '../util/digest.js';

const MAX_CONFIG = 8 * 1024 * 1024;
const OCI = 'application/vnd.oci.image';

export interface NewImage {
  /** Whole reference; undefined: no name. */
  readonly name: string | undefined;
  readonly message: string;
  readonly author: string;
  readonly created: Date;
  /** How the layer came to be, for `image history`. */
  readonly createdBy: string;
  /** In place of the base's `config`; undefined: that of the base. */
  readonly config?: { readonly [field: string]: unknown };
}

/** The layer's tar; base: the image it lies on. Returns the digest of the config, the image's id. */
export async function makeImage(
  content: ContentStore,
  snapshots: SnapshotStore,
  tar: AsyncIterable<Uint8Array>,
  base: StoredImage | undefined,
  about: NewImage,
): Promise<Digest> {
  return content.withLease(async (lease) => {
    const below = base === undefined ? undefined : readImage(content, base);
    if (below !== undefined)
      lease.protect(below.descriptor.digest, below.id, ...below.manifest.layers.map(({ digest }) => digest));
    const layer = await storeLayer(content, tar);
    lease.protect(layer.digest);
    // What nobody could unpack does not become an image.
    const lower = (below?.manifest.layers ?? []).map(({ digest }, i) => ({
      digest,
      diffId: below?.config.diffIds[i] ?? digest,
      blob: content.path(digest),
    }));
    await unpackLayers(snapshots, [...lower, { ...layer, blob: content.path(layer.digest) }]);
    const config = configOf(below === undefined ? undefined : content.read(below.id, MAX_CONFIG), layer.diffId, about);
    const configBytes = Buffer.from(JSON.stringify(config));
    const id = content.put(configBytes);
    lease.protect(id);
    const manifest = {
      schemaVersion: 2,
      mediaType: `${OCI}.manifest.v1+json`,
      config: { mediaType: `${OCI}.config.v1+json`, digest: id, size: configBytes.length },
      layers: [
        ...(below?.manifest.layers ?? []).map(({ mediaType, digest, size }) => ({
          mediaType: ociLayer(mediaType),
          digest,
          size,
        })),
        { mediaType: `${OCI}.layer.v1.tar+gzip`, digest: layer.digest, size: layer.size },
      ],
    };
    const bytes = Buffer.from(JSON.stringify(manifest));
    const digest = content.put(bytes);
    const stored = { manifest: { mediaType: manifest.mediaType, digest, size: bytes.length }, source: undefined };
    if (about.name !== undefined) content.setName(about.name, stored);
    else content.update((images) => [...images, { ...stored, name: undefined }]);
    return id;
  });
}

/** A layer of Docker's manifest in one of OCI's. */
function ociLayer(mediaType: string): string {
  const types: { readonly [type: string]: string } = {
    'application/vnd.docker.image.rootfs.diff.tar.gzip': `${OCI}.layer.v1.tar+gzip`,
    'application/vnd.docker.image.rootfs.diff.tar.zstd': `${OCI}.layer.v1.tar+zstd`,
    'application/vnd.docker.image.rootfs.diff.tar': `${OCI}.layer.v1.tar`,
  };
  return types[mediaType] ?? mediaType;
}

/** Hashed as it goes into the compressor; both in pieces. */
async function storeLayer(content: ContentStore, tar: AsyncIterable<Uint8Array>) {
  const hash = createHash('sha256');
  async function* hashed() {
    for await (const piece of tar) {
      hash.update(piece);
      yield piece;
    }
  }
  const source = Readable.from(hashed());
  const gzip = createGzip({ chunkSize: 1 << 18 });
  source.on('error', (error) => gzip.destroy(error));
  const { digest, size } = await content.ingestNew(source.pipe(gzip));
  return { digest, size, diffId: finishDigest(hash) };
}

interface RawConfig {
  readonly rootfs?: { readonly diff_ids?: readonly string[] };
  readonly history?: readonly unknown[];
}

/** The base's config with one layer more: fields that we do not know stay as they are. */
function configOf(base: Buffer | undefined, diffId: Digest, about: NewImage) {
  const { architecture, os, variant } = hostPlatform(process.arch);
  const fresh = { architecture, os, ...(variant === undefined ? {} : { variant }), config: {} };
  const raw: RawConfig = base === undefined ? fresh : JSON.parse(base.toString('utf8'));
  const created = about.created.toISOString();
  const author = about.author === '' ? {} : { author: about.author };
  const comment = about.message === '' ? {} : { comment: about.message };
  return {
    ...raw,
    ...(about.config === undefined ? {} : { config: about.config }),
    created,
    ...author,
    rootfs: { type: 'layers', diff_ids: [...(raw.rootfs?.diff_ids ?? []), diffId] },
    history: [...(raw.history ?? []), { created, created_by: about.createdBy, ...author, ...comment }],
  };
}

/** An image of the store, read: its manifest and its config. */
import { TsrunError } from '../errors.js';
import type { Digest } from '../util/digest.js';
import { type ImageConfig, MAX_CONFIG, parseImageConfig } from './config.js';
import { invalid } from './field.js';
import { type Descriptor, MAX_DOCUMENT, type Manifest, parseDocument } from './manifest.js';
import { isConfigType } from './media-types.js';
import { choosePlatform, hostPlatform } from './platform.js';
import type { ContentStore, StoredImage } from './store.js';

export interface Image {
  /** The digest of the config, which docker calls the image's id. */
  readonly id: Digest;
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly config: ImageConfig;
}

export const nameOf = ({ name, manifest }: StoredImage): string => name ?? manifest.digest;

/** The manifest of an entry; of an index, which only other tools write, that of this machine. */
export function readManifest(
  store: ContentStore,
  stored: StoredImage,
): { readonly descriptor: Descriptor; readonly manifest: Manifest } {
  const what = (descriptor: Descriptor) => `image ${nameOf(stored)}: ${descriptor.digest}`;
  const parse = (descriptor: Descriptor) =>
    parseDocument(store.read(descriptor.digest, MAX_DOCUMENT), descriptor.mediaType, what(descriptor));
  const top = parse(stored.manifest);
  if (top.kind === 'manifest') return { descriptor: stored.manifest, manifest: top };
  const descriptor = choosePlatform(top, hostPlatform(process.arch), nameOf(stored));
  const manifest = parse(descriptor);
  if (manifest.kind === 'manifest') return { descriptor, manifest };
  throw invalid(what(descriptor), ['is an index within an index']);
}

/** Throws TsrunError IMAGE_INVALID for what is no image of a container, BLOB_MISSING, DIGEST_MISMATCH. */
export function readImage(store: ContentStore, stored: StoredImage): Image {
  const { descriptor, manifest } = readManifest(store, stored);
  const { config } = manifest;
  if (!isConfigType(config.mediaType)) {
    throw new TsrunError('IMAGE_INVALID', `image ${nameOf(stored)}: it is no image of a container but an artifact`, {
      hint: `its config is ${JSON.stringify(config.mediaType)}`,
    });
  }
  const what = `image ${nameOf(stored)}: config ${config.digest}`;
  const parsed = parseImageConfig(store.read(config.digest, MAX_CONFIG), manifest, what);
  return { id: config.digest, descriptor, manifest, config: parsed };
}

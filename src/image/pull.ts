/**
 * Pull: from a reference to an image of the store. The name is given last, when everything is there and fits together; a
 * pull that fails leaves no name, and what it fetched is gone on with by the next one or collected.
 */
import { RegistryError, TsrunError } from '../errors.js';
import { fetchBlob } from '../registry/blobs.js';
import type { RegistryClient } from '../registry/client.js';
import { type FetchedManifest, fetchManifest } from '../registry/manifests.js';
import { formatReference, type Reference, repositoryName } from '../registry/reference.js';
import type { Digest } from '../util/digest.js';
import { quote } from '../util/quote.js';
import { MAX_CONFIG, parseImageConfig } from './config.js';
import { invalid } from './field.js';
import { type Descriptor, MAX_DOCUMENT, type Manifest, type Platform, parseDocument } from './manifest.js';
import { isConfigType, layerType, MANIFEST_TYPES } from './media-types.js';
import { choosePlatform, fit, formatPlatform } from './platform.js';
import { sideBySide, untilAborted } from './side-by-side.js';
import type { ContentStore, StoredImage } from './store.js';

export type LayerState = 'waiting' | 'exists' | 'fetching' | 'done';

export interface PullRequest {
  /** With a tag or a digest. */
  readonly reference: Reference;
  /** What was asked for, or what this machine is. */
  readonly platform: Platform;
  readonly platformGiven: boolean;
  /** Asked one after the other: mirrors, then the registry. */
  readonly clients: readonly RegistryClient[];
  /** Aborted when nobody wants the image any more. */
  readonly signal?: AbortSignal;
  /** Asked before anything is stored; throws to keep the image out. digests: of the manifest, and of the index that has it. */
  readonly admit?: (client: RegistryClient, digests: readonly Digest[]) => Promise<void>;
  /** Layers that are fetched at a time. */
  readonly atOnce?: number;
  readonly warn: (message: string) => void;
  readonly progress: (layer: Digest, state: LayerState, bytes: number, size: number) => void;
}

export interface Pulled {
  readonly stored: StoredImage;
  /** What the registry has under the reference: of an index, or of the manifest. */
  readonly digest: Digest;
  /** The store had the same image under this name. */
  readonly upToDate: boolean;
}

/** As docker: enough to fill a line, few enough for a registry. */
const AT_ONCE = 4;

interface Found {
  readonly client: RegistryClient;
  readonly top: FetchedManifest;
}

interface Chosen {
  readonly descriptor: Descriptor;
  readonly manifest: Manifest;
  readonly bytes: Buffer;
}

/** Throws RegistryError, TsrunError IMAGE_INVALID, IMAGE_PLATFORM, DIGEST_MISMATCH, IO. */
export async function pullImage(store: ContentStore, request: PullRequest): Promise<Pulled> {
  const what = `image ${quote(formatReference(request.reference))}`;
  const { client, top } = await findTop(request, what);
  const chosen = await choose(client, top, request, what);
  checkIsImage(chosen.manifest, what);
  await request.admit?.(client, [...new Set([top.digest, chosen.descriptor.digest])]);
  const name = nameOf(request.reference);
  const before = store.list().find((image) => image.name === name);
  const source = `${repositoryName(request.reference)}@${top.digest}`;
  const stored: StoredImage = { name, manifest: chosen.descriptor, source };
  await store.withLease(async (lease) => {
    const { config, layers } = chosen.manifest;
    lease.protect(chosen.descriptor.digest, config.digest, ...layers.map(({ digest }) => digest));
    await fetchContent(store, client, request, chosen, what);
    store.put(chosen.bytes);
    store.setName(name, stored);
  });
  return { stored, digest: top.digest, upToDate: before?.manifest.digest === chosen.descriptor.digest };
}

/** A digest is what counts, even beside a tag. */
function nameOf(reference: Reference): string {
  return formatReference(reference.digest === undefined ? reference : { ...reference, tag: undefined });
}

async function findTop({ reference, clients, warn }: PullRequest, what: string): Promise<Found> {
  const { repository, tag, digest } = reference;
  const request = { repository, reference: digest ?? tag ?? '', accept: MANIFEST_TYPES, most: MAX_DOCUMENT, what };
  for (const [index, client] of clients.entries()) {
    try {
      return { client, top: await fetchManifest(client, request, digest) };
    } catch (error) {
      if (index === clients.length - 1 || !(error instanceof TsrunError)) throw error;
      if (!(error instanceof RegistryError && error.status === 404)) warn(`mirror: ${error.message}`);
    }
  }
  throw new RegistryError('REGISTRY_FAILED', `${what}: no registry was asked`);
}

async function choose(
  client: RegistryClient,
  top: FetchedManifest,
  request: PullRequest,
  what: string,
): Promise<Chosen> {
  const document = parseDocument(top.bytes, top.mediaType, `${what}: manifest ${top.digest}`);
  if (document.kind === 'manifest') {
    const { mediaType, digest, bytes } = top;
    return { descriptor: { mediaType, digest, size: bytes.length }, manifest: document, bytes };
  }
  const descriptor = choosePlatform(document, request.platform, formatReference(request.reference));
  const { digest, size, mediaType } = descriptor;
  const where = `${what}: manifest ${digest}`;
  if (size > MAX_DOCUMENT) throw invalid(where, [`has ${size} bytes, at most ${MAX_DOCUMENT} are allowed`]);
  const { repository } = request.reference;
  const found = await fetchManifest(
    client,
    { repository, reference: digest, accept: [mediaType], most: MAX_DOCUMENT, what },
    digest,
  );
  if (found.bytes.length !== size)
    throw invalid(where, [`has ${found.bytes.length} bytes, but the index says ${size}`]);
  const manifest = parseDocument(found.bytes, mediaType, where);
  if (manifest.kind !== 'manifest') throw invalid(where, ['is an index within an index']);
  return { descriptor, manifest, bytes: found.bytes };
}

function checkIsImage({ config, layers }: Manifest, what: string): void {
  if (!isConfigType(config.mediaType))
    throw invalid(what, [
      `it is no image of a container but an artifact: its config is ${quote(config.mediaType, 128)}`,
    ]);
  const wrong = layers.flatMap(({ mediaType, digest }) =>
    layerType(mediaType) === undefined ? [`layer ${digest}: media type ${quote(mediaType, 128)} is not known`] : [],
  );
  if (config.size > MAX_CONFIG)
    wrong.push(`config ${config.digest} has ${config.size} bytes, at most ${MAX_CONFIG} are allowed`);
  if (wrong.length > 0) throw invalid(what, wrong);
}

/** The config first: an image for another machine is not worth its layers. */
async function fetchContent(
  store: ContentStore,
  client: RegistryClient,
  request: PullRequest,
  { manifest, descriptor }: Chosen,
  what: string,
): Promise<void> {
  const { repository } = request.reference;
  const fetch = (blob: Descriptor, signal: AbortSignal, progress: (bytes: number) => void) =>
    store.ingest(blob, (from) => {
      const { digest, size } = blob;
      return counted(untilAborted(fetchBlob(client, { repository, digest, size, what }, from), signal), from, progress);
    });
  await about(
    what,
    fetch(manifest.config, request.signal ?? new AbortController().signal, () => undefined),
  );
  checkConfig(store, manifest, request, descriptor, what);
  const layers = [...new Map(manifest.layers.map((layer) => [layer.digest, layer])).values()];
  for (const { digest, size } of layers) {
    request.progress(digest, store.size(digest) === size ? 'exists' : 'waiting', 0, size);
  }
  await sideBySide(layers, request.atOnce ?? AT_ONCE, async (layer, failed) => {
    const { digest, size } = layer;
    const signal = request.signal === undefined ? failed : AbortSignal.any([failed, request.signal]);
    if (store.size(digest) === size) return;
    await about(
      what,
      fetch(layer, signal, (bytes) => request.progress(digest, 'fetching', bytes, size)),
    );
    request.progress(digest, 'done', size, size);
  });
}

/** The store knows blobs, not images: its refusals get the reference here. */
async function about(what: string, action: Promise<void>): Promise<void> {
  try {
    await action;
  } catch (error) {
    if (!(error instanceof TsrunError) || error.message.startsWith(what)) throw error;
    throw new TsrunError(error.code, `${what}: ${error.message}`, { cause: error, hint: error.hint });
  }
}

function checkConfig(
  store: ContentStore,
  manifest: Manifest,
  { platform, platformGiven, warn }: PullRequest,
  { platform: listed }: Descriptor,
  what: string,
): void {
  const { digest } = manifest.config;
  const config = parseImageConfig(store.read(digest, MAX_CONFIG), manifest, `${what}: config ${digest}`);
  const { os, architecture, variant } = config;
  const own: Platform = { os, architecture, ...(variant === undefined ? {} : { variant }) };
  if (listed !== undefined || fit(own, platform) !== undefined) return;
  const message = `${what}: it is for ${formatPlatform(own)}, not for ${formatPlatform(platform)}`;
  if (platformGiven) throw new TsrunError('IMAGE_PLATFORM', message);
  warn(message);
}

async function* counted(
  source: AsyncIterable<Uint8Array>,
  from: number,
  progress: (bytes: number) => void,
): AsyncIterable<Uint8Array> {
  let at = from;
  progress(at);
  for await (const chunk of source) {
    at += chunk.length;
    yield chunk;
    progress(at);
  }
}

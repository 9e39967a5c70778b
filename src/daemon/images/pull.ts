/** POST /images/create?fromImage=…: an image of a registry, and its layers unpacked. */
import { TsrunError } from '../../errors.js';
import { type Image, readImage } from '../../image/image.js';
import type { Platform } from '../../image/manifest.js';
import { hostPlatform, parsePlatform } from '../../image/platform.js';
import { type LayerState, type Pulled, pullImage } from '../../image/pull.js';
import { openAdmission } from '../../image/signature/admission.js';
import type { ContentStore, StoredImage } from '../../image/store.js';
import type { Credentials } from '../../registry/auth.js';
import { listTags } from '../../registry/manifests.js';
import { familiarName, familiarReference, type Reference } from '../../registry/reference.js';
import { unpackLayers } from '../../snapshot/layers.js';
import type { Snapshotter } from '../../snapshot/snapshotter.js';
import type { Digest } from '../../util/digest.js';
import { shortDigest } from '../../util/short-digest.js';
import type { EventBus } from '../events.js';
import { badRequest, notFound } from '../http/api-error.js';
import { done, type Emit, working } from './progress.js';
import { openRegistries, type RegistryDeps } from './registry.js';

export interface PullDeps extends RegistryDeps {
  readonly content: ContentStore;
  readonly snapshots: Snapshotter;
  readonly events: EventBus;
}

export interface PullWish {
  /** Without tag and digest: all tags. */
  readonly reference: Reference;
  readonly platform: string | undefined;
  readonly credentials: Credentials | undefined;
  readonly signal: AbortSignal;
}

/** A line for each quarter of a second and layer is enough for eyes. */
const EVERY_MS = 250;

/** Throws ApiError 404 in dockerd's words where the registry has it not, and what pullImage throws. */
export async function pull(deps: PullDeps, wish: PullWish, emit: Emit): Promise<void> {
  const { reference } = wish;
  if (reference.tag !== undefined || reference.digest !== undefined) return pullOne(deps, wish, emit);
  const clients = openRegistries(deps, reference.registry, wish.credentials);
  try {
    const [client] = clients.slice(-1);
    if (client === undefined) return;
    const tags = await wordedNotFound(reference, () => collect(listTags(client, reference.repository, 'pull')));
    for (const tag of tags.sort()) await pullOne(deps, { ...wish, reference: { ...reference, tag } }, emit);
  } finally {
    for (const client of clients) client.close();
  }
}

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of source) all.push(one);
  return all;
}

async function pullOne(deps: PullDeps, wish: PullWish, emit: Emit): Promise<void> {
  const { reference } = wish;
  const name = familiarReference(reference);
  const admit = await openAdmission(reference, undefined);
  const clients = openRegistries(deps, reference.registry, wish.credentials);
  const begin = once(() =>
    emit({ status: `Pulling from ${nameInRegistry(reference)}`, id: reference.tag ?? reference.digest ?? '' }),
  );
  const report = reporter(emit);
  const there = new Set<Digest>();
  try {
    const pulled = await wordedNotFound(reference, () =>
      pullImage(deps.content, {
        ...{ reference, platform: platformOf(wish.platform), platformGiven: Boolean(wish.platform), clients },
        ...(admit === undefined ? {} : { admit }),
        atOnce: deps.config.layersAtOnce.down,
        signal: wish.signal,
        warn: (message) => deps.log.warn(message),
        progress: (layer, state, bytes, size) => {
          begin();
          if (state === 'exists') there.add(layer);
          report(layer, state, bytes, size);
        },
      }),
    );
    begin();
    await unpackImage(deps, pulled.stored, (digest) => {
      if (!there.has(digest)) emit(done(shortDigest(digest), 'Pull complete'));
    });
    finish(pulled, name, emit);
    deps.events.publish('image', 'pull', name, { name: familiarName(reference) });
  } finally {
    for (const client of clients) client.close();
  }
}

const nameInRegistry = ({ repository }: Reference): string => repository;

function once(action: () => void): () => void {
  let open = true;
  return () => {
    if (open) action();
    open = false;
  };
}

/** dockerd's words for the states of a layer. */
const WORDS: { readonly [state in LayerState]: string } = {
  waiting: 'Pulling fs layer',
  exists: 'Already exists',
  fetching: 'Downloading',
  done: 'Download complete',
};

function reporter(emit: Emit): (layer: Digest, state: LayerState, bytes: number, size: number) => void {
  const last = new Map<Digest, number>();
  return (layer, state, bytes, size) => {
    const id = shortDigest(layer);
    if (state !== 'fetching') return emit(done(id, WORDS[state]));
    const now = performance.now();
    if (now - (last.get(layer) ?? 0) < EVERY_MS) return;
    last.set(layer, now);
    emit(working(id, WORDS[state], bytes, size));
  };
}

/** So that a container of it starts at once, and what nobody could unpack is told of now. */
export async function unpackImage(
  { content, snapshots, log }: Pick<PullDeps, 'content' | 'snapshots' | 'log'>,
  stored: StoredImage,
  onLayer: (digest: Digest) => void,
): Promise<void> {
  const layers = layersOf(content, readImage(content, stored));
  await unpackLayers(snapshots.store, layers, {
    warn: (message) => log.warn(message),
    onLayer: ({ digest }) => onLayer(digest),
  });
}

const layersOf = (content: ContentStore, { manifest, config }: Image) =>
  manifest.layers.map(({ digest }, index) => ({
    digest,
    diffId: config.diffIds[index] ?? digest,
    blob: content.path(digest),
  }));

function finish({ digest, upToDate }: Pulled, name: string, emit: Emit): void {
  emit({ status: `Digest: ${digest}` });
  emit({ status: `Status: ${upToDate ? 'Image is up to date' : 'Downloaded newer image'} for ${name}` });
}

/** Throws ApiError 400. */
export function platformOf(text: string | undefined): Platform {
  if (!text) return hostPlatform(process.arch);
  try {
    return parsePlatform(text);
  } catch (error) {
    throw badRequest(error instanceof Error ? error.message : String(error), error);
  }
}

async function wordedNotFound<T>(reference: Reference, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof TsrunError)) throw error;
    if (error.code === 'REGISTRY_DENIED')
      throw notFound(
        `pull access denied for ${familiarName(reference)}, repository does not exist or may require 'docker login': ${error.message}`,
        error,
      );
    if (error.code === 'REGISTRY_NOT_FOUND')
      throw notFound(
        `manifest for ${familiarReference(reference)} not found: manifest unknown: ${error.message}`,
        error,
      );
    if (error.code === 'IMAGE_PLATFORM')
      throw notFound(
        `no matching manifest for ${familiarReference(reference)}: ${error.message}${error.hint === undefined ? '' : ` (${error.hint})`}`,
        error,
      );
    throw error;
  }
}

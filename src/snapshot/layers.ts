/**
 * The layers of an image, unpacked: each once, whatever images share it, several at a time. A layer is committed after a
 * syncfs(2) that covers its files, lowest first, so that a power cut leaves whole layers and garbage.
 */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { TsrunError } from '../errors.js';
import type { Digest } from '../util/digest.js';
import { fixUp, giveRoots, type RootGift } from './fixups.js';
import { DEFAULT_LIMITS, type LayerLimits } from './layer.js';
import { hasOverlayfs } from './overlay-support.js';
import { type ChainId, type Claim, chainIdOf, type LayerRecord, type SnapshotStore } from './store.js';
import { type UnpackResult, unpackBlob } from './unpack.js';
import { UnpackThreads } from './unpack-threads.js';

export interface LayerSource {
  /** Of the blob, for messages. */
  readonly digest: Digest;
  /** Of the tar in it. */
  readonly diffId: Digest;
  /** Path of the blob. */
  readonly blob: string;
}

export interface UnpackOptions {
  readonly limits?: LayerLimits;
  readonly warn?: (message: string) => void;
  /** Told of each layer that is there, also when it was before. */
  readonly onLayer?: (layer: LayerSource) => void;
}

interface Job {
  readonly layer: LayerSource;
  readonly chainId: ChainId;
  readonly parent: ChainId | null;
}

interface Finished extends Job {
  readonly claim: Claim;
  readonly result: UnpackResult;
}

const MOST_AT_ONCE = 4;

/** Lowest layer first. The chain id of the uppermost, null without layers. Throws TsrunError; then nothing is left. */
export async function unpackLayers(
  store: SnapshotStore,
  layers: readonly LayerSource[],
  options: UnpackOptions = {},
): Promise<ChainId | null> {
  const jobs = chainOf(layers);
  const locks: (() => void)[] = [];
  try {
    const missing: Job[] = [];
    // All in the order of the chain: two images that share layers wait for each other only one way.
    for (const job of jobs) {
      if (store.layer(job.chainId) === undefined) locks.push(await store.lock(job.chainId));
      if (store.layer(job.chainId) === undefined) missing.push(job);
      else options.onLayer?.(job.layer);
    }
    if (missing.length > 0) await unpackMissing(store, missing, options);
  } finally {
    for (const unlock of locks) unlock();
  }
  return jobs.at(-1)?.chainId ?? null;
}

function chainOf(layers: readonly LayerSource[]): Job[] {
  let parent: ChainId | null = null;
  return layers.map((layer) => {
    const job = { layer, parent, chainId: chainIdOf(parent, layer.diffId) };
    parent = job.chainId;
    return job;
  });
}

async function unpackMissing(store: SnapshotStore, jobs: readonly Job[], options: UnpackOptions): Promise<void> {
  const claims: Claim[] = [];
  const threads = new UnpackThreads();
  let failed = false;
  const unpackOne = async (job: Job): Promise<Finished | undefined> => {
    if (failed) return undefined;
    const claim = store.newTree();
    claims.push(claim);
    try {
      return { ...job, claim, result: await unpackJob(job, claim, threads, options) };
    } catch (error) {
      failed = true;
      throw error;
    }
  };
  try {
    const settled = await inParallel(jobs, unpackOne).finally(() => threads.close());
    const finished = settled.flatMap((one) => one ?? []);
    await fixUpAll(store, finished);
    await store.commitLayers(finished.map(recordOf));
    for (const { layer, claim } of finished) {
      options.onLayer?.(layer);
      claim.close();
    }
  } catch (error) {
    const uncommitted = claims.filter(({ name }) => !store.layers().some(({ tree }) => tree === name));
    await Promise.allSettled(uncommitted.map((claim) => store.discard(claim)));
    throw error;
  }
}

function recordOf({ chainId, parent, layer, claim, result }: Finished): LayerRecord {
  const { opaqueRoot: opaque, bytes, entries } = result;
  return { chainId, parent, diffId: layer.diffId, tree: claim.name, opaque, bytes, entries };
}

async function unpackJob(
  { layer }: Job,
  claim: Claim,
  threads: UnpackThreads,
  options: UnpackOptions,
): Promise<UnpackResult> {
  const subject = `layer ${layer.digest}`;
  const directory = join(claim.path, 'fs');
  const limits = options.limits ?? DEFAULT_LIMITS;
  const result = await unpackBlob({ blob: layer.blob, directory, limits, subject }, threads);
  if (result.diffID !== layer.diffId) {
    throw new TsrunError(
      'LAYER_INVALID',
      `${subject}: its diff ID is ${result.diffID}, the image's config says ${layer.diffId}`,
      {
        hint: 'the image was put together wrongly, or somebody changed it',
      },
    );
  }
  for (const loss of losses(result)) options.warn?.(`${subject}: ${loss}`);
  return result;
}

function losses({ withoutXattrs, devices, foreign }: UnpackResult): string[] {
  return [
    [withoutXattrs, `the file system of the data root cannot hold the attributes of ${withoutXattrs} files`] as const,
    [devices, `${devices} devices are left out: in a user namespace none can be made`] as const,
    [foreign, `${foreign} files are root's for want of ids: see subuid(5)`] as const,
  ].flatMap(([count, text]) => (count > 0 ? [text] : []));
}

/** From the lowest on: what one takes from below may have come from below itself. */
async function fixUpAll(store: SnapshotStore, finished: readonly Finished[]): Promise<void> {
  const made = new Map(finished.map((one) => [one.chainId, one]));
  await giveRoots(store.treesPath, rootGifts(store, finished, made), "the layers' roots");
  for (const { parent, claim, result, layer } of finished) {
    const below = result.opaqueRoot ? [] : treesBelow(store, parent, made);
    const needs = { missing: result.missing, implied: result.implied.filter((path) => path !== '.') };
    const view = { directories: below, merged: hasOverlayfs() };
    await fixUp(join(claim.path, 'fs'), view, needs, `layer ${layer.digest}`);
  }
}

/** Each root is like the next one below that has an entry, or else like the lowest. */
function rootGifts(
  store: SnapshotStore,
  finished: readonly Finished[],
  made: ReadonlyMap<ChainId, Finished>,
): RootGift[] {
  const likes = new Map<ChainId, string>();
  return finished.flatMap(({ chainId, parent, claim, result }) => {
    const [below] = result.opaqueRoot || !result.implied.includes('.') ? [] : treesBelow(store, parent, made);
    if (below === undefined) return [];
    const like = (parent !== null && likes.get(parent)) || below;
    likes.set(chainId, like);
    return [{ path: `${claim.name}/fs`, like }];
  });
}

function treesBelow(store: SnapshotStore, from: ChainId | null, made: ReadonlyMap<ChainId, Finished>): string[] {
  const trees: string[] = [];
  for (let id = from; id !== null; ) {
    const own = made.get(id);
    if (own === undefined) return [...trees, ...store.trees(id)];
    trees.push(join(own.claim.path, 'fs'));
    id = own.result.opaqueRoot ? null : own.parent;
  }
  return trees;
}

/** The results in order. The first failure is thrown when all that had begun have ended. */
async function inParallel<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: Promise<R>[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      const item = items[index];
      if (item === undefined) return;
      const result = work(item);
      results[index] = result;
      await result.catch(() => undefined);
    }
  };
  await Promise.all(Array.from({ length: Math.min(MOST_AT_ONCE, availableParallelism(), items.length) }, worker));
  return Promise.all(results);
}

/** Removes layers that neither `needed` nor a snapshot stands on, and the garbage of interrupted commands. */
export async function pruneLayers(store: SnapshotStore, needed: Iterable<ChainId>): Promise<number> {
  const kept = new Set<ChainId>();
  const keep = (from: ChainId | null) => {
    for (let id = from; id !== null && !kept.has(id); ) {
      kept.add(id);
      id = store.layer(id)?.parent ?? null;
    }
  };
  for (const id of needed) keep(id);
  for (const { parent } of store.actives()) keep(parent);
  return store.collect((record: LayerRecord) => !kept.has(record.chainId));
}

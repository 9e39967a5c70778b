/**
 * The content store as others see it: blobs by digest, names for manifests, leases against garbage collection. What is in
 * it is shared by all images, is only ever there whole and verified, and is never changed.
 *
 * On disk it is an OCI image layout (image-spec image-layout.md) that skopeo, umoci and buildah read as it is: disk-store.ts.
 *
 * Pure: types.
 */
import type { Digest } from '../util/digest.js';
import type { Descriptor } from './manifest.js';

export interface ContentStore {
  /** Absolute. Below it "images" is ours and "snapshots" is the snapshotter's. */
  readonly dataRoot: string;
  /** Where the blob is: a file that is complete and must not be changed. */
  path(digest: Digest): string;
  /** Bytes; undefined when it is not there. */
  size(digest: Digest): number | undefined;
  /** Verified. For documents: refuses more than most bytes. Throws TsrunError BLOB_MISSING, DIGEST_MISMATCH, IMAGE_INVALID. */
  read(digest: Digest, most: number): Buffer;
  /** Throws TsrunError BLOB_MISSING. Not verified again: that is what `tsrun image verify` does. */
  openRead(digest: Digest): AsyncIterable<Buffer>;
  /** Stores a document. algorithm: of its digest, sha256 if not given. */
  put(bytes: Uint8Array, algorithm?: string): Digest;
  /** Stores a blob of unknown digest, e.g. a layer that is being made; the lease protects it from the beginning. */
  ingestNew(
    source: AsyncIterable<Uint8Array>,
    lease?: Lease,
  ): Promise<{ readonly digest: Digest; readonly size: number }>;
  /**
   * Stores a blob whose digest and size are known; does nothing when it is there. fetch is called with the number of bytes
   * that an earlier attempt left. Bytes that are not those of the digest never get a name. Throws TsrunError
   * DIGEST_MISMATCH, IO, and what fetch throws: then what has come is kept for the next attempt.
   */
  ingest(blob: Pick<Descriptor, 'digest' | 'size'>, fetch: FetchFrom): Promise<void>;

  /** Everything in the index: with names and without. */
  list(): readonly StoredImage[];
  /**
   * Finds an image by what a user wrote: a reference, an id (config digest, 4 digits or more), a manifest's digest.
   * Throws TsrunError IMAGE_NOT_FOUND, REFERENCE_INVALID.
   */
  resolve(text: string): StoredImage;
  /** Gives an image a name; what had the name before keeps its place without one. */
  setName(name: string, image: Omit<StoredImage, 'name'>): void;
  /** Changes the index under its lock; no await inside. Returned images are the new index. */
  update(change: (images: readonly StoredImage[]) => readonly StoredImage[]): void;

  /** Until use() has ended, whatever the lease protects stays, named or not, whoever collects garbage. */
  withLease<T>(use: (lease: Lease) => Promise<T>): Promise<T>;
  /** Removes every blob that no image of the index, no lease and no repository reaches. */
  collectGarbage(): Collected;
  /** Removes what broken off pulls have left, which the next one would have gone on with. Returns bytes. */
  removeUnfinished(): number;
}

export type FetchFrom = (offset: number) => AsyncIterable<Uint8Array>;

export interface Lease {
  /** Before one looks whether they are there. */
  protect(...digests: readonly Digest[]): void;
}

export interface Collected {
  readonly digests: readonly Digest[];
  /** Bytes. */
  readonly size: number;
}

/** One entry of index.json. */
export interface StoredImage {
  /** "docker.io/library/busybox:latest"; undefined for one whose name went to another image. */
  readonly name: string | undefined;
  /** The manifest of one platform; an index only where another tool wrote it. */
  readonly manifest: Descriptor;
  /** "docker.io/library/busybox@sha256:…": under which digest a registry had it, perhaps that of an index. */
  readonly source: string | undefined;
}

/**
 * The content store on disk: <data root>/images is an OCI image layout, with four names of ours that other tools do not
 * look at:
 *
 *   oci-layout  index.json  blobs/sha256/<hex>     image-spec image-layout.md
 *   ingest/     blobs that are not whole yet       ingest.ts, uploads.ts
 *   leases/     what must stay for the moment      locks.ts
 *   repositories/  what a served registry has      repositories.ts
 *   lock        of index.json and the collector
 */
import { createReadStream, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { TsrunError } from '../errors.js';
import { type Digest, digestOf, digestParts, isDigest } from '../util/digest.js';
import { describeSystemError } from '../util/errno.js';
import { readHostFile } from '../util/file.js';
import { quote } from '../util/quote.js';
import { removeTemporaries, replaceFile } from '../util/replace-file.js';
import { invalid } from './field.js';
import { findImage } from './find.js';
import { ingestBlob, ingestNew, inStore, NEW } from './ingest.js';
import { checkLayoutFile, formatIndexFile, LAYOUT_FILE, LAYOUT_TEXT, MAX_INDEX, parseIndexFile } from './layout.js';
import { exclusively, holdLease, leased, removeUnlocked } from './locks.js';
import { type Layout, layoutOf } from './places.js';
import { reachable } from './reachable.js';
import { linkedDigests } from './repositories.js';
import type { Collected, ContentStore, FetchFrom, Lease, StoredImage } from './store.js';

const READ_CHUNK = 256 * 1024;

/** Makes it where it is missing. Throws TsrunError IO, IMAGE_INVALID. */
export function openStore(dataRoot: string): ContentStore {
  const layout = layoutOf(dataRoot);
  try {
    prepare(layout);
  } catch (error) {
    if (error instanceof TsrunError) throw error;
    throw new TsrunError('IO', `--data-root: ${quote(dataRoot)}: ${describeSystemError(error)}`, { cause: error });
  }
  return new DiskStore(dataRoot, layout);
}

function prepare({ root, ingest, leases, index }: Layout): void {
  // Setuid programs and devices of images are nobody else's business: CVE-2021-41091.
  for (const path of [ingest, leases, join(root, 'blobs/sha256')]) mkdirSync(path, { recursive: true, mode: 0o700 });
  const layoutFile = join(root, LAYOUT_FILE);
  if (existsSync(layoutFile)) checkLayoutFile(readHostFile(layoutFile, 'the content store', { max: 4096 }), layoutFile);
  else replaceFile(layoutFile, Buffer.from(LAYOUT_TEXT));
  if (!existsSync(index)) replaceFile(index, Buffer.from(formatIndexFile([])));
}

class DiskStore implements ContentStore {
  constructor(
    readonly dataRoot: string,
    private readonly layout: Layout,
  ) {}

  path(digest: Digest): string {
    return this.layout.path(digest);
  }

  size(digest: Digest): number | undefined {
    return statSync(this.path(digest), { throwIfNoEntry: false })?.size;
  }

  read(digest: Digest, most: number): Buffer {
    const size = this.size(digest);
    if (size === undefined) throw missing(digest);
    if (size > most) throw invalid(`blob ${digest}`, [`has ${size} bytes, at most ${most} are allowed`]);
    const bytes = readFileSync(this.path(digest));
    const found = digestOf(bytes, digestParts(digest).algorithm);
    if (found === digest) return bytes;
    throw new TsrunError('DIGEST_MISMATCH', `blob ${digest}: the stored bytes are ${found}`, {
      hint: 'the disk or somebody changed it: remove the image and pull it again',
    });
  }

  openRead(digest: Digest): AsyncIterable<Buffer> {
    if (this.size(digest) === undefined) throw missing(digest);
    return createReadStream(this.path(digest), { highWaterMark: READ_CHUNK });
  }

  put(bytes: Uint8Array, algorithm?: string): Digest {
    const digest = digestOf(bytes, algorithm);
    const path = this.path(digest);
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 }); // of sha512 there is none yet
      if (this.size(digest) !== bytes.length) replaceFile(path, bytes);
    } catch (error) {
      throw inStore(error);
    }
    return digest;
  }

  ingestNew(source: AsyncIterable<Uint8Array>, lease?: Lease) {
    return ingestNew(this.layout, source, lease);
  }

  ingest(blob: { readonly digest: Digest; readonly size: number }, fetch: FetchFrom): Promise<void> {
    return ingestBlob(this.layout, blob, fetch);
  }

  list(): readonly StoredImage[] {
    return parseIndexFile(readHostFile(this.layout.index, 'the content store', { max: MAX_INDEX }), this.layout.index);
  }

  resolve(text: string): StoredImage {
    return findImage(this, text);
  }

  setName(name: string, image: Omit<StoredImage, 'name'>): void {
    this.update((images) => renamed(images, { ...image, name }));
  }

  update(change: (images: readonly StoredImage[]) => readonly StoredImage[]): void {
    exclusively(this.layout.lock, () => {
      const before = this.list();
      const after = change(before);
      if (after === before) return;
      try {
        replaceFile(this.layout.index, Buffer.from(formatIndexFile(after)));
      } catch (error) {
        throw inStore(error);
      }
    });
  }

  withLease<T>(use: Parameters<typeof holdLease<T>>[2]): Promise<T> {
    return holdLease(this.layout.leases, this.layout.lock, use);
  }

  collectGarbage(): Collected {
    return exclusively(this.layout.lock, () => {
      this.removeLeftOvers();
      const kept = reachable(this, [
        ...this.list().map(({ manifest }) => manifest.digest),
        ...leased(this.layout.leases),
      ]);
      const linked = linkedDigests(this.layout.repositories);
      const digests: Digest[] = [];
      let size = 0;
      for (const digest of this.blobs()) {
        if (kept.has(digest) || linked.has(digest)) continue;
        size += this.size(digest) ?? 0;
        rmSync(this.path(digest), { force: true });
        digests.push(digest);
      }
      return { digests, size };
    });
  }

  removeUnfinished(): number {
    return removeUnlocked(this.layout.ingest);
  }

  /** Of writers that were killed: nobody can go on with what has no digest yet. */
  private removeLeftOvers(): void {
    for (const directory of [this.layout.root, ...this.blobDirectories()]) removeTemporaries(directory);
    removeUnlocked(this.layout.ingest, NEW);
  }

  private blobDirectories(): string[] {
    const blobs = join(this.layout.root, 'blobs');
    return readdirSync(blobs).map((algorithm) => join(blobs, algorithm));
  }

  private blobs(): Digest[] {
    return this.blobDirectories().flatMap((directory) =>
      readdirSync(directory)
        .map((hex) => `${basename(directory)}:${hex}`)
        .filter(isDigest),
    );
  }
}

/** What had the name before stays without one, unless it has another; an entry without a name goes when it gets one. */
function renamed(images: readonly StoredImage[], named: StoredImage): StoredImage[] {
  const freed = images.map((other) => (other.name === named.name ? { ...other, name: undefined } : other));
  return withoutSpare([...freed, named]);
}

/** Drops entries without a name of manifests that have one, and all but one of those that have none. */
export function withoutSpare(images: readonly StoredImage[]): StoredImage[] {
  const rank = new Map<Digest, StoredImage>();
  for (const image of images) {
    const { digest } = image.manifest;
    if (image.name !== undefined || !rank.has(digest)) rank.set(digest, image);
  }
  return images.filter((image) => image.name !== undefined || rank.get(image.manifest.digest) === image);
}

function missing(digest: Digest): TsrunError {
  return new TsrunError('BLOB_MISSING', `blob ${digest}: it is not in the content store`, {
    hint: 'pull the image again',
  });
}

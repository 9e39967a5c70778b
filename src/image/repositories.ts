/**
 * The repositories of a registry that is served from the store: who may see which blob under which name. Nothing here but
 * links; the bytes are in blobs/, shared with images and among repositories.
 *
 *   repositories/<name>/_blobs/<algorithm>-<hex>          empty; its time says when somebody last asked for it
 *                       _manifests/<algorithm>-<hex>      media type, and the digest of the subject if there is one
 *                       _tags/<tag>                       digest
 *                       _referrers/<subject>/<manifest>   the descriptor that the referrers API lists
 *
 * No part of a name begins with "_", so that names below names cannot meet these. A link is written under the lock of the
 * store before its bytes get their name, so that a collector either sees it or is done before: as with leases (locks.ts).
 * Several processes may serve and collect at once; nothing is kept in memory.
 */
import { rmdirSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { type Digest, isDigest } from '../util/digest.js';
import { syncDirectory } from '../util/replace-file.js';
import { isOwn, isThere, namesIn, readText, remove, touchFile, writeAll } from './link-files.js';
import { exclusively } from './locks.js';
import { layoutOf } from './places.js';
import type { ContentStore } from './store.js';

/** A blob that no manifest needs yet may be part of a push: it stays this long after somebody asked for it. */
export const GRACE_MS = 60 * 60 * 1000;

export interface ManifestLink {
  readonly mediaType: string;
  readonly subject: Digest | undefined;
}

export interface NewManifest extends ManifestLink {
  readonly digest: Digest;
  readonly tags: readonly string[];
  /** What the referrers API shows of it, where there is a subject. */
  readonly descriptor: object;
}

const fileOf = (digest: Digest): string => digest.replace(':', '-');

function digestOfFile(name: string): Digest | undefined {
  const digest = name.replace('-', ':');
  return isDigest(digest) ? digest : undefined;
}

const BYTES = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export class Repositories {
  private readonly root: string;
  private readonly lock: string;

  constructor(private readonly store: ContentStore) {
    const layout = layoutOf(store.dataRoot);
    this.root = layout.repositories;
    this.lock = layout.lock;
  }

  has(repository: string): boolean {
    return ['_manifests', '_blobs'].some((kind) => isThere(this.place(repository, kind)));
  }

  /** Also those that have blobs only. */
  all(): string[] {
    return [...walk(this.root, '')];
  }

  /** Those with manifests, in the order of their bytes. */
  names(): string[] {
    return this.all()
      .filter((name) => this.manifests(name).length > 0)
      .sort(BYTES);
  }

  /** Bytes of a blob that the repository has. */
  blobSize(repository: string, digest: Digest): number | undefined {
    const link = this.place(repository, '_blobs', fileOf(digest));
    const found = statSync(link, { throwIfNoEntry: false });
    const size = found === undefined ? undefined : this.store.size(digest);
    if (found !== undefined && size !== undefined && Date.now() - found.mtimeMs > GRACE_MS / 4 && !this.touch(link))
      return undefined;
    return size;
  }

  /** As blobSize(), and leaves the time alone: for use under the lock. */
  hasBlob(repository: string, digest: Digest): boolean {
    return isThere(this.place(repository, '_blobs', fileOf(digest))) && this.store.size(digest) !== undefined;
  }

  /** Somebody counts on it now: a collector that has not looked at it yet will let it be. */
  private touch(link: string): boolean {
    return exclusively(this.lock, () => {
      if (!isThere(link)) return false;
      utimesSync(link, new Date(), new Date());
      return true;
    });
  }

  /** For a blob that is there or is about to be published. */
  linkBlob(repository: string, digest: Digest): void {
    exclusively(this.lock, () => this.writeLink(repository, digest));
  }

  /** From another repository, or from any if none is named. False when nobody has it. */
  mountBlob(repository: string, digest: Digest, from: string | undefined): boolean {
    return exclusively(this.lock, () => {
      const sources = from === undefined ? walk(this.root, '') : [from];
      for (const source of sources) {
        if (!this.hasBlob(source, digest)) continue;
        this.writeLink(repository, digest);
        return true;
      }
      return false;
    });
  }

  private writeLink(repository: string, digest: Digest): void {
    touchFile(this.place(repository, '_blobs', fileOf(digest)));
  }

  removeBlob(repository: string, digest: Digest): boolean {
    return exclusively(this.lock, () => remove(this.place(repository, '_blobs', fileOf(digest))));
  }

  manifest(repository: string, digest: Digest): ManifestLink | undefined {
    const text = readText(this.place(repository, '_manifests', fileOf(digest)));
    if (text === undefined) return undefined;
    const [mediaType = '', subject] = text.split('\n');
    return { mediaType, subject: isDigest(subject) ? subject : undefined };
  }

  /**
   * Stores a manifest with its tags. check is called when nothing of the repository can vanish any more, and throws what
   * stands against it. What was linked before is durable when this returns.
   */
  putManifest(repository: string, bytes: Uint8Array, manifest: NewManifest, check: () => void): void {
    const { digest, mediaType, subject, descriptor, tags } = manifest;
    exclusively(this.lock, () => {
      check();
      const [algorithm] = digest.split(':');
      this.store.put(bytes, algorithm);
      const blobs = this.place(repository, '_blobs');
      if (isThere(blobs)) syncDirectory(blobs);
      const referrer = subject === undefined ? [] : [['_referrers', fileOf(subject), fileOf(digest)]];
      writeAll([
        ...referrer.map((parts) => [this.place(repository, ...parts), JSON.stringify(descriptor)] as const),
        [this.place(repository, '_manifests', fileOf(digest)), `${mediaType}\n${subject ?? ''}\n`],
        ...tags.map((tag) => [this.place(repository, '_tags', tag), digest] as const),
      ]);
    });
  }

  tagged(repository: string, tag: string): Digest | undefined {
    const text = readText(this.place(repository, '_tags', tag));
    return isDigest(text) ? text : undefined;
  }

  /** In the order of their bytes. */
  tags(repository: string): string[] {
    return namesIn(this.place(repository, '_tags')).filter(isOwn).sort(BYTES);
  }

  removeTag(repository: string, tag: string): boolean {
    return exclusively(this.lock, () => remove(this.place(repository, '_tags', tag)));
  }

  /** With all its tags. */
  removeManifest(repository: string, digest: Digest): boolean {
    return exclusively(this.lock, () => this.dropManifest(repository, digest));
  }

  private dropManifest(repository: string, digest: Digest): boolean {
    const link = this.manifest(repository, digest);
    if (link === undefined) return false;
    for (const tag of this.tags(repository))
      if (this.tagged(repository, tag) === digest) remove(this.place(repository, '_tags', tag));
    remove(this.place(repository, '_manifests', fileOf(digest)));
    if (link.subject === undefined) return true;
    const referrers = this.place(repository, '_referrers', fileOf(link.subject));
    remove(join(referrers, fileOf(digest)));
    if (namesIn(referrers).length === 0) rmdirSync(referrers);
    return true;
  }

  /** Descriptors as they were put, in the order of their digests. */
  referrers(repository: string, subject: Digest): unknown[] {
    const directory = this.place(repository, '_referrers', fileOf(subject));
    const texts = namesIn(directory).filter(isOwn).sort(BYTES);
    return texts.flatMap((name) => {
      const text = readText(join(directory, name));
      return text === undefined ? [] : [JSON.parse(text) as unknown];
    });
  }

  /** For collectors: see prune-repositories.ts. */
  manifests(repository: string): Digest[] {
    return namesIn(this.place(repository, '_manifests')).flatMap((name) => digestOfFile(name) ?? []);
  }

  /**
   * Forgets what keep does not name, where nobody asked for it since a moment. Everything is looked at under the lock, so
   * that a push sees its blobs either as they were or not at all.
   */
  prune(repository: string, before: Date, choose: (manifests: readonly Digest[]) => Kept): { removed: number } {
    return exclusively(this.lock, () => {
      const old = (path: string) => (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) < before.getTime();
      const { manifests, blobs } = choose(this.manifests(repository));
      let removed = 0;
      for (const digest of this.manifests(repository)) {
        if (manifests.has(digest) || !old(this.place(repository, '_manifests', fileOf(digest)))) continue;
        if (this.dropManifest(repository, digest)) removed++;
      }
      for (const name of namesIn(this.place(repository, '_blobs'))) {
        const digest = digestOfFile(name);
        const link = this.place(repository, '_blobs', name);
        if (digest !== undefined && !blobs.has(digest) && old(link) && remove(link)) removed++;
      }
      return { removed };
    });
  }

  private place(repository: string, ...parts: readonly string[]): string {
    return join(this.root, repository, ...parts);
  }
}

/** What is to stay of a repository. */
export interface Kept {
  readonly manifests: ReadonlySet<Digest>;
  readonly blobs: ReadonlySet<Digest>;
}

/** Everything that a repository has a link to. Only under the lock. */
export function linkedDigests(root: string): ReadonlySet<Digest> {
  const found = new Set<Digest>();
  for (const name of walk(root, '')) {
    for (const kind of ['_blobs', '_manifests']) {
      for (const file of namesIn(join(root, name, kind))) {
        const digest = digestOfFile(file);
        if (digest !== undefined) found.add(digest);
      }
    }
  }
  return found;
}

/** Names of repositories, those below others behind them. */
function* walk(root: string, name: string): Iterable<string> {
  const entries = namesIn(join(root, name));
  if (name !== '' && entries.some((entry) => entry.startsWith('_'))) yield name;
  for (const entry of entries) if (!entry.startsWith('_')) yield* walk(root, name === '' ? entry : `${name}/${entry}`);
}

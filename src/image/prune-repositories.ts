/**
 * Garbage of served repositories: blobs that no manifest of their repository needs and that no push has asked for lately,
 * and, when told so, manifests that nothing leads to. Safe beside pushes: repositories.ts.
 */
import type { Digest } from '../util/digest.js';
import { childrenOf } from './reachable.js';
import { type Kept, Repositories } from './repositories.js';
import type { Collected, ContentStore } from './store.js';

export interface PruneRequest {
  /** Manifests too that have no tag, are in no index that stays, and refer to nothing that stays. */
  readonly untagged: boolean;
  /** What somebody asked for after this moment stays. */
  readonly before: Date;
}

/** removed: links; collected: the blobs that nobody has now, of images too. */
export function pruneRepositories(
  store: ContentStore,
  { untagged, before }: PruneRequest,
): { readonly removed: number; readonly collected: Collected } {
  const repositories = new Repositories(store);
  let removed = 0;
  for (const name of repositories.all()) {
    const roots = (manifests: readonly Digest[]): readonly Digest[] =>
      untagged ? repositories.tags(name).flatMap((tag) => repositories.tagged(name, tag) ?? []) : manifests;
    removed += repositories.prune(name, before, (manifests) =>
      keptOf(store, manifests, roots(manifests), (digest) => repositories.manifest(name, digest)?.subject),
    ).removed;
  }
  return { removed, collected: store.collectGarbage() };
}

function keptOf(
  store: ContentStore,
  manifests: readonly Digest[],
  roots: readonly Digest[],
  subjectOf: (digest: Digest) => Digest | undefined,
): Kept {
  const all = new Set(manifests);
  const kept: { manifests: Set<Digest>; blobs: Set<Digest> } = { manifests: new Set(), blobs: new Set() };
  const referrers = new Map<Digest, Digest[]>();
  for (const digest of manifests) {
    const subject = subjectOf(digest);
    if (subject !== undefined) referrers.set(subject, [...(referrers.get(subject) ?? []), digest]);
  }
  const pending = [...roots];
  for (let digest = pending.pop(); digest !== undefined; digest = pending.pop()) {
    if (kept.manifests.has(digest)) continue;
    kept.manifests.add(digest);
    pending.push(...(referrers.get(digest) ?? []));
    for (const child of childrenOf(store, digest)) {
      if (all.has(child)) pending.push(child);
      else kept.blobs.add(child);
    }
  }
  return kept;
}

/** Which blobs a set of manifests needs: all that must outlive a garbage collection. */
import type { Digest } from '../util/digest.js';
import { Field } from './field.js';
import { MAX_DOCUMENT } from './manifest.js';
import type { ContentStore } from './store.js';

const MANY = 100_000;
const OPEN_BRACE = 0x7b;

/** A document that cannot be read keeps itself only: it must not keep all garbage from being collected. */
export function reachable(store: ContentStore, roots: Iterable<Digest>): ReadonlySet<Digest> {
  const found = new Set<Digest>();
  const pending = [...roots];
  for (let digest = pending.pop(); digest !== undefined; digest = pending.pop()) {
    if (found.has(digest)) continue;
    found.add(digest);
    pending.push(...childrenOf(store, digest));
  }
  return found;
}

/** What a manifest or an index names; nothing for what is neither, or cannot be read. */
export function childrenOf(store: ContentStore, digest: Digest): Digest[] {
  const size = store.size(digest);
  if (size === undefined || size > MAX_DOCUMENT) return [];
  try {
    const bytes = store.read(digest, MAX_DOCUMENT);
    if (bytes[0] !== OPEN_BRACE) return [];
    const root = Field.parse(bytes, digest);
    const lists = [...root.get('manifests').list(MANY), ...root.get('layers').list(MANY), root.get('config')];
    const digests = lists.flatMap((entry) => (entry.get('digest').isThere ? [entry.get('digest').digest()] : []));
    root.finish(digest);
    return digests;
  } catch {
    return [];
  }
}

/**
 * From a path to what it is about: the endpoints of distribution-spec 1.1.
 *
 * Pure.
 */
import { isRepository, isTag } from '../registry/reference.js';
import { type Digest, isDigest } from '../util/digest.js';
import { refuse } from './answer.js';

/** A tag or a digest. */
export type ManifestReference =
  | { readonly tag: string; readonly digest: undefined }
  | { readonly tag: undefined; readonly digest: Digest };

export type Route =
  | { readonly kind: 'base' }
  | { readonly kind: 'catalog' }
  | { readonly kind: 'tags'; readonly repository: string }
  | { readonly kind: 'manifest'; readonly repository: string; readonly reference: ManifestReference }
  | { readonly kind: 'blob'; readonly repository: string; readonly digest: Digest }
  | { readonly kind: 'uploads'; readonly repository: string }
  | { readonly kind: 'upload'; readonly repository: string; readonly id: string }
  | { readonly kind: 'referrers'; readonly repository: string; readonly digest: Digest };

/** Names may have parts like "blobs" and "manifests": the last one that fits counts. */
const PATTERNS = [
  [/^\/v2\/?$/, () => ({ kind: 'base' })],
  [/^\/v2\/_catalog$/, () => ({ kind: 'catalog' })],
  [/^\/v2\/(.+)\/tags\/list$/, (name) => ({ kind: 'tags', repository: nameOf(name) })],
  [
    /^\/v2\/(.+)\/manifests\/([^/]+)$/,
    (name, reference) => ({ kind: 'manifest', repository: nameOf(name), reference: referenceOf(reference) }),
  ],
  [/^\/v2\/(.+)\/blobs\/uploads\/?$/, (name) => ({ kind: 'uploads', repository: nameOf(name) })],
  [/^\/v2\/(.+)\/blobs\/uploads\/([^/]+)$/, (name, id) => ({ kind: 'upload', repository: nameOf(name), id })],
  [
    /^\/v2\/(.+)\/blobs\/([^/]+)$/,
    (name, digest) => ({ kind: 'blob', repository: nameOf(name), digest: digestOf(digest) }),
  ],
  [
    /^\/v2\/(.+)\/referrers\/([^/]+)$/,
    (name, digest) => ({ kind: 'referrers', repository: nameOf(name), digest: digestOf(digest) }),
  ],
] as const satisfies readonly (readonly [RegExp, (first: string, second: string) => Route])[];

/** Throws HttpError. */
export function routeOf(pathname: string): Route {
  const path = decode(pathname);
  for (const [pattern, make] of PATTERNS) {
    const found = pattern.exec(path);
    if (found !== null) return make(found[1] ?? '', found[2] ?? '');
  }
  throw refuse('UNSUPPORTED', 'there is nothing at this path', { status: 404 });
}

function decode(pathname: string): string {
  try {
    return decodeURIComponent(pathname);
  } catch {
    throw refuse('NAME_INVALID', 'the path is not UTF-8');
  }
}

function nameOf(text: string): string {
  if (isRepository(text)) return text;
  throw refuse('NAME_INVALID', 'a name is lower case letters and digits, with . _ __ - inside, separated by /');
}

/** Throws HttpError DIGEST_INVALID. */
export function digestOf(text: string): Digest {
  if (isDigest(text)) return text;
  throw refuse('DIGEST_INVALID', 'a digest is "sha256:" and 64 or "sha512:" and 128 digits of 0-9a-f');
}

export function tagOf(text: string): string {
  if (isTag(text)) return text;
  throw refuse('MANIFEST_INVALID', 'a tag has up to 128 of A-Z a-z 0-9 _ . - and starts with none of . -');
}

function referenceOf(text: string): ManifestReference {
  if (text.includes(':')) return { tag: undefined, digest: digestOf(text) };
  return { tag: tagOf(text), digest: undefined };
}

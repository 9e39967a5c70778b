/** Manifests of a repository: distribution-spec "Pulling manifests", "Pushing manifests", "Content management", "Listing". */
import { RegistryError, TsrunError } from '../errors.js';
import { type Digest, digestOf, digestParts, isDigest } from '../util/digest.js';
import { quote } from '../util/quote.js';
import { discard } from './answers.js';
import { once } from './auth.js';
import type { RegistryClient } from './client.js';
import type { HttpResponse } from './http.js';
import { readBody } from './http.js';

export interface FetchedManifest {
  /** As it came: its digest is of these bytes. */
  readonly bytes: Buffer;
  readonly mediaType: string;
  readonly digest: Digest;
}

const MAX_PAGES = 10_000;
const MAX_PAGE = 16 * 1024 * 1024;
const PAGE_SIZE = 1000;

export const pullScope = (repository: string): string => `repository:${repository}:pull`;
export const pushScope = (repository: string): string => `repository:${repository}:pull,push`;

export interface ManifestRequest {
  readonly repository: string;
  /** A tag or a digest. */
  readonly reference: string;
  /** Media types. */
  readonly accept: readonly string[];
  /** Bytes. */
  readonly most: number;
  readonly what: string;
}

/** digest: what the bytes must be. Throws RegistryError, TsrunError DIGEST_MISMATCH. */
export async function fetchManifest(
  client: RegistryClient,
  { repository, reference, accept, most, what }: ManifestRequest,
  digest: Digest | undefined,
): Promise<FetchedManifest> {
  const { headers, bytes } = await client.persistently(what, 3, async () => {
    const response = await client.call({
      method: 'GET',
      url: `/v2/${repository}/manifests/${reference}`,
      headers: { accept: accept.join(', ') },
      scopes: [pullScope(repository)],
      ok: [200],
      what,
    });
    return { headers: response.headers, bytes: await readManifest(client, response, most) };
  });
  // Of a tag the registry says itself which digest it stands for: distribution-spec "Pulling manifests".
  const said = headers['docker-content-digest'];
  const wanted = digest ?? (isDigest(said) ? said : undefined);
  const found = digestOf(bytes, wanted === undefined ? 'sha256' : digestParts(wanted).algorithm);
  if (wanted !== undefined && found !== wanted) {
    throw new TsrunError(
      'DIGEST_MISMATCH',
      `${what}: registry ${client.registry}: manifest ${wanted}: the bytes are ${found}`,
    );
  }
  return { bytes, mediaType: mediaTypeOf(headers['content-type']), digest: digest ?? digestOf(bytes) };
}

async function readManifest(client: RegistryClient, response: HttpResponse, most: number): Promise<Buffer> {
  const size = Number(response.headers['content-length'] ?? 0);
  if (size > most) {
    response.body.destroy();
    throw client.failed(`the manifest has ${size} bytes, at most ${most} are allowed`);
  }
  try {
    return await readBody(response.body, most);
  } catch (error) {
    if (error instanceof RangeError) throw client.failed(`the manifest is ${error.message}`);
    throw error;
  }
}

const mediaTypeOf = (header: string | undefined): string => (header ?? '').split(';')[0]?.trim().toLowerCase() ?? '';

export async function pushManifest(
  client: RegistryClient,
  request: {
    readonly repository: string;
    readonly reference: string;
    readonly mediaType: string;
    readonly bytes: Uint8Array;
    readonly what: string;
  },
): Promise<void> {
  const { repository, reference, mediaType, bytes, what } = request;
  const response = await client.call({
    method: 'PUT',
    url: `/v2/${repository}/manifests/${reference}`,
    headers: { 'content-type': mediaType },
    body: { size: bytes.length, open: () => once(bytes) },
    scopes: [pushScope(repository)],
    ok: [201],
    what,
  });
  await discard(response);
  const stored = response.headers['docker-content-digest'];
  const digest = digestOf(bytes);
  if (stored !== undefined && String(stored).startsWith('sha256:') && stored !== digest)
    throw new TsrunError(
      'DIGEST_MISMATCH',
      `${what}: registry ${client.registry} stored ${quote(String(stored), 100)} instead of ${digest}`,
    );
}

/** Of a tag only the tag goes; of a digest the manifest with all its tags. */
export async function deleteManifest(
  client: RegistryClient,
  request: { readonly repository: string; readonly reference: string; readonly what: string },
): Promise<void> {
  const { repository, reference, what } = request;
  const scopes = [`repository:${repository}:delete`];
  const url = `/v2/${repository}/manifests/${reference}`;
  await discard(await client.call({ method: 'DELETE', url, scopes, ok: [202], what }));
}

/** The digest that a tag has now. */
export async function headManifest(
  client: RegistryClient,
  { repository, reference, accept, what }: Omit<ManifestRequest, 'most'>,
): Promise<string | undefined> {
  const response = await client.call({
    method: 'HEAD',
    url: `/v2/${repository}/manifests/${reference}`,
    headers: { accept: accept.join(', ') },
    scopes: [pullScope(repository)],
    ok: [200],
    what,
  });
  await discard(response);
  return response.headers['docker-content-digest']?.toString();
}

/** All tags of a repository, page by page. */
export async function* listTags(client: RegistryClient, repository: string, what: string): AsyncIterable<string> {
  for await (const page of pages(client, `/v2/${repository}/tags/list?n=${PAGE_SIZE}`, repository, what)) {
    const tags = field(page, 'tags');
    if (Array.isArray(tags)) yield* tags.filter((tag): tag is string => typeof tag === 'string');
  }
}

/**
 * Descriptors of what refers to a manifest: signatures, bills of materials. Registries without the referrers API have an
 * index under a tag made of the digest (distribution-spec "Referrers tag schema").
 */
export async function* listReferrers(
  client: RegistryClient,
  { repository, digest, what }: { readonly repository: string; readonly digest: Digest; readonly what: string },
): AsyncIterable<unknown> {
  try {
    for await (const page of pages(client, `/v2/${repository}/referrers/${digest}`, repository, what))
      yield* manifestsOf(page);
  } catch (error) {
    if (!(error instanceof RegistryError) || error.status !== 404) throw error;
    yield* await referrersByTag(client, repository, digest, what);
  }
}

async function referrersByTag(client: RegistryClient, repository: string, digest: Digest, what: string) {
  const { algorithm, hex } = digestParts(digest);
  const request = {
    repository,
    reference: `${algorithm}-${hex}`,
    accept: ['application/vnd.oci.image.index.v1+json'],
    most: MAX_PAGE,
    what,
  };
  try {
    const { bytes } = await fetchManifest(client, request, undefined);
    return manifestsOf(parsePage(client, bytes));
  } catch (error) {
    if (error instanceof RegistryError && error.status === 404) return [];
    throw error;
  }
}

async function* pages(client: RegistryClient, first: string, repository: string, what: string): AsyncIterable<unknown> {
  let url: string | URL | undefined = first;
  for (let count = 0; url !== undefined && count < MAX_PAGES; count++) {
    const current: string | URL = url;
    const response: HttpResponse = await client.call({
      method: 'GET',
      url,
      scopes: [pullScope(repository)],
      ok: [200],
      what,
    });
    yield parsePage(client, await readBody(response.body, MAX_PAGE));
    url = nextPage(response.headers['link']?.toString(), current);
  }
}

/** RFC 8288. Only a path: the registry has no say in which host is asked next. */
function nextPage(link: string | undefined, current: string | URL): string | undefined {
  const target = /<([^>]*)>\s*;[^,]*\brel="?next"?/.exec(link ?? '')?.[1];
  if (target === undefined) return undefined;
  const { pathname, search } = new URL(target, new URL(current, 'http://registry'));
  return `${pathname}${search}`;
}

function parsePage(client: RegistryClient, bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw client.failed('the answer is not JSON');
  }
}

const field = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined;

function manifestsOf(page: unknown): unknown[] {
  const found = field(page, 'manifests');
  return Array.isArray(found) ? found : [];
}

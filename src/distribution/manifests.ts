/** distribution-spec "Pulling manifests", "Pushing Manifests", "Deleting tags", "Deleting Manifests". */

import { TsrunError } from '../errors.js';
import { formatDescriptor } from '../image/layout.js';
import { type Descriptor, type Index, MAX_DOCUMENT, type Manifest, parseDocument } from '../image/manifest.js';
import { documentKind, layerType } from '../image/media-types.js';
import type { NewManifest, Repositories } from '../image/repositories.js';
import { readBody } from '../registry/http.js';
import { type Digest, digestParts, digestOf as hashOf } from '../util/digest.js';
import { quote } from '../util/quote.js';
import { bodyOf, HttpError, refuse, send } from './answer.js';
import type { Exchange, Registry } from './context.js';
import { type ManifestReference, tagOf } from './route.js';

export interface ManifestRoute {
  readonly repository: string;
  readonly reference: ManifestReference;
}

/** GET and HEAD. Whatever Accept says: the bytes are one thing only, and clients know what to do with others. */
export async function getManifest(registry: Registry, exchange: Exchange, route: ManifestRoute): Promise<void> {
  const { store, repositories, upstream } = registry;
  await upstream?.refresh(route);
  const { repository, reference } = route;
  const digest = reference.digest ?? repositories.tagged(repository, reference.tag);
  const link = digest === undefined ? undefined : repositories.manifest(repository, digest);
  const size = digest === undefined ? undefined : store.size(digest);
  if (digest === undefined || link === undefined || size === undefined) throw unknown(repositories, route);
  const headers = {
    'content-type': link.mediaType,
    'content-length': String(size),
    'docker-content-digest': digest,
    etag: `"${digest}"`,
  };
  const { request, response } = exchange;
  if (request.headers['if-none-match'] === headers.etag) return send(response, 304, { etag: headers.etag });
  send(response, 200, headers, request.method === 'HEAD' ? '' : store.read(digest, MAX_DOCUMENT));
}

function unknown(repositories: Repositories, { repository, reference }: ManifestRoute): HttpError {
  if (!repositories.has(repository)) return refuse('NAME_UNKNOWN', `there is no repository ${repository}`);
  return refuse('MANIFEST_UNKNOWN', `${reference.tag ?? reference.digest} is not in this repository`);
}

export async function putManifest(registry: Registry, exchange: Exchange, route: ManifestRoute): Promise<void> {
  const { request, response, query } = exchange;
  const { repository, reference } = route;
  const bytes = await readManifest(exchange);
  const mediaType = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  const digest = hashOf(bytes, reference.digest === undefined ? 'sha256' : digestParts(reference.digest).algorithm);
  if (reference.digest !== undefined && reference.digest !== digest)
    throw refuse('DIGEST_INVALID', `the bytes that came are ${digest}`);
  const tags = reference.tag === undefined ? query.getAll('tag').map(tagOf) : [reference.tag];
  const document = parse(bytes, mediaType);
  registry.repositories.putManifest(repository, bytes, newManifest(document, digest, bytes.length, tags), () =>
    checkParts(registry.repositories, repository, document),
  );
  send(response, 201, {
    location: `/v2/${repository}/manifests/${reference.tag ?? digest}`,
    'docker-content-digest': digest,
    ...(document.subject === undefined ? {} : { 'oci-subject': document.subject.digest }),
    ...(reference.digest === undefined || tags.length === 0 ? {} : { 'oci-tag': tags.join(', ') }),
  });
}

async function readManifest({ request }: Exchange): Promise<Buffer> {
  const tooLarge = () => refuse('SIZE_INVALID', `a manifest has at most ${MAX_DOCUMENT} bytes`, { status: 413 });
  if (Number(request.headers['content-length'] ?? 0) > MAX_DOCUMENT) throw tooLarge();
  try {
    return await readBody(bodyOf(request), MAX_DOCUMENT);
  } catch (error) {
    throw error instanceof RangeError ? tooLarge() : error;
  }
}

function parse(bytes: Buffer, mediaType: string): Manifest | Index {
  if (documentKind(mediaType) === undefined)
    throw refuse('MANIFEST_INVALID', `Content-Type ${quote(mediaType, 128)} is no manifest or index that is known`);
  try {
    return parseDocument(bytes, mediaType, 'the manifest');
  } catch (error) {
    if (error instanceof TsrunError) throw refuse('MANIFEST_INVALID', error.message);
    throw error;
  }
}

/** distribution-spec "Listing Referrers": an image that is no artifact has the type of its config. */
export function newManifest(
  document: Manifest | Index,
  digest: Digest,
  size: number,
  tags: readonly string[],
): NewManifest {
  const { mediaType, subject, annotations } = document;
  const own = document.artifactType ?? (document.kind === 'manifest' ? document.config.mediaType : undefined);
  const artifactType = own === undefined ? {} : { artifactType: own };
  const descriptor: Descriptor = { mediaType, digest, size, ...artifactType, annotations };
  return { digest, mediaType, subject: subject?.digest, tags, descriptor: formatDescriptor(descriptor) };
}

/** Everything that it names must be here, but for its subject, and for layers that are not for distribution. */
function checkParts(repositories: Repositories, repository: string, document: Manifest | Index): void {
  const missing =
    document.kind === 'index'
      ? document.manifests.filter(({ digest }) => repositories.manifest(repository, digest) === undefined)
      : [document.config, ...document.layers.filter(({ mediaType }) => layerType(mediaType)?.foreign !== true)].filter(
          ({ digest }) => !repositories.hasBlob(repository, digest),
        );
  const digests = [...new Set(missing.map(({ digest }) => digest))];
  if (digests.length === 0) return;
  throw new HttpError(digests.map((digest) => ({ code: 'MANIFEST_BLOB_UNKNOWN', detail: { digest } })));
}

export function deleteManifest({ repositories }: Registry, { response }: Exchange, route: ManifestRoute): void {
  const { repository, reference } = route;
  const removed =
    reference.digest === undefined
      ? repositories.removeTag(repository, reference.tag)
      : repositories.removeManifest(repository, reference.digest);
  if (!removed) throw unknown(repositories, route);
  send(response, 202, {});
}

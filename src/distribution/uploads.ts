/** distribution-spec "Pushing blobs": in one request, in two, in chunks; "Mounting a blob from another repository". */
import type { Upload } from '../image/uploads.js';
import { isRepository } from '../registry/reference.js';
import { type Digest, digestParts, digestOf as hashOf, isDigest } from '../util/digest.js';
import { bodyOf, type Headers, refuse, send } from './answer.js';
import type { Exchange, Registry } from './context.js';
import { parseChunkRange } from './range.js';
import { digestOf } from './route.js';

/** POST: begins an upload; mounts a blob, or takes it whole, when the query says so. */
export async function postUpload(registry: Registry, exchange: Exchange, repository: string): Promise<void> {
  const { query, response, request } = exchange;
  const mount = query.get('mount');
  if (mount !== null && mountBlob(registry, repository, mount, query.get('from')))
    return created(exchange, repository, mount as Digest);
  const text = query.get('digest');
  const digest = text === null ? undefined : digestOf(text);
  const upload = registry.uploads.begin(repository, algorithmOf(query, digest));
  if (upload === undefined)
    throw refuse('TOOMANYREQUESTS', 'too many uploads are open', { headers: { 'retry-after': '60' } });
  if (digest === undefined || (isEmpty(request.headers) && digest !== ofNothing(digest)))
    return send(response, 202, uploadHeaders(repository, upload));
  await takeBody(registry, exchange, upload, undefined);
  await finish(registry, exchange, repository, upload, digest);
}

const ofNothing = (digest: Digest): Digest => hashOf(Buffer.alloc(0), digestParts(digest).algorithm);

/** A POST with a digest and no bytes is answered as if it had no digest: distribution-spec lets a registry do so. */
const isEmpty = (headers: Exchange['request']['headers']): boolean =>
  headers['transfer-encoding'] === undefined && (headers['content-length'] ?? '0') === '0';

function algorithmOf(query: URLSearchParams, digest: Digest | undefined): string {
  if (digest !== undefined) return digestParts(digest).algorithm;
  return query.get('digest-algorithm') === 'sha512' ? 'sha512' : 'sha256';
}

/** What cannot be mounted is uploaded. */
function mountBlob({ repositories }: Registry, repository: string, digest: string, from: string | null): boolean {
  if (!isDigest(digest) || (from !== null && !isRepository(from))) return false;
  return repositories.mountBlob(repository, digest, from ?? undefined);
}

/** PATCH: a chunk, or all of it as a stream. */
export async function patchUpload(registry: Registry, exchange: Exchange, route: UploadRoute): Promise<void> {
  const upload = find(registry, route);
  await takeBody(registry, exchange, upload, chunkOf(exchange, route, upload));
  send(exchange.response, 202, uploadHeaders(route.repository, upload));
}

/** PUT: the last chunk, or nothing, and the digest of the whole. */
export async function putUpload(registry: Registry, exchange: Exchange, route: UploadRoute): Promise<void> {
  const text = exchange.query.get('digest');
  if (text === null) throw refuse('DIGEST_INVALID', 'the query must have a digest');
  const digest = digestOf(text);
  const upload = find(registry, route);
  await takeBody(registry, exchange, upload, chunkOf(exchange, route, upload));
  await finish(registry, exchange, route.repository, upload, digest);
}

export function getUpload(registry: Registry, { response }: Exchange, route: UploadRoute): void {
  const upload = find(registry, route, { evenBusy: true });
  send(response, 204, uploadHeaders(route.repository, upload));
}

export function cancelUpload(registry: Registry, { response }: Exchange, route: UploadRoute): void {
  registry.uploads.cancel(find(registry, route));
  send(response, 204, {});
}

export interface UploadRoute {
  readonly repository: string;
  readonly id: string;
}

function find({ uploads }: Registry, { repository, id }: UploadRoute, { evenBusy = false } = {}): Upload {
  const upload = uploads.find(repository, id);
  if (upload === undefined) throw refuse('BLOB_UPLOAD_UNKNOWN', 'it was finished, cancelled or never begun');
  if (uploads.isBusy(upload) && !evenBusy)
    throw refuse('BLOB_UPLOAD_INVALID', 'another request is writing to it', { status: 409 });
  return upload;
}

/** How many bytes are to come, where Content-Range says so. Throws HttpError 416 for what is out of order. */
function chunkOf({ request }: Exchange, { repository }: UploadRoute, upload: Upload): number | undefined {
  const header = request.headers['content-range'];
  if (header === undefined) return undefined;
  const range = parseChunkRange(header);
  const options = { status: 416, headers: uploadHeaders(repository, upload) };
  if (range === undefined) throw refuse('BLOB_UPLOAD_INVALID', 'Content-Range is not "first-last"', options);
  if (range.first !== upload.size)
    throw refuse('BLOB_UPLOAD_INVALID', `the next byte is ${upload.size}, not ${range.first}`, options);
  const length = range.last - range.first + 1;
  const given = request.headers['content-length'];
  if (given !== undefined && Number(given) !== length)
    throw refuse('SIZE_INVALID', `Content-Range is of ${length} bytes, Content-Length of ${given}`);
  return length;
}

async function takeBody(
  { uploads }: Registry,
  { request }: Exchange,
  upload: Upload,
  length: number | undefined,
): Promise<void> {
  const before = upload.size;
  await uploads.append(upload, bodyOf(request, length));
  if (length !== undefined && upload.size - before !== length)
    throw refuse('SIZE_INVALID', `${upload.size - before} bytes came instead of ${length}`);
}

async function finish(
  { uploads, repositories }: Registry,
  exchange: Exchange,
  repository: string,
  upload: Upload,
  digest: Digest,
): Promise<void> {
  const { size } = upload;
  if (!(await uploads.finish(upload, digest, () => repositories.linkBlob(repository, digest))))
    throw refuse('DIGEST_INVALID', `the ${size} bytes that came are not those of ${digest}`);
  created(exchange, repository, digest);
}

function created({ response }: Exchange, repository: string, digest: Digest): void {
  send(response, 201, { location: `/v2/${repository}/blobs/${digest}`, 'docker-content-digest': digest });
}

/** An empty upload is "0-0", as one of a byte: clients expect that of Docker's registry. */
function uploadHeaders(repository: string, { id, size }: Upload): Headers {
  return {
    location: `/v2/${repository}/blobs/uploads/${id}`,
    range: `0-${Math.max(0, size - 1)}`,
    'docker-upload-uuid': id,
  };
}

/** distribution-spec "Pulling blobs" and "Deleting Blobs". */
import { type FileHandle, open } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import type { ContentStore } from '../image/store.js';
import type { Digest } from '../util/digest.js';
import { type Headers, refuse, send } from './answer.js';
import type { Exchange, Registry } from './context.js';
import { parseRange } from './range.js';

/** A read(2) for each; sockets take what they can of it. */
const READ_CHUNK = 256 * 1024;

export interface BlobRoute {
  readonly repository: string;
  readonly digest: Digest;
}

/** GET and HEAD. */
export async function getBlob(registry: Registry, exchange: Exchange, route: BlobRoute): Promise<void> {
  const { store, repositories, upstream } = registry;
  const { repository, digest } = route;
  const there = repositories.blobSize(repository, digest);
  if (there === undefined && upstream !== undefined) return upstream.sendBlob(exchange, route);
  if (there === undefined) throw unknown(digest);
  await sendBlob(store, exchange, digest);
}

const unknown = (digest: Digest) => refuse('BLOB_UNKNOWN', `${digest} is not in this repository`);

/** Open before anything is said of it: what is open stays, whoever collects garbage. */
export async function sendBlob(store: ContentStore, exchange: Exchange, digest: Digest): Promise<void> {
  const file = await open(store.path(digest)).catch(() => {
    throw unknown(digest);
  });
  try {
    const { size } = await file.stat();
    await sendFile(exchange, file, size, digest);
  } finally {
    await file.close();
  }
}

async function sendFile(
  { request, response }: Exchange,
  file: FileHandle,
  size: number,
  digest: Digest,
): Promise<void> {
  const headers = blobHeaders(digest);
  if (request.headers['if-none-match'] === headers.etag) return send(response, 304, { etag: headers.etag });
  const whole = 'if-range' in request.headers && request.headers['if-range'] !== headers.etag;
  const range = whole ? undefined : parseRange(request.headers.range, size);
  if (range === 'unsatisfiable')
    throw refuse('SIZE_INVALID', `the blob has ${size} bytes`, {
      status: 416,
      headers: { 'content-range': `bytes */${size}` },
    });
  const { first, last } = range ?? { first: 0, last: size - 1 };
  const part: Headers = range === undefined ? {} : { 'content-range': `bytes ${first}-${last}/${size}` };
  const status = range === undefined ? 200 : 206;
  const all = { ...headers, ...part, 'content-length': String(last - first + 1) };
  if (request.method === 'HEAD' || size === 0) return send(response, status, all);
  response.writeHead(status, all);
  await pump(file, response, first, last);
}

/** While one buffer is on its way out the other one is filled; a stream would take a new one from the kernel for each read. */
async function pump(file: FileHandle, response: ServerResponse, first: number, last: number): Promise<void> {
  const size = Math.min(READ_CHUNK, last - first + 1);
  let [filling, leaving] = [Buffer.allocUnsafeSlow(size), Buffer.allocUnsafeSlow(size)];
  let sent: Promise<void> = Promise.resolve();
  for (let at = first; at <= last; ) {
    const { bytesRead } = await file.read(filling, 0, Math.min(size, last - at + 1), at);
    await sent;
    if (bytesRead === 0) throw new Error('a blob has become shorter');
    sent = written(response, filling.subarray(0, bytesRead));
    sent.catch(() => undefined); // waited for below
    at += bytesRead;
    [filling, leaving] = [leaving, filling];
  }
  await sent;
  response.end();
}

/** The buffer may be used again when this resolves. Of a client that goes away it rejects. */
function written(response: ServerResponse, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const gone = () => reject(new BrokenOff());
    if (response.destroyed) return gone();
    response.once('close', gone);
    response.write(bytes, (error) => {
      response.off('close', gone);
      if (error) reject(error);
      else resolve();
    });
  });
}

class BrokenOff extends Error {
  readonly code = 'ECONNRESET';
}

/** A digest's bytes never change: RFC 9111 lets caches keep them as long as they like. */
export const blobHeaders = (digest: Digest) => ({
  'content-type': 'application/octet-stream',
  'docker-content-digest': digest,
  'accept-ranges': 'bytes',
  etag: `"${digest}"`,
  'cache-control': 'max-age=31536000',
});

export function deleteBlob(
  { repositories }: Registry,
  { response }: Exchange,
  { repository, digest }: BlobRoute,
): void {
  if (!repositories.removeBlob(repository, digest)) throw unknown(digest);
  send(response, 202, { 'docker-content-digest': digest });
}

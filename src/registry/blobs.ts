/**
 * Blobs of a repository, down: a stream that goes on where it broke off (Range, RFC 9110 14.2), however often the
 * connection dies, as long as it gets further.
 */
import type { Digest } from '../util/digest.js';
import type { RegistryClient } from './client.js';
import { pullScope } from './manifests.js';

export interface BlobRequest {
  readonly repository: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly what: string;
}

/** A connection that brought this much was worth its while: the count of failures begins anew. */
const PROGRESS = 1024 * 1024;

/**
 * The bytes from an offset on, at most as many as the size says. Not verified: the digest is the receiver's to check.
 * Throws RegistryError.
 */
export async function* fetchBlob(client: RegistryClient, blob: BlobRequest, from = 0): AsyncIterable<Uint8Array> {
  const what = `${blob.what}: blob ${blob.digest}`;
  let at = from;
  for (let failures = 0; at < blob.size; ) {
    const begin = at;
    try {
      for await (const chunk of openBlob(client, blob, at, what)) {
        at += chunk.length;
        yield chunk;
      }
      if (at < blob.size) throw client.brokenOff();
    } catch (error) {
      failures = at - begin >= PROGRESS ? 1 : failures + 1;
      await client.afterFailure(what, error, failures, client.settings.attempts);
    }
  }
}

async function* openBlob(
  client: RegistryClient,
  { repository, digest, size }: BlobRequest,
  at: number,
  what: string,
): AsyncIterable<Uint8Array> {
  const { status, headers, body } = await client.call({
    method: 'GET',
    url: `/v2/${repository}/blobs/${digest}`,
    headers: at > 0 ? { range: `bytes=${at}-` } : {},
    scopes: [pullScope(repository)],
    ok: [200, 206],
    what,
    once: true,
  });
  const begin = status === 206 ? rangeBegin(headers['content-range']) : 0;
  const length = headers['content-length'] === undefined ? size - begin : Number(headers['content-length']);
  if (begin > at || begin + length !== size) {
    body.destroy();
    throw client.failed(`it has bytes ${begin} to ${begin + length}, but the manifest says ${size}`);
  }
  let skip = at - begin; // a registry without ranges begins at the beginning
  for await (const chunk of body as AsyncIterable<Buffer>) {
    if (chunk.length > skip) yield skip > 0 ? chunk.subarray(skip) : chunk;
    skip = Math.max(0, skip - chunk.length);
  }
}

const rangeBegin = (header: string | undefined): number => Number(/^bytes (\d+)-/.exec(header ?? '')?.[1] ?? 0);

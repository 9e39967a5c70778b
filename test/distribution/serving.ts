/** A served registry in this process, and calls of it that keep everything as it came. */
import { createHash } from 'node:crypto';
import { type IncomingHttpHeaders, request } from 'node:http';
import type { Test } from 'tap';
import { type ServeOptions, serveRegistry } from '../../src/distribution/server.js';
import { openStore } from '../../src/image/disk-store.js';
import { OCI_EMPTY, OCI_MANIFEST } from '../../src/image/media-types.js';
import type { ContentStore } from '../../src/image/store.js';
import { type Digest, digestOf } from '../../src/util/digest.js';
import { json } from '../image/making.js';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Codes of the errors, in their order. */
  readonly codes: readonly string[];
}

export interface CallOptions {
  readonly headers?: { readonly [name: string]: string };
  readonly body?: Buffer;
}

export interface Serving {
  readonly store: ContentStore;
  readonly url: string;
  /** "127.0.0.1:PORT" */
  readonly host: string;
  readonly warnings: string[];
  readonly call: (method: string, path: string, options?: CallOptions) => Promise<Answer>;
  /** In one request. Returns its digest. */
  readonly pushBlob: (repository: string, bytes: Buffer, algorithm?: string) => Promise<Digest>;
  readonly pushManifest: (repository: string, reference: string, document: object, type?: string) => Promise<Answer>;
  readonly close: () => Promise<void>;
}

export async function serving(t: Test, options: Partial<ServeOptions> = {}): Promise<Serving> {
  const store = options.store ?? openStore(t.testdir({}));
  const warnings: string[] = [];
  const served = await serveRegistry({
    store,
    listen: { host: '127.0.0.1', port: 0 },
    tls: undefined,
    htpasswd: undefined,
    cacheOf: undefined,
    warn: (message) => warnings.push(message),
    debug: () => undefined,
    ...options,
  });
  let open = true;
  const close = async () => {
    if (open) await served.close();
    open = false;
  };
  t.teardown(close);
  const { url } = served;
  const call: Serving['call'] = (method, path, options) => callAt(url, method, path, options);
  const pushBlob: Serving['pushBlob'] = async (repository, bytes, algorithm) => {
    const digest = digestOf(bytes, algorithm);
    const { status } = await call('POST', `/v2/${repository}/blobs/uploads/?digest=${digest}`, { body: bytes });
    if (status !== 201) throw new Error(`push: ${status}`);
    return digest;
  };
  const pushManifest: Serving['pushManifest'] = (repository, reference, document, type = OCI_MANIFEST) =>
    call('PUT', `/v2/${repository}/manifests/${reference}`, {
      headers: { 'content-type': type },
      body: Buffer.isBuffer(document) ? document : json(document),
    });
  return { store, url, host: new URL(url).host, warnings, call, pushBlob, pushManifest, close };
}

/** path: goes out as it is; URL would tidy it up. */
export function callAt(
  url: string,
  method: string,
  path: string,
  { headers = {}, body }: CallOptions = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const length =
      body === undefined || 'transfer-encoding' in headers ? {} : { 'content-length': String(body.length) };
    const call = request(url, { path, method, headers: { ...length, ...headers }, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const bytes = Buffer.concat(chunks);
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: bytes, codes: codesOf(bytes) });
      });
    });
    call.on('error', reject);
    call.end(body);
  });
}

function codesOf(bytes: Buffer): string[] {
  try {
    const { errors = [] } = JSON.parse(bytes.toString()) as { errors?: { code: string }[] };
    return errors.map(({ code }) => code);
  } catch {
    return [];
  }
}

/** Bytes that are the same each time. */
export function bytesOf(seed: string, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0, block = Buffer.from(seed); at < size; at += block.length) {
    block = createHash('sha256').update(block).digest();
    block.copy(bytes, at);
  }
  return bytes;
}

export const EMPTY = Buffer.from('{}');

export const descriptor = (bytes: Buffer, mediaType = 'application/octet-stream', algorithm?: string) => ({
  mediaType,
  digest: digestOf(bytes, algorithm),
  size: bytes.length,
});

/** An artifact of one empty blob, which must have been pushed. */
export const artifact = (more: object = {}) => ({
  schemaVersion: 2,
  mediaType: OCI_MANIFEST,
  config: descriptor(EMPTY, OCI_EMPTY),
  layers: [descriptor(EMPTY, OCI_EMPTY)],
  ...more,
});

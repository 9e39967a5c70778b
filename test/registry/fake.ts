/** A registry in this process, on loopback, that serves what it is given and does as badly as a test wants. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';
import type { Credentials } from '../../src/registry/auth.js';
import { RegistryClient, type RegistryOptions } from '../../src/registry/client.js';
import { NO_PROXIES } from '../../src/registry/proxy.js';
import { type Digest, digestOf } from '../../src/util/digest.js';

export interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
}

/** True when it has answered. */
export type Handler = (request: IncomingMessage, response: ServerResponse, body: Buffer) => boolean | undefined;

export interface Fake {
  /** "127.0.0.1:PORT" */
  readonly host: string;
  readonly asked: Asked[];
  readonly blobs: Map<string, Buffer>;
  /** By tag or digest. */
  readonly manifests: Map<string, { readonly bytes: Buffer; readonly mediaType: string }>;
  /** Asked before the fake answers itself. */
  handler: Handler;
}

const REPOSITORY = /^\/v2\/((?:[a-z0-9._-]+\/)*[a-z0-9._-]+)\/(blobs|manifests|tags)\/(.+)$/;

export async function fakeRegistry(t: Test, tls?: ServerOptions): Promise<Fake> {
  const fake: Fake = { host: '', asked: [], blobs: new Map(), manifests: new Map(), handler: () => undefined };
  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    fake.asked.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers });
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('error', () => undefined);
    request.on('end', () => answer(fake, request, response, Buffer.concat(chunks)));
  };
  const server: Server = tls === undefined ? createServer(onRequest) : createTlsServer(tls, onRequest);
  server.on('clientError', (_, socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return Object.assign(fake, { host: `127.0.0.1:${(server.address() as AddressInfo).port}` });
}

function answer(fake: Fake, request: IncomingMessage, response: ServerResponse, body: Buffer): void {
  if (fake.handler(request, response, body) === true) return;
  const [, , kind, name = ''] = REPOSITORY.exec(request.url ?? '') ?? [];
  const manifest = kind === 'manifests' ? fake.manifests.get(name) : undefined;
  const blob = kind === 'blobs' ? fake.blobs.get(name) : undefined;
  if (request.url === '/v2/') send(response, 200, Buffer.from('{}'));
  else if (manifest !== undefined) send(response, 200, manifest.bytes, { 'content-type': manifest.mediaType });
  else if (blob !== undefined) sendRange(response, blob, request.headers.range);
  else refuse(response, 404, 'MANIFEST_UNKNOWN', 'manifest unknown');
}

export function send(response: ServerResponse, status: number, bytes: Buffer, headers: object = {}): true {
  response.writeHead(status, { 'content-length': String(bytes.length), ...headers }).end(bytes);
  return true;
}

export function refuse(response: ServerResponse, status: number, code: string, message: string, headers = {}): true {
  return send(response, status, Buffer.from(JSON.stringify({ errors: [{ code, message }] })), headers);
}

function sendRange(response: ServerResponse, blob: Buffer, range: string | undefined): void {
  const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
  const headers = from > 0 ? { 'content-range': `bytes ${from}-${blob.length - 1}/${blob.length}` } : {};
  send(response, from > 0 ? 206 : 200, blob.subarray(from), headers);
}

interface Content {
  readonly blobs: ReadonlyMap<Digest, Buffer>;
  readonly top: { readonly mediaType: string; readonly digest: Digest };
}

/** Serves every blob also as a manifest, as the media type of its own says. */
export function publish(fake: Fake, tag: string, { blobs, top }: Content): void {
  for (const [digest, bytes] of blobs) {
    fake.blobs.set(digest, bytes);
    if (bytes[0] !== 0x7b) continue;
    const { mediaType = top.mediaType } = JSON.parse(bytes.toString('utf8')) as { mediaType?: string };
    fake.manifests.set(digest, { bytes, mediaType });
    if (digest === top.digest) fake.manifests.set(tag, { bytes, mediaType });
  }
}

export function clientOf(
  t: Test,
  host: string,
  options: Partial<RegistryOptions> & { credentials?: Credentials } = {},
): RegistryClient {
  const { credentials, ...others } = options;
  const client = new RegistryClient({
    registry: host,
    plainHttp: true,
    tls: { ca: [], clientCertificates: [], skipVerify: false },
    proxies: NO_PROXIES,
    findCredentials: async () => credentials,
    userAgent: 'test',
    stallMs: 300,
    waitMs: 1,
    ...others,
  });
  t.teardown(() => client.close());
  return client;
}

export const digestText = (text: string): Digest => digestOf(Buffer.from(text));

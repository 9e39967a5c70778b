/**
 * A registry on a content store: distribution-spec 1.1 over HTTP or TLS. What is pushed is linked in repositories.ts; the
 * blobs are those that images of the store have as well.
 */
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { TsrunError } from '../errors.js';
import { Repositories } from '../image/repositories.js';
import type { ContentStore } from '../image/store.js';
import { Uploads } from '../image/uploads.js';
import type { RegistryClient } from '../registry/client.js';
import { describeSystemError } from '../util/errno.js';
import { handlerOf } from './handler.js';
import type { Htpasswd } from './htpasswd.js';
import { Upstream } from './upstream.js';

export interface ServeOptions {
  readonly store: ContentStore;
  /** 0: any port that is free. */
  readonly listen: { readonly host: string; readonly port: number };
  /** PEM. */
  readonly tls: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  readonly htpasswd: Htpasswd | undefined;
  /** Of the registry that this one is a cache of. */
  readonly cacheOf: RegistryClient | undefined;
  readonly warn: (message: string) => void;
  readonly debug: (message: string) => void;
}

export interface Served {
  /** "http://127.0.0.1:5000" */
  readonly url: string;
  /** No new requests; those at work have a moment, and uploads can be gone on with by the next server. */
  close(): Promise<void>;
}

/** A connection that says nothing for so long is given up. */
const IDLE_MS = 120_000;
const FAREWELL_MS = 5000;

/** Throws TsrunError IO. */
export async function serveRegistry(options: ServeOptions): Promise<Served> {
  const { store, tls, htpasswd, cacheOf, warn, debug } = options;
  const repositories = new Repositories(store);
  const uploads = new Uploads(store);
  const upstream = cacheOf === undefined ? undefined : new Upstream(cacheOf, store, repositories, warn);
  const handler = handlerOf({ registry: { store, repositories, uploads, upstream }, htpasswd, warn, debug });
  // requestTimeout is for the whole of a request, and a layer may take its time.
  const settings = { requestTimeout: 0, headersTimeout: 30_000, keepAliveTimeout: 75_000 };
  const server =
    tls === undefined
      ? createServer(settings, handler)
      : createTlsServer({ ...settings, ...tls, minVersion: 'TLSv1.2' }, handler);
  server.setTimeout(IDLE_MS);
  server.on('clientError', (_, socket) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
    else socket.destroy();
  });
  await listening(server, options.listen);
  return {
    url: urlOf(server, tls !== undefined),
    close: async () => {
      const ended = new Promise((resolve) => server.close(resolve));
      server.closeIdleConnections();
      const timer = setTimeout(() => server.closeAllConnections(), FAREWELL_MS);
      await ended;
      clearTimeout(timer);
      uploads.close();
    },
  };
}

function listening(server: Server, { host, port }: ServeOptions['listen']): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const message = `--listen: ${host}:${port}: ${describeSystemError(error)}`;
      reject(new TsrunError('IO', message, { cause: error }));
    });
    server.listen({ host, port }, resolve);
  });
}

function urlOf(server: Server, secure: boolean): string {
  const { address, port, family } = server.address() as AddressInfo;
  return `${secure ? 'https' : 'http'}://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}

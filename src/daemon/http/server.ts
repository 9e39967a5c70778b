/**
 * The HTTP server of the daemon: node:http and our router (docs/adr/0011). One Server per address, all with the same
 * routes. Whatever a request does, the daemon goes on: what a route throws becomes an answer, and what nobody foresaw is
 * logged as well.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SecureContextOptions } from 'node:tls';
import type { Log } from '../log.js';
import { failureOf, pageNotFound } from './api-error.js';
import { atLeast } from './api-version.js';
import { checkHost, checkOrigin } from './origin.js';
import { type Incoming, makeRequest, parseTarget } from './request.js';
import { type Outlet, respond, SERVER_HEADERS, sendFailure } from './respond.js';
import type { Method, Route } from './route.js';
import type { Match } from './router.js';
import { createRouter, type Router } from './router.js';
import { openUpgrade } from './upgrade.js';

/** Tokens of registries and lists of methods in headers are large. */
const MAX_HEADER_BYTES = 256 * 1024;
const HEADERS_MS = 60_000;
const KEEP_ALIVE_MS = 5 * 60_000;
const CLOSING_MS = 2000;
/** For a client that still sends a body that nobody wants. */
const LINGER_MS = 10_000;

export interface HttpOptions {
  readonly routes: readonly Route[];
  readonly log: Log;
  /** Told of each answer, for metrics. */
  readonly observe?: (request: {
    readonly method: string;
    readonly route: string;
    readonly status: number;
    readonly seconds: number;
  }) => void;
}

export interface Listener {
  /** Of TLS; undefined for HTTP. */
  readonly tls: (SecureContextOptions & { readonly ca: Buffer }) | undefined;
  /** Names a client may use for us; undefined for a Unix socket. */
  readonly names: ((host: string) => boolean) | undefined;
}

export interface HttpService {
  server(listener: Listener): Server;
  /** Takes no more, and ends streams; resolves when all answers are on their way, or after two seconds. */
  close(): Promise<void>;
}

interface Exchange extends Omit<Incoming, 'target' | 'signal'> {
  readonly url: string;
  readonly httpVersion: string;
  /** All that came. */
  readonly hosts: readonly string[];
  readonly outlet: Outlet;
}

export function createHttp(options: HttpOptions): HttpService {
  const router = createRouter(options.routes);
  const live = new Set<AbortController>();
  const running = new Set<Promise<void>>();
  const servers: Server[] = [];
  const serve = (exchange: Exchange, listener: Listener): void => {
    const handled = handle(exchange, listener, { ...options, router, live }).finally(() => running.delete(handled));
    running.add(handled);
  };
  return {
    server: (listener) => {
      const server = makeServer(listener);
      server.on('request', (request, response) => serve(ordinary(request, response), listener));
      server.on('upgrade', (request, socket, head) => serve(upgraded(request, socket, head), listener));
      server.on('clientError', refuseConnection);
      servers.push(server);
      return server;
    },
    close: async () => {
      for (const server of servers) {
        server.close();
        server.closeIdleConnections();
      }
      for (const controller of live) controller.abort();
      await Promise.race([Promise.allSettled(running), sleep(CLOSING_MS, undefined, { ref: false })]);
    },
  };
}

function makeServer({ tls }: Listener): Server {
  const limits = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: HEADERS_MS,
    requireHostHeader: false, // node's own answer has no words: origin.ts looks
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // Of TCP: a client that was cut off, or that attached to a silent container and has gone, is noticed.
    ...{ keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS },
  };
  if (tls === undefined) return createServer(limits);
  // Whoever speaks to the daemon is root: a client without a certificate of ours never gets as far as HTTP.
  const mutual = { requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.2', allowHalfOpen: true } as const;
  return createTlsServer({ ...limits, ...tls, ...mutual });
}

function lineOf(request: IncomingMessage): Pick<Exchange, 'method' | 'url' | 'headers' | 'httpVersion' | 'hosts'> {
  const { method = '', url = '', headers, httpVersion, headersDistinct } = request;
  return { method: method as Method, url, headers, httpVersion, hosts: headersDistinct['host'] ?? [] };
}

function ordinary(request: IncomingMessage, response: ServerResponse): Exchange {
  const { headers } = request;
  return {
    ...lineOf(request),
    stream: request,
    upgrade: undefined,
    outlet: { response, connection: undefined, upgrade: headers.upgrade },
  };
}

function upgraded(request: IncomingMessage, socket: Duplex, head: Buffer): Exchange {
  const { response, stream } = openUpgrade(request, socket, head);
  const upgrade = request.headers.upgrade ?? 'tcp';
  return { ...lineOf(request), stream, upgrade, outlet: { response, connection: socket, upgrade } };
}

interface Handling extends HttpOptions {
  readonly router: Router;
  readonly live: Set<AbortController>;
}

async function handle(exchange: Exchange, listener: Listener, { router, live, log, observe }: Handling): Promise<void> {
  const { outlet, method, url } = exchange;
  const { response } = outlet;
  const begin = performance.now();
  const controller = new AbortController();
  live.add(controller);
  const gone = () => controller.abort();
  (outlet.connection ?? response).once('close', gone);
  for (const [name, value] of Object.entries(SERVER_HEADERS)) response.setHeader(name, value);
  let match: Match | undefined;
  try {
    checkHost(exchange.hosts, exchange.httpVersion);
    checkOrigin(exchange.headers, listener.names);
    const target = parseTarget(url);
    if (method === ('OPTIONS' as Method)) return void response.writeHead(200).end();
    match = router(method, target.path).find(
      ({ route }) => route.since === undefined || atLeast(target.version, route.since),
    );
    if (match === undefined) throw pageNotFound();
    const request = makeRequest({ ...exchange, target, signal: controller.signal }, match.params);
    await respond(outlet, await match.route.handle(request));
  } catch (error) {
    refuseOrCut(exchange, error, log);
  } finally {
    live.delete(controller);
    const seconds = (performance.now() - begin) / 1000;
    const { statusCode: status } = response;
    log.debug(`${method} ${url}`, { status, ms: Math.round(seconds * 1000) });
    observe?.({ method, route: match?.route.path ?? '', status, seconds });
  }
}

/** A client must not wait for an answer that cannot be written. */
function refuseOrCut(exchange: Exchange, error: unknown, log: Log): void {
  try {
    refuse(exchange, error, log);
  } catch (second) {
    log.error(`${exchange.method} ${exchange.url}: ${String(error)} cannot be told`, second);
    exchange.outlet.response.destroy();
  }
}

function refuse({ outlet, method, url }: Exchange, error: unknown, log: Log): void {
  const { response } = outlet;
  const failure = failureOf(error);
  if (failure === undefined) log.error(`${method} ${url} failed in a way that nobody foresaw`, error);
  if (response.headersSent || response.destroyed) {
    log.warn(`${method} ${url} broke off`, { error: String(error) });
    response.destroy();
    return;
  }
  const { req: request } = response;
  if (!request.complete && outlet.connection === undefined) drain(request);
  const message = error instanceof Error ? error.message : String(error);
  sendFailure(response, failure ?? { status: 500, message });
}

/** A client that is cut off while it sends may never read why: docker build says "broken pipe" then. */
function drain(request: IncomingMessage): void {
  const timer = setTimeout(() => request.destroy(), LINGER_MS).unref();
  request.once('close', () => clearTimeout(timer)).resume();
}

const REFUSALS: { readonly [code: string]: string } = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

/** What is no HTTP, and what takes too long to become it. */
function refuseConnection(error: Error & { readonly code?: string }, socket: Duplex): void {
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
  const status = REFUSALS[error.code ?? ''] ?? '400 Bad Request';
  const body = `${JSON.stringify({ message: `bad request: ${error.message}` })}\n`;
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
  );
}

/** A request from beginning to end: who asks, what for, and which handler answers. */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { TsrunError } from '../errors.js';
import { isOutOfSpace } from '../image/ingest.js';
import { HttpError, refuse, send, sendError } from './answer.js';
import { deleteBlob, getBlob } from './blobs.js';
import type { Exchange, Registry } from './context.js';
import type { Htpasswd } from './htpasswd.js';
import { listReferrers, listRepositories, listTags } from './listings.js';
import { deleteManifest, getManifest, putManifest } from './manifests.js';
import { type Route, routeOf } from './route.js';
import { cancelUpload, getUpload, patchUpload, postUpload, putUpload } from './uploads.js';

export interface HandlerOptions {
  readonly registry: Registry;
  readonly htpasswd: Htpasswd | undefined;
  readonly warn: (message: string) => void;
  readonly debug: (message: string) => void;
}

type Handler<R extends Route> = (registry: Registry, exchange: Exchange, route: R) => Promise<void> | void;
type Of<K extends Route['kind']> = Extract<Route, { readonly kind: K }>;
type Methods<K extends Route['kind']> = { readonly [method: string]: Handler<Of<K>> };

/** A cache answers only those that ask for something. */
const READING: ReadonlySet<string> = new Set(['GET', 'HEAD']);

const HANDLERS: { readonly [K in Route['kind']]: Methods<K> } = {
  base: { GET: (_, { response }) => send(response, 200, { 'content-type': 'application/json' }, '{}') },
  catalog: { GET: listRepositories },
  tags: { GET: (registry, exchange, { repository }) => listTags(registry, exchange, repository) },
  manifest: { GET: getManifest, PUT: putManifest, DELETE: deleteManifest },
  blob: { GET: getBlob, DELETE: deleteBlob },
  uploads: { POST: (registry, exchange, { repository }) => postUpload(registry, exchange, repository) },
  upload: { GET: getUpload, PATCH: patchUpload, PUT: putUpload, DELETE: cancelUpload },
  referrers: { GET: listReferrers },
};

export function handlerOf(options: HandlerOptions): RequestListener {
  return (request, response) => {
    response.setHeader('docker-distribution-api-version', 'registry/2.0');
    response.on('close', () => {
      const { method, url, socket } = request;
      const what = response.writableFinished ? `${response.statusCode}` : 'the connection broke off';
      options.debug(`${socket.remoteAddress} ${method} ${url}: ${what}`);
    });
    answer(options, request, response).catch((error: unknown) => fail(options, request, response, error));
  };
}

async function answer(
  { registry, htpasswd }: HandlerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  await admit(htpasswd, request);
  const [pathname = '', query = ''] = (request.url ?? '').split('?', 2);
  const route = routeOf(pathname);
  const method = request.method ?? '';
  const handler = find(route, method, registry);
  await handler(registry, { request, response, query: new URLSearchParams(query) }, route);
}

function find<K extends Route['kind']>(route: Of<K>, method: string, { upstream }: Registry): Handler<Of<K>> {
  const methods: Methods<K> = HANDLERS[route.kind as K];
  if (upstream !== undefined && !READING.has(method))
    throw refuse('UNSUPPORTED', `this is a cache of ${upstream.name}: push there`);
  const name = method === 'HEAD' ? 'GET' : method;
  const handler = Object.hasOwn(methods, name) ? methods[name] : undefined;
  if (handler !== undefined) return handler;
  const allow = Object.keys(methods).join(', ');
  throw refuse('UNSUPPORTED', `this path knows ${allow}`, { headers: { allow } });
}

async function admit(htpasswd: Htpasswd | undefined, request: IncomingMessage): Promise<void> {
  if (htpasswd === undefined) return;
  const verdict = await htpasswd.check(request.headers.authorization);
  if (verdict === 'busy')
    throw refuse('TOOMANYREQUESTS', 'too many passwords are being checked', { headers: { 'retry-after': '1' } });
  if (verdict === 'refused')
    throw refuse('UNAUTHORIZED', 'name and password, please', {
      headers: { 'www-authenticate': 'Basic realm="tsrun registry", charset="UTF-8"' },
    });
}

/** A client that went away is no failure of ours. */
function fail({ warn }: HandlerOptions, request: IncomingMessage, response: ServerResponse, error: unknown): void {
  if (response.destroyed || isBrokenOff(error)) {
    response.destroy();
    return;
  }
  if (error instanceof HttpError) {
    sendError(response, error);
    return;
  }
  const text = error instanceof Error ? error.message : String(error);
  warn(`${request.method} ${request.url}: ${text}`);
  const known = error instanceof TsrunError;
  if (!known && error instanceof Error && error.stack !== undefined) warn(error.stack);
  const status = isOutOfSpace(error) ? { status: 507 } : {}; // Insufficient Storage: RFC 4918 11.5
  sendError(response, refuse('UNKNOWN', known ? text : 'see the log of the registry', { ...status, cause: error }));
}

const isBrokenOff = (error: unknown): boolean =>
  error instanceof Error &&
  'code' in error &&
  ['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE', 'ERR_STREAM_DESTROYED'].includes(String(error.code));

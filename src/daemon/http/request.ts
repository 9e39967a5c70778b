/** A request as routes see it, made of what came over the wire. */
import type { IncomingHttpHeaders } from 'node:http';
import { quote } from '../../util/quote.js';
import { parseFilters } from '../filters.js';
import { badRequest, pageNotFound } from './api-error.js';
import { type ApiVersion, atLeast, splitVersion } from './api-version.js';
import { readBody } from './body.js';
import type { ApiRequest, Method } from './route.js';

/** What a connection brought: ordinary, or taken from the parser for an upgrade. */
export interface Incoming {
  readonly method: Method;
  readonly target: Target;
  readonly headers: IncomingHttpHeaders;
  readonly stream: AsyncIterable<Uint8Array>;
  readonly upgrade: string | undefined;
  readonly signal: AbortSignal;
}

export interface Target {
  readonly version: ApiVersion;
  /** Without version, escapes as they came. */
  readonly path: string;
  readonly query: URLSearchParams;
}

/** url: of the request line. Throws ApiError 400, 404. */
export function parseTarget(url: string): Target {
  if (!url.startsWith('/') || url.startsWith('//')) throw pageNotFound(); // a proxy's absolute form, or a path beside ours
  const mark = url.indexOf('?');
  const whole = mark < 0 ? url : url.slice(0, mark);
  const { version, path } = splitVersion(whole);
  return { version, path: decoded(path), query: new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1)) };
}

/** Whole: an escaped slash is one, as in Go's router, because clients escape names of images. */
function decoded(path: string): string {
  try {
    const plain = decodeURIComponent(path);
    if (!plain.includes('\0')) return plain;
  } catch {
    // told below
  }
  throw badRequest(`invalid path ${quote(path, 128)}: an escape is wrong`);
}

const FALSE = new Set(['', '0', 'no', 'false', 'none']);

export function makeRequest(incoming: Incoming, params: { readonly [name: string]: string }): ApiRequest {
  const { method, headers, stream, upgrade, signal } = incoming;
  const { version, query } = incoming.target;
  const first = (name: string): string | undefined => query.get(name) ?? undefined;
  return {
    ...{ method, version, headers, stream, upgrade, signal },
    atLeast: (least) => atLeast(version, least),
    param: (name) => params[name] ?? '',
    query: first,
    queries: (name) => query.getAll(name),
    flag: (name) => !FALSE.has((first(name) ?? '').trim().toLowerCase()),
    number: (name, min, max) => number(first(name), name, min, max),
    filters: (allowed) => parseFilters(first('filters'), allowed),
    body: (read) => readBody(stream, headers, read),
    neededBody: (read) => readBody(stream, headers, read, true),
  };
}

function number(text: string | undefined, name: string, min: number, max: number): number | undefined {
  if (text === undefined || text === '') return undefined;
  const value = /^[+-]?\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw badRequest(`invalid query parameter ${name}: ${quote(text, 64)} is not a number from ${min} to ${max}`);
}

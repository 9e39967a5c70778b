/**
 * What a route is, what it gets and what it answers. A family of routes is a file of ../routes that exports a function from
 * the few things it needs to a list of these.
 *
 * Pure: types and the constructors of replies.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';
import { stringifyJson } from '../../util/json-write.js';
import type { BodyReader } from '../api/read.js';
import type { Filters } from '../filters.js';
import type { ApiVersion } from './api-version.js';

export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';

export interface Route {
  readonly method: Method;
  /** "/containers/{id}/start"; "{name...}" may hold slashes. Without the version's prefix. */
  readonly path: string;
  /** Older versions do not have it. */
  readonly since?: ApiVersion;
  handle(request: ApiRequest): Promise<Reply>;
}

export interface ApiRequest {
  readonly method: Method;
  readonly version: ApiVersion;
  /** Whether the client speaks this version or a later one. */
  atLeast(version: ApiVersion): boolean;
  /** Of the path, decoded. '' for one that the route has not. */
  param(name: string): string;
  /** Undefined where it is missing; of a repeated one the first. */
  query(name: string): string | undefined;
  queries(name: string): readonly string[];
  /** dockerd's rule: anything but "", 0, no, false and none is true. */
  flag(name: string): boolean;
  /** Undefined where it is missing or empty. Throws ApiError 400 for what is no whole number from min to max. */
  number(name: string, min: number, max: number): number | undefined;
  /** Of the query; allowed: the keys that the endpoint knows. Throws ApiError 400. */
  filters(allowed: readonly string[]): Filters;
  readonly headers: IncomingHttpHeaders;
  /** The body as JSON; an absent one is an empty object. Throws ApiError 400, 413, 408 and what read throws. */
  body<T>(read: BodyReader<T>): Promise<T>;
  /** As body, but an absent one is refused as dockerd refuses it: 400. */
  neededBody<T>(read: BodyReader<T>): Promise<T>;
  /** The body as it comes: archives. */
  readonly stream: AsyncIterable<Uint8Array>;
  /** Whether the client wrote "Upgrade": a hijack answers 101 then, 200 otherwise. */
  readonly upgrade: string | undefined;
  /** Aborted when the client is gone, or when the daemon ends. */
  readonly signal: AbortSignal;
}

type Headers = { readonly [name: string]: string };

export type Reply =
  | { readonly kind: 'json'; readonly status: number; readonly value: unknown; readonly headers?: Headers }
  | { readonly kind: 'empty'; readonly status: number; readonly headers?: Headers }
  | { readonly kind: 'text'; readonly status: number; readonly text: string; readonly headers?: Headers }
  | StreamReply
  | HijackReply
  | WebSocketReply;

export interface StreamReply {
  readonly kind: 'stream';
  readonly status: number;
  readonly headers: Headers;
  /** Sent as it comes, the head at once. It is returned (`finally` runs) when the client goes. */
  readonly source: AsyncIterable<Uint8Array | string>;
}

export interface HijackReply {
  readonly kind: 'hijack';
  readonly contentType: string;
  /**
   * Gets the connection when the head is on its way. 'end' of it is the client's half close, its own end() ours; it is
   * ended when the promise settles. Without "Upgrade" there is nothing to read.
   * It is paused: pipe it, resume() it, or iterate with destroyOnReturn: false, as plain for await would close both ways.
   */
  handle(connection: Duplex): Promise<void>;
}

export interface WebSocketReply {
  readonly kind: 'websocket';
  /** As that of a hijack; each message of the client is a piece of what is read, 'end' its close of both ways. */
  handle(connection: Duplex): Promise<void>;
}

export const json = (status: number, value: unknown, headers?: Headers): Reply =>
  headers === undefined ? { kind: 'json', status, value } : { kind: 'json', status, value, headers };

export const empty = (status: number, headers?: Headers): Reply =>
  headers === undefined ? { kind: 'empty', status } : { kind: 'empty', status, headers };

export const text = (status: number, body: string, headers?: Headers): Reply =>
  headers === undefined ? { kind: 'text', status, text: body } : { kind: 'text', status, text: body, headers };

export const stream = (status: number, headers: Headers, source: AsyncIterable<Uint8Array | string>): Reply => ({
  kind: 'stream',
  status,
  headers,
  source,
});

/** One JSON document a line, each flushed. */
export const jsonLines = (source: AsyncIterable<unknown>, contentType = 'application/json'): Reply =>
  stream(200, { 'Content-Type': contentType }, linesOf(source));

async function* linesOf(source: AsyncIterable<unknown>): AsyncGenerator<string> {
  for await (const value of source) yield `${stringifyJson(value)}\n`;
}

export const hijack = (contentType: string, handle: HijackReply['handle']): Reply => ({
  kind: 'hijack',
  contentType,
  handle,
});

export const webSocket = (handle: WebSocketReply['handle']): Reply => ({ kind: 'websocket', handle });

export const RAW_STREAM = 'application/vnd.docker.raw-stream';
export const MULTIPLEXED_STREAM = 'application/vnd.docker.multiplexed-stream';

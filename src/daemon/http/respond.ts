/** Replies as bytes: every kind, with back-pressure, and with the headers that dockerd sets on each. */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type Duplex, Readable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { VERSION } from '../../util/version.js';
import type { Failure } from './api-error.js';
import { LATEST } from './api-version.js';
import type { HijackReply, Reply, StreamReply, WebSocketReply } from './route.js';
import { takeFromParser } from './upgrade.js';
import { checkHandshake, openWebSocket } from './websocket.js';

export const SERVER_HEADERS = {
  'Api-Version': LATEST,
  'Docker-Experimental': 'false',
  Ostype: 'linux',
  Server: `tsrun/${VERSION} (linux)`,
} as const;

/** Where a reply goes: a response, and for a connection that was upgraded the connection. */
export interface Outlet {
  readonly response: ServerResponse;
  readonly connection: Duplex | undefined;
  readonly upgrade: string | undefined;
}

/** Resolves when all is sent, or the client is gone. Throws what the source of a stream or a hijack throws. */
export async function respond(outlet: Outlet, reply: Reply): Promise<void> {
  const { response } = outlet;
  switch (reply.kind) {
    case 'json':
      return sendJson(response, reply.status, reply.value, reply.headers);
    case 'text':
      return send(
        response,
        reply.status,
        { 'Content-Type': 'text/plain; charset=utf-8', ...reply.headers },
        reply.text,
      );
    case 'empty':
      return send(response, reply.status, reply.headers ?? {}, '');
    case 'stream':
      return sendStream(response, reply);
    case 'hijack':
      return sendHijack(outlet, reply);
    case 'websocket':
      return sendWebSocket(outlet, reply);
  }
}

export const sendFailure = (response: ServerResponse, { status, message }: Failure): void =>
  status === 304 ? send(response, 304, {}, '') : sendJson(response, status, { message });

function sendJson(response: ServerResponse, status: number, value: unknown, headers = {}): void {
  send(response, status, { 'Content-Type': 'application/json', ...headers }, `${JSON.stringify(value)}\n`);
}

function send(response: ServerResponse, status: number, headers: { readonly [name: string]: string }, body: string) {
  const length = status === 204 || status === 304 ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
  response.writeHead(status, { ...headers, ...length });
  response.end(body);
}

async function sendStream(response: ServerResponse, { status, headers, source }: StreamReply): Promise<void> {
  response.writeHead(status, headers);
  response.flushHeaders();
  await pipeline(Readable.from(source, { objectMode: false }), response).catch(unlessGone(response));
}

/** A client that has gone is no error. */
const unlessGone = (response: ServerResponse) => (error: unknown) => {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (response.destroyed && (code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'EPIPE' || code === 'ECONNRESET'))
    return;
  throw error;
};

async function sendHijack(outlet: Outlet, reply: HijackReply): Promise<void> {
  const { response } = outlet;
  const connection = outlet.connection ?? response.socket;
  if (connection === null || connection.destroyed || response.destroyed) return;
  const status = outlet.upgrade === undefined ? '200 OK' : '101 UPGRADED';
  const headers = [
    ['Content-Type', reply.contentType],
    ...(outlet.upgrade === undefined ? [] : [['Connection', 'Upgrade'] as const, ['Upgrade', outlet.upgrade] as const]),
    ...Object.entries(SERVER_HEADERS),
  ];
  response.detachSocket(connection as Socket);
  if (outlet.connection === undefined) takeFromParser(connection as Socket);
  connection.write(`HTTP/1.1 ${status}\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`);
  await serve(connection, reply);
}

async function sendWebSocket({ response, connection }: Outlet, reply: WebSocketReply): Promise<void> {
  checkHandshake(response.req);
  if (connection === undefined || connection.destroyed) return;
  response.detachSocket(connection as Socket);
  await serve(openWebSocket(response.req, connection), reply);
}

async function serve(raw: Duplex, { handle }: HijackReply | WebSocketReply): Promise<void> {
  try {
    await handle(raw);
    raw.end();
    await finished(raw, { readable: false }).catch(() => undefined); // or the client has gone
  } catch (error) {
    raw.destroy();
    throw error;
  }
}

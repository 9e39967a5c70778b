/**
 * RFC 6455 on a connection that a client has upgraded, by the library ws: each message is a piece of the stream, of ours
 * each is binary. Extensions are not offered: compression would be memory per client.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { createWebSocketStream, WebSocketServer } from 'ws';
import { badRequest } from './api-error.js';

/** Of one message of a client, which is held whole. A longer one ends the connection with 1009. */
const MAX_MESSAGE = 1024 * 1024;

const server = new WebSocketServer({ noServer: true, clientTracking: false, maxPayload: MAX_MESSAGE });
const KEY = /^[+/0-9A-Za-z]{22}==$/;

/** Throws ApiError 400 for what is no handshake: after it, openWebSocket has no reason to refuse. */
export function checkHandshake({ headers, method }: IncomingMessage): void {
  const version = headers['sec-websocket-version'];
  if (method !== 'GET' || headers.upgrade?.toLowerCase() !== 'websocket')
    throw badRequest('this endpoint is for a web socket: send "Connection: Upgrade" and "Upgrade: websocket"');
  if (!KEY.test(headers['sec-websocket-key'] ?? '')) throw badRequest('Sec-WebSocket-Key is missing or wrong');
  if (version !== '13') throw badRequest('Sec-WebSocket-Version must be 13');
}

/** Writes the answer. The stream's 'end' is the client's close; its end() sends ours. */
export function openWebSocket(request: IncomingMessage, connection: Duplex): Duplex {
  let stream: Duplex | undefined;
  server.handleUpgrade(request, connection, Buffer.alloc(0), (socket) => {
    stream = createWebSocketStream(socket);
  });
  // It calls back before it returns, or has refused on the connection.
  if (stream === undefined) throw badRequest('the handshake of the web socket failed');
  const opened = stream;
  // A web socket has no half close: whoever closed it hears nothing more. What was sent before is passed on first.
  opened.once('end', () => setImmediate(() => opened.destroy()));
  return opened;
}

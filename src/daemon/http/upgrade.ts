/**
 * Connections that stop to be HTTP. With "Connection: Upgrade" Node takes them from its parser at once: the body, if there is
 * one, is still on the connection, and an answer that is not 101 must be written all the same.
 */
import { once } from 'node:events';
import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { badRequest } from './api-error.js';

export interface Upgrade {
  readonly response: ServerResponse;
  /** The body. It must be read before the connection is. */
  readonly stream: AsyncIterable<Uint8Array>;
}

/** head: what the parser had read behind the request's head. */
export function openUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Upgrade {
  socket.on('error', () => socket.destroy()); // a client that goes is no failure
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket as Socket); // of node:http it is always one, or one of TLS
  response.on('finish', () => socket.end());
  if (request.headers['transfer-encoding'] !== undefined)
    return { response, stream: refused('a body of an upgraded request must have a Content-Length') };
  const length = Number(request.headers['content-length'] ?? 0);
  const own = head.subarray(0, length);
  if (head.length > length) socket.unshift(head.subarray(length));
  return { response, stream: bodyOf(socket, own, length) };
}

/**
 * For a connection that stays HTTP to Node, because there was no "Connection: Upgrade", which dockerd's clients may leave out:
 * its parser reads until somebody else asks for data, and may not see what comes before that.
 */
export function takeFromParser(socket: Socket): void {
  for (const event of ['data', 'end', 'drain', 'timeout']) socket.removeAllListeners(event);
  socket.setTimeout(0);
  const nobody = () => undefined;
  socket.on('data', nobody).pause().removeListener('data', nobody);
}

// biome-ignore lint/correctness/useYield: it only throws
async function* refused(message: string): AsyncGenerator<Uint8Array> {
  throw badRequest(message);
}

async function* bodyOf(socket: Duplex, head: Buffer, length: number): AsyncGenerator<Uint8Array> {
  if (head.length > 0) yield head;
  for (let left = length - head.length; left > 0; ) {
    const chunk: unknown = socket.read(Math.min(left, socket.readableLength || left));
    if (chunk instanceof Uint8Array) {
      left -= chunk.length;
      yield chunk;
    } else if (socket.readableEnded || socket.destroyed) throw badRequest('the body ended early');
    else await Promise.race([once(socket, 'readable'), once(socket, 'end'), once(socket, 'close')]);
  }
}

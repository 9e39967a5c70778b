/**
 * Between a client's connection and a monitor, both ways, with back-pressure: the frames are made by the monitor, so that
 * nothing here looks at the output. Each side's half close is passed on.
 */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { watchKeys } from './detach-keys.js';

export interface RelayEnds {
  readonly connection: Duplex;
  readonly monitor: Socket;
  /** Whether what the client sends is input. */
  readonly input: boolean;
  /** Empty: none. */
  readonly detachKeys: Buffer;
  readonly detached: () => void;
}

/** Settles when the output has ended, the client is gone, or has detached. Never rejects. */
export function relay({ connection, monitor, input, detachKeys, detached }: RelayEnds): Promise<void> {
  return new Promise((resolve) => {
    const over = () => {
      monitor.destroy();
      resolve();
    };
    connection.on('error', over).once('close', over);
    monitor.on('error', over).once('close', over);
    monitor.once('end', over); // all of it is written; the connection's end() sends what a slow client has not read
    monitor.pipe(connection, { end: false });
    if (!input) {
      connection.resume();
      return;
    }
    if (detachKeys.length === 0) {
      connection.pipe(monitor);
      return;
    }
    const keys = watchKeys(detachKeys, () => {
      detached();
      over();
    });
    connection.pipe(keys).pipe(monitor);
  });
}

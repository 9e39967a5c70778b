/**
 * Between a client's connection and a monitor, both ways, with back-pressure: the frames are made by the monitor, so that
 * nothing here looks at the output. Each side's half close is passed on; a client that has gone altogether looks the same
 * to node:net, and is looked for.
 */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { addon } from '../../native/addon.js';
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

const LOOK_MS = 2000;

/** Settles when the output has ended, the client is gone, or has detached. Never rejects. */
export function relay({ connection, monitor, input, detachKeys, detached }: RelayEnds): Promise<void> {
  return new Promise((resolve) => {
    const over = () => {
      monitor.destroy();
      resolve();
    };
    connection.on('error', over).once('close', over);
    if (connection.destroyed) return over(); // before the monitor had answered
    const lookForEnd = () => endWhenGone(connection, () => !input || monitor.writableFinished);
    if (connection.readableEnded) lookForEnd();
    else connection.once('end', lookForEnd);
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

/**
 * Of a Unix socket: over TCP only a reset tells, which keep-alive brings about. taken: its input is where it has to go.
 * CVE-2022-23471: on a silent container a descriptor, and a place at its monitor, would be lost for each.
 */
function endWhenGone(connection: Duplex, taken: () => boolean): void {
  const timer = setInterval(() => {
    const fd = descriptorOf(connection);
    if (fd >= 0 && taken() && addon().isHungUp(fd)) connection.destroy();
  }, LOOK_MS).unref();
  connection.once('close', () => clearInterval(timer));
}

/** node:net has no name for it. -1: none any more. */
function descriptorOf(connection: Duplex): number {
  const handle = '_handle' in connection ? connection._handle : undefined;
  const fd = typeof handle === 'object' && handle !== null && 'fd' in handle ? handle.fd : undefined;
  return typeof fd === 'number' ? fd : -1;
}

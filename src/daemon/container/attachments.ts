/**
 * Clients that attach before the program runs: `docker run` does so, to miss nothing. They are connected to the monitor
 * before start, and until then nothing is read from them.
 */
import type { Duplex } from 'node:stream';
import { type AttachWish, attachMonitor } from './monitor-client.js';
import { relay } from './relay.js';

interface Pending {
  readonly connection: Duplex;
  readonly wish: AttachWish;
  readonly detachKeys: Buffer;
  readonly detached: () => void;
  readonly done: () => void;
}

export class Attachments {
  readonly #pending = new Set<Pending>();

  /** Settles when the client has had all, or is gone. */
  add(connection: Duplex, wish: AttachWish, detachKeys: Buffer, detached: () => void): Promise<void> {
    return new Promise((resolve) => {
      const pending = { connection, wish, detachKeys, detached, done: resolve };
      this.#pending.add(pending);
      connection.once('close', () => {
        if (this.#pending.delete(pending)) resolve();
      });
    });
  }

  /** Returns when no output can be missed any more. Throws TsrunError IO. */
  async connect(directory: string): Promise<void> {
    const all = [...this.#pending];
    this.#pending.clear();
    await Promise.all(
      all.map(async ({ connection, wish, detachKeys, detached, done }) => {
        const monitor = await attachMonitor(directory, { ...wish, hold: true });
        void relay({ connection, monitor, input: wish.stdin, detachKeys, detached }).then(done);
      }),
    );
  }

  /** There will be no output. */
  end(): void {
    for (const { done } of this.#pending) done();
    this.#pending.clear();
  }
}

/**
 * Clients that attach before the program runs: `docker run` does so, to miss nothing. They are connected to the monitor
 * before start, and until then nothing is read from them.
 */
import type { Duplex } from 'node:stream';
import { type AttachWish, attachMonitor } from './monitor-client.js';
import { relay } from './relay.js';

interface Attachment {
  readonly connection: Duplex;
  readonly wish: AttachWish;
  readonly detachKeys: Buffer;
  readonly detached: () => void;
}

interface Pending extends Attachment {
  readonly done: () => void;
}

export class Attachments {
  readonly #pending = new Set<Pending>();
  /** Of the monitor of this run, once there is one. */
  #directory: string | undefined;

  /** Settles when the client has had all, or is gone. Throws TsrunError IO. */
  add(attachment: Attachment): Promise<void> {
    if (this.#directory !== undefined) return attach(this.#directory, attachment);
    return new Promise((resolve) => {
      const pending = { ...attachment, done: resolve };
      this.#pending.add(pending);
      attachment.connection.once('close', () => {
        if (this.#pending.delete(pending)) resolve();
      });
    });
  }

  /** Returns when no output can be missed any more. Throws TsrunError IO. */
  async connect(directory: string): Promise<void> {
    const all = [...this.#pending];
    this.#pending.clear();
    this.#directory = directory;
    await Promise.all(
      all.map(async ({ done, ...attachment }) => {
        try {
          const { over } = await begin(directory, attachment);
          void over.then(done);
        } catch (error) {
          done();
          throw error;
        }
      }),
    );
  }

  /** The run is over: who comes now waits for the next. */
  disconnect(): void {
    this.#directory = undefined;
  }

  /** There will be no output. */
  end(): void {
    this.disconnect();
    for (const { done } of this.#pending) done();
    this.#pending.clear();
  }
}

async function attach(directory: string, attachment: Attachment): Promise<void> {
  const { over } = await begin(directory, attachment);
  return over;
}

/** The program waits for this reader, within bounds. */
async function begin(
  directory: string,
  { connection, wish, detachKeys, detached }: Attachment,
): Promise<{ readonly over: Promise<void> }> {
  const monitor = await attachMonitor(directory, { ...wish, hold: true });
  return { over: relay({ connection, monitor, input: wish.stdin, detachKeys, detached }) };
}

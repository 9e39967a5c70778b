/**
 * Compresses the rotated logs of all containers, one file at a time, while other work goes on: it looks for them every
 * few seconds, as a monitor has nobody whom it would have to tell. docs/adr/0015.
 */
import { compressLog } from './compress.js';

export interface RotatedLog {
  /** Of the container. */
  readonly id: string;
  readonly path: string;
  /** Most that it has. */
  readonly files: number;
  /** It is written to. */
  readonly active: boolean;
}

const PERIOD_MS = 5000;

export class LogCompressor {
  readonly #logs: () => readonly RotatedLog[];
  readonly #warn: (message: string) => void;
  /** Nothing is to be done for them any more, until they are active again. */
  readonly #quiet = new Set<string>();
  readonly #failed = new Set<string>();
  #current: { readonly id: string; readonly abort: AbortController; readonly done: Promise<void> } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** logs: those that are to be compressed, and are not about to be removed. */
  constructor(logs: () => readonly RotatedLog[], warn: (message: string) => void) {
    this.#logs = logs;
    this.#warn = warn;
    this.#later();
  }

  #later(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.#all().finally(() => this.#later()), PERIOD_MS).unref();
  }

  async #all(): Promise<void> {
    const logs = this.#logs();
    for (const { id } of logs) {
      // What is true of it may have changed while others were compressed.
      const log = this.#logs().find((one) => one.id === id);
      if (this.#closed) return;
      if (log === undefined || (!log.active && this.#quiet.has(id))) continue;
      await this.#one(log);
      if (log.active) this.#quiet.delete(id);
      else this.#quiet.add(id);
    }
    for (const id of this.#quiet) if (!logs.some((log) => log.id === id)) this.#quiet.delete(id);
  }

  async #one({ id, path, files }: RotatedLog): Promise<void> {
    const abort = new AbortController();
    const done = compressLog(path, files, abort.signal).then(
      () => void this.#failed.delete(id),
      (error: unknown) => {
        if (abort.signal.aborted || this.#failed.has(id)) return;
        this.#failed.add(id);
        this.#warn(`rotated logs of container ${id} are not compressed: ${String(error)}`);
      },
    );
    this.#current = { id, abort, done };
    await done;
    this.#current = undefined;
  }

  /** Nothing is open in the log's directory when it resolves. */
  async release(id: string): Promise<void> {
    this.#failed.delete(id);
    if (this.#current?.id !== id) return;
    this.#current.abort.abort();
    await this.#current.done;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#current?.abort.abort();
    await this.#current?.done;
  }
}

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
  /** How often its container was started. */
  readonly starts: number;
}

/** Of all containers. */
export interface RotatedLogs {
  ids(): readonly string[];
  /** undefined: nothing is to be compressed, or the container is about to be removed. */
  get(id: string): RotatedLog | undefined;
}

const PERIOD_MS = 5000;

export class LogCompressor {
  readonly #source: RotatedLogs;
  readonly #warn: (message: string) => void;
  /** Those that are done, by the start after which they were. */
  readonly #done = new Map<string, number>();
  readonly #failed = new Set<string>();
  #current: { readonly id: string; readonly abort: AbortController; readonly done: Promise<boolean> } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  readonly #period: number;

  /** period: milliseconds between two looks. */
  constructor(source: RotatedLogs, warn: (message: string) => void, period = PERIOD_MS) {
    this.#source = source;
    this.#warn = warn;
    this.#period = period;
    this.#later();
  }

  #later(): void {
    if (this.#closed) return;
    const look = () =>
      this.#all()
        .catch((error: unknown) => this.#warn(`rotated logs are not compressed: ${String(error)}`))
        .finally(() => this.#later());
    this.#timer = setTimeout(look, this.#period).unref();
  }

  async #all(): Promise<void> {
    const ids = this.#source.ids();
    for (const id of ids) {
      // What is true of it may have changed while others were compressed.
      const log = this.#source.get(id);
      if (this.#closed) return;
      if (log === undefined || (!log.active && this.#done.get(id) === log.starts)) continue;
      if ((await this.#one(log)) && !log.active) this.#done.set(id, log.starts);
    }
    const there = new Set(ids);
    for (const id of this.#done.keys()) if (!there.has(id)) this.#done.delete(id);
  }

  /** False: it has failed, and is tried again. */
  async #one({ id, path, files }: RotatedLog): Promise<boolean> {
    const abort = new AbortController();
    const done = compressLog(path, files, abort.signal).then(
      () => {
        this.#failed.delete(id);
        return true;
      },
      (error: unknown) => {
        if (!abort.signal.aborted && !this.#failed.has(id)) {
          this.#failed.add(id);
          this.#warn(`rotated logs of container ${id} are not compressed: ${String(error)}`);
        }
        return false;
      },
    );
    this.#current = { id, abort, done };
    const succeeded = await done;
    this.#current = undefined;
    return succeeded;
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

/**
 * Reads the log of a container, and follows it while the monitor writes. What a reader has in memory is one block, however
 * slow it is: it pulls.
 */
import { type FSWatcher, watch } from 'node:fs';
import { dirname } from 'node:path';
import type { LogPlace } from '../container/log-config.js';
import { type Decoder, JSON_FILE, LOCAL, type LogEntry, MOST_BYTES } from './entry.js';
import { type LogFile, openLogs, successor } from './files.js';

export interface LogQuery {
  /** undefined: all. */
  readonly tail: number | undefined;
  /** Nanoseconds; entries of exactly this time are in. */
  readonly since: bigint | undefined;
  readonly until: bigint | undefined;
  readonly follow: boolean;
  /** Aborted when nothing will be written any more. */
  readonly over: AbortSignal;
  /** Aborted when the reader is gone. */
  readonly gone: AbortSignal;
}

const BLOCK = 64 * 1024;
const POLL_MS = 1000;

const decoderOf = ({ format }: LogPlace): Decoder => (format === 'json' ? JSON_FILE : LOCAL);

/** As many entries at a time as a block has. Rejects for a log that cannot be read. */
export async function* readLog(place: LogPlace, query: LogQuery): AsyncGenerator<readonly LogEntry[]> {
  const decoder = decoderOf(place);
  const changes = query.follow ? new Changes(place.path, query) : undefined;
  const files = await openLogs(place.path);
  try {
    const begin = query.tail === undefined ? { index: 0, at: 0 } : await findTail(files, decoder, query.tail);
    for (const [index, file] of files.entries()) {
      if (index < begin.index) continue;
      const at = index === begin.index ? begin.at : 0;
      const last = index === files.length - 1;
      for await (const entries of entriesOf(file, at, decoder, last ? changes : undefined, place.path)) {
        if (query.gone.aborted) return;
        const { wanted, over } = within(entries, query);
        if (wanted.length > 0) yield wanted;
        if (over) return;
      }
    }
    if (files.length === 0 && changes !== undefined) yield* waitForFirst(place, query, changes);
  } finally {
    changes?.close();
    await Promise.all(files.map(({ handle }) => handle.close().catch(() => undefined)));
  }
}

/** over: the rest is later than asked for. */
function within(entries: readonly LogEntry[], { since, until }: LogQuery) {
  const end = until === undefined ? -1 : entries.findIndex(({ nanos }) => nanos > until);
  const early = end < 0 ? entries : entries.slice(0, end);
  return { wanted: since === undefined ? early : early.filter(({ nanos }) => nanos >= since), over: end >= 0 };
}

/** The log of a container that has not run yet. */
async function* waitForFirst(place: LogPlace, query: LogQuery, changes: Changes): AsyncGenerator<readonly LogEntry[]> {
  for (;;) {
    const more = await changes.next();
    const files = await openLogs(place.path);
    await Promise.all(files.map(({ handle }) => handle.close()));
    if (files.length > 0) return yield* readLog(place, query);
    if (!more) return;
  }
}

/** From at to the end; with changes also what comes then, in the files that follow. */
async function* entriesOf(
  first: LogFile,
  at: number,
  decoder: Decoder,
  changes: Changes | undefined,
  path: string,
): AsyncGenerator<readonly LogEntry[]> {
  let file = first;
  let position = at;
  let rest: Buffer = Buffer.alloc(0);
  for (;;) {
    const block = Buffer.allocUnsafe(BLOCK);
    const { bytesRead } = await file.handle.read(block, 0, BLOCK, position);
    position += bytesRead;
    if (bytesRead > 0) {
      const bytes = Buffer.concat([rest, block.subarray(0, bytesRead)]);
      const { entries, used } = decoder.decode(bytes);
      rest = Buffer.from(bytes.subarray(used));
      if (rest.length > 2 * MOST_BYTES) return; // no log of ours
      yield entries;
      continue;
    }
    if (changes === undefined) return;
    const next = await successor(path, file.inode);
    // It may have been written to until the very rotation: read once more.
    if (next !== undefined && (await file.handle.stat()).size === position) {
      if (file !== first) await file.handle.close();
      file = next;
      position = 0;
      rest = Buffer.alloc(0);
      continue;
    }
    await next?.handle.close();
    if ((await file.handle.stat()).size < position) {
      position = 0; // max-file 1: the file begins anew
      rest = Buffer.alloc(0);
      continue;
    }
    if (!(await changes.next())) {
      if (file !== first) await file.handle.close();
      return;
    }
  }
}

/** Where the last entries begin. */
async function findTail(
  files: readonly LogFile[],
  decoder: Decoder,
  count: number,
): Promise<{ index: number; at: number }> {
  let wanted = count;
  for (let index = files.length - 1; index >= 0; index--) {
    const file = files[index];
    if (file === undefined) break;
    const { size } = await file.handle.stat();
    if (wanted === 0) return { index, at: size };
    const { at, found } = await lastOf(file, size, decoder, wanted);
    wanted -= found;
    if (wanted === 0) return { index, at };
  }
  return { index: 0, at: 0 };
}

async function lastOf(
  { handle }: LogFile,
  size: number,
  decoder: Decoder,
  count: number,
): Promise<{ at: number; found: number }> {
  let end = size;
  let found = 0;
  while (found < count && end > 0) {
    const length = Math.min(end, MOST_BYTES + BLOCK);
    const bytes = Buffer.allocUnsafe(length);
    const { bytesRead } = await handle.read(bytes, 0, length, end - length);
    const last = decoder.last(bytes.subarray(0, bytesRead), count - found);
    // The first of the block may have begun before it.
    const whole = end === length || last.at > 0 || last.found === 0;
    if (!whole) {
      const second = decoder.last(bytes.subarray(0, bytesRead), last.found - 1);
      if (second.found === 0) break;
      found += second.found;
      end = end - length + second.at;
      continue;
    }
    if (last.found === 0) break;
    found += last.found;
    end = end - length + last.at;
  }
  return { at: end, found };
}

/** Tells of writes to a log: by inotify, and by looking every second, for file systems without it. */
class Changes {
  readonly #query: LogQuery;
  #watcher: FSWatcher | undefined;
  #changed = false;
  #finished = false;
  #wake: () => void = () => undefined;

  constructor(path: string, query: LogQuery) {
    this.#query = query;
    const wake = () => {
      this.#changed = true;
      this.#wake();
    };
    try {
      this.#watcher = watch(dirname(path), { persistent: false }, wake).on('error', () => undefined);
    } catch {
      // the directory comes with the first start; the clock is enough
    }
    query.over.addEventListener('abort', wake, { once: true });
    query.gone.addEventListener('abort', wake, { once: true });
  }

  /** When there may be more; false: there will not. After the end it is true once more, for what came last. */
  async next(): Promise<boolean> {
    const { over, gone, until } = this.#query;
    if (gone.aborted || this.#finished) return false;
    if (over.aborted) {
      this.#finished = true;
      return true;
    }
    if (until !== undefined && BigInt(Date.now()) * 1_000_000n > until) return false;
    if (!this.#changed) await this.#wait();
    this.#changed = false;
    return !gone.aborted;
  }

  #wait(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, POLL_MS);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  close(): void {
    this.#watcher?.close();
  }
}

/**
 * Reads the log of a container, and follows it while the monitor writes. What a reader has in memory is one block, however
 * slow it is: it pulls.
 */
import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { LogPlace } from '../container/log-config.js';
import { type Decoder, JSON_FILE, LOCAL, type LogEntry, MOST_BYTES } from './entry.js';
import { blocksOf, closeLog, type LogFile, openLogs, readBytes, sizeOf, successor } from './files.js';

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
/** Between the clocks of an entry and of a file system. */
const CLOCKS_NS = 1_000_000_000n;
const POLL_MS = 1000;

const decoderOf = ({ format }: LogPlace): Decoder => (format === 'json' ? JSON_FILE : LOCAL);

/** As many entries at a time as a block has. Rejects for a log that cannot be read. */
export async function* readLog(place: LogPlace, query: LogQuery): AsyncGenerator<readonly LogEntry[]> {
  const decoder = decoderOf(place);
  const changes = query.follow ? new Changes(place.path, query) : undefined;
  const files = await openLogs(place.path);
  try {
    const begin = query.tail === undefined ? BEGIN : await findTail(files, decoder, query.tail);
    for (const [index, file] of files.entries()) {
      const last = index === files.length - 1;
      if (index < begin.index || (!last && isBefore(file, query.since))) continue;
      const from = index === begin.index ? begin : BEGIN;
      for await (const entries of entriesOf(file, from, decoder, last ? changes : undefined, place.path)) {
        if (query.gone.aborted) return;
        const { wanted, over } = within(entries, query);
        if (wanted.length > 0) yield wanted;
        if (over) return;
      }
    }
    if (files.length === 0 && changes !== undefined) yield* waitForFirst(place, query, changes);
  } finally {
    changes?.close();
    for (const file of files) closeLog(file);
  }
}

const isBefore = ({ written }: LogFile, since: bigint | undefined): boolean =>
  since !== undefined && written !== undefined && written + CLOCKS_NS < since;

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
    for (const file of files) closeLog(file);
    if (files.length > 0) return yield* readLog(place, query);
    if (!more) return;
  }
}

/** Where to begin in a file: after so many bytes, or, as they are found in a compressed one, entries. */
interface Start {
  readonly at: number;
  readonly skip: number;
}

const BEGIN = { index: 0, at: 0, skip: 0 };

/** From start to the end; with changes also what comes then, in the files that follow. */
async function* entriesOf(
  first: LogFile,
  start: Start,
  decoder: Decoder,
  changes: Changes | undefined,
  path: string,
): AsyncGenerator<readonly LogEntry[]> {
  let file = first;
  let { at, skip } = start;
  try {
    for (;;) {
      let seen = at;
      for await (const part of partsOf(file, at, decoder)) {
        ({ end: at, seen } = part);
        yield skip === 0 ? part.entries : part.entries.slice(skip);
        skip = Math.max(0, skip - part.entries.length);
      }
      if (changes === undefined) return;
      const next = await successor(path, file);
      // It may have been written to until the very rotation: read once more.
      const isRead = file.compressed || sizeOf(file) === seen;
      if (next !== undefined && isRead) {
        if (file !== first) closeLog(file);
        file = next;
        at = 0;
        continue;
      }
      if (next !== undefined) closeLog(next);
      else if (isRead && !(await changes.next())) return;
      if (!file.compressed && sizeOf(file) < seen) at = 0; // max-file 1: the file begins anew
    }
  } finally {
    if (file !== first) closeLog(file);
  }
}

/** end: where the entries end. seen: how far it was read, which is within an entry that is being written. */
interface Part {
  readonly entries: readonly LogEntry[];
  readonly end: number;
  readonly seen: number;
}

async function* partsOf(file: LogFile, at: number, decoder: Decoder): AsyncGenerator<Part> {
  if (file.compressed && at > 0) return; // nothing is added to it
  let rest: Buffer = Buffer.alloc(0);
  let end = at;
  let seen = at;
  try {
    for await (const block of blocksOf(file, at)) {
      const bytes = rest.length === 0 ? block : Buffer.concat([rest, block]);
      const { entries, used } = decoder.decode(bytes);
      rest = Buffer.from(bytes.subarray(used));
      if (rest.length > 2 * MOST_BYTES) return; // no log of ours
      end += used;
      seen += block.length;
      yield { entries, end, seen };
    }
  } catch (error) {
    if (!file.compressed) throw error;
    yield { entries: [damaged(file, error)], end: end + 1, seen };
  }
}

/** What is in the other files is worth more than an error. */
function damaged({ path, written }: LogFile, error: unknown): LogEntry {
  const text = `tsrun: the rest of ${basename(path)} cannot be read: ${error instanceof Error ? error.message : error}\n`;
  return { stream: 'stderr', nanos: written ?? 0n, text: Buffer.from(text), attributes: {} };
}

/** Where the last entries begin. */
async function findTail(
  files: readonly LogFile[],
  decoder: Decoder,
  count: number,
): Promise<Start & { index: number }> {
  let wanted = count;
  for (let index = files.length - 1; index >= 0; index--) {
    const file = files[index];
    if (file === undefined) break;
    if (wanted === 0 && !file.compressed) return { index, at: sizeOf(file), skip: 0 };
    if (file.compressed) {
      const found = await countOf(file, decoder);
      if (found >= wanted) return { index, at: 0, skip: found - wanted };
      wanted -= found;
      continue;
    }
    const { at, found } = await lastOf(file, sizeOf(file), decoder, wanted);
    wanted -= found;
    if (wanted === 0) return { index, at, skip: 0 };
  }
  return BEGIN;
}

/** It is read twice then, as no more than a block of it is kept in memory or on the disk. */
async function countOf(file: LogFile, decoder: Decoder): Promise<number> {
  let found = 0;
  for await (const { entries } of partsOf(file, 0, decoder)) found += entries.length;
  return found;
}

async function lastOf(
  file: LogFile,
  size: number,
  decoder: Decoder,
  count: number,
): Promise<{ at: number; found: number }> {
  let end = size;
  let found = 0;
  while (found < count && end > 0) {
    const length = Math.min(end, MOST_BYTES + BLOCK);
    const bytes = await readBytes(file, end - length, length);
    const last = decoder.last(bytes, count - found);
    // The first of the block may have begun before it.
    const whole = end === length || last.at > 0 || last.found === 0;
    if (!whole) {
      const second = decoder.last(bytes, last.found - 1);
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

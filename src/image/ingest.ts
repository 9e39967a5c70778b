/**
 * How bytes become a blob: into a file of ingest/ that only its writer holds, hashed as they come, fsync, and then a
 * rename to the name that is their digest. An attempt that broke off leaves its file, and the next one goes on behind it;
 * wrong bytes and a full disk leave nothing.
 */
import { createHash, type Hash, randomUUID } from 'node:crypto';
import {
  closeSync,
  fdatasync as fdatasyncCallback,
  fstatSync,
  fsync as fsyncCallback,
  ftruncateSync,
  mkdirSync,
  read as readCallback,
  renameSync,
  rmSync,
  statSync,
  write as writeCallback,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { TsrunError } from '../errors.js';
import { type Digest, digestParts, finishDigest, hashFor } from '../util/digest.js';
import { describeSystemError } from '../util/errno.js';
import { syncDirectory } from '../util/replace-file.js';
import { isStill, openLockFile, tryLock } from './locks.js';
import type { Places } from './places.js';
import type { FetchFrom, Lease } from './store.js';

const fsync = promisify(fsyncCallback);
const fdatasync = promisify(fdatasyncCallback);
const read = promisify(readCallback);
const write = promisify(writeCallback);

/** What a write(2) carries: sockets hand out 64 kB, and a call for each would cost more than the copy. */
const BUFFER = 1024 * 1024;
const WRITEBACK = 16 * BUFFER;
const POLL_MS = 50;
/** Begins the names of those whose digest is not known yet. */
export const NEW = 'new-';

export interface Blob {
  readonly digest: Digest;
  readonly size: number;
}

/** An unfinished blob, locked. */
interface Partial {
  readonly path: string;
  readonly fd: number;
}

export async function ingestBlob(places: Places, blob: Blob, fetch: FetchFrom): Promise<void> {
  const final = places.path(blob.digest);
  if (isThere(final, blob.size)) return;
  const { algorithm, hex } = digestParts(blob.digest);
  const partial = await claim(join(places.ingest, `${algorithm}-${hex}`), () => isThere(final, blob.size));
  if (partial === undefined) return;
  try {
    const resumed = fill(partial, blob, fetch, startOf(partial, blob.size));
    // What an earlier attempt left may be wrong itself: a power cut keeps the length of a file, not its bytes.
    if (!(await resumed) && !(await fill(partial, blob, fetch, 0)))
      throw new Error('not reached: begun anew it throws');
    publish(partial, final);
  } finally {
    closeSync(partial.fd);
  }
}

/** The lease hears of the digest before the blob has its name. */
export async function ingestNew(places: Places, source: AsyncIterable<Uint8Array>, lease?: Lease): Promise<Blob> {
  const { path, fd } = newPartial(places);
  try {
    const hash = createHash('sha256');
    const size = await removedOnFailure(path, async () => {
      const written = await copy(source, fd, 0, hash, Number.POSITIVE_INFINITY);
      await fsync(fd);
      return written;
    });
    const digest = finishDigest(hash);
    lease?.protect(digest);
    publish({ path }, places.path(digest));
    return { digest, size };
  } finally {
    closeSync(fd);
  }
}

/** A collector may have come between making the file and locking it. */
function newPartial(places: Places): Partial {
  for (;;) {
    const path = join(places.ingest, `${NEW}${randomUUID()}`);
    const fd = openLockFile(path);
    if (tryLock(fd) && isStill(fd, path)) return { path, fd };
    closeSync(fd);
  }
}

const isThere = (path: string, size: number): boolean => statSync(path, { throwIfNoEntry: false })?.size === size;

/** Waits for another writer of the same blob; undefined when that one has finished it. */
async function claim(path: string, isDone: () => boolean): Promise<Partial | undefined> {
  for (;;) {
    const fd = openLockFile(path);
    if (!tryLock(fd)) {
      closeSync(fd);
      await sleep(POLL_MS);
    } else if (isDone()) {
      if (isStill(fd, path)) rmSync(path, { force: true });
      closeSync(fd);
      return undefined;
    } else if (isStill(fd, path)) return { path, fd };
    else closeSync(fd);
  }
}

function startOf({ fd }: Partial, size: number): number {
  const there = fstatSync(fd).size;
  return there < size ? there : 0;
}

/** False when bytes of an earlier attempt made it wrong. Throws TsrunError DIGEST_MISMATCH when all bytes are new. */
async function fill({ path, fd }: Partial, blob: Blob, fetch: FetchFrom, from: number): Promise<boolean> {
  ftruncateSync(fd, from);
  const hash = hashFor(blob.digest);
  await hashFile(fd, from, hash);
  const size = await copy(fetch(from), fd, from, hash, blob.size).catch((error: unknown) => {
    if (isOutOfSpace(error)) rmSync(path, { force: true });
    throw inStore(error);
  });
  const { algorithm } = digestParts(blob.digest);
  const digest = finishDigest(hash, algorithm);
  if (size === blob.size && digest === blob.digest) {
    await fsync(fd);
    return true;
  }
  if (from > 0) return false;
  rmSync(path, { force: true });
  throw mismatch(blob, digest, size);
}

function mismatch(blob: Blob, digest: Digest, size: number): TsrunError {
  const found =
    size === blob.size
      ? `they are ${digest}`
      : `${size > blob.size ? 'more' : size} bytes came instead of ${blob.size}`;
  return new TsrunError('DIGEST_MISMATCH', `blob ${blob.digest}: the bytes are not those of the digest: ${found}`, {
    hint: 'the image or what is between here and the registry is broken; nothing was stored',
  });
}

export async function hashFile(fd: number, size: number, hash: Hash): Promise<void> {
  const buffer = Buffer.alloc(Math.min(size, BUFFER));
  for (let at = 0; at < size; ) {
    const { bytesRead } = await read(fd, buffer, 0, Math.min(buffer.length, size - at), at);
    if (bytesRead === 0) return;
    hash.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
}

/** Returns the size of the file; stops behind `most` bytes, so that an endless answer fills no disk. */
export async function copy(
  source: AsyncIterable<Uint8Array>,
  fd: number,
  from: number,
  hash: Hash,
  most: number,
): Promise<number> {
  // Two for all, one written while the other is filled: a new one for each megabyte would be garbage faster than it is
  // collected.
  let [buffer, other] = [Buffer.allocUnsafe(BUFFER), Buffer.allocUnsafe(BUFFER)];
  let writing: Promise<void> = Promise.resolve();
  let at = from;
  let filled = 0;
  const writeback = new Writeback(fd);
  const flush = async () => {
    await writing;
    writing = writeAll(fd, buffer.subarray(0, filled), at);
    writing.catch(() => undefined); // whoever waits for it next is told
    writeback.wrote(filled);
    at += filled;
    filled = 0;
    [buffer, other] = [other, buffer];
  };
  try {
    for await (const chunk of source) {
      if (at + filled + chunk.length > most) return most + 1;
      hash.update(chunk);
      for (let taken = 0; taken < chunk.length; ) {
        const part = chunk.subarray(taken, taken + BUFFER - filled);
        buffer.set(part, filled);
        filled += part.length;
        taken += part.length;
        if (filled === BUFFER) await flush();
      }
    }
  } finally {
    if (filled > 0) await flush(); // of an answer that broke off too: the next attempt goes on behind it
    await writing;
    await writeback.end();
  }
  return at;
}

/** What is on its way to the disk while the rest comes: the fsync at the end has little to wait for then. */
class Writeback {
  readonly #fd: number;
  #behind = 0;
  #running: Promise<void> | undefined;

  constructor(fd: number) {
    this.#fd = fd;
  }

  wrote(bytes: number): void {
    this.#behind += bytes;
    if (this.#behind < WRITEBACK || this.#running !== undefined) return;
    this.#behind = 0;
    this.#running = fdatasync(this.#fd).then(() => {
      this.#running = undefined;
    });
    this.#running.catch(() => undefined); // it stays, for end()
  }

  /** Throws what the kernel tells once, and no fsync after it: fsync(2), EIO. */
  async end(): Promise<void> {
    await this.#running;
  }
}

async function writeAll(fd: number, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await write(fd, bytes, done, bytes.length - done, at + done);
    done += bytesWritten;
  }
}

export function publish({ path }: { readonly path: string }, final: string): void {
  try {
    mkdirSync(dirname(final), { recursive: true, mode: 0o700 });
    renameSync(path, final);
    syncDirectory(dirname(final));
  } catch (error) {
    rmSync(path, { force: true });
    throw inStore(error);
  }
}

async function removedOnFailure<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    rmSync(path, { force: true });
    throw inStore(error);
  }
}

/** A full disk, a used up quota: also what inStore() made of it. */
export const isOutOfSpace = (error: unknown): boolean =>
  isNoSpace(error) || (error instanceof TsrunError && isNoSpace(error.cause));

const isNoSpace = (error: unknown): boolean =>
  error instanceof Error &&
  'code' in error &&
  (error.code === 'ENOSPC' || error.code === 'EDQUOT' || error.code === 'EFBIG');

/** A refusal of the file system, with what it was about. */
export function inStore(error: unknown): unknown {
  if (error instanceof TsrunError || !(error instanceof Error) || !('syscall' in error)) return error;
  return new TsrunError('IO', `the content store: ${describeSystemError(error)}`, { cause: error });
}

/**
 * Uploads: blobs that come in pieces, in order, each in a request of its own (distribution-spec "Pushing blobs"). An upload
 * is a file of ingest/ that this process keeps locked, so that `image prune` removes those of a process that died; the next
 * one goes on with those it is asked for. The bytes get their name when they are whole and hashed.
 */
import { createHash, type Hash, randomUUID } from 'node:crypto';
import { closeSync, fstatSync, fsync as fsyncCallback, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { TsrunError } from '../errors.js';
import { type Digest, digestOf, digestParts, finishDigest } from '../util/digest.js';
import { copy, hashFile, inStore, publish } from './ingest.js';
import { isThere } from './link-files.js';
import { isStill, openLockFile, tryLock } from './locks.js';
import { layoutOf, type Places } from './places.js';
import type { ContentStore } from './store.js';

const fsync = promisify(fsyncCallback);
const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** Each holds a descriptor. */
const MOST = 512;
const IDLE_MS = 60 * 60 * 1000;
/** When there is no room, one that nobody has worked on for so long gives way. */
const EVICTABLE_MS = 60_000;

export interface Upload {
  readonly id: string;
  /** Bytes that are there. */
  size: number;
}

interface OpenUpload extends Upload {
  readonly path: string;
  readonly fd: number;
  /** Undefined when the file has bytes that it has not seen. */
  hash: Hash | undefined;
  readonly algorithm: string;
  busy: boolean;
  usedAt: number;
}

/** A resource: close() it; unfinished uploads stay on disk. */
export class Uploads {
  private readonly places: Places;
  private readonly open = new Map<string, OpenUpload>();

  constructor(store: ContentStore) {
    this.places = layoutOf(store.dataRoot);
  }

  /** algorithm: of the digest that it will have, if known: the wrong one costs reading it again. Undefined: too many. */
  begin(repository: string, algorithm = 'sha256'): Upload | undefined {
    if (!this.makeRoom()) return undefined;
    const id = randomUUID();
    const path = this.pathOf(repository, id);
    const fd = openLockFile(path);
    tryLock(fd);
    const state = { id, path, fd, algorithm, size: 0, hash: createHash(algorithm), busy: false, usedAt: Date.now() };
    this.open.set(path, state);
    return state;
  }

  /** Also one of a process that has ended. Undefined: it is unknown to this repository. */
  find(repository: string, id: string): Upload | undefined {
    if (!ID.test(id)) return undefined;
    const path = this.pathOf(repository, id);
    return this.open.get(path) ?? this.resume(path, id);
  }

  private resume(path: string, id: string): Upload | undefined {
    if (!isThere(path) || !this.makeRoom()) return undefined;
    const fd = openLockFile(path);
    if (!tryLock(fd) || !isStill(fd, path)) {
      closeSync(fd);
      return undefined;
    }
    const size = fstatSync(fd).size;
    const state = { id, path, fd, algorithm: 'sha256', size, hash: undefined, busy: false, usedAt: Date.now() };
    this.open.set(path, state);
    return state;
  }

  isBusy = (upload: Upload): boolean => (upload as OpenUpload).busy;

  /**
   * Writes what comes behind what is there. What came before source threw stays. Throws what source throws, and TsrunError
   * IO, after which the upload is gone.
   */
  async append(upload: Upload, source: AsyncIterable<Uint8Array>): Promise<void> {
    const state = upload as OpenUpload;
    await this.exclusive(state, async () => {
      await this.catchUp(state);
      const { hash } = state;
      if (hash === undefined) throw new Error('not reached: it has caught up');
      try {
        await copy(source, state.fd, state.size, hash, Number.POSITIVE_INFINITY);
      } catch (error) {
        if (isOfFile(error)) this.cancel(state); // the hash is ahead of the file
        throw inStore(error);
      } finally {
        if (this.open.has(state.path)) state.size = fstatSync(state.fd).size;
      }
    });
  }

  /** Whether the bytes are those of the digest: then linked() is called, the blob has its name, and the upload is over. */
  async finish(upload: Upload, digest: Digest, linked: () => void): Promise<boolean> {
    const state = upload as OpenUpload;
    return this.exclusive(state, async () => {
      const { algorithm } = digestParts(digest);
      const found = await this.digestOf(state, algorithm);
      if (found !== digest) {
        this.cancel(state);
        return false;
      }
      try {
        await fsync(state.fd);
        linked();
        publish(state, this.places.path(digest));
      } catch (error) {
        this.cancel(state);
        throw inStore(error);
      }
      this.forget(state);
      return true;
    });
  }

  cancel(upload: Upload): void {
    const state = upload as OpenUpload;
    rmSync(state.path, { force: true });
    this.forget(state);
  }

  close(): void {
    for (const state of this.open.values()) this.forget(state);
  }

  private async digestOf(state: OpenUpload, algorithm: string): Promise<Digest> {
    if (state.size === 0) return digestOf(Buffer.alloc(0), algorithm);
    if (state.hash !== undefined && state.algorithm === algorithm) return finishDigest(state.hash, algorithm);
    const hash = createHash(algorithm);
    await hashFile(state.fd, state.size, hash);
    return finishDigest(hash, algorithm);
  }

  private async catchUp(state: OpenUpload): Promise<void> {
    if (state.hash !== undefined) return;
    const hash = createHash(state.algorithm);
    await hashFile(state.fd, state.size, hash);
    state.hash = hash;
  }

  private async exclusive<T>(state: OpenUpload, action: () => Promise<T>): Promise<T> {
    if (state.busy) throw new Error('not reached: callers ask isBusy() first');
    state.busy = true;
    try {
      return await action();
    } finally {
      state.busy = false;
      state.usedAt = Date.now();
    }
  }

  /** Those that nobody came back to are removed; then the one that waits longest, if there are too many. */
  private makeRoom(): boolean {
    const idle = [...this.open.values()].filter(({ busy }) => !busy).sort((a, b) => a.usedAt - b.usedAt);
    const now = Date.now();
    for (const state of idle) if (now - state.usedAt > IDLE_MS) this.cancel(state);
    const [oldest] = idle;
    if (this.open.size >= MOST && oldest !== undefined && now - oldest.usedAt > EVICTABLE_MS) this.cancel(oldest);
    return this.open.size < MOST;
  }

  private forget({ path, fd }: OpenUpload): void {
    if (!this.open.delete(path)) return;
    closeSync(fd);
  }

  /** Of one repository only: an id says nothing in another one. */
  private pathOf(repository: string, id: string): string {
    const { hex } = digestParts(digestOf(Buffer.from(repository)));
    return join(this.places.ingest, `upload-${hex.slice(0, 32)}-${id}`);
  }
}

/** Of the file, not of the connection. */
const isOfFile = (error: unknown): boolean =>
  error instanceof TsrunError || (error instanceof Error && 'syscall' in error && error.syscall === 'write');

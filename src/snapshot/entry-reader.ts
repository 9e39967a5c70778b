/**
 * An entry stream that is fed, as it comes from tsrun-snapshot.
 *
 * Pure.
 */
import { bodyLength, CHUNK_SIZE, decodeEntry, type Entry, FLAG, HEADER_SIZE } from './entry.js';

export interface EntrySink {
  entry(entry: Entry): void;
  data(offset: number, bytes: Buffer): void;
  /** After the last part of a file that came with data. */
  fileEnd(): void;
}

export class EntryReader {
  readonly #sink: EntrySink;
  #pending: Buffer = Buffer.alloc(0);
  #inFile = false;
  #offset = 0;
  #left = 0;
  #ended = false;

  constructor(sink: EntrySink) {
    this.#sink = sink;
  }

  push(chunk: Buffer): void {
    let bytes = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    for (;;) {
      const used = this.#take(bytes);
      if (used === 0) break;
      bytes = bytes.subarray(used);
    }
    this.#pending = bytes;
  }

  finish(): void {
    if (!this.#ended) throw new Error('the entry stream ends too early');
  }

  /** 0: more bytes are needed. */
  #take(bytes: Buffer): number {
    if (this.#ended || bytes.length === 0) return 0;
    if (this.#left > 0) return this.#takeData(bytes);
    return this.#inFile ? this.#takeChunk(bytes) : this.#takeEntry(bytes);
  }

  #takeData(bytes: Buffer): number {
    const used = Math.min(this.#left, bytes.length);
    this.#sink.data(this.#offset, bytes.subarray(0, used));
    this.#offset += used;
    this.#left -= used;
    return used;
  }

  #takeChunk(bytes: Buffer): number {
    if (bytes.length < CHUNK_SIZE) return 0;
    this.#offset = Number(bytes.readBigUInt64LE(0));
    this.#left = bytes.readUInt32LE(8);
    if (this.#left === 0) {
      this.#inFile = false;
      this.#sink.fileEnd();
    }
    return CHUNK_SIZE;
  }

  #takeEntry(bytes: Buffer): number {
    if (bytes.length < HEADER_SIZE) return 0;
    const size = HEADER_SIZE + bodyLength(bytes);
    if (bytes.length < size) return 0;
    const entry = decodeEntry(bytes.subarray(0, size));
    if (entry.kind === 'end') this.#ended = true;
    else this.#sink.entry(entry);
    this.#inFile = entry.kind === 'file' && (entry.flags & FLAG.noData) === 0;
    return size;
  }
}

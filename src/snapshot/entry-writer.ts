/** Writes an entry stream to a descriptor that blocks, in large pieces; for a thread that may block. */
import { writeSync } from 'node:fs';
import { BLANK, type Entry, encodeChunk, encodeEntry } from './entry.js';

const BUFFER_BYTES = 1 << 18;
const END_OF_FILE = encodeChunk(0, 0);

export class EntryWriter {
  readonly #fd: number;
  readonly #buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  #filled = 0;
  #index = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Returns the index under which warnings speak of it. */
  entry(entry: Omit<Entry, 'index'>): number {
    this.#index++;
    this.#write(encodeEntry({ ...entry, index: this.#index }));
    return this.#index;
  }

  data(offset: number, bytes: Buffer): void {
    this.#write(encodeChunk(offset, bytes.length));
    this.#write(bytes);
  }

  fileEnd(): void {
    this.#write(END_OF_FILE);
  }

  end(): void {
    this.#write(encodeEntry({ ...BLANK, kind: 'end', path: '' }));
    this.#flush();
  }

  #write(bytes: Buffer): void {
    if (bytes.length > BUFFER_BYTES - this.#filled) this.#flush();
    if (bytes.length > BUFFER_BYTES) {
      this.#writeAll(bytes);
      return;
    }
    bytes.copy(this.#buffer, this.#filled);
    this.#filled += bytes.length;
  }

  #flush(): void {
    this.#writeAll(this.#buffer.subarray(0, this.#filled));
    this.#filled = 0;
  }

  #writeAll(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at);
  }
}

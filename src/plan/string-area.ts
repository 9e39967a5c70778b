/**
 * The string area of a plan while it is being written: NUL-terminated texts, vectors of them, and blobs at
 * multiples of 8. Equal contents share an offset. The first byte is NUL (offset 0 is the empty string), so is the last.
 *
 * Pure.
 */
export class StringArea {
  readonly #parts: Uint8Array[] = [new Uint8Array(1)];
  readonly #texts = new Map<string, number>([['', 0]]);
  readonly #blobs = new Map<string, number>();
  #size = 1;

  /** Offset of text. Control characters travel as they are; only NUL cannot. */
  text(text: string): number {
    if (text.includes('\0')) throw new RangeError(`a NUL in ${JSON.stringify(text.slice(0, 64))}`);
    return this.#texts.get(text) ?? this.#append(Buffer.from(`${text}\0`), this.#texts, text);
  }

  /** Offset of the first text of a vector; the others follow it. */
  texts(texts: readonly string[]): number {
    if (texts.length === 0) return 0;
    const bad = texts.find((text) => text.includes('\0'));
    if (bad !== undefined) throw new RangeError(`a NUL in ${JSON.stringify(bad.slice(0, 64))}`);
    const joined = texts.join('\0');
    return this.#texts.get(joined) ?? this.#append(Buffer.from(`${joined}\0`), this.#texts, joined);
  }

  /** Offset of bytes, a multiple of 8 as the kernel wants its sock_filter and bpf_insn arrays. */
  blob(bytes: Uint8Array): number {
    if (bytes.length === 0) return 0;
    const key = Buffer.from(bytes).toString('base64');
    const known = this.#blobs.get(key);
    if (known !== undefined) return known;
    this.#append(new Uint8Array((8 - (this.#size % 8)) % 8));
    return this.#append(bytes, this.#blobs, key);
  }

  /** The whole area; nothing may be added afterwards. */
  bytes(): Uint8Array {
    this.#append(new Uint8Array(1));
    const all = new Uint8Array(this.#size);
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  #append(bytes: Uint8Array, known?: Map<string, number>, key = ''): number {
    const offset = this.#size;
    this.#parts.push(bytes);
    this.#size += bytes.length;
    known?.set(key, offset);
    return offset;
  }
}

/**
 * A client's tar becomes an entry stream below a directory of a container. Unlike in a layer, names that begin with ".wh."
 * are names. What an entry does where links are is the affair of tsrun-snapshot.
 *
 * Pure.
 */
import { type TarEntry, TarError, TarLimitError } from '../util/tar/entry.js';
import type { TarSink } from '../util/tar/reader.js';
import { BLANK, encodeChunk, encodeEntry, FLAG } from './entry.js';
import { chooseXattrs, DEFAULT_LIMITS, judgeName } from './layer.js';

export interface PutOptions {
  /** In the container, without the leading slash; '.' is the root. */
  readonly directory: string;
  /** A directory is not replaced by something else, nor the other way round. */
  readonly keepKinds: boolean;
  /** Whose all of it will be; undefined: as the archive says. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined;
}

const MAX_ID = 0xfffffffe;

export class ArchiveSink implements TarSink {
  readonly #options: PutOptions;
  #made: Buffer[] = [];
  #index = 0;
  #bytes = 0;
  /** Data, and the end of it, is of files alone: the reader tells the end of every entry. */
  #inFile = false;

  constructor(options: PutOptions) {
    this.#options = options;
  }

  take(): Buffer[] {
    const made = this.#made;
    this.#made = [];
    return made;
  }

  entry(tar: TarEntry): void {
    const name = judgeName(tar.name);
    this.#inFile = name !== '.' && tar.kind === 'file';
    if (name === '.') return; // the directory is there already
    this.#bytes += tar.size;
    if (this.#bytes > DEFAULT_LIMITS.bytes)
      throw new TarLimitError('bytes', `the archive holds more than ${DEFAULT_LIMITS.bytes} bytes`);
    const { owner, keepKinds } = this.#options;
    const { uid, gid } = owner ?? tar;
    if (uid < 0 || gid < 0 || uid > MAX_ID || gid > MAX_ID)
      throw new TarError(`${JSON.stringify(tar.name)}: no such owner`);
    this.#index++;
    this.#made.push(
      encodeEntry({
        ...BLANK,
        kind: tar.kind,
        flags: keepKinds ? FLAG.same : 0,
        path: this.#below(name),
        link: tar.kind === 'hardlink' ? this.#below(judgeName(tar.link)) : tar.link,
        mode: tar.mode,
        ...{ uid, gid, major: tar.major, minor: tar.minor, size: tar.size, mtime: tar.mtime },
        xattrs: chooseXattrs(tar.xattrs),
        index: this.#index,
      }),
    );
  }

  #below(name: string): string {
    return this.#options.directory === '.' ? name : `${this.#options.directory}/${name}`;
  }

  data(offset: number, bytes: Buffer): void {
    if (this.#inFile) this.#made.push(encodeChunk(offset, bytes.length), Buffer.from(bytes));
  }

  fileEnd(): void {
    if (this.#inFile) this.#made.push(encodeChunk(0, 0));
  }

  end(): void {
    this.#made.push(encodeEntry({ ...BLANK, kind: 'end', path: '' }));
  }
}

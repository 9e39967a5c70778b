/**
 * What a tar archive says of one file, whichever of its dialects said it. Names are bytes, held as latin1 text: one
 * character is one byte, whatever encoding the archive's maker had in mind.
 *
 * Pure.
 */
export type TarKind = 'file' | 'directory' | 'symlink' | 'hardlink' | 'character' | 'block' | 'fifo';

export interface TarTime {
  readonly seconds: number;
  readonly nanoseconds: number;
}

export interface TarEntry {
  readonly kind: TarKind;
  /** As it is in the archive: absolute, with "..", anything. */
  readonly name: string;
  /** Target of a symlink, or name of the file that a hard link is another name of; '' otherwise. */
  readonly link: string;
  /** 07777 */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly major: number;
  readonly minor: number;
  /** Of a file, holes included. */
  readonly size: number;
  readonly mtime: TarTime;
  readonly xattrs: ReadonlyMap<string, Buffer>;
}

/** The archive is not what it should be; the message has the entry's name where there is one. */
export class TarError extends Error {}

/** A limit was reached; `limit` is the name of the setting. */
export class TarLimitError extends TarError {
  readonly limit: string;

  constructor(limit: string, message: string) {
    super(message);
    this.limit = limit;
  }
}

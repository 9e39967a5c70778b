/** An entry stream of tsrun-snapshot becomes a tar, whiteouts as image-spec writes them (layer.md). */
import type { Readable } from 'node:stream';
import { TAR_END, tarHeader, tarPadding } from '../util/tar/writer.js';
import { BLANK, type Entry, FLAG } from './entry.js';
import { EntryReader, type EntrySink } from './entry-reader.js';
import { chooseXattrs } from './layer.js';

const ZEROS = Buffer.alloc(1 << 16);

class TarMaker implements EntrySink {
  readonly #wanted: (entry: Entry) => boolean;
  readonly #rename: (path: string) => string;
  #made: Buffer[] = [];
  #inFile = false;
  #size = 0;
  #at = 0;

  constructor(wanted: (entry: Entry) => boolean, rename: (path: string) => string) {
    this.#wanted = wanted;
    this.#rename = rename;
  }

  take(): Buffer[] {
    const made = this.#made;
    this.#made = [];
    return made;
  }

  entry(entry: Entry): void {
    this.#inFile = false;
    if (!this.#wanted(entry)) return;
    this.#inFile = entry.kind === 'file';
    this.#size = entry.size;
    this.#at = 0;
    const link = entry.kind === 'hardlink' ? this.#rename(entry.link) : entry.link;
    this.#made.push(...headers({ ...entry, path: this.#rename(entry.path), link }));
  }

  /** Holes are written out: not every reader of layers knows sparse files. */
  data(offset: number, bytes: Buffer): void {
    if (!this.#inFile) return;
    this.#zeros(offset - this.#at);
    this.#made.push(bytes);
    this.#at += bytes.length;
  }

  fileEnd(): void {
    if (!this.#inFile) return;
    this.#zeros(this.#size - this.#at);
    this.#made.push(tarPadding(this.#size));
    this.#at = this.#size;
  }

  #zeros(count: number): void {
    for (let left = count; left > 0; left -= ZEROS.length)
      this.#made.push(ZEROS.subarray(0, Math.min(left, ZEROS.length)));
    this.#at += Math.max(count, 0);
  }
}

function headers(entry: Entry): Buffer[] {
  const { path, kind } = entry;
  const slash = path.lastIndexOf('/') + 1;
  const common = { mode: entry.mode, uid: entry.uid, gid: entry.gid, mtime: entry.mtime };
  const devices = { major: entry.major, minor: entry.minor, xattrs: chooseXattrs(entry.xattrs) };
  const made = { ...common, ...devices, link: entry.link, size: kind === 'file' ? entry.size : 0 };
  if (kind === 'whiteout') return [marker(`${path.slice(0, slash)}.wh.${path.slice(slash)}`)];
  if (kind === 'end' || kind === 'attributes') return [];
  const name = path === '.' ? './' : path;
  const header = tarHeader({ ...made, kind, name });
  const opaque = kind === 'directory' && (entry.flags & FLAG.opaque) !== 0;
  return opaque ? [header, marker(`${path === '.' ? '' : `${path}/`}.wh..wh..opq`)] : [header];
}

/** A file that only its name matters of. */
function marker(name: string): Buffer {
  return tarHeader({ ...BLANK, kind: 'file', name, mode: 0o600 });
}

export interface TarOptions {
  readonly wanted?: (entry: Entry) => boolean;
  /** What the tar calls a path, and what hard links name. */
  readonly rename?: (path: string) => string;
  /** Whiteouts that come last, by path. */
  readonly removed?: readonly string[];
}

export async function* tarOf(
  entries: Readable,
  { wanted = () => true, rename = (path) => path, removed = [] }: TarOptions,
): AsyncGenerator<Buffer> {
  const maker = new TarMaker(wanted, rename);
  const reader = new EntryReader(maker);
  for await (const piece of entries) {
    reader.push(piece as Buffer);
    yield* maker.take();
  }
  reader.finish();
  for (const path of removed) yield* headers({ ...BLANK, kind: 'whiteout', path });
  yield TAR_END;
}

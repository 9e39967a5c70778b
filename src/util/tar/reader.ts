/**
 * A strict tar reader that is fed: push() takes bytes as they come, and calls the sink at once, with parts of the same
 * buffer. What a header says is bounded before anything is kept; what the archive's maker wanted with a name is the
 * sink's to judge.
 *
 * Pure.
 */
import { type TarEntry, TarError, type TarKind, TarLimitError } from './entry.js';
import { BLOCK, parseHeader, type RawHeader, textUntilNul } from './header.js';
import { type PaxRecords, parsePax, paxNumber, paxText, paxTime, paxXattrs } from './pax.js';
import { checkExtents, type Extent, gnuBlockMap, gnuHeaderMap, parseInlineMap, paxSparse } from './sparse.js';

export interface TarSink {
  entry(entry: TarEntry): void;
  /** What a file holds, in ascending order; between the parts are holes. */
  data(offset: number, bytes: Buffer): void;
  /** After the last part of a file. */
  fileEnd(): void;
}

export interface TarLimits {
  readonly entries: number;
  /** Bytes of one PAX header or long name. */
  readonly headerBytes: number;
  readonly nameBytes: number;
}

const KINDS: { readonly [type: string]: TarKind } = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  S: 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'character',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
};

/** x and g: PAX; L and K: GNU's long name and long link. */
const META = 'xgLK';
const NO_RECORDS: PaxRecords = new Map();

type State = 'header' | 'meta' | 'gnu-map' | 'inline-map' | 'data' | 'padding' | 'end';

export class TarReader {
  readonly #sink: TarSink;
  readonly #limits: TarLimits;
  readonly #block = Buffer.alloc(BLOCK);
  #filled = 0;
  #state: State = 'header';
  #entries = 0;
  #global: PaxRecords = NO_RECORDS;
  #local: PaxRecords = NO_RECORDS;
  #longName: string | undefined;
  #longLink: string | undefined;
  #meta: { readonly type: string; readonly body: Buffer; filled: number } | undefined;
  #header: RawHeader | undefined;
  #map: Extent[] = [];
  #realSize = 0;
  #inlineText = '';
  /** Bytes of the archive still to come: of data, then of padding. */
  #left = 0;
  #padding = 0;
  #extents: readonly Extent[] = [];
  #extent = 0;
  #inExtent = 0;

  constructor(sink: TarSink, limits: TarLimits) {
    this.#sink = sink;
    this.#limits = limits;
  }

  /** Throws TarError; the reader is of no use then. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) at += this.#take(chunk.subarray(at));
  }

  /** The archive must have ended, if only at the end of an entry: some tars leave the two empty blocks out. */
  finish(): void {
    if (this.#state === 'end' || (this.#state === 'header' && this.#filled === 0)) return;
    throw new TarError('the archive ends in the middle of an entry');
  }

  /** Handles the beginning of bytes and says how many were used. */
  #take(bytes: Buffer): number {
    switch (this.#state) {
      case 'data':
        return this.#takeData(bytes);
      case 'padding':
        return this.#takePadding(bytes);
      case 'meta':
        return this.#takeMeta(bytes);
      case 'end':
        // Tars are padded with zeros to some record size; anything else is not part of what was read.
        if (bytes.some((byte) => byte !== 0)) throw new TarError('there is something behind the end of the archive');
        return bytes.length;
      default:
        return this.#takeBlock(bytes);
    }
  }

  #takeBlock(bytes: Buffer): number {
    const used = Math.min(BLOCK - this.#filled, bytes.length);
    bytes.copy(this.#block, this.#filled, 0, used);
    this.#filled += used;
    if (this.#filled < BLOCK) return used;
    this.#filled = 0;
    if (this.#state === 'gnu-map') this.#gnuMap();
    else if (this.#state === 'inline-map') this.#inlineMap();
    else this.#readHeader();
    return used;
  }

  #readHeader(): void {
    const header = parseHeader(this.#block);
    if (header === undefined) {
      this.#state = 'end';
      return;
    }
    if (header.size < 0) throw new TarError(`${show(header.name)}: its size is negative`);
    if (header.type !== '' && META.includes(header.type)) {
      this.#startMeta(header);
      return;
    }
    if (++this.#entries > this.#limits.entries) {
      throw new TarLimitError('entries', `more than ${this.#limits.entries} entries`);
    }
    this.#header = header;
    const pax = this.#records();
    const sparse = paxSparse(pax);
    const size = paxNumber(pax, 'size') ?? header.size;
    this.#left = size;
    this.#padding = (BLOCK - (size % BLOCK)) % BLOCK;
    if (header.type === 'S') {
      this.#startGnuMap();
      return;
    }
    if (sparse === undefined) {
      this.#start([{ offset: 0, length: size }], size);
      return;
    }
    this.#realSize = sparse.realSize;
    if (sparse.extents !== undefined) {
      this.#start(sparse.extents, sparse.realSize);
      return;
    }
    this.#inlineText = '';
    this.#state = 'inline-map';
  }

  #records(): PaxRecords {
    if (this.#global.size === 0) return this.#local;
    return new Map([...this.#global, ...this.#local]);
  }

  #startMeta(header: RawHeader): void {
    if (header.size > this.#limits.headerBytes) {
      throw new TarLimitError('headerBytes', `a header of ${header.size} bytes, at most ${this.#limits.headerBytes}`);
    }
    this.#meta = { type: header.type, body: Buffer.alloc(header.size), filled: 0 };
    this.#padding = (BLOCK - (header.size % BLOCK)) % BLOCK;
    this.#state = 'meta';
    if (header.size === 0) this.#endMeta();
  }

  #takeMeta(bytes: Buffer): number {
    const meta = this.#meta;
    if (meta === undefined) throw new TarError('no header');
    const used = bytes.copy(meta.body, meta.filled);
    meta.filled += used;
    if (meta.filled === meta.body.length) this.#endMeta();
    return used;
  }

  #endMeta(): void {
    const { type, body } = this.#meta ?? { type: '', body: Buffer.alloc(0) };
    this.#meta = undefined;
    if (type === 'g') this.#global = new Map([...this.#global, ...parsePax(body)]);
    if (type === 'x') this.#local = parsePax(body);
    if (type === 'L') this.#longName = textUntilNul(body);
    if (type === 'K') this.#longLink = textUntilNul(body);
    this.#toPadding();
  }

  #startGnuMap(): void {
    const { extents, more, realSize } = gnuHeaderMap(this.#block);
    this.#map = extents;
    this.#realSize = realSize;
    if (more) this.#state = 'gnu-map';
    else this.#start(extents, realSize);
  }

  #gnuMap(): void {
    const { extents, more } = gnuBlockMap(this.#block);
    this.#map.push(...extents);
    if (this.#map.length * 24 > this.#limits.headerBytes) {
      throw new TarLimitError('headerBytes', `a map of more than ${this.#limits.headerBytes} bytes`);
    }
    if (!more) this.#start(this.#map, this.#realSize);
  }

  #inlineMap(): void {
    if (this.#left < BLOCK) throw new TarError('malformed map of a sparse file');
    this.#left -= BLOCK;
    this.#inlineText += this.#block.toString('latin1');
    if (this.#inlineText.length > this.#limits.headerBytes) {
      throw new TarLimitError('headerBytes', `a map of more than ${this.#limits.headerBytes} bytes`);
    }
    const extents = parseInlineMap(this.#inlineText);
    if (extents !== undefined) this.#start(extents, this.#realSize);
  }

  #start(extents: readonly Extent[], size: number): void {
    const entry = this.#entry(size);
    const holdsData = entry.kind === 'file';
    if (holdsData) checkExtents(extents, size, this.#left);
    this.#extents = holdsData ? extents : [];
    this.#extent = 0;
    this.#inExtent = 0;
    // Some tars give a directory or a hard link a size, and no data behind it.
    if (KINDS[this.#header?.type ?? ''] !== 'file') {
      this.#left = 0;
      this.#padding = 0;
    }
    this.#local = NO_RECORDS;
    this.#longName = undefined;
    this.#longLink = undefined;
    this.#sink.entry(entry);
    this.#state = 'data';
    if (this.#left === 0) this.#endData();
  }

  #entry(size: number): TarEntry {
    const header = this.#header;
    if (header === undefined) throw new TarError('no header');
    const pax = this.#records();
    const name = paxText(pax, 'GNU.sparse.name') ?? paxText(pax, 'path') ?? this.#longName ?? header.name;
    const link = paxText(pax, 'linkpath') ?? this.#longLink ?? header.link;
    const kind = KINDS[header.type];
    if (kind === undefined) throw new TarError(`${show(name)}: entries of type ${show(header.type)} are not known`);
    if (name.length > this.#limits.nameBytes || link.length > this.#limits.nameBytes) {
      throw new TarLimitError('nameBytes', `${show(name.slice(0, 64))}…: longer than ${this.#limits.nameBytes} bytes`);
    }
    const directory = kind === 'directory' || (header.type !== 'S' && kind === 'file' && name.endsWith('/'));
    return {
      kind: directory ? 'directory' : kind,
      name,
      link: kind === 'symlink' || kind === 'hardlink' ? link : '',
      mode: header.mode & 0o7777,
      uid: paxNumber(pax, 'uid') ?? header.uid,
      gid: paxNumber(pax, 'gid') ?? header.gid,
      major: header.major,
      minor: header.minor,
      size: kind === 'file' && !directory ? size : 0,
      mtime: paxTime(pax, 'mtime') ?? { seconds: header.mtime, nanoseconds: 0 },
      xattrs: paxXattrs(pax),
    };
  }

  #takeData(bytes: Buffer): number {
    const extent = this.#extents[this.#extent];
    const room = extent === undefined ? this.#left : extent.length - this.#inExtent;
    const used = Math.min(room, this.#left, bytes.length);
    if (extent !== undefined && used > 0) this.#sink.data(extent.offset + this.#inExtent, bytes.subarray(0, used));
    this.#left -= used;
    this.#inExtent += used;
    if (extent !== undefined && this.#inExtent === extent.length) {
      this.#extent++;
      this.#inExtent = 0;
    }
    if (this.#left === 0) this.#endData();
    return used;
  }

  #endData(): void {
    if (this.#header !== undefined) this.#sink.fileEnd();
    this.#header = undefined;
    this.#toPadding();
  }

  #toPadding(): void {
    this.#state = this.#padding > 0 ? 'padding' : 'header';
  }

  #takePadding(bytes: Buffer): number {
    const used = Math.min(this.#padding, bytes.length);
    this.#padding -= used;
    if (this.#padding === 0) this.#state = 'header';
    return used;
  }
}

/** For messages: what is not printable is escaped. */
function show(name: string): string {
  return JSON.stringify(name);
}

/**
 * A blob of a layer, unpacked piece by piece: gzip, zstd or plain, told by its first bytes as other engines do, because
 * media types lie. For a worker: zstd works in this thread.
 */
import { closeSync, createReadStream, openSync, readSync } from 'node:fs';
import * as zlib from 'node:zlib';
import { addon } from '../native/addon.js';
import { TarError } from '../util/tar/entry.js';

const PIECE = 1 << 18;
/** A window of 128 MiB: what `zstd -22` makes. */
const WINDOW_LOG_MAX = 27;

type Compression = 'gzip' | 'zstd' | 'none';

const KNOWN_BUT_NOT_READ: ReadonlyMap<string, string> = new Map([
  ['425a68', 'bzip2'],
  ['fd377a', 'xz'],
]);

function compressionOf(first: Buffer): Compression {
  const magic = first.toString('hex', 0, 3);
  if (magic.startsWith('1f8b')) return 'gzip';
  // A frame, or one that is to be skipped.
  if (first.readUInt32LE(0) === 0xfd2fb528 || first.readUInt32LE(0) >>> 4 === 0x184d2a5) return 'zstd';
  const other = KNOWN_BUT_NOT_READ.get(magic);
  if (other !== undefined) throw new TarError(`compressed with ${other}: layers are gzip, zstd or plain tar`);
  return 'none';
}

/** Compressed bytes read so far go to onRead. */
export async function* decompressed(path: string, onRead: (bytes: number) => void): AsyncGenerator<Buffer> {
  const fd = openSync(path, 'r');
  try {
    const first = Buffer.alloc(4);
    readSync(fd, first, 0, 4, 0);
    const compression = compressionOf(first);
    if (compression === 'gzip') yield* throughNode(path, onRead, zlib.createGunzip({ chunkSize: PIECE }));
    else if (compression === 'zstd') yield* unzstd(path, fd, onRead);
    else yield* pieces(fd, onRead);
  } finally {
    closeSync(fd);
  }
}

function* pieces(fd: number, onRead: (bytes: number) => void): Generator<Buffer> {
  for (;;) {
    const piece = Buffer.allocUnsafe(PIECE);
    const length = readSync(fd, piece, 0, PIECE, null);
    if (length === 0) return;
    onRead(length);
    yield piece.subarray(0, length);
  }
}

/** Node's own decompressors work in its thread pool, beside this thread. */
async function* throughNode(
  path: string,
  onRead: (bytes: number) => void,
  decoder: zlib.Gunzip,
): AsyncGenerator<Buffer> {
  const source = createReadStream(path, { highWaterMark: PIECE });
  source.on('data', (piece) => onRead(piece.length));
  source.on('error', (error) => decoder.destroy(error));
  source.pipe(decoder);
  try {
    for await (const piece of decoder) yield piece as Buffer;
  } catch (error) {
    throw error instanceof Error && 'code' in error && String(error.code).startsWith('Z_')
      ? new TarError(`cannot be decompressed: ${error.message}`)
      : error;
  } finally {
    source.destroy();
    decoder.destroy();
  }
}

async function* unzstd(path: string, fd: number, onRead: (bytes: number) => void): AsyncGenerator<Buffer> {
  const { zstdDecoder, zstdDecode } = addon();
  if (zstdDecoder === undefined || zstdDecode === undefined) {
    yield* throughNode(path, onRead, nodeZstd());
    return;
  }
  const decoder = zstdDecoder(WINDOW_LOG_MAX);
  let hint = 0;
  const step = (input: Buffer, output: Buffer) => {
    try {
      return zstdDecode(decoder, input, output);
    } catch (error) {
      throw new TarError(`cannot be decompressed: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  for (const piece of pieces(fd, onRead)) {
    let rest = piece;
    for (let full = true; rest.length > 0 || full; ) {
      const output = Buffer.allocUnsafe(PIECE);
      const [used, written, next] = step(rest, output);
      hint = next;
      rest = rest.subarray(used);
      full = written === PIECE;
      if (written > 0) yield output.subarray(0, written);
    }
  }
  if (hint !== 0) throw new TarError('cannot be decompressed: unexpected end of file');
}

/** Node has zstd from 22.15 on. */
function nodeZstd(): zlib.Gunzip {
  const make = (zlib as { createZstdDecompress?: (options: object) => zlib.Gunzip }).createZstdDecompress;
  if (make !== undefined) return make({ chunkSize: PIECE });
  throw new TarError('compressed with zstd, which this build of tsrun lacks: build it with libzstd-dev installed');
}

/** What a layer's media type ends in, by its first bytes: "", "+gzip", "+zstd". RFC 1952, RFC 8878. */
export function layerSuffix(path: string): string {
  const first = Buffer.alloc(4);
  const fd = openSync(path, 'r');
  try {
    readSync(fd, first, 0, 4, 0);
  } finally {
    closeSync(fd);
  }
  if (first.toString('hex', 0, 2) === '1f8b') return '+gzip';
  return first.toString('hex') === '28b52ffd' ? '+zstd' : '';
}

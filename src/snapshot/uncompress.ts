/**
 * A client's archive, told by its first bytes: plain, gzip and zstd here, bzip2 and xz by the host's own programs, which
 * see nothing but the bytes (CVE-2019-14271, CVE-2026-41567: never those of a container).
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { TsrunError } from '../errors.js';
import { addon } from '../native/addon.js';
import { TarError } from '../util/tar/entry.js';

const PIECE = 1 << 18;
/** A window of 128 MiB: what `zstd -22` makes. */
const WINDOW_LOG_MAX = 27;
const PROGRAMS: { readonly [magic: string]: readonly [name: string, ...paths: string[]] } = {
  '425a68': ['bzip2', '/usr/bin/bzip2', '/bin/bzip2'],
  fd377a: ['xz', '/usr/bin/xz', '/bin/xz'],
};

export async function* uncompressed(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  let first = Buffer.alloc(0);
  while (first.length < 6) {
    const { value, done } = await iterator.next();
    if (done === true) break;
    first = Buffer.concat([first, value]);
  }
  const whole = joined(first, iterator);
  const magic = first.toString('hex', 0, 3);
  const program = PROGRAMS[magic];
  if (magic.startsWith('1f8b')) yield* through(whole, createGunzip({ chunkSize: PIECE }));
  else if (first.length >= 4 && first.readUInt32LE(0) === 0xfd2fb528) yield* unzstd(whole);
  else if (program !== undefined) yield* piped(whole, program);
  else yield* whole;
}

async function* joined(first: Buffer, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (first.length > 0) yield first;
  for (;;) {
    const { value, done } = await rest.next();
    if (done === true) return;
    yield value;
  }
}

async function* through(
  source: AsyncIterable<Uint8Array>,
  decoder: NodeJS.ReadWriteStream,
): AsyncGenerator<Uint8Array> {
  const input = Readable.from(source);
  input.on('error', (error) => decoder.emit('error', error));
  input.pipe(decoder);
  try {
    for await (const piece of decoder) yield piece as Uint8Array;
  } catch (error) {
    throw new TarError(`cannot be decompressed: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    input.destroy();
  }
}

async function* unzstd(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { zstdDecoder, zstdDecode } = addon();
  if (zstdDecoder === undefined || zstdDecode === undefined)
    throw new TarError('compressed with zstd, which this build of tsrun lacks: build it with libzstd-dev installed');
  const decoder = zstdDecoder(WINDOW_LOG_MAX);
  let next = 0;
  for await (const piece of source) {
    let rest = piece;
    for (let full = true; rest.length > 0 || full; ) {
      const output = Buffer.allocUnsafe(PIECE);
      let used: number;
      let written: number;
      try {
        [used, written, next] = zstdDecode(decoder, rest, output);
      } catch (error) {
        throw new TarError(`cannot be decompressed: ${error instanceof Error ? error.message : String(error)}`);
      }
      rest = rest.subarray(used);
      full = written === PIECE;
      if (written > 0) yield output.subarray(0, written);
    }
  }
  if (next !== 0) throw new TarError('cannot be decompressed: unexpected end of file');
}

async function* piped(
  source: AsyncIterable<Uint8Array>,
  [name, ...paths]: readonly [string, ...string[]],
): AsyncGenerator<Uint8Array> {
  const path = paths.find((one) => existsSync(one));
  if (path === undefined)
    throw new TsrunError('HOST_UNSUPPORTED', `the archive is compressed with ${name}, which this host lacks`, {
      hint: `install ${name}, or send gzip, zstd or no compression`,
    });
  const child = spawn(path, ['-dc'], { env: {}, cwd: '/', stdio: ['pipe', 'pipe', 'ignore'] });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  child.stdin.on('error', () => undefined); // it has ended, and the status says how
  const input = Readable.from(source);
  input.on('error', () => child.kill());
  input.pipe(child.stdin);
  try {
    for await (const piece of child.stdout) yield piece as Uint8Array;
    if ((await ended) !== 0) throw new TarError(`cannot be decompressed: ${name} refuses it`);
  } finally {
    input.destroy();
    child.kill();
  }
}

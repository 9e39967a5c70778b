/**
 * The files of a rotated log, PATH the newest, PATH.1 or PATH.1.gz before it, and so on: opened all at once, so that no
 * rotation and no compression takes one away from a reader. Who changes their names has the lock of their directory
 * (names.ts).
 */
import { closeSync, constants, fstatSync, openSync, read, readSync } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGunzip } from 'node:zlib';
import { HEAD_SIZE, type Origin, readHead } from './gzip-head.js';
import { hasCode, withNames } from './names.js';

export interface LogFile {
  readonly path: string;
  readonly fd: number;
  readonly inode: bigint;
  readonly compressed: boolean;
  /** Of what was compressed. */
  readonly origin: Origin | undefined;
  /** Nothing in it is later; nanoseconds. Of a file that is written to, it grows. undefined: not known. */
  readonly written: bigint | undefined;
}

const readAt = promisify(read);
const BLOCK = 64 * 1024;
const MOST_FILES = 10_000;

/** undefined where there is none. */
function openLog(path: string, compressed: boolean): LogFile | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
  const { ino: inode, mtimeNs } = fstatSync(fd, { bigint: true });
  if (!compressed) return { path, fd, inode, compressed, origin: undefined, written: mtimeNs };
  const head = Buffer.alloc(HEAD_SIZE);
  const origin = readHead(head.subarray(0, readSync(fd, head, 0, HEAD_SIZE, 0)));
  return { path, fd, inode, compressed, origin, written: origin?.written };
}

/** Of both the one that is whole for certain: a daemon was killed before it could remove it. */
const openNumber = (path: string, number: number): LogFile | undefined =>
  number === 0 ? openLog(path, false) : (openLog(`${path}.${number}`, false) ?? openLog(`${path}.${number}.gz`, true));

export const closeLog = ({ fd }: LogFile): void => closeSync(fd);

/** The oldest first. A file that the monitor of a former release shows twice, in a rotation, is opened once. */
export function openLogs(path: string): Promise<LogFile[]> {
  return withNames(path, () => {
    const found: LogFile[] = [];
    for (let number = 0; number < MOST_FILES; number++) {
      const file = openNumber(path, number);
      if (file === undefined && number > 0) break;
      if (file === undefined) continue; // no room for a new one
      if (found.some(({ inode }) => inode === file.inode)) closeLog(file);
      else found.unshift(file);
    }
    return found;
  });
}

/** inode numbers are used again, but not that of a file that is open: the youngest that fits is the one. */
const isSame = (own: LogFile, other: LogFile): boolean =>
  own.inode === other.inode || (!own.compressed && other.origin?.inode === own.inode);

/** The file that followed this one; undefined: it is the newest. If it was rotated away, the oldest follows. */
export function successor(path: string, own: LogFile): Promise<LogFile | undefined> {
  return withNames(path, () => {
    let newer: LogFile | undefined;
    for (let number = 0; number < MOST_FILES; number++) {
      const file = openNumber(path, number);
      if (file === undefined && number > 0) return newer;
      if (file === undefined) continue;
      if (isSame(own, file)) {
        closeLog(file);
        return newer;
      }
      if (newer !== undefined) closeLog(newer);
      newer = file;
    }
    return newer;
  });
}

export const sizeOf = ({ fd }: LogFile): number => fstatSync(fd).size;

/** Bytes from `at`, up to `length` of them. */
export async function readBytes({ fd }: LogFile, at: number, length: number): Promise<Buffer> {
  const { bytesRead, buffer } = await readAt(fd, Buffer.allocUnsafe(length), 0, length, at);
  return buffer.subarray(0, bytesRead);
}

async function* plainBlocks(file: LogFile, at: number): AsyncGenerator<Buffer> {
  for (let position = at; ; ) {
    const block = await readBytes(file, position, BLOCK);
    if (block.length === 0) return;
    position += block.length;
    yield block;
  }
}

/** To the end that it has now. Of a compressed file at is 0. Throws for one that is damaged. */
export async function* blocksOf(file: LogFile, at: number): AsyncGenerator<Buffer> {
  if (!file.compressed) return yield* plainBlocks(file, at);
  const gunzip = createGunzip({ chunkSize: BLOCK });
  // What fails is told by gunzip itself; here it is waited for, so that nobody reads when the file is closed.
  const fed = pipeline(Readable.from(plainBlocks(file, 0)), gunzip).catch(() => undefined);
  try {
    for await (const block of gunzip) yield block;
  } finally {
    gunzip.destroy();
    await fed;
  }
}

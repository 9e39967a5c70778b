/**
 * Compresses the rotated files of a log, FILE.N to FILE.N.gz. Nothing is lost whenever it is killed: the compressed file
 * is on the disk as a whole before it gets its name, and the other goes after that. The monitor may rotate meanwhile, so
 * that the number of a file is looked for again in the end. docs/adr/0015.
 */
import { closeSync, constants, existsSync, fstatSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { blocksOf, type LogFile } from './files.js';
import { type Origin, PLAIN_HEAD_SIZE, writeHead } from './gzip-head.js';
import { hasCode, onlyWithNames } from './names.js';

/** Resolves when all rotated files are compressed, or cannot be. files: most that the log has. Rejects when aborted. */
export async function compressLog(path: string, files: number, signal: AbortSignal): Promise<void> {
  const half = `${path}.gz`; // of one that was killed
  try {
    for (let number = 1; number < files; number++) {
      const rotated = openRotated(`${path}.${number}`);
      if (rotated === undefined) continue;
      try {
        await compressFile(rotated, half, signal);
        await onlyWithNames(path, () => replace(path, files, rotated, half));
      } finally {
        closeSync(rotated.fd);
      }
    }
  } finally {
    rmSync(half, { force: true });
  }
}

function openRotated(path: string): (LogFile & { origin: Origin }) | undefined {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    const { ino: inode, mtimeNs: written } = fstatSync(fd, { bigint: true });
    return { path, fd, inode, compressed: false, origin: { inode, written }, written };
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

async function compressFile(from: LogFile & { origin: Origin }, to: string, signal: AbortSignal): Promise<void> {
  rmSync(to, { force: true });
  const file = await open(to, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o640);
  try {
    const source = Readable.from(blocksOf(from, 0), { objectMode: false });
    const write = async (compressed: AsyncIterable<Buffer>) => {
      await file.write(writeHead(from.origin));
      for await (const block of withoutHead(compressed)) await file.writeFile(block);
    };
    await pipeline(source, createGzip(), write, { signal });
    await file.datasync();
  } finally {
    await file.close();
  }
}

async function* withoutHead(compressed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let skip = PLAIN_HEAD_SIZE;
  for await (const block of compressed) {
    if (block.length > skip) yield block.subarray(skip);
    skip = Math.max(0, skip - block.length);
  }
}

/** Rotated away meanwhile: nobody needs it. */
function replace(path: string, files: number, { inode }: LogFile, half: string): void {
  for (let number = 1; number < files; number++) {
    const name = `${path}.${number}`;
    if (!existsSync(name) || statSync(name, { bigint: true }).ino !== inode) continue;
    renameSync(half, `${name}.gz`);
    rmSync(name);
    return;
  }
}

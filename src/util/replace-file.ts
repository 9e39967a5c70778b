/**
 * Files that are there whole or not at all, whenever the power goes: temporary file, fsync, rename, fsync of the
 * directory. Never used for paths below a rootfs.
 */
import { closeSync, constants, fsyncSync, openSync, readdirSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** fsync(2) of a directory makes the names in it durable. */
export function syncDirectory(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Throws what the system call threw, after the temporary file is gone. Two writers at once: the last one wins. */
export function replaceFile(path: string, bytes: Uint8Array, mode = 0o600): void {
  const temporary = temporaryOf(path);
  try {
    write(temporary, bytes, mode, fsyncSync);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncDirectory(dirname(path));
}

export interface Replacement {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** Many files of one file system, in the given order, for one syncfs(2) instead of an fsync(2) for each. Throws as above. */
export async function replaceFiles(
  files: readonly Replacement[],
  syncFileSystem: () => Promise<unknown>,
): Promise<void> {
  try {
    for (const { path, bytes } of files) write(temporaryOf(path), bytes, 0o600);
    await syncFileSystem();
    for (const { path } of files) renameSync(temporaryOf(path), path);
  } catch (error) {
    for (const { path } of files) rmSync(temporaryOf(path), { force: true });
    throw error;
  }
  for (const directory of new Set(files.map(({ path }) => dirname(path)))) syncDirectory(directory);
}

/** What processes that were killed have left of these: of those that live, somebody is at it. */
export function removeTemporaries(directory: string): void {
  for (const name of readdirSync(directory)) {
    const [, pid] = TEMPORARY.exec(name) ?? [];
    if (pid !== undefined && !isAlive(Number(pid))) rmSync(join(directory, name), { force: true });
  }
}

const TEMPORARY = /^\..+\.(\d+)$/;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ESRCH');
  }
}

const temporaryOf = (path: string) => join(dirname(path), `.${basename(path)}.${process.pid}`);

function write(path: string, bytes: Uint8Array, mode: number, sync?: (fd: number) => void): void {
  const fd = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW, mode);
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
    sync?.(fd);
  } finally {
    closeSync(fd);
  }
}

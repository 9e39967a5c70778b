/**
 * The files of a rotated log, PATH the newest, PATH.1 before it, and so on: opened at once, so that a rotation takes none
 * away from a reader.
 */
import { type FileHandle, open } from 'node:fs/promises';

export interface LogFile {
  readonly handle: FileHandle;
  readonly inode: number;
}

/** undefined where there is none. */
export async function openLog(path: string): Promise<LogFile | undefined> {
  let handle: FileHandle;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  return { handle, inode: (await handle.stat()).ino };
}

const MOST_FILES = 10_000;

/** The oldest first. A file that a rotation shows twice is opened once. */
export async function openLogs(path: string): Promise<LogFile[]> {
  const found: LogFile[] = [];
  for (let number = 0; number < MOST_FILES; number++) {
    const file = await openLog(number === 0 ? path : `${path}.${number}`);
    if (file === undefined) {
      if (number > 0) break;
      continue; // it is being rotated in this moment
    }
    if (found.some(({ inode }) => inode === file.inode)) await file.handle.close();
    else found.unshift(file);
  }
  return found;
}

/** The file that followed this one; undefined: it is the newest. lost: it was rotated away, the oldest follows. */
export async function successor(path: string, inode: number): Promise<LogFile | undefined> {
  let newer: LogFile | undefined;
  for (let number = 0; number < MOST_FILES; number++) {
    const file = await openLog(number === 0 ? path : `${path}.${number}`);
    if (file === undefined && number > 0) return newer;
    if (file === undefined) continue;
    if (file.inode === inode) {
      await file.handle.close();
      return newer;
    }
    await newer?.handle.close();
    newer = file;
  }
  return newer;
}

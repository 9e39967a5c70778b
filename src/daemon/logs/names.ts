/**
 * The lock of a log's names, flock(2) on its directory: the monitor has it for a rotation, and leaves the rotation for
 * later when it is taken (csrc/monitor/logfile.c); the daemon has it while it opens all files, or puts a compressed one in
 * the place of another. Nobody holds it for longer than a few calls, none of which waits.
 */
import { closeSync, constants, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { tryLock } from '../../image/locks.js';

const PAUSE_MS = 5;
const PATIENCE_MS = 2000;

export const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;

/** Where the lock cannot be had (no directory yet, a file system without), action goes on without. */
export function withNames<T>(path: string, action: () => T): Promise<T> {
  return locked(path, action, action);
}

/** undefined: the lock cannot be had, nothing was done. */
export function onlyWithNames<T>(path: string, action: () => T): Promise<T | undefined> {
  return locked<T | undefined>(path, action, () => undefined);
}

async function locked<T>(path: string, action: () => T, without: () => T): Promise<T> {
  const fd = openDirectory(dirname(path));
  if (fd === undefined) return without();
  try {
    for (const until = performance.now() + PATIENCE_MS; performance.now() < until; await setTimeout(PAUSE_MS)) {
      const got = gets(fd);
      if (got === undefined) break;
      if (got) return action();
    }
    return without();
  } finally {
    closeSync(fd);
  }
}

function openDirectory(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** undefined: there are no locks here. */
function gets(fd: number): boolean | undefined {
  try {
    return tryLock(fd);
  } catch {
    return undefined;
  }
}

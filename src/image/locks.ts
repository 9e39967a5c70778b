/**
 * Locks of the content store, flock(2) on files: whoever dies lets go. One lock guards the index and garbage collection
 * and is held for moments, without an await; a lease is a file that its owner keeps locked, with the digests it protects,
 * one a line. A lease is written under the lock, so a collector either sees it, or is done before its owner looks what is
 * there.
 */

import { randomUUID } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { addon } from '../native/addon.js';
import { type Digest, isDigest } from '../util/digest.js';
import type { Lease } from './store.js';

const LOCK_EX = 2;
const LOCK_NB = 4;
const EWOULDBLOCK = 11;

export function openLockFile(path: string): number {
  return openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
}

/** False when somebody else has it. */
export function tryLock(fd: number): boolean {
  try {
    addon().flock(fd, LOCK_EX | LOCK_NB);
    return true;
  } catch (error) {
    if (error instanceof Error && 'errno' in error && error.errno === EWOULDBLOCK) return false;
    throw error;
  }
}

/** Whether the name still is the file that was opened: another owner may have renamed or removed it in between. */
export function isStill(fd: number, path: string): boolean {
  const own = fstatSync(fd);
  const named = statSync(path, { throwIfNoEntry: false });
  return named !== undefined && named.ino === own.ino && named.dev === own.dev;
}

/** Waits. action must not await: another holder in this process would wait for ever. */
export function exclusively<T>(path: string, action: () => T): T {
  const fd = openLockFile(path);
  try {
    addon().flock(fd, LOCK_EX);
    return action();
  } finally {
    closeSync(fd);
  }
}

export async function holdLease<T>(directory: string, lock: string, use: (lease: Lease) => Promise<T>): Promise<T> {
  const path = join(directory, randomUUID());
  const fd = exclusively(lock, () => {
    const created = openLockFile(path);
    tryLock(created);
    return created;
  });
  const protect: Lease['protect'] = (...digests) =>
    exclusively(lock, () => {
      writeSync(fd, digests.map((digest) => `${digest}\n`).join(''));
    });
  try {
    return await use({ protect });
  } finally {
    rmSync(path, { force: true });
    closeSync(fd);
  }
}

/** What living leases protect; those of the dead are removed. Only under the lock. */
export function leased(directory: string): Set<Digest> {
  const found = new Set<Digest>();
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    const fd = openLockFile(path);
    try {
      if (tryLock(fd)) rmSync(path, { force: true });
      else for (const line of readFileSync(path, 'latin1').split('\n')) if (isDigest(line)) found.add(line);
    } finally {
      closeSync(fd);
    }
  }
  return found;
}

/** Files that nobody is writing any more, of those whose names begin so. Returns bytes. */
export function removeUnlocked(directory: string, prefix = ''): number {
  let size = 0;
  for (const name of readdirSync(directory).filter((one) => one.startsWith(prefix))) {
    const path = join(directory, name);
    const fd = openLockFile(path);
    try {
      if (!tryLock(fd)) continue;
      size += fstatSync(fd).size;
      rmSync(path, { force: true });
    } finally {
      closeSync(fd);
    }
  }
  return size;
}

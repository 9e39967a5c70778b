/**
 * The directory of the plan cache: one file an entry, for root alone, bounded in number and bytes. The launcher reads it
 * (csrc/launcher/cache.c); here entries are written, listed and cleared. It is a cache: no fsync, and what fails is let be.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { addon } from '../native/addon.js';
import { type EntrySummary, MAX_ENTRY_BYTES, summarize } from './entry.js';

export const DEFAULT_DIRECTORY = '/run/tsrun-cache';

const MAX_ENTRIES = 256;
const MAX_TOTAL = 16 * 1024 * 1024;
const LOCK_EX = 2;
const LOCK_NB = 4;
const OTHERS = 0o077;

/** TSRUN_CACHE: "off" or another directory. undefined: no cache. */
export function cacheDirectory(env: { readonly [name: string]: string | undefined }): string | undefined {
  const { TSRUN_CACHE: given = '' } = env;
  if (given === 'off') return undefined;
  return given.startsWith('/') ? given : DEFAULT_DIRECTORY;
}

/** Names that the launcher looks for: see cache.c. */
const NAME = /^[0-9a-f]{16}-[0-9]$/;

export const isEntryName = (name: string): boolean => NAME.test(name);

interface Stored {
  readonly name: string;
  readonly size: number;
  readonly used: number;
}

const isErrno = (error: unknown): boolean => error instanceof Error && 'errno' in error;

/** The directory, locked; undefined when it is not ours alone, or somebody else is writing. */
function lockDirectory(directory: string, make: boolean): number | undefined {
  if (make) makeDirectory(directory);
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  const stat = fstatSync(fd);
  try {
    if (stat.uid !== 0 || (stat.mode & OTHERS) !== 0) throw new Error('not ours alone', { cause: directory });
    addon().flock(fd, LOCK_EX | LOCK_NB);
    return fd;
  } catch {
    closeSync(fd);
    return undefined;
  }
}

function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { mode: 0o700 });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
}

function listStored(directory: string): Stored[] {
  return readdirSync(directory).flatMap((name) => {
    const stat = lstatSync(join(directory, name), { throwIfNoEntry: false });
    return stat === undefined ? [] : [{ name, size: stat.size, used: stat.mtimeMs }];
  });
}

/** Those that were not used for the longest time go, and whatever is none of ours. */
function makeRoom(directory: string, name: string, size: number): void {
  const stored = listStored(directory).sort((a, b) => b.used - a.used);
  let total = size;
  let count = 1;
  for (const one of stored) {
    if (one.name === name) continue;
    total += one.size;
    count++;
    if (!isEntryName(one.name) || count > MAX_ENTRIES || total > MAX_TOTAL) unlinkSync(join(directory, one.name));
  }
}

/** Whether it was written. */
export function storeEntry(directory: string, name: string, bytes: Uint8Array): boolean {
  if (!isEntryName(name) || bytes.length > MAX_ENTRY_BYTES) return false;
  try {
    const lock = lockDirectory(directory, true);
    if (lock === undefined) return false;
    try {
      makeRoom(directory, name, bytes.length);
      writeWhole(directory, name, bytes);
      return true;
    } finally {
      closeSync(lock);
    }
  } catch (error) {
    if (isErrno(error)) return false;
    throw error;
  }
}

function writeWhole(directory: string, name: string, bytes: Uint8Array): void {
  const temporary = join(directory, `.${name}`);
  const fd = openSync(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    writeSync(fd, bytes);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, join(directory, name));
}

export interface ListedEntry extends EntrySummary {
  readonly name: string;
  readonly size: number;
  /** Milliseconds since the epoch: made, or last used. */
  readonly used: number;
}

/** The one used last comes first. Throws errors of fs, but not when there is no cache yet. */
export function listEntries(directory: string): ListedEntry[] {
  const there = lstatSync(directory, { throwIfNoEntry: false });
  if (there === undefined) return [];
  const entries = listStored(directory).flatMap((one) => {
    const summary = isEntryName(one.name) ? summarize(readFileSync(join(directory, one.name))) : undefined;
    return summary === undefined ? [] : [{ ...one, ...summary }];
  });
  return entries.sort((a, b) => b.used - a.used);
}

/** How many entries there were. */
export function clearEntries(directory: string): number {
  const there = lstatSync(directory, { throwIfNoEntry: false });
  if (there === undefined) return 0;
  const stored = listStored(directory);
  for (const { name } of stored) unlinkSync(join(directory, name));
  return stored.length;
}

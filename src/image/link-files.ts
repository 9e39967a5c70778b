/** The small files that repositories are made of: links, whose names are what they say, and texts of a line or two. */
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { replaceFile, syncDirectory } from '../util/replace-file.js';
import { inStore } from './ingest.js';

export const isThere = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined;
/** replaceFile() makes temporary names that begin with a dot, which no tag does. */
export const isOwn = (name: string): boolean => !name.startsWith('.');

/** None of a directory that is not there. */
export function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');

export function remove(path: string): boolean {
  if (!isThere(path)) return false;
  rmSync(path);
  syncDirectory(dirname(path));
  return true;
}

/** Durable: what is put into it needs only its own directory synced. */
function make(directory: string): void {
  const first = mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (first !== undefined) syncDirectory(dirname(first));
}

/** An empty file, which exists from now on and is as old as this moment. Not synced. */
export function touchFile(path: string): void {
  try {
    make(dirname(path));
    closeSync(openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW, 0o600));
    utimesSync(path, new Date(), new Date());
  } catch (error) {
    throw inStore(error);
  }
}

/** One after the other; on a full disk none of them. */
export function writeAll(files: readonly (readonly [path: string, text: string])[]): void {
  const before = files.map(([path]) => [path, readText(path)] as const);
  try {
    for (const [path, text] of files) writeText(path, text);
  } catch (error) {
    for (const [path, text] of before.reverse()) restore(path, text);
    throw error;
  }
}

/** As well as a full disk lets it. */
function restore(path: string, text: string | undefined): void {
  try {
    if (text === undefined) rmSync(path, { force: true });
    else writeText(path, text);
  } catch {
    // the first error is the one that matters
  }
}

function writeText(path: string, text: string): void {
  if (readText(path) === text) return;
  try {
    make(dirname(path));
    replaceFile(path, Buffer.from(text));
  } catch (error) {
    throw inStore(error);
  }
}

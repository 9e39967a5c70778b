/**
 * The directory of a checkpoint: CRIU's images, and descriptors.json, which says what the container's stdio was, so
 * that restore can put the caller's in its place. What stands in it is data of whoever made it: bounded and checked.
 */
import { closeSync, constants, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TsrunError, UsageError } from '../errors.js';
import type { ContainerId } from '../state/container-id.js';
import { corrupt, readStateFile } from '../state/directory.js';
import { parseStdio } from '../state/stdio.js';
import { describeSystemError } from '../util/errno.js';
import { readHostFile } from '../util/file.js';
import { quote } from '../util/quote.js';
import type { Runtime } from './runtime.js';

const DESCRIPTORS = 'descriptors.json';
const MAX_BYTES = 4096;

/** With its parents, open to root alone. */
export function makeDirectory(path: string, flag: string): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new UsageError(`${flag}: ${quote(path)}: ${describeSystemError(error)}`, flag);
  }
}

function openDirectory(path: string, flag: string): number {
  makeDirectory(path, flag);
  return openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
}

export function withDirectories<T>(
  { imagePath, workPath }: { readonly imagePath: string; readonly workPath: string },
  use: (images: number, work: number) => T,
): T {
  const images = openDirectory(imagePath, '--image-path');
  try {
    const work = openDirectory(workPath, '--work-path');
    try {
      return use(images, work);
    } finally {
      closeSync(work);
    }
  } finally {
    closeSync(images);
  }
}

/**
 * A file of the host as CRIU names it, mount and inode in hexadecimal; a pipe by its inode. To what else stdio may be (a
 * terminal, the container's /dev/null) CRIU finds its way itself: the empty text.
 */
export function stdioKeys(runtime: Runtime, id: ContainerId, terminal: boolean): string[] {
  const stdio = parseStdio(readStateFile(runtime.root, id, 'runtime'));
  if (stdio === undefined) throw corrupt(id, 'runtime: not a record of this version');
  return stdio.map(({ kind, mountId, inode }) => {
    if (terminal || kind === 'other') return '';
    return kind === 'pipe' ? `pipe:[${inode}]` : `file[${mountId.toString(16)}:${inode.toString(16)}]`;
  });
}

const EXTERNAL_FILE = /^file\[[0-9a-f]+:[0-9a-f]+\]$/;
const PIPE = /^pipe:\[\d+\]$/;

export const isExternalFile = (key: string): boolean => EXTERNAL_FILE.test(key);

export function writeDescriptors(imagePath: string, stdio: readonly string[]): void {
  const path = join(imagePath, DESCRIPTORS);
  try {
    writeFileSync(path, JSON.stringify(stdio), { mode: 0o600 });
  } catch (error) {
    throw new TsrunError('IO', `--image-path: ${quote(path)}: ${describeSystemError(error)}`, { cause: error });
  }
}

/** What CRIU is to be given a descriptor for: pipes and outside files. */
export function readDescriptors(imagePath: string): { key: string; fd: number }[] {
  const path = join(imagePath, DESCRIPTORS);
  const noList = () =>
    new TsrunError('IO', `--image-path: ${quote(path)} is no list of descriptors`, {
      hint: 'the directory must be one that "tsrun checkpoint" has written',
    });
  let list: unknown;
  try {
    list = JSON.parse(readHostFile(path, '--image-path', { max: MAX_BYTES, nofollow: true }).toString('utf8'));
  } catch (error) {
    throw error instanceof TsrunError ? error : noList();
  }
  if (!Array.isArray(list) || list.length > 3) throw noList();
  return list.flatMap((key: unknown, fd) => {
    if (typeof key !== 'string') throw noList();
    return PIPE.test(key) || EXTERNAL_FILE.test(key) ? [{ key, fd }] : [];
  });
}

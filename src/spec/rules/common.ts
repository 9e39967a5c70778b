/**
 * Checks that many fields share: paths, texts, lists of numbers, environment, id mappings.
 *
 * Pure.
 */
import { posix } from 'node:path';
import { parseNumberList } from '../../util/number-list.js';
import type { Site } from '../rule.js';
import type { LinuxIDMapping, NamespaceType } from '../types.gen.js';

type On = Site<unknown>;

/** PATH_MAX counts the final NUL. */
const PATH_BYTES = 4095;

/** A path seen from a root directory, lexically clean: `..` cannot leave it, no slash at the end. */
export function inRoot(path: string): string {
  const clean = posix.normalize(`/${path}`);
  return clean.length > 1 && clean.endsWith('/') ? clean.slice(0, -1) : clean;
}

export function notEmptyPath(path: string, on: On, at = ''): boolean {
  if (path === '') on.error('EMPTY', at, 'must not be empty');
  else if (Buffer.byteLength(path) > PATH_BYTES)
    on.error('TOO_LONG', at, `is longer than ${PATH_BYTES} bytes (PATH_MAX)`);
  else return true;
  return false;
}

export function absolutePath(path: string, on: On, at = ''): boolean {
  if (!notEmptyPath(path, on, at)) return false;
  if (path.startsWith('/')) return true;
  on.error('NOT_ABSOLUTE', at, 'must be an absolute path');
  return false;
}

/** Text that the kernel takes as one line of a file of at most one page. */
export function kernelLine(text: string, on: On, at = ''): void {
  if (/[\r\n]/.test(text)) on.error('LINE_BREAK', at, 'must not contain a line break');
  if (Buffer.byteLength(text) > 4000) on.error('TOO_LONG', at, 'is longer than 4000 bytes');
}

export function numberList(text: string, on: On, at = ''): void {
  if (text === '' || parseNumberList(text) !== undefined) return;
  on.error('BAD_LIST', at, 'invalid list (want numbers and ranges such as "0-3,7", at most 65535)');
}

/** One entry of an environment: environ(7). */
export function environmentEntry(entry: string, on: On): void {
  const equals = entry.indexOf('=');
  if (equals < 0) on.error('BAD_ENV', '', "invalid environment variable: missing '=' (want NAME=value)");
  else if (equals === 0) on.error('BAD_ENV', '', 'invalid environment variable: empty name (want NAME=value)');
  argumentLength(entry, on);
}

/** execve(2): one string may have 32 pages with its NUL (MAX_ARG_STRLEN), whatever the stack limit is. */
export function argumentLength(text: string, on: On): void {
  if (Buffer.byteLength(text) >= 131_072)
    on.error('TOO_LONG', '', 'argument list too long: one string has 131072 bytes or more');
}

/** user_namespaces(7): the kernel takes 340 lines, no empty range, none twice, and ids below 2^32. */
export function idMappings(mappings: readonly LinuxIDMapping[], on: On): void {
  if (mappings.length > 340) on.error('TOO_MANY', '', 'has too many entries (max 340)');
  for (const [index, { containerID, hostID, size }] of mappings.entries()) {
    const most = 2 ** 32 - 1 - Math.max(containerID, hostID);
    if (size < 1 || size > most)
      on.error('OUT_OF_RANGE', `/${index}/size`, 'must be at least 1, and all ids below 4294967295');
  }
  overlaps(mappings, 'containerID', on);
  overlaps(mappings, 'hostID', on);
}

function overlaps(mappings: readonly LinuxIDMapping[], key: 'containerID' | 'hostID', on: On): void {
  const sorted = mappings.map((mapping, index) => ({ index, first: mapping[key], size: mapping.size }));
  sorted.sort((a, b) => a.first - b.first);
  for (const [position, { index, first }] of sorted.entries()) {
    const before = sorted[position - 1];
    if (before === undefined || before.first + before.size <= first) continue;
    on.error('OVERLAP', `/${index}/${key}`, `overlaps the range of entry ${before.index}`);
  }
}

/** What a rule needs to know of the container's namespaces. */
interface WithNamespaces {
  readonly linux?: { readonly namespaces?: readonly { readonly type: NamespaceType; readonly path?: string }[] };
}

export const NAMESPACES = '/linux/namespaces';

/** The entry for a namespace type: one to make, or one to join (path). */
export function namespaceOf(config: WithNamespaces, type: NamespaceType): { readonly path?: string } | undefined {
  return config.linux?.namespaces?.find((namespace) => namespace.type === type);
}

export const addNamespace = (type: NamespaceType): string => `add {"type": "${type}"} to linux.namespaces`;

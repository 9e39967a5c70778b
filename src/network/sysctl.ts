/** Settings below /proc/sys/net, as a network namespace sees them. */
import { closeSync, constants, readSync, writeSync } from 'node:fs';
import { addon } from '../native/addon.js';
import { describeSystemError } from '../util/errno.js';
import { NetworkError } from './errors.js';

/** path: below /proc/sys; netns: where it is bound, '' for our own. Throws NETWORK_FAILED. */
export function writeSysctl(netns: string, path: string, value: string): void {
  try {
    const fd = addon().openInNetns(netns, `/proc/sys/${path}`, constants.O_WRONLY);
    try {
      writeSync(fd, value);
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    const message = `set ${path.replaceAll('/', '.')} to ${value}: ${describeSystemError(cause)}`;
    throw new NetworkError('NETWORK_FAILED', message, { cause });
  }
}

/** undefined where there is no such setting: a kernel without IPv6, a module that is not loaded. */
export function readSysctl(netns: string, path: string): string | undefined {
  let fd: number;
  try {
    fd = addon().openInNetns(netns, `/proc/sys/${path}`, constants.O_RDONLY);
  } catch {
    return undefined;
  }
  try {
    const bytes = Buffer.alloc(256);
    return bytes.toString('latin1', 0, readSync(fd, bytes)).trim();
  } finally {
    closeSync(fd);
  }
}

/** A setting that a kernel may not have, where not having it means that there is nothing to set. */
export function writeSysctlIfThere(netns: string, path: string, value: string): void {
  if (readSysctl(netns, path) !== undefined) writeSysctl(netns, path, value);
}

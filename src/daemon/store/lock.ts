/**
 * One daemon for each root: flock(2) on a file, which the kernel gives back whatever ends the daemon. The process id in it
 * is for the message only: after a reboot it may be anybody's.
 */
import { closeSync, ftruncateSync, mkdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { TsrunError } from '../../errors.js';
import { openLockFile, tryLock } from '../../image/locks.js';
import { describeSystemError } from '../../util/errno.js';
import { quote } from '../../util/quote.js';

/** flag: which root it is. Throws TsrunError USAGE when it cannot be made. */
export function makeRoot(root: string, flag: string, mode: number): void {
  try {
    mkdirSync(root, { recursive: true, mode });
  } catch (cause) {
    throw new TsrunError('USAGE', `${flag}: ${quote(root)}: ${describeSystemError(cause)}`, {
      cause,
      hint: `give a ${flag} that this user can make`,
    });
  }
}

/** flag: which root it is. Throws TsrunError USAGE when another daemon has it; nothing was written then. */
export function lockRoot(root: string, flag: string): { release(): void } {
  makeRoot(root, flag, 0o711);
  const path = join(root, 'daemon.lock');
  const fd = openLockFile(path);
  if (!tryLock(fd)) {
    closeSync(fd);
    const owner = readFileSync(path, 'utf8').trim();
    throw new TsrunError('USAGE', `${flag}: ${quote(root)} belongs to another daemon, process ${quote(owner, 16)}`, {
      hint: `stop that one, or give this one a ${flag} of its own`,
    });
  }
  ftruncateSync(fd);
  writeSync(fd, `${process.pid}\n`, 0);
  return { release: () => closeSync(fd) };
}

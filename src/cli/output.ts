/**
 * Writes to stdout and stderr without touching process.stdout: Node would make the descriptor non-blocking, and the
 * container inherits it.
 */
import { writeSync } from 'node:fs';
import { TsrunError } from '../errors.js';
import { describeSystemError } from '../util/errno.js';

const PAUSE_MS = 5;
const pause = new Int32Array(new SharedArrayBuffer(4));

/** Writes all of text; waits where the caller's descriptor is non-blocking and full. */
export function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(fd, bytes, done);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error;
      Atomics.wait(pause, 0, 0, PAUSE_MS);
    }
  }
}

export function print(text: string): void {
  try {
    writeAll(1, text);
  } catch (error) {
    throw new TsrunError('IO', `stdout: ${describeSystemError(error)}`, { cause: error });
  }
}

/** Nobody can be told when stderr itself cannot be written. */
export function printError(text: string): void {
  try {
    writeAll(2, text);
  } catch {
    // The exit status still says it.
  }
}

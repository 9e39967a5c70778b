/**
 * Reads host files whole, within a bound, and only regular ones: a FIFO as config.json must not hang the runtime, a
 * device must not feed it for ever. A pipe is read where the caller names the file on the command line.
 *
 * Never used for paths below a rootfs.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { TsrunError } from '../errors.js';
import { describeSystemError } from './errno.js';
import { quote } from './quote.js';

export interface ReadLimits {
  /** Bytes. */
  readonly max: number;
  /** Refuse a symbolic link as last component (O_NOFOLLOW). */
  readonly nofollow?: boolean;
  /** Take a pipe too, as `<(command)` of a shell is one, and wait for what is written to it. */
  readonly pipe?: boolean;
}

function readAll(fd: number, size: number, max: number): Buffer | undefined {
  // One byte more than expected, so that a file that grows meanwhile is noticed.
  let buffer = Buffer.alloc(Math.min(size, max) + 1);
  let length = 0;
  for (;;) {
    const count = readSync(fd, buffer, length, buffer.length - length, null);
    if (count === 0) return buffer.subarray(0, length);
    length += count;
    if (length > max) return undefined;
    if (length === buffer.length) buffer = Buffer.concat([buffer, Buffer.alloc(buffer.length)]);
  }
}

function open(path: string, flags: number): number {
  return openSync(path, constants.O_RDONLY | constants.O_NOCTTY | flags);
}

/** A second descriptor, which waits for what is written; the writer of a FIFO must never see it without a reader. */
function waiting(pipe: number): number {
  const fd = open(`/proc/self/fd/${pipe}`, 0);
  closeSync(pipe);
  return fd;
}

/** what: how the message calls the file ("config.json", "--process"). Throws TsrunError IO. */
export function readHostFile(path: string, what: string, limits: ReadLimits): Buffer {
  const refuse = (reason: string, cause?: unknown) =>
    new TsrunError('IO', `${what}: ${quote(path)}: ${reason}`, cause === undefined ? {} : { cause });
  let fd: number | undefined;
  try {
    fd = open(path, constants.O_NONBLOCK | (limits.nofollow === true ? constants.O_NOFOLLOW : 0));
    const stat = fstatSync(fd);
    if (limits.pipe === true && stat.isFIFO()) fd = waiting(fd);
    else if (!stat.isFile()) throw refuse('not a regular file');
    const bytes = stat.size > limits.max ? undefined : readAll(fd, stat.size, limits.max);
    if (bytes === undefined) throw refuse(`larger than ${limits.max} bytes`);
    return bytes;
  } catch (error) {
    throw error instanceof TsrunError ? error : refuse(describeSystemError(error), error);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

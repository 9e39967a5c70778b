/**
 * File descriptors that the caller hands on to the container with --preserve-fds: 3 … 2+N.
 *
 * Node opens descriptors of its own, each at the lowest free number, so where the caller left a gap there is the very
 * first of them: an epoll instance. A gap is refused, so that nothing of the runtime reaches the container in its place.
 */
import { readlinkSync } from 'node:fs';
import { UsageError } from '../errors.js';

const FIRST = 3;
const OWN = 'anon_inode:[eventpoll]';

function isInherited(fd: number): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`) !== OWN;
  } catch {
    return false;
  }
}

/** The descriptors themselves; throws UsageError for the first that is not there. */
export function preservedFds(count: number): number[] {
  const fds: number[] = [];
  for (let fd = FIRST; fd < FIRST + count; fd++) {
    if (!isInherited(fd)) {
      const message = `unable to stat preserved-fd ${fd} (of ${count}): bad file descriptor`;
      throw new UsageError(
        message,
        '--preserve-fds',
        `the caller must leave descriptors ${FIRST} to ${2 + count} open`,
      );
    }
    fds.push(fd);
  }
  return fds;
}

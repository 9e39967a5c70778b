/**
 * What every process has from its caller, and no case may depend on: set once to something known, before the first
 * container. And what a runtime must not do to its host: the nodes of /dev are watched, and put right when it did.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, closeSync, openSync, readSync, type Stats, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Nobody's. A container that has it has kept groups of the runtime's caller. */
const CALLERS_GROUP = 54_321;

export function settleSurroundings(): void {
  process.umask(0o022);
  try {
    process.setgroups?.([CALLERS_GROUP]);
  } catch {
    // user_namespaces(7): it may be denied in one
  }
}

/**
 * A file for the runtimes' standard input that reads as empty: some give their standard streams to the user of the
 * container, and the host's /dev/null is everybody's. A node of our own, or an empty file where nodes mean nothing.
 */
export function makeNull(dir: string): string {
  const path = join(dir, 'null');
  const made = spawnSync('mknod', ['-m', '666', path, 'c', '1', '3'], { stdio: 'pipe' });
  if (made.status === 0 && readsAsEmpty(path)) return path;
  const file = join(dir, 'empty');
  writeFileSync(file, '');
  return file;
}

function readsAsEmpty(path: string): boolean {
  try {
    const fd = openSync(path, 'r+');
    try {
      return readSync(fd, Buffer.alloc(1)) === 0;
    } finally {
      closeSync(fd);
    }
  } catch {
    return false; // mount(8): nodev
  }
}

/** Why containers could not run from this directory, or undefined. */
export function placeProblem(dir: string, probe: string): string | undefined {
  if (spawnSync(probe, [], { stdio: 'ignore' }).error !== undefined)
    return `${dir}: programs cannot be run there (is it mounted with noexec?): set TMPDIR to another directory`;
  for (let path = dirname(dir); path !== '/'; path = dirname(path))
    if ((statSync(path).mode & 0o001) === 0)
      return `${path} is closed to other users, and containers with a user namespace walk it: set TMPDIR to another directory`;
  return undefined;
}

const NODES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'].map((name) => `/dev/${name}`);
const about = ({ mode, uid, gid }: Stats): string => `${(mode & 0o7777).toString(8)} ${uid}:${gid}`;

/** Calls back with each node that is not as it was, and puts it right. */
export function watchNodes(): () => readonly string[] {
  const before = new Map(NODES.map((path) => [path, statSync(path, { throwIfNoEntry: false })]));
  return () =>
    [...before].flatMap(([path, was]) => {
      const is = statSync(path, { throwIfNoEntry: false });
      if (was === undefined || is === undefined || about(is) === about(was)) return [];
      chownSync(path, was.uid, was.gid);
      chmodSync(path, was.mode & 0o7777);
      return [`${path} is ${about(is)}, and was ${about(was)}`];
    });
}

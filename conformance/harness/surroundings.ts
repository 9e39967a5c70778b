/**
 * What every process has from its caller, and no case may depend on: set once to something known, before the first
 * container. And what a runtime must not do to its host: the nodes of /dev are watched, and put right when it did.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, type Stats, statSync, writeFileSync } from 'node:fs';
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
 * An empty file for the runtimes' standard input: some give their standard streams to the user of the container, and the
 * host's /dev/null is everybody's. No node of our own either: crun 1.8 opens the container's null in the place of one,
 * which in a user namespace is the host's.
 */
export function makeInput(dir: string): string {
  const path = join(dir, 'input');
  writeFileSync(path, '');
  return path;
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

/**
 * process.args and env: the environment the program gets, where its file is looked for, HOME.
 *
 * OCI runtime-spec, config "Process"; execvp(3), environ(7). Pure.
 */
import type { Op } from '../plan/op.gen.js';
import { append } from '../util/pointer.js';
import type { ProcessScope } from './context.js';

/** execvp(3) of a program without PATH. */
const NO_PATH = '/bin:/usr/bin';

const nameOf = (entry: string): string => entry.slice(0, entry.indexOf('='));

/** Of two entries with one name the later counts, as the last export of a shell does; an empty HOME is as good as none. */
export function environment(env: readonly string[] = []): string[] {
  const last = new Map(env.map((entry, index) => [nameOf(entry), index]));
  return env.filter((entry, index) => last.get(nameOf(entry)) === index && entry !== 'HOME=');
}

/** Read as root, before the user changes: the image's /etc/passwd may be closed to others. */
export function compileHome({ process, base }: ProcessScope): Op[] {
  const hasHome = environment(process.env).some((entry) => nameOf(entry) === 'HOME');
  return hasHome ? [] : [{ op: 'HOME', uid: process.user.uid, origin: append(base, 'user', 'uid') }];
}

/** As the container's user, so that what that user may not execute is not found either. */
export function findProgram({ process, base }: ProcessScope): Op[] {
  const file = process.args?.[0];
  if (file === undefined) return [];
  const path = environment(process.env)
    .find((entry) => nameOf(entry) === 'PATH')
    ?.slice('PATH='.length);
  return [{ op: 'FIND_PROGRAM', file, path: path ?? NO_PATH, origin: append(base, 'args', 0) }];
}

/** Without a process in the config there are no arguments, and the executor's EXEC fails: create works, start does not. */
export function execute({ process, base }: ProcessScope): Op {
  const origin = process.args === undefined ? base : append(base, 'args', 0);
  return { op: 'EXEC', args: process.args ?? [], env: environment(process.env), origin };
}

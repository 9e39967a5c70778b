/**
 * process.terminal and consoleSize: a pty made in the container, whose master goes to whoever asked for it.
 *
 * OCI runtime-spec, config "Process"; pty(7). Pure.
 */
import { CONSOLE, type Op } from '../plan/op.gen.js';
import { append } from '../util/pointer.js';
import type { ProcessScope } from './context.js';

/** The group stays what devpts gave it by gid=, usually tty. */
const SAME_GROUP = 0xffff_ffff;

export function connectConsole({ process, base }: ProcessScope): Op[] {
  return process.terminal === true ? [{ op: 'CONSOLE_CONNECT', origin: append(base, 'terminal') }] : [];
}

/** bind: on /dev/console too, which an exec must leave to the first process. */
export function openConsole({ process, base }: ProcessScope, bind: boolean): Op[] {
  if (process.terminal !== true) return [];
  const { width, height } = process.consoleSize ?? { width: 0, height: 0 };
  const flags = bind ? CONSOLE.BIND : 0;
  return [
    {
      op: 'OPEN_CONSOLE',
      width,
      height,
      flags,
      uid: process.user.uid,
      gid: SAME_GROUP,
      origin: append(base, 'terminal'),
    },
  ];
}

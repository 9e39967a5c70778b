/**
 * What callers beside the engine want of a container: a pidfd over --pidfd-socket, and the notify socket of a service
 * manager (NOTIFY_SOCKET), an exit record. pidfd_open(2), sd_notify(3). Pure.
 */
import type { Op } from '../plan/op.gen.js';
import { MOUNT_ATTR } from '../util/kernel.js';
import { type Context, ROOT_ORIGIN } from './context.js';
import { NOTIFY_SLOT } from './sources.js';

/** runc's words: what the pidfd is of. */
export function sendPidfd(path: string | undefined, text: 'standard' | 'setns'): Op[] {
  return path === undefined ? [] : [{ op: 'SEND_PIDFD', path, text, origin: ROOT_ORIGIN }];
}

export function notifyDirectory({ options }: Context): Op[] {
  return options.notifySocket === true ? [{ op: 'NOTIFY_DIRECTORY', slot: NOTIFY_SLOT, origin: ROOT_ORIGIN }] : [];
}

export function exitFile({ options: { exitFile: path } }: Context): Op[] {
  return path === undefined ? [] : [{ op: 'EXIT_FILE', path, origin: ROOT_ORIGIN }];
}

/** After the mounts of the config, one of which may be /run. */
export function mountNotify({ options }: Context): Op[] {
  if (options.notifySocket !== true) return [];
  const attrSet = MOUNT_ATTR.RDONLY | MOUNT_ATTR.NOSUID | MOUNT_ATTR.NODEV | MOUNT_ATTR.NOEXEC;
  const where = { source: '', slot: NOTIFY_SLOT, dest: '/run/notify', flags: 0 };
  return [
    { op: 'MOUNT_BIND', ...where, propagation: 0n, attrSet, attrClr: 0n, recSet: 0n, recClr: 0n, origin: ROOT_ORIGIN },
  ];
}

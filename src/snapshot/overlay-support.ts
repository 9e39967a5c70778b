/** Whether overlayfs can be used here: the kernel knows it, and the file system of the data root can lie below it. */
import { readFileSync, statfsSync } from 'node:fs';
import { addon } from '../native/addon.js';

const OVERLAYFS_SUPER_MAGIC = 0x794c7630;
const NFS_SUPER_MAGIC = 0x6969;

/** A module that nobody has used yet is not in the list, and comes when it is asked for. */
export function hasOverlayfs(): boolean {
  return isListed() || addon().fsopenErrno('overlay') === 0;
}

function isListed(): boolean {
  try {
    return /\boverlay$/m.test(readFileSync('/proc/filesystems', 'latin1'));
  } catch {
    return false;
  }
}

/** An overlay cannot be the upper directory of another one; NFS has no attributes of its own for it. */
export function canOverlay(directory: string): boolean {
  const { type } = statfsSync(directory);
  return hasOverlayfs() && type !== OVERLAYFS_SUPER_MAGIC && type !== NFS_SUPER_MAGIC;
}

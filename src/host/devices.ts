/** Devices of the host, for containers that are to have them: mknod(2) needs their numbers. */
import { lstatSync, readdirSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';

export interface DeviceNode {
  readonly path: string;
  readonly type: 'b' | 'c';
  readonly major: number;
  readonly minor: number;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** Each container has its own; the rest of /dev/ would be the host's terminals and its memory. */
const SKIPPED: readonly string[] = ['pts', 'shm', 'fd', 'mqueue', '.lxc', '.lxd-mounts', '.udev', 'console'];
const DEEPEST = 8;

/** One device, or all in a directory. A link is followed. Throws what stat(2) threw; [] for what is no device. */
export function devicesAt(path: string): DeviceNode[] {
  const stats = statSync(path);
  if (stats.isDirectory()) return below(path, DEEPEST);
  const node = nodeOf(path, stats);
  return node === undefined ? [] : [node];
}

/** All of /dev. */
export const allDevices = (): DeviceNode[] => below('/dev', DEEPEST);

function below(directory: string, depth: number): DeviceNode[] {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (SKIPPED.includes(name) || stats === undefined) return [];
    if (stats.isDirectory()) return depth > 0 ? below(path, depth - 1) : [];
    const node = nodeOf(path, stats);
    return node === undefined ? [] : [node];
  });
}

/** glibc's makedev(3): 12 bits of the major number, 20 of the minor. */
function nodeOf(path: string, stats: Stats): DeviceNode | undefined {
  const type = stats.isCharacterDevice() ? 'c' : stats.isBlockDevice() ? 'b' : undefined;
  if (type === undefined) return undefined;
  const { rdev, mode, uid, gid } = stats;
  const device = BigInt(rdev);
  return {
    ...{ path, type, uid, gid },
    major: Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n)),
    minor: Number((device & 0xffn) | ((device >> 12n) & 0xffffff00n)),
    mode: mode & 0o777,
  };
}

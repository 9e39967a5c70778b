/**
 * linux.devices, the devices and the symbolic links that every container has.
 *
 * OCI runtime-spec, config-linux "Devices", "Default Devices"; runtime-linux "Dev symbolic links". Pure.
 */
import { DEVICE, LINK, type MakeDeviceOp, type Op } from '../plan/op.gen.js';
import type { DeviceType, LinuxDevice } from '../spec/types.gen.js';
import { S_IFMT } from '../util/kernel.js';
import { append, type JsonPointer, pointer } from '../util/pointer.js';
import type { Context } from './context.js';
import { containerPath, isDevBound } from './mounts.js';

const DEVICES = pointer('linux', 'devices');

/** All character devices, mode 0666, owned by the container's root. */
const DEFAULT_DEVICES = [
  ['/dev/null', 1, 3],
  ['/dev/zero', 1, 5],
  ['/dev/full', 1, 7],
  ['/dev/random', 1, 8],
  ['/dev/urandom', 1, 9],
  ['/dev/tty', 5, 0],
] as const;

/** That of the container's own devpts: engines list the host's among the devices of a privileged container. */
const PTMX = '/dev/ptmx';

/** REPLACE for ptmx: devtmpfs-like images have a node there, which would be the host's. */
const SYMLINKS = [
  [PTMX, 'pts/ptmx', LINK.REPLACE],
  ['/dev/fd', '/proc/self/fd', 0],
  ['/dev/stdin', '/proc/self/fd/0', 0],
  ['/dev/stdout', '/proc/self/fd/1', 0],
  ['/dev/stderr', '/proc/self/fd/2', 0],
  ['/dev/core', '/proc/kcore', LINK.IF_TARGET_EXISTS],
] as const;

const NODE_TYPES: { readonly [type in DeviceType]: number } = {
  c: S_IFMT.CHR,
  u: S_IFMT.CHR,
  b: S_IFMT.BLK,
  p: S_IFMT.FIFO,
};

/** The config's entry wins over a default of the same path. */
export function compileDevices(context: Context): Op[] {
  if (isDevBound(context)) return [];
  const asked = (context.spec.linux?.devices ?? [])
    .map((device, index) => makeDevice(context, device, append(DEVICES, index)))
    .filter(({ path }) => path !== PTMX);
  const taken = new Set(asked.map(({ path }) => path));
  const flags = bindFlag(context, 'c');
  const defaults = DEFAULT_DEVICES.filter(([path]) => !taken.has(path)).map(
    ([path, major, minor]): Op => ({
      op: 'MAKE_DEVICE',
      path,
      mode: S_IFMT.CHR | 0o666,
      major,
      minor,
      uid: 0,
      gid: 0,
      flags,
      origin: DEVICES,
    }),
  );
  return [...defaults, ...asked];
}

export function compileDevSymlinks(context: Context): Op[] {
  if (isDevBound(context)) return [];
  return SYMLINKS.map(([path, target, flags]) => ({ op: 'MAKE_SYMLINK', path, target, flags, origin: DEVICES }));
}

/** mknod(2) of a device is refused in every user namespace but the first: the host's node is bound. */
function bindFlag({ namespaces, facts }: Context, type: DeviceType): number {
  return type !== 'p' && (namespaces.has('user') || facts.inUserNamespace) ? DEVICE.BIND : 0;
}

/** Numbers are in the kernel's range by a rule of spec/; a FIFO has none. */
function makeDevice(context: Context, device: LinuxDevice, at: JsonPointer): MakeDeviceOp {
  const number = (value = 0n) => (device.type === 'p' ? 0 : Number(value));
  return {
    op: 'MAKE_DEVICE',
    path: containerPath(device.path),
    mode: NODE_TYPES[device.type] | ((device.fileMode ?? 0o666) & 0o7777),
    major: number(device.major),
    minor: number(device.minor),
    uid: device.uid ?? 0,
    gid: device.gid ?? 0,
    flags: bindFlag(context, device.type),
    origin: at,
  };
}

/**
 * Rules of linux.devices and linux.netDevices (runtime-spec config-linux.md).
 *
 * Pure.
 */
import { append, asPointer } from '../../util/pointer.js';
import { type Rule, rulesOf, type Site } from '../rule.js';
import type { Config, DeviceType, LinuxDevice, LinuxNetDevice } from '../types.gen.js';
import { absolutePath, inRoot } from './common.js';

/** linux/kdev_t.h: 12 bits of major, 20 bits of minor. */
const MOST = { major: 0xfffn, minor: 0xfffffn } as const;

/** inode(7): engines copy st_mode, so the type's own bits may be in fileMode. */
const FILE_TYPE: { readonly [T in DeviceType]: number } = { c: 0o020000, u: 0o020000, b: 0o060000, p: 0o010000 };

const rule = rulesOf<Config>();

function devicePath({ path }: LinuxDevice, on: Site<Config>): void {
  if (!absolutePath(path, on, '/path')) return;
  if (/^\/proc(\/|$)/.test(inRoot(path))) on.error('INSIDE_PROC', '/path', 'must not be inside /proc');
}

function deviceNumbers(device: LinuxDevice, on: Site<Config>): void {
  if (device.type === 'p') return;
  for (const field of ['major', 'minor'] as const) {
    const number = device[field];
    if (number === undefined) on.error('REQUIRED', `/${field}`, `is required for type "${device.type}"`);
    else if (number < 0n || number > MOST[field])
      on.error('OUT_OF_RANGE', `/${field}`, `out of range 0..${MOST[field]}`);
  }
}

function deviceMode({ type, fileMode = 0 }: LinuxDevice, on: Site<Config>): void {
  const rest = fileMode & ~0o7777;
  if (rest === 0 || rest === FILE_TYPE[type]) return;
  on.error('OUT_OF_RANGE', '/fileMode', 'out of range 0..4095 (octal 07777)');
}

function devicesOnce(devices: readonly LinuxDevice[], on: Site<Config>): void {
  const seen = new Map<string, LinuxDevice>();
  for (const [index, device] of devices.entries()) {
    const path = inRoot(device.path);
    const other = seen.get(path);
    if (other === undefined) seen.set(path, device);
    else if (other.type !== device.type || other.major !== device.major || other.minor !== device.minor) {
      on.error('DUPLICATE', `/${index}/path`, 'is listed before as another device');
    }
  }
}

/** IFNAMSIZ is 16 with the NUL; dev_valid_name() in net/core/dev.c. */
const isInterface = (name: string) =>
  Buffer.byteLength(name) <= 15 && /^[^/:\s\u0000-\u001f]+$/u.test(name) && name !== '.' && name !== '..';

/** dev_alloc_name() in net/core/dev.c: one %d stands for a number, any other % is refused. */
const isTemplate = (name: string) => /^[^%]*%d[^%]*$/.test(name);

/** MOVED_DEVICES_MAX of csrc/executor/context.h. */
const MOST_DEVICES = 64;

function netDevices(devices: { readonly [host: string]: LinuxNetDevice }, on: Site<Config>): void {
  const taken = new Set<string>();
  if (Object.keys(devices).length > MOST_DEVICES)
    on.error('TOO_MANY', '', `has too many entries (max ${MOST_DEVICES})`);
  for (const [host, { name = '' }] of Object.entries(devices)) {
    const at = append(asPointer(''), host);
    const message = 'invalid network device name (want 1..15 bytes without "/", ":" and spaces)';
    if (!isInterface(host)) on.error('BAD_NAME', at, message, { value: undefined });
    if (name !== '' && !isInterface(name)) on.error('BAD_NAME', `${at}/name`, message);
    const inside = name === '' ? host : name;
    if (inside.includes('%') && !isTemplate(inside))
      on.error('BAD_NAME', name === '' ? at : `${at}/name`, 'may have one "%d", and no other "%"', { value: inside });
    // A template such as eth%d gets a free number from the kernel.
    if (taken.has(inside) && !inside.includes('%d'))
      on.error('DUPLICATE', at, 'has the same name in the container as another device', { value: inside });
    taken.add(inside);
  }
}

export const deviceRules: readonly Rule<Config>[] = [
  rule('/linux/devices/*', devicePath),
  rule('/linux/devices/*', deviceNumbers),
  rule('/linux/devices/*', deviceMode),
  rule('/linux/devices', devicesOnce),
  rule('/linux/netDevices', netDevices),
];

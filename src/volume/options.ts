/**
 * DriverOpts of the driver "local": type, device and o are those of mount(8). What o holds that is no flag goes to the file
 * system.
 *
 * Pure.
 */
import { posix } from 'node:path';
import { volumeError } from './errors.js';

export interface VolumeMount {
  readonly type: string;
  readonly device: string;
  /** MS_* of mount(2). */
  readonly flags: number;
  readonly data: string;
}

const MS: { readonly [option: string]: readonly [set: number, clear: number] } = {
  ro: [1, 0],
  rw: [0, 1],
  nosuid: [2, 0],
  suid: [0, 2],
  nodev: [4, 0],
  dev: [0, 4],
  noexec: [8, 0],
  exec: [0, 8],
  sync: [16, 0],
  async: [0, 16],
  dirsync: [128, 0],
  noatime: [1024, 0],
  atime: [0, 1024],
  nodiratime: [2048, 0],
  diratime: [0, 2048],
  bind: [4096, 0],
  rbind: [4096 | 16384, 0],
  relatime: [1 << 21, 0],
  strictatime: [1 << 24, 0],
  defaults: [0, 0],
};

const KNOWN = ['type', 'device', 'o', 'size'];

/** undefined: a directory and no mount. Throws TsrunError VOLUME_INVALID. */
export function volumeMount(options: { readonly [name: string]: string }): VolumeMount | undefined {
  const names = Object.keys(options);
  const unknown = names.find((name) => !KNOWN.includes(name));
  if (unknown !== undefined) throw invalid(`invalid option: "${unknown}"`);
  if (options['size'] !== undefined)
    throw invalid('quota size requested but no quota support: "size" needs a file system with project quotas');
  if (names.length === 0) return undefined;
  const { type = '', device = '', o = '' } = options;
  if (device === '') throw invalid('missing device in volume options');
  let flags = 0;
  const data: string[] = [];
  for (const word of o.split(',').filter((one) => one !== '')) {
    const known = MS[word];
    if (known === undefined) data.push(word);
    else flags = (flags | known[0]) & ~known[1];
  }
  const isBind = (flags & 4096) !== 0;
  if (type === '' && !isBind) throw invalid('missing type in volume options');
  if (isBind && !device.startsWith('/')) throw invalid(`device of a bind must be an absolute path: "${device}"`);
  return {
    type: type === '' ? 'none' : type,
    device: isBind ? posix.normalize(device) : device,
    flags,
    data: data.join(','),
  };
}

const invalid = (why: string) => volumeError('VOLUME_INVALID', why);

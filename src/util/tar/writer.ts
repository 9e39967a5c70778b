/**
 * Writes tar archives: POSIX ustar, with a PAX header where an entry does not fit. The same entries give the same bytes.
 *
 * Pure.
 */
import type { TarEntry, TarKind } from './entry.js';
import { BLOCK } from './header.js';
import { paxRecord, paxXattrKey } from './pax.js';

const TYPES: { readonly [kind in TarKind]: string } = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};

const OCTAL_7 = 0o7777777;
const OCTAL_11 = 0o77777777777;

/** Two empty blocks. */
export const TAR_END = Buffer.alloc(2 * BLOCK);

/** What fills up the last block of a file. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

/** The entry's header blocks. */
export function tarHeader(entry: TarEntry): Buffer {
  const name = entry.kind === 'directory' && !entry.name.endsWith('/') ? `${entry.name}/` : entry.name;
  const records = paxRecords(entry, name);
  const main = block({ ...entry, name }, TYPES[entry.kind]);
  if (records.length === 0) return main;
  const body = Buffer.concat(records);
  const pax = { ...entry, name: 'PaxHeader', link: '', size: body.length, mode: 0o644, uid: 0, gid: 0 };
  return Buffer.concat([
    block({ ...pax, mtime: { seconds: 0, nanoseconds: 0 } }, 'x'),
    body,
    tarPadding(body.length),
    main,
  ]);
}

function paxRecords(entry: TarEntry, name: string): Buffer[] {
  const { seconds, nanoseconds } = entry.mtime;
  const records: [string, Buffer][] = [];
  const add = (key: string, value: string) => records.push([key, Buffer.from(value, 'latin1')]);
  if (!fitsName(name)) add('path', name);
  if (!fitsText(entry.link)) add('linkpath', entry.link);
  if (entry.uid > OCTAL_7) add('uid', String(entry.uid));
  if (entry.gid > OCTAL_7) add('gid', String(entry.gid));
  if (entry.size > OCTAL_11) add('size', String(entry.size));
  if (nanoseconds !== 0 || seconds < 0 || seconds > OCTAL_11) add('mtime', timeText(seconds, nanoseconds));
  for (const [key, value] of [...entry.xattrs].sort(([a], [b]) => (a < b ? -1 : 1)))
    records.push([paxXattrKey(key), value]);
  return records.map(([key, value]) => paxRecord(key, value));
}

/** Before 1970 the fraction of a struct timespec counts forwards, that of the text backwards. */
function timeText(seconds: number, nanoseconds: number): string {
  const backwards = seconds < 0 && nanoseconds > 0;
  const whole = backwards ? seconds + 1 : seconds;
  const fraction = String(backwards ? 1_000_000_000 - nanoseconds : nanoseconds)
    .padStart(9, '0')
    .replace(/0+$/, '');
  const text = backwards && whole === 0 ? '-0' : String(whole);
  return fraction === '' ? text : `${text}.${fraction}`;
}

const ASCII = /^[\x01-\x7f]*$/;

/** Names beyond ASCII go into PAX too, so that nobody has to guess their encoding; so do the long ones. */
function fitsText(text: string): boolean {
  return text.length <= 100 && ASCII.test(text);
}

function fitsName(name: string): boolean {
  return fitsText(name) || (ASCII.test(name) && splitPrefix(name) !== undefined);
}

/** ustar: up to 155 bytes before a slash, up to 100 behind it. */
function splitPrefix(name: string): { readonly prefix: string; readonly rest: string } | undefined {
  if (name.length <= 100 || name.length > 256) return undefined;
  const slash = name.lastIndexOf('/', 155);
  const rest = name.slice(slash + 1);
  if (slash <= 0 || rest.length > 100 || rest.length === 0) return undefined;
  return { prefix: name.slice(0, slash), rest };
}

function block(entry: TarEntry, type: string): Buffer {
  const bytes = Buffer.alloc(BLOCK);
  const split = splitPrefix(entry.name);
  const octal = (value: number, at: number, digits: number) => {
    const most = 8 ** digits - 1;
    bytes.write(Math.min(Math.max(value, 0), most).toString(8).padStart(digits, '0'), at, 'latin1');
  };
  bytes.write(split?.rest ?? entry.name.slice(0, 100), 0, 'latin1');
  octal(entry.mode & 0o7777, 100, 7);
  octal(entry.uid, 108, 7);
  octal(entry.gid, 116, 7);
  octal(entry.size, 124, 11);
  octal(entry.mtime.seconds, 136, 11);
  bytes.write('        ', 148, 'latin1');
  bytes.write(type, 156, 'latin1');
  bytes.write(entry.link.slice(0, 100), 157, 'latin1');
  bytes.write('ustar\0', 257, 'latin1');
  bytes.write('00', 263, 'latin1');
  octal(entry.major, 329, 7);
  octal(entry.minor, 337, 7);
  bytes.write(split?.prefix ?? '', 345, 'latin1');
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return bytes;
}

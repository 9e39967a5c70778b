/**
 * One header block of 512 bytes: POSIX.1-1988 ustar, GNU and the older V7 form. pax(1p), tar(5).
 *
 * Pure.
 */
import { TarError } from './entry.js';

export const BLOCK = 512;

/** The fields as they stand there; a PAX header may overrule them. */
export interface RawHeader {
  readonly name: string;
  readonly type: string;
  readonly link: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly major: number;
  readonly minor: number;
  readonly gnu: boolean;
}

/** Offset and length of each field. */
const FIELD = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  link: [157, 100],
  magic: [257, 8],
  major: [329, 8],
  minor: [337, 8],
  prefix: [345, 155],
} as const;

const USTAR = 'ustar\x0000';
const GNU = 'ustar  \0';

function bytes(block: Buffer, field: keyof typeof FIELD): Buffer {
  const [offset, length] = FIELD[field];
  return block.subarray(offset, offset + length);
}

export function textUntilNul(field: Buffer): string {
  const end = field.indexOf(0);
  return field.toString('latin1', 0, end < 0 ? field.length : end);
}

/** Octal digits, or GNU's base 256 where the first bit is set: two's complement, the next bit is the sign. */
export function parseNumber(field: Buffer): number {
  const first = field[0] ?? 0;
  if ((first & 0x80) !== 0) return parseBase256(field, first);
  const text = textUntilNul(field).trim();
  if (!/^[0-7]*$/.test(text)) throw new TarError(`not an octal number: ${JSON.stringify(text)}`);
  return text === '' ? 0 : safe(Number.parseInt(text, 8));
}

function parseBase256(field: Buffer, first: number): number {
  const negative = (first & 0x40) !== 0;
  let value = BigInt(negative ? (first & 0x7f) - 0x80 : first & 0x7f);
  for (const byte of field.subarray(1)) value = value * 256n + BigInt(byte);
  return safe(Number(value));
}

function safe(value: number): number {
  if (!Number.isSafeInteger(value)) throw new TarError('a number is too large');
  return value;
}

function isZero(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}

/** The sum over the block with the checksum field as blanks; very old tars added signed bytes. */
function checkSum(block: Buffer): void {
  const [from, length] = FIELD.checksum;
  let unsigned = 32 * length;
  let signed = unsigned;
  for (let i = 0; i < BLOCK; i++) {
    if (i >= from && i < from + length) continue;
    const byte = block[i] ?? 0;
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  const field = textUntilNul(bytes(block, 'checksum')).trim();
  const said = /^[0-7]+$/.test(field) ? Number.parseInt(field, 8) : undefined;
  if (said !== unsigned && said !== signed) throw new TarError('not a tar header: its checksum is wrong');
}

/** undefined for a block of zeros, which ends the archive. Throws TarError. */
export function parseHeader(block: Buffer): RawHeader | undefined {
  if (isZero(block)) return undefined;
  checkSum(block);
  const magic = bytes(block, 'magic').toString('latin1');
  const known = magic === USTAR || magic === GNU || magic.startsWith('ustar');
  const prefix = known && magic !== GNU ? textUntilNul(bytes(block, 'prefix')) : '';
  const name = textUntilNul(bytes(block, 'name'));
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    type: bytes(block, 'type').toString('latin1'),
    link: textUntilNul(bytes(block, 'link')),
    mode: parseNumber(bytes(block, 'mode')),
    uid: parseNumber(bytes(block, 'uid')),
    gid: parseNumber(bytes(block, 'gid')),
    size: parseNumber(bytes(block, 'size')),
    mtime: parseNumber(bytes(block, 'mtime')),
    major: known ? parseNumber(bytes(block, 'major')) : 0,
    minor: known ? parseNumber(bytes(block, 'minor')) : 0,
    gnu: magic === GNU,
  };
}

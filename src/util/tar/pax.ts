/**
 * PAX extended headers: lines of "LENGTH KEY=VALUE\n", and what tar programs have put into them. pax(1p).
 *
 * Pure.
 */
import { TarError, type TarTime } from './entry.js';

export type PaxRecords = ReadonlyMap<string, Buffer>;

const XATTR = 'SCHILY.xattr.';
const NEWLINE = 0x0a;
const EQUALS = 0x3d;
const BLANK = 0x20;

/** Keys and values are latin1 text and bytes. A value may hold anything, newlines and NUL too. Throws TarError. */
export function parsePax(body: Buffer): PaxRecords {
  const records = new Map<string, Buffer>();
  let at = 0;
  while (at < body.length) {
    const blank = body.indexOf(BLANK, at);
    const digits = body.toString('latin1', at, blank < 0 ? at : blank);
    const length = /^[0-9]{1,10}$/.test(digits) ? Number(digits) : 0;
    const end = at + length;
    const equals = body.indexOf(EQUALS, blank);
    if (length === 0 || end > body.length || body[end - 1] !== NEWLINE || equals < 0 || equals >= end) {
      throw new TarError('malformed PAX header');
    }
    add(records, body.toString('latin1', blank + 1, equals), body.subarray(equals + 1, end - 1));
    at = end;
  }
  return records;
}

/** The oldest form of sparse files repeats two keys; joined they are what the next form wrote as one map. */
function add(records: Map<string, Buffer>, key: string, value: Buffer): void {
  const repeated = key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes';
  const before = repeated ? records.get('GNU.sparse.map') : undefined;
  if (before !== undefined) records.set('GNU.sparse.map', Buffer.concat([before, Buffer.from(','), value]));
  else records.set(repeated ? 'GNU.sparse.map' : key, value);
}

/** Text without NUL: a name that the kernel would cut is not the name that was judged. */
export function paxText(records: PaxRecords, key: string): string | undefined {
  const value = records.get(key);
  if (value === undefined || value.length === 0) return undefined;
  if (value.includes(0)) throw new TarError(`PAX ${key} holds a NUL byte`);
  return value.toString('latin1');
}

export function paxNumber(records: PaxRecords, key: string): number | undefined {
  const text = paxText(records, key);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^-?[0-9]{1,16}$/.test(text) || !Number.isSafeInteger(value)) throw new TarError(`PAX ${key} is no number`);
  return value;
}

/** "1700000000.25"; before 1970 the fraction still counts forwards in time_t. */
export function paxTime(records: PaxRecords, key: string): TarTime | undefined {
  const text = paxText(records, key);
  if (text === undefined) return undefined;
  const match = /^(-?)([0-9]{1,15})(?:\.([0-9]*))?$/.exec(text);
  if (match === null) throw new TarError(`PAX ${key} is no time`);
  const fraction = Number((match[3] ?? '').padEnd(9, '0').slice(0, 9));
  const seconds = Number(match[2]);
  if (match[1] === '') return { seconds, nanoseconds: fraction };
  if (fraction === 0) return { seconds: seconds === 0 ? 0 : -seconds, nanoseconds: 0 };
  return { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - fraction };
}

export function paxXattrs(records: PaxRecords): ReadonlyMap<string, Buffer> {
  const found = new Map<string, Buffer>();
  for (const [key, value] of records) {
    if (key.startsWith(XATTR)) found.set(key.slice(XATTR.length), Buffer.from(value));
  }
  return found;
}

/** One record; its length counts its own digits. */
export function paxRecord(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`, 'latin1'), value, Buffer.from('\n')]);
  let digits = 1;
  while (String(rest.length + digits).length !== digits) digits++;
  return Buffer.concat([Buffer.from(String(rest.length + digits)), rest]);
}

export function paxXattrKey(name: string): string {
  return XATTR + name;
}

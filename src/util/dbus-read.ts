/**
 * What dbus.ts wrote, taken apart again to show what a plan says to systemd. What comes over a socket is the executor's to
 * read.
 *
 * D-Bus specification, "Marshaling (Wire Format)". Pure.
 */
import { ALIGNMENT, type DbusValue, splitSignature, WIDTH } from './dbus.js';

const SIGNED: readonly string[] = ['n', 'i', 'x'];

class Reader {
  at = 0;

  constructor(readonly view: DataView) {}

  align(to: number): void {
    this.at = Math.ceil(this.at / to) * to;
  }

  integer(type: string): bigint {
    const width = WIDTH[type] ?? 4;
    this.align(width);
    let value = 0n;
    for (let i = 0; i < width; i++) value |= BigInt(this.view.getUint8(this.at + i)) << BigInt(8 * i);
    this.at += width;
    return SIGNED.includes(type) ? BigInt.asIntN(width * 8, value) : value;
  }

  text(lengthType: string): string {
    const length = Number(this.integer(lengthType));
    const bytes = Buffer.from(this.view.buffer, this.view.byteOffset + this.at, length);
    this.at += length + 1;
    return bytes.toString('utf8');
  }
}

function readValue(reader: Reader, type: string): DbusValue {
  const first = type[0] ?? '';
  if (first === 'a') return readArray(reader, type.slice(1));
  if (first === '(' || first === '{') {
    reader.align(8);
    return splitSignature(type.slice(1, -1)).map((member) => readValue(reader, member));
  }
  if (first === 'v') {
    const signature = reader.text('y');
    return { signature, value: readValue(reader, signature) };
  }
  if (first === 's' || first === 'o') return reader.text('u');
  if (first === 'g') return reader.text('y');
  if (first === 'b') return reader.integer('u') === 1n;
  return first === 'd' ? readDouble(reader) : reader.integer(first);
}

function readDouble(reader: Reader): number {
  reader.align(8);
  reader.at += 8;
  return reader.view.getFloat64(reader.at - 8, true);
}

function readArray(reader: Reader, element: string): DbusValue[] {
  const length = Number(reader.integer('u'));
  reader.align(ALIGNMENT[element[0] ?? ''] ?? 1);
  return readUntil(reader, element, reader.at + length);
}

function readUntil(reader: Reader, element: string, end: number): DbusValue[] {
  const items: DbusValue[] = [];
  while (reader.at < end) {
    const before = reader.at;
    items.push(readValue(reader, element));
    if (reader.at === before) throw new RangeError('an element without bytes');
  }
  return items;
}

/** Throws RangeError for bytes that are not of elements(type, …). */
export function readElements(type: string, bytes: Uint8Array): DbusValue[] {
  const reader = new Reader(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  return readUntil(reader, type, bytes.byteLength);
}

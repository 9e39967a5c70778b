/**
 * D-Bus values as bytes, little endian. The calls that they go into are the executor's (csrc/executor/dbus_write.c).
 *
 * D-Bus specification, "Marshaling (Wire Format)". Pure.
 */

/** A value with its type beside it, which is what a property holds: signature "v". */
export interface Variant {
  readonly signature: string;
  readonly value: DbusValue;
}

/** A 32 bit number that the executor writes into the message; its place is noted. */
export const PID_SLOT = Symbol('pid');

/** Numbers and bigints for the integer types and doubles, arrays for arrays, structs and entries of dictionaries. */
export type DbusValue = boolean | number | bigint | string | typeof PID_SLOT | Variant | readonly DbusValue[];

export interface Marshalled {
  readonly bytes: Uint8Array;
  /** Offset of the one PID_SLOT, 0 if there is none: no array begins with it. */
  readonly pidAt: number;
}

export const ALIGNMENT: { readonly [type: string]: number } = {
  ...{ y: 1, g: 1, v: 1, n: 2, q: 2, b: 4, i: 4, u: 4, s: 4, o: 4, a: 4, h: 4, x: 8, t: 8, d: 8, '(': 8, '{': 8 },
};

/** Bytes of the integer types. */
export const WIDTH: { readonly [type: string]: number } = { y: 1, n: 2, q: 2, i: 4, u: 4, h: 4, x: 8, t: 8 };

class Writer {
  readonly bytes: number[] = [];
  pidAt = 0;

  align(to: number): void {
    while (this.bytes.length % to !== 0) this.bytes.push(0);
  }

  integer(value: bigint, width: number): void {
    this.align(width);
    const all = BigInt.asUintN(width * 8, value);
    for (let i = 0; i < width; i++) this.bytes.push(Number((all >> BigInt(8 * i)) & 0xffn));
  }

  patch32(at: number, value: number): void {
    for (let i = 0; i < 4; i++) this.bytes[at + i] = (value >>> (8 * i)) & 0xff;
  }

  text(text: string, lengthWidth: 1 | 4): void {
    const bytes = Buffer.from(text);
    this.integer(BigInt(bytes.length), lengthWidth);
    this.bytes.push(...bytes, 0);
  }
}

/** Length of the single complete type at the beginning of a signature. Throws RangeError. */
function typeLength(signature: string): number {
  const first = signature[0] ?? '';
  if (first === 'a') return 1 + typeLength(signature.slice(1));
  if (first !== '(' && first !== '{') {
    if (ALIGNMENT[first] === undefined) throw new RangeError(`no D-Bus type: '${signature}'`);
    return 1;
  }
  const close = first === '(' ? ')' : '}';
  let at = 1;
  while (signature[at] !== close) at += typeLength(signature.slice(at));
  return at + 1;
}

/** "sa(sv)u" is "s", "a(sv)", "u". Throws RangeError for what is no signature. */
export function splitSignature(signature: string): string[] {
  const types: string[] = [];
  for (let rest = signature; rest !== ''; ) {
    const length = typeLength(rest);
    types.push(rest.slice(0, length));
    rest = rest.slice(length);
  }
  return types;
}

function isVariant(value: DbusValue): value is Variant {
  return typeof value === 'object' && 'signature' in value;
}

function mismatch(type: string): RangeError {
  return new RangeError(`a value that is not of D-Bus type '${type}'`);
}

function writeArray(writer: Writer, element: string, value: DbusValue): void {
  if (!Array.isArray(value)) throw mismatch(`a${element}`);
  writer.align(4);
  const lengthAt = writer.bytes.length;
  writer.integer(0n, 4);
  writer.align(ALIGNMENT[element[0] ?? ''] ?? 1);
  const begin = writer.bytes.length;
  for (const item of value) writeValue(writer, element, item);
  writer.patch32(lengthAt, writer.bytes.length - begin);
}

function writeStruct(writer: Writer, type: string, value: DbusValue): void {
  const members = splitSignature(type.slice(1, -1));
  if (!Array.isArray(value) || value.length !== members.length) throw mismatch(type);
  writer.align(8);
  for (const [index, member] of members.entries()) writeValue(writer, member, value[index]);
}

function writeDouble(writer: Writer, value: number): void {
  writer.align(8);
  writer.bytes.push(...new Uint8Array(new Float64Array([value]).buffer));
}

function writeVariant(writer: Writer, { signature, value }: Variant): void {
  if (splitSignature(signature).length !== 1) throw mismatch('v');
  writer.text(signature, 1);
  writeValue(writer, signature, value);
}

function writeNumber(writer: Writer, type: string, value: DbusValue): void {
  const width = WIDTH[type];
  if (width === undefined || (typeof value !== 'number' && typeof value !== 'bigint')) throw mismatch(type);
  writer.integer(BigInt(value), width);
}

function writeValue(writer: Writer, type: string, value: DbusValue | undefined): void {
  if (value === undefined) throw mismatch(type);
  if (type[0] === 'a') writeArray(writer, type.slice(1), value);
  else if (type[0] === '(' || type[0] === '{') writeStruct(writer, type, value);
  else if (value === PID_SLOT && type === 'u') writePid(writer);
  else if (type === 'v' && isVariant(value)) writeVariant(writer, value);
  else if (type === 'd' && typeof value === 'number') writeDouble(writer, value);
  else if (typeof value === 'boolean' && type === 'b') writer.integer(value ? 1n : 0n, 4);
  else if (typeof value !== 'string') writeNumber(writer, type, value);
  else if (type === 's' || type === 'o') writer.text(value, 4);
  else if (type === 'g') writer.text(value, 1);
  else throw mismatch(type);
}

function writePid(writer: Writer): void {
  writer.align(4);
  writer.pidAt = writer.bytes.length;
  writer.integer(0n, 4);
}

/** The elements of an array one after the other, without the array's length. Throws RangeError for a value of another type. */
export function elements(type: string, values: readonly DbusValue[]): Marshalled {
  const writer = new Writer();
  for (const value of values) writeValue(writer, type, value);
  return { bytes: Uint8Array.from(writer.bytes), pidAt: writer.pidAt };
}

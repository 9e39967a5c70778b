/**
 * Messages of netlink(7) and their attributes as bytes. Host byte order, which is little endian wherever tsrun runs;
 * what a protocol wants in network order its caller writes so. Pure.
 */

export interface Attribute {
  readonly type: number;
  readonly value: Uint8Array | readonly Attribute[];
}

export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** After the header: the family's structure, then attributes. */
  readonly payload: Buffer;
}

export type Attributes = ReadonlyMap<number, Buffer>;

export const FLAG = { REQUEST: 0x1, ACK: 0x4, REPLACE: 0x100, EXCL: 0x200, CREATE: 0x400, DUMP: 0x300 } as const;
export const TYPE = { ERROR: 2, DONE: 3 } as const;

const HEADER = 16;
const ATTRIBUTE_HEADER = 4;
const NESTED = 0x8000;
const TYPE_MASK = 0x3fff;
const CAPPED = 0x100;
const ERROR_TEXT = 1;

const align = (length: number): number => (length + 3) & ~3;

export function u8(type: number, value: number): Attribute {
  return { type, value: Uint8Array.of(value) };
}

export function u16(type: number, value: number): Attribute {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return { type, value: bytes };
}

export function u32(type: number, value: number): Attribute {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return { type, value: bytes };
}

/** With the NUL at its end. */
export function text(type: number, value: string): Attribute {
  return { type, value: Buffer.from(`${value}\0`) };
}

export function nested(type: number, ...value: Attribute[]): Attribute {
  return { type, value };
}

export function encodeAttributes(attributes: readonly Attribute[]): Buffer {
  return Buffer.concat(attributes.map(encodeAttribute));
}

function encodeAttribute({ type, value }: Attribute): Buffer {
  const isNested = !(value instanceof Uint8Array);
  const content = isNested ? encodeAttributes(value) : value;
  const bytes = Buffer.alloc(align(ATTRIBUTE_HEADER + content.length));
  bytes.writeUInt16LE(ATTRIBUTE_HEADER + content.length, 0);
  bytes.writeUInt16LE(isNested ? type | NESTED : type, 2);
  bytes.set(content, ATTRIBUTE_HEADER);
  return bytes;
}

export function encodeMessage(type: number, flags: number, sequence: number, ...payload: Uint8Array[]): Buffer {
  const content = Buffer.concat(payload);
  const header = Buffer.alloc(HEADER);
  header.writeUInt32LE(HEADER + content.length, 0);
  header.writeUInt16LE(type, 4);
  header.writeUInt16LE(flags, 6);
  header.writeUInt32LE(sequence, 8);
  return Buffer.concat([header, content, Buffer.alloc(align(content.length) - content.length)]);
}

/** Throws RangeError where a length leads out of the bytes. */
export function decodeMessages(bytes: Buffer): Message[] {
  const messages: Message[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = at + HEADER <= bytes.length ? bytes.readUInt32LE(at) : 0;
    if (length < HEADER || at + length > bytes.length) throw new RangeError('a netlink message of a wrong length');
    messages.push({
      type: bytes.readUInt16LE(at + 4),
      flags: bytes.readUInt16LE(at + 6),
      sequence: bytes.readUInt32LE(at + 8),
      payload: bytes.subarray(at + HEADER, at + length),
    });
    at += align(length);
  }
  return messages;
}

/** Of several of one type the last one stays. Throws RangeError. */
export function decodeAttributes(bytes: Buffer): Attributes {
  const found = new Map<number, Buffer>();
  for (let at = 0; at + ATTRIBUTE_HEADER <= bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    if (length < ATTRIBUTE_HEADER || at + length > bytes.length)
      throw new RangeError('a netlink attribute of a wrong length');
    found.set(bytes.readUInt16LE(at + 2) & TYPE_MASK, bytes.subarray(at + ATTRIBUTE_HEADER, at + length));
    at += align(length);
  }
  return found;
}

export function readText(value: Buffer | undefined): string | undefined {
  return value?.toString('latin1').replace(/\0.*$/s, '');
}

export function readU32(value: Buffer | undefined): number | undefined {
  return value !== undefined && value.length >= 4 ? value.readUInt32LE(0) : undefined;
}

/** Of an NLMSG_ERROR: errno, 0 for an acknowledgement, and the kernel's words if it had any. */
export function decodeError({ payload, flags }: Message): {
  readonly errno: number;
  readonly words: string | undefined;
} {
  const errno = -payload.readInt32LE(0);
  const request = (flags & CAPPED) !== 0 ? HEADER : align(payload.readUInt32LE(4));
  const rest = payload.subarray(Math.min(4 + request, payload.length));
  return { errno, words: errno === 0 ? undefined : readText(decodeAttributes(rest).get(ERROR_TEXT)) };
}

/**
 * The head of a compressed log: of which file it was made, in an extra field of gzip (RFC 1952, 2.3.1.1), so that one who
 * follows the log finds what comes next. Other programs pass over it.
 *
 * Pure.
 */

/** The file that was compressed. */
export interface Origin {
  readonly inode: bigint;
  /** When it was last written to, nanoseconds. */
  readonly written: bigint;
}

/** Of gzip without options, as zlib writes it. */
export const PLAIN_HEAD_SIZE = 10;
const FEXTRA = 4;
const DATA_SIZE = 16;
const FIELD_SIZE = 4 + DATA_SIZE;
export const HEAD_SIZE = PLAIN_HEAD_SIZE + 2 + FIELD_SIZE;
const MAGIC = Buffer.of(0x1f, 0x8b, 8, FEXTRA);
const FIELD = 'tL';
const UNIX = 3;

export function writeHead({ inode, written }: Origin): Buffer {
  const head = Buffer.alloc(HEAD_SIZE);
  MAGIC.copy(head);
  head.writeUInt8(UNIX, 9);
  head.writeUInt16LE(FIELD_SIZE, PLAIN_HEAD_SIZE);
  head.write(FIELD, PLAIN_HEAD_SIZE + 2, 'latin1');
  head.writeUInt16LE(DATA_SIZE, PLAIN_HEAD_SIZE + 4);
  head.writeBigUInt64LE(inode, PLAIN_HEAD_SIZE + 6);
  head.writeBigUInt64LE(written, PLAIN_HEAD_SIZE + 14);
  return head;
}

/** undefined: of somebody else's making. */
export function readHead(head: Buffer): Origin | undefined {
  if (head.length < HEAD_SIZE || !head.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  if (head.toString('latin1', PLAIN_HEAD_SIZE + 2, PLAIN_HEAD_SIZE + 4) !== FIELD) return undefined;
  if (head.readUInt16LE(PLAIN_HEAD_SIZE + 4) !== DATA_SIZE) return undefined;
  return {
    inode: head.readBigUInt64LE(PLAIN_HEAD_SIZE + 6),
    written: head.readBigUInt64LE(PLAIN_HEAD_SIZE + 14),
  };
}

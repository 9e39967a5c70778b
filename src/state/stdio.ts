/**
 * What the container's first process got as its stdio, from the file "runtime" of the state directory, which the executor
 * writes: struct runtime_record of csrc/executor/statedir.h.
 *
 * Pure.
 */
const MAGIC = 'TSRRUN2\0';
const STDIO = { offset: 40, size: 24, count: 3 } as const;
const TYPE = { mask: 0o170000, regular: 0o100000, fifo: 0o010000 } as const;

export interface Stdio {
  readonly kind: 'file' | 'pipe' | 'other';
  readonly mountId: bigint;
  readonly inode: bigint;
}

/** stdin, stdout, stderr; undefined for bytes that are no record. */
export function parseStdio(record: Buffer): readonly Stdio[] | undefined {
  const { offset, size, count } = STDIO;
  if (record.length !== offset + size * count || record.toString('latin1', 0, MAGIC.length) !== MAGIC) return undefined;
  return Array.from({ length: count }, (_, fd) => {
    const at = offset + fd * size;
    const type = record.readUInt32LE(at + 16) & TYPE.mask;
    const kind = type === TYPE.regular ? 'file' : type === TYPE.fifo ? 'pipe' : 'other';
    return { kind, mountId: record.readBigUInt64LE(at), inode: record.readBigUInt64LE(at + 8) };
  });
}

/**
 * The executor's answer: fixed records of 2112 bytes on the status fd, little endian, warnings first, exactly one verdict
 * last. Mirrors struct failure in csrc/executor/failure.h.
 *
 * Pure.
 */
import { LISTS, type ListName, PROBLEM } from '../plan/op.gen.js';

export type ProblemName = keyof typeof PROBLEM;

export interface StatusRecord {
  readonly kind: 'verdict' | 'warning' | 'note';
  readonly problem: ProblemName;
  readonly list: ListName | undefined;
  readonly index: number;
  /** 0: the verb itself, not an op. */
  readonly opcode: number;
  readonly errno: number;
  /** Line in the C file, for bug reports. */
  readonly line: number;
  readonly pid: number;
  readonly syscall: string;
  /** Milliseconds that a hook took. */
  readonly elapsed: number;
  /** Hook output, a program path and its first bytes, a list of pids: whatever the message needs. */
  readonly detail: Buffer;
}

export interface Answer {
  readonly warnings: readonly StatusRecord[];
  /** Nothing is wrong: how long a hook took. */
  readonly notes: readonly StatusRecord[];
  /** Undefined when the executor died before it could say anything. */
  readonly verdict: StatusRecord | undefined;
  /** Bytes up to the end of the last record. */
  readonly size: number;
}

const MAGIC = 0x46525354;
const RECORD_SIZE = 2112;
const KINDS = ['verdict', 'warning', 'note'] as const;
const SYSCALL_OFFSET = 40;
const ELAPSED_OFFSET = 60;
const DETAIL_OFFSET = 64;

const PROBLEM_NAMES: ReadonlyMap<number, ProblemName> = new Map(
  Object.entries(PROBLEM).map(([name, value]) => [value, name as ProblemName]),
);

function decodeRecord(bytes: Buffer): StatusRecord | undefined {
  if (bytes.length < RECORD_SIZE || bytes.readUInt32LE(0) !== MAGIC) return undefined;
  const detailLength = Math.min(bytes.readUInt32LE(36), RECORD_SIZE - DETAIL_OFFSET);
  const syscall = bytes.subarray(SYSCALL_OFFSET, ELAPSED_OFFSET);
  const end = syscall.indexOf(0);
  return {
    kind: KINDS[bytes.readUInt32LE(4)] ?? 'verdict',
    problem: PROBLEM_NAMES.get(bytes.readUInt32LE(8)) ?? 'SYSCALL',
    list: LISTS[bytes.readUInt32LE(12)],
    index: bytes.readUInt32LE(16),
    opcode: bytes.readUInt32LE(20),
    errno: bytes.readInt32LE(24),
    line: bytes.readUInt32LE(28),
    pid: bytes.readInt32LE(32),
    syscall: syscall.toString('latin1', 0, end < 0 ? syscall.length : end),
    elapsed: bytes.readUInt32LE(ELAPSED_OFFSET),
    detail: Buffer.from(bytes.subarray(DETAIL_OFFSET, DETAIL_OFFSET + detailLength)),
  };
}

/** Reads records up to the verdict; a truncated or foreign record ends the answer. */
export function decodeAnswer(bytes: Buffer): Answer {
  const warnings: StatusRecord[] = [];
  const notes: StatusRecord[] = [];
  let size = 0;
  while (size < bytes.length) {
    const record = decodeRecord(bytes.subarray(size));
    if (record === undefined) break;
    size += RECORD_SIZE;
    if (record.kind === 'verdict') return { warnings, notes, verdict: record, size };
    (record.kind === 'note' ? notes : warnings).push(record);
  }
  return { warnings, notes, verdict: undefined, size };
}

/**
 * Entries of the logs that monitors write: json-file, and our own form (csrc/monitor/entry.h).
 *
 * Pure.
 */
import { parseRfc3339 } from '../../util/nanoseconds.js';

export interface LogEntry {
  readonly stream: 'stdout' | 'stderr';
  readonly nanos: bigint;
  /** With the line end, unless it is a part of a line. */
  readonly text: Buffer;
  /** What labels, env and tag of the log options add. */
  readonly attributes: { readonly [name: string]: string };
}

export interface Decoder {
  /** Whole entries of these bytes, and how many bytes they took. */
  decode(bytes: Buffer): { readonly entries: readonly LogEntry[]; readonly used: number };
  /** Where the last `count` entries of these bytes begin: offset and how many there are of them. */
  last(bytes: Buffer, count: number): { readonly at: number; readonly found: number };
}

const LINE_END = 0x0a;
const LOCAL_HEADER = 16;
const LOCAL_TRAILER = 4;
/** Longer than any line that a monitor writes: six bytes for each of 16 KiB, and attributes. */
export const MOST_BYTES = 1024 * 1024;

/** A line that is none is left out: a full disk or a crash may have cut it. */
function decodeLine(line: string): LogEntry | undefined {
  try {
    const { log, stream, time, attrs } = JSON.parse(line);
    const nanos = typeof time === 'string' ? parseRfc3339(time) : undefined;
    if (typeof log !== 'string' || nanos === undefined) return undefined;
    const attributes = typeof attrs === 'object' && attrs !== null ? attrs : {};
    return { stream: stream === 'stderr' ? 'stderr' : 'stdout', nanos, text: Buffer.from(log), attributes };
  } catch {
    return undefined;
  }
}

export const JSON_FILE: Decoder = {
  decode(bytes) {
    const entries: LogEntry[] = [];
    let at = 0;
    for (let end = bytes.indexOf(LINE_END); end >= 0; end = bytes.indexOf(LINE_END, at)) {
      const entry = decodeLine(bytes.toString('utf8', at, end));
      if (entry !== undefined) entries.push(entry);
      at = end + 1;
    }
    return { entries, used: at };
  },
  last(bytes, count) {
    let at = bytes.lastIndexOf(LINE_END) + 1;
    let found = 0;
    while (found < count && at > 0) {
      at = bytes.lastIndexOf(LINE_END, at - 2) + 1;
      found++;
      if (at === 1 && bytes[0] === LINE_END) break;
    }
    return { at, found };
  },
};

function decodeLocal(bytes: Buffer, at: number): { entry: LogEntry; end: number } | undefined {
  if (bytes.length - at < LOCAL_HEADER) return undefined;
  const length = bytes.readUInt32LE(at);
  const end = at + LOCAL_HEADER + length + LOCAL_TRAILER;
  if (length > MOST_BYTES || end > bytes.length) return undefined;
  const text = bytes.subarray(at + LOCAL_HEADER, at + LOCAL_HEADER + length);
  const stream = bytes[at + 4] === 2 ? 'stderr' : 'stdout';
  return { entry: { stream, nanos: bytes.readBigUInt64LE(at + 8), text: Buffer.from(text), attributes: {} }, end };
}

export const LOCAL: Decoder = {
  decode(bytes) {
    const entries: LogEntry[] = [];
    let at = 0;
    for (let next = decodeLocal(bytes, 0); next !== undefined; next = decodeLocal(bytes, at)) {
      entries.push(next.entry);
      at = next.end;
    }
    return { entries, used: at };
  },
  last(bytes, count) {
    let at = bytes.length;
    let found = 0;
    while (found < count && at >= LOCAL_HEADER + LOCAL_TRAILER) {
      const start = at - LOCAL_TRAILER - bytes.readUInt32LE(at - LOCAL_TRAILER) - LOCAL_HEADER;
      if (start < 0) break;
      at = start;
      found++;
    }
    return { at, found };
  },
};

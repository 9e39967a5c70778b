/**
 * Output as clients get it: frames of eight bytes of head and the payload, or the bytes alone for a terminal. facts of the
 * Engine API, "Stream format".
 *
 * Pure.
 */
import { timeOf } from '../container/times.js';
import type { LogEntry } from './entry.js';

export interface LogForm {
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Not for a terminal. */
  readonly framed: boolean;
  readonly timestamps: boolean;
  readonly details: boolean;
  /** Of logs that do not keep them with each entry. */
  readonly attributes: { readonly [name: string]: string };
}

const STREAMS = { stdout: 1, stderr: 2 } as const;

export function frame(stream: 'stdout' | 'stderr', payload: Uint8Array): Buffer {
  return Buffer.concat([headOf(stream, payload.length), payload]);
}

function headOf(stream: 'stdout' | 'stderr', length: number): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt8(STREAMS[stream]);
  head.writeUInt32BE(length, 4);
  return head;
}

/** One buffer for all entries that come together: a chunk of HTTP for each line costs more than the line. */
export async function* formatLog(groups: AsyncIterable<readonly LogEntry[]>, form: LogForm): AsyncGenerator<Buffer> {
  const continued = { stdout: false, stderr: false };
  const partsOf = (entry: LogEntry): Uint8Array[] => {
    const { stream, text } = entry;
    if (!form[stream]) return [];
    // The parts of a line are one line again.
    const prefix = Buffer.from(continued[stream] ? '' : prefixOf(entry, form));
    continued[stream] = text.at(-1) !== 0x0a;
    const parts = prefix.length === 0 ? [text] : [prefix, text];
    return form.framed ? [headOf(stream, prefix.length + text.length), ...parts] : parts;
  };
  for await (const entries of groups) {
    const bytes = Buffer.concat(entries.flatMap(partsOf));
    if (bytes.length > 0) yield bytes;
  }
}

function prefixOf({ nanos, attributes }: LogEntry, form: LogForm): string {
  const time = form.timestamps ? `${timeOf(nanos)} ` : '';
  if (!form.details) return time;
  const all = Object.entries({ ...form.attributes, ...attributes }).sort(([a], [b]) => (a < b ? -1 : 1));
  const list = all.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`);
  return `${time}${list.join(',')} `;
}

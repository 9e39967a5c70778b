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
  const head = Buffer.alloc(8);
  head.writeUInt8(STREAMS[stream]);
  head.writeUInt32BE(payload.length, 4);
  return Buffer.concat([head, payload]);
}

export async function* formatLog(entries: AsyncIterable<LogEntry>, form: LogForm): AsyncGenerator<Buffer> {
  const continued = { stdout: false, stderr: false };
  for await (const entry of entries) {
    const { stream, text } = entry;
    if (!form[stream]) continue;
    // The parts of a line are one line again.
    const prefix = continued[stream] ? '' : prefixOf(entry, form);
    continued[stream] = text.at(-1) !== 0x0a;
    const line = prefix === '' ? text : Buffer.concat([Buffer.from(prefix), text]);
    yield form.framed ? frame(stream, line) : line;
  }
}

function prefixOf({ nanos, attributes }: LogEntry, form: LogForm): string {
  const time = form.timestamps ? `${timeOf(nanos)} ` : '';
  if (!form.details) return time;
  const all = Object.entries({ ...form.attributes, ...attributes }).sort(([a], [b]) => (a < b ? -1 : 1));
  const list = all.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`);
  return `${time}${list.join(',')} `;
}

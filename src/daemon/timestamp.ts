/**
 * Times as clients write them in queries and filters: seconds since 1970 with a fraction, RFC 3339, RFC 3339 without a zone
 * or only a date, or a duration of Go, which means as long ago.
 */
import { parseDuration } from '../util/duration.js';
import { nowNanoseconds, parseRfc3339, parseUnixTime } from '../util/nanoseconds.js';

/** Nanoseconds since 1970; undefined for what is none of these. */
export function parseTimestamp(text: string, now = nowNanoseconds()): bigint | undefined {
  const unix = parseUnixTime(text) ?? parseRfc3339(text);
  if (unix !== undefined) return unix;
  const duration = parseDuration(text);
  if (duration !== undefined) return now - BigInt(Math.round(duration * 1000)) * 1000n;
  return parseRfc3339(withZone(text));
}

/** "2026-11-28" and "2026-11-28T18:02" are of this machine's zone. */
function withZone(text: string): string {
  const match = /^(\d{4}-\d\d-\d\d)(?:T(\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?))?(Z?)$/.exec(text);
  if (match === null) return '';
  const [, date = '', time = '00', zone = ''] = match;
  const full = `${date}T${time}${':00'.repeat(Math.max(0, 2 - (time.match(/:/g)?.length ?? 0)))}`;
  if (zone !== '') return `${full}Z`;
  const local = new Date(full.replace(/\.\d+$/, ''));
  if (Number.isNaN(local.getTime())) return '';
  const fraction = /\.\d+$/.exec(full)?.[0] ?? '';
  return local.toISOString().replace(/\.\d+Z$/, `${fraction}Z`);
}

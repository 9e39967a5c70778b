/** Times as the API has them. */
import { nowNanoseconds, rfc3339Nano } from '../../util/nanoseconds.js';

export const now = (): string => rfc3339Nano(nowNanoseconds());

/** RFC 3339 with all nine digits: what is cut to a column, or sorted as text. */
export function timeOf(nanos: bigint): string {
  const text = rfc3339Nano(nanos);
  const [seconds = '', fraction = ''] = text.slice(0, -1).split('.');
  return `${seconds}.${fraction.padEnd(9, '0')}Z`;
}

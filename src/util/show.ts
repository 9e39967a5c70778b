/**
 * A JSON value on one line for a message: strings quoted and escaped, lists and objects by their kind.
 *
 * Pure.
 */
import { quote } from './quote.js';

const LIMIT = 64;

/** At most about `limit` characters. */
export function show(value: unknown, limit = LIMIT): string {
  if (typeof value === 'string') return quote(value, limit);
  if (Array.isArray(value)) return value.length === 0 ? '[]' : `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  return String(value).slice(0, limit);
}

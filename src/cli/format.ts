/**
 * The option --format of commands that print a table or JSON.
 *
 * Pure.
 */
import { UsageError } from '../errors.js';
import { quote } from '../util/quote.js';

export type Format = 'table' | 'json';

export function readTableOrJson(text: string | undefined, otherwise: Format = 'table'): Format {
  if (text === undefined) return otherwise;
  if (text === 'table' || text === 'json') return text;
  throw new UsageError(`--format: invalid format option ${quote(text, 64)}`, '--format', "it is 'table' or 'json'");
}

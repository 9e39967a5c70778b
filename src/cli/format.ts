/**
 * The option --format of commands: one of two words.
 *
 * Pure.
 */
import { UsageError } from '../errors.js';
import { quote } from '../util/quote.js';

export type Format = 'table' | 'json';

function readWord<F extends string>(text: string | undefined, words: readonly [F, F], otherwise: F): F {
  if (text === undefined) return otherwise;
  const found = words.find((word) => word === text);
  if (found !== undefined) return found;
  const hint = `it is ${words.map((word) => `'${word}'`).join(' or ')}`;
  throw new UsageError(`--format: invalid format option ${quote(text, 64)}`, '--format', hint);
}

export function readTableOrJson(text: string | undefined, otherwise: Format = 'table'): Format {
  return readWord(text, ['table', 'json'], otherwise);
}

export function readTextOrJson(text: string | undefined): 'text' | 'json' {
  return readWord(text, ['text', 'json'], 'text');
}

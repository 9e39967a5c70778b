/**
 * The option --interval.
 *
 * Pure.
 */
import { UsageError } from '../errors.js';
import { parseDuration } from '../util/duration.js';
import { quote } from '../util/quote.js';

/** A shorter one would be a busy loop. */
const LEAST_MS = 10;
/** What a timer of Node can hold. */
const MOST_MS = 2 ** 31 - 1;

/** Milliseconds. */
export function readInterval(text: string): number {
  const interval = parseDuration(text);
  if (interval !== undefined && interval >= LEAST_MS && interval <= MOST_MS) return interval;
  const message = `--interval: ${quote(text, 64)} is not a duration of at least ${LEAST_MS}ms`;
  throw new UsageError(message, '--interval', 'such as 5s, 500ms or 1m30s');
}

/**
 * What was given of the options, by a file or a command line.
 *
 * Pure.
 */
import { UsageError } from '../../errors.js';
import { quote } from '../../util/quote.js';
import type { OptionName } from './options.js';

export type Value = boolean | string | readonly string[] | undefined;
export type Given = { readonly [name in OptionName]?: Value };

export function text(given: Given, name: OptionName): string | undefined {
  const value = given[name];
  return typeof value === 'string' ? value : undefined;
}

export function list(given: Given, name: OptionName): readonly string[] {
  const value = given[name];
  return Array.isArray(value) ? value : [];
}

/** true where nothing is given. Throws UsageError. */
export function truth(given: Given, name: OptionName): boolean {
  const value = text(given, name) ?? 'true';
  if (value === 'true' || value === 'false') return value === 'true';
  throw refuse(name, value, 'is neither true nor false');
}

/** A number from least to most. Throws UsageError. */
export function count(given: Given, name: OptionName, otherwise: number, least: number, most: number): number {
  const value = text(given, name);
  if (value === undefined) return otherwise;
  const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
  if (number >= least && number <= most) return number;
  throw refuse(name, value, `is not a number from ${least} to ${most}`);
}

export const refuse = (name: OptionName, value: string, reason: string, hint?: string): UsageError =>
  new UsageError(`--${name}: ${quote(value)} ${reason}`, `--${name}`, hint);

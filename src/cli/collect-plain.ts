/**
 * What collect.ts does, without loading yargs, which costs a create more than its own options do: argv.ts has matched each
 * token with its option already. A test holds both against each other.
 *
 * Pure.
 */
import type { OptionTable } from './options.js';

export function collect(tokens: readonly string[], table: OptionTable): { readonly [name: string]: unknown } {
  const values: { [name: string]: boolean | string[] } = {};
  for (const token of tokens) {
    const equals = token.indexOf('=');
    const name = token.slice('--'.length, equals);
    const value = token.slice(equals + 1);
    const before = values[name];
    if (table[name]?.kind === 'flag') values[name] = value === 'true';
    else if (Array.isArray(before)) before.push(value);
    else values[name] = [value];
  }
  return values;
}

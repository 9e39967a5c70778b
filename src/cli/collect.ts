/**
 * Values by the name of their option, from tokens in the one form that argv.ts makes: yargs. The file of the commands
 * that engines call has collect-plain.ts in its place (scripts/build.mjs).
 *
 * Pure.
 */
import yargs from 'yargs';
import { UsageError } from '../errors.js';
import type { OptionTable } from './options.js';

const SETTINGS = {
  'halt-at-non-option': true,
  'parse-numbers': false,
  'parse-positional-numbers': false,
  'boolean-negation': false,
  'dot-notation': false,
  'camel-case-expansion': false,
  'greedy-arrays': false,
};

export function collect(tokens: readonly string[], table: OptionTable): { readonly [name: string]: unknown } {
  const settings = Object.entries(table).map(([name, option]) => {
    const flag = option.kind === 'flag';
    return [name, flag ? { type: 'boolean' as const } : { type: 'string' as const, array: true, nargs: 1 }] as const;
  });
  return yargs(tokens)
    .locale('en')
    .parserConfiguration(SETTINGS)
    .help(false) // before options(), which would take its own meaning of the two names
    .version(false)
    .options(Object.fromEntries(settings))
    .strictOptions()
    .exitProcess(false)
    .fail((message, error) => {
      throw error ?? new UsageError(message ?? 'the arguments cannot be read');
    })
    .parseSync();
}

/**
 * What can come next on a command line, for completions in any shell: commands, options, the words an option takes.
 *
 * Pure.
 */
import type { Command } from './command.js';
import { GLOBAL_OPTIONS, type Option, type OptionTable } from './options.js';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** What an argument or a value can be: one of some words, or what the file system or tsrun list tells. */
export type Kind = 'container' | 'directory' | 'file' | 'none' | readonly string[];

/** Argument by argument, from the words of the usage line: "<container-id> [signal]". */
export function argumentKinds(command: Command, commands: readonly Command[]): Kind[] {
  const [first = ''] = command.usage.split(/ \| (?=-)/);
  return [...first.matchAll(/[<[]([\w-]+)[^>\]]*[>\]]/g)].map(([, name = '']) => {
    if (name === 'container-id') return 'container';
    if (name === 'bundle') return 'directory';
    if (name === 'shell') return SHELLS;
    return name === 'command' && command.name === 'help' ? commands.map((other) => other.name) : 'none';
  });
}

/** A help text that quotes words says what the option takes: "'table' or 'json'". */
export function valueKind(name: string, option: Option): Kind {
  if (option.kind === 'flag') return 'none';
  const words = [...option.help.matchAll(/'([a-z][\w-]*)'/g)].map(([, word = '']) => word);
  if (words.length > 1) return words;
  if (['count', 'list'].includes(option.kind)) return 'none';
  return ['bundle', 'root', 'cwd'].includes(name) ? 'directory' : 'file';
}

export const visible = (table: OptionTable): (readonly [name: string, option: Option])[] =>
  Object.entries(table).filter(([, option]) => option.hidden !== true);

export const spellings = (name: string, { short }: Option): string[] =>
  short === undefined ? [`--${name}`] : [`--${name}`, `-${short}`];

/** What completes the first word, '', or the second one, after the name of a group. */
export function nextWords(
  commands: readonly Command[],
  group: string,
): readonly (readonly [word: string, summary: string])[] {
  const words = new Map<string, string>();
  for (const { name, summary } of commands) {
    const [first = '', second] = name.split(' ');
    if (group === '') words.set(first, second === undefined ? summary : `commands of ${first}s`);
    else if (first === group && second !== undefined) words.set(second, summary);
  }
  return [...words];
}

export const groupsOf = (commands: readonly Command[]): string[] => [
  ...new Set(commands.flatMap(({ name }) => (name.includes(' ') ? [name.replace(/ .*/, '')] : []))),
];

export const wordList = (commands: readonly Command[], group: string): string =>
  nextWords(commands, group)
    .map(([word]) => word)
    .join(' ');

/** '' is the global table. */
export function tables(commands: readonly Command[]): (readonly [command: string, table: OptionTable])[] {
  return [['', GLOBAL_OPTIONS], ...commands.map(({ name, options }) => [name, options] as const)];
}

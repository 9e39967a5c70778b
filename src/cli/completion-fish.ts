/**
 * Completion for fish: a line for each word, with the condition under which it may come.
 *
 * Pure.
 */
import type { Command } from './command.js';
import { argumentKinds, groupsOf, type Kind, nextWords, valueKind, visible, wordList } from './completion-words.js';
import { GLOBAL_OPTIONS, type OptionTable } from './options.js';

const fishText = (text: string): string => `'${text.replace(/['\\]/g, '\\$&')}'`;

function fishOptions(condition: string, table: OptionTable): string[] {
  return visible(table).map(([name, option]) => {
    const short = option.short === undefined ? '' : ` -s ${option.short}`;
    const kind = valueKind(name, option);
    const value = option.kind === 'flag' ? '' : ` ${fishValue(kind)}`;
    return `complete -c tsrun -n '${condition}' -l ${name}${short}${value} -d ${fishText(option.help)}`;
  });
}

/** -r takes a value, -x one that is no file. */
function fishValue(kind: Kind): string {
  if (kind === 'file') return '-r -F';
  if (kind === 'directory') return "-x -a '(__fish_complete_directories)'";
  return kind === 'none' || kind === 'container' ? '-x' : `-x -a ${fishText(kind.join(' '))}`;
}

/** "run" is a command, and "image run" another one. */
function fishSeen({ name }: Command, commands: readonly Command[]): string {
  const words = name.split(' ');
  const groups = words.length > 1 ? [] : groupsOf(commands);
  return [
    ...words.map((word) => `__fish_seen_subcommand_from ${word}`),
    ...groups.map((group) => `not __fish_seen_subcommand_from ${group}`),
  ].join('; and ');
}

function fishArguments(command: Command, commands: readonly Command[]): string[] {
  const [kind] = argumentKinds(command, commands);
  if (kind === undefined || kind === 'none') return [];
  const words: { readonly [kind: string]: string } = {
    container: '(__tsrun_containers)',
    directory: '(__fish_complete_directories)',
  };
  const what = typeof kind === 'string' ? (words[kind] ?? '') : kind.join(' ');
  return [`complete -c tsrun -n '${fishSeen(command, commands)}' -a ${fishText(what)}`];
}

const fishWords = (commands: readonly Command[], group: string, condition: string): string =>
  nextWords(commands, group)
    .map(([word, summary]) => `complete -c tsrun -n '${condition}' -a ${word} -d ${fishText(summary)}`)
    .join('\n');

const fishInGroup = (commands: readonly Command[], group: string): string =>
  `__fish_seen_subcommand_from ${group}; and not __fish_seen_subcommand_from ${wordList(commands, group)}`;

export function fishScript(commands: readonly Command[]): string {
  const names = wordList(commands, '');
  const none = `not __fish_seen_subcommand_from ${names}`;
  return `# fish completion of tsrun, made by "tsrun completion fish"
function __tsrun_containers
    tsrun list -q 2>/dev/null
end

complete -c tsrun -f
${fishOptions(none, GLOBAL_OPTIONS).join('\n')}
${fishWords(commands, '', none)}
${groupsOf(commands)
  .map((group) => fishWords(commands, group, fishInGroup(commands, group)))
  .join('\n')}
${commands
  .flatMap((command) => [
    ...fishOptions(fishSeen(command, commands), command.options),
    ...fishArguments(command, commands),
  ])
  .join('\n')}
`;
}

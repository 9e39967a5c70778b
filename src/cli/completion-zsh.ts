/**
 * Completion for zsh: _arguments with the options of each command.
 *
 * Pure.
 */
import type { Command } from './command.js';
import { argumentKinds, groupsOf, type Kind, nextWords, spellings, valueKind, visible } from './completion-words.js';
import { GLOBAL_OPTIONS, type OptionTable } from './options.js';

/** In single quotes, for zsh's _arguments, where brackets and colons mean something. */
const zshText = (text: string): string => text.replace(/[[\]:\\]/g, '\\$&').replaceAll("'", `'\\''`);

const ZSH_ACTIONS: { readonly [kind: string]: string } = {
  container: '_tsrun_containers',
  directory: '_files -/',
  file: '_files',
  none: ' ',
};

const zshAction = (kind: Kind): string =>
  typeof kind === 'string' ? (ZSH_ACTIONS[kind] ?? ' ') : `(${kind.join(' ')})`;

function zshOptions(table: OptionTable): string[] {
  return visible(table).flatMap(([name, option]) =>
    spellings(name, option).map((spelling) => {
      const value = option.kind === 'flag' ? '' : `:${zshText(name)}:${zshAction(valueKind(name, option))}`;
      return `'*${spelling}${value === '' || !spelling.startsWith('--') ? '' : '='}[${zshText(option.help)}]${value}'`;
    }),
  );
}

function zshCase(command: Command, commands: readonly Command[]): string {
  const kinds = argumentKinds(command, commands).map((kind, index) => `'${index + 1}:argument:${zshAction(kind)}'`);
  const specs = [...zshOptions(command.options), ...kinds].join(' \\\n        ');
  return `    ${command.name.replace(' ', '\\ ')})\n      _arguments \\\n        ${specs}\n      ;;`;
}

/** The word behind a group's name becomes part of the command, and counts as its name. */
const zshGroup = (group: string): string => `    ${group})
      if (( CURRENT == 2 )); then _tsrun_${group}; return; fi
      command="$command $words[2]"
      shift words
      (( CURRENT-- ))
      ;;`;

export function zshScript(commands: readonly Command[]): string {
  const cases = commands.map((command) => zshCase(command, commands));
  const groups = groupsOf(commands);
  const names = (group: string) =>
    nextWords(commands, group).map(([word, summary]) => `    '${word}:${zshText(summary)}'`);
  return `#compdef tsrun
# zsh completion of tsrun, made by "tsrun completion zsh"

_tsrun_containers() {
  local -a ids root
  (( \${+opt_args[--root]} )) && root=(--root \${opt_args[--root]})
  ids=(\${(f)"$(_call_program containers tsrun $root list -q 2>/dev/null)"})
  compadd -a ids
}

_tsrun_commands() {
  local -a commands
  commands=(
${names('').join('\n')}
  )
  _describe -t commands command commands
}

${groups.map((group) => `_tsrun_${group}() {\n  local -a commands\n  commands=(\n${names(group).join('\n')}\n  )\n  _describe -t commands command commands\n}\n`).join('\n')}
_tsrun() {
  local curcontext=$curcontext state line
  typeset -A opt_args
  _arguments -C \\
    ${zshOptions(GLOBAL_OPTIONS).join(' \\\n    ')} \\
    '1: :_tsrun_commands' \\
    '*:: :->rest'
  [[ $state == rest ]] || return
  local command=$line[1]
  case $command in
${groups.map(zshGroup).join('\n')}
  esac
  case $command in
${cases.join('\n')}
  esac
}

if [[ $funcstack[1] == _tsrun ]]; then _tsrun "$@"; else compdef _tsrun tsrun; fi
`;
}

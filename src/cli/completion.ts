/**
 * Completions of command lines for bash, zsh and fish, from the same tables as --help: commands, options, the words that
 * an option takes, and ids of containers, which "tsrun list" is asked for.
 *
 * Pure.
 */
import type { Command } from './command.js';
import { GLOBAL_OPTIONS, type Option, type OptionTable } from './options.js';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

/** What an argument or a value can be: one of some words, or what the file system or tsrun list tells. */
type Kind = 'container' | 'directory' | 'file' | 'none' | readonly string[];

/** Argument by argument, from the words of the usage line: "<container-id> [signal]". */
function argumentKinds(command: Command, commands: readonly Command[]): Kind[] {
  const [first = ''] = command.usage.split(/ \| (?=-)/);
  return [...first.matchAll(/[<[]([\w-]+)[^>\]]*[>\]]/g)].map(([, name = '']) => {
    if (name === 'container-id') return 'container';
    if (name === 'bundle') return 'directory';
    if (name === 'shell') return SHELLS;
    return name === 'command' && command.name === 'help' ? commands.map((other) => other.name) : 'none';
  });
}

/** A help text that quotes words says what the option takes: "'table' or 'json'". */
function valueKind(name: string, option: Option): Kind {
  if (option.kind === 'flag') return 'none';
  const words = [...option.help.matchAll(/'([a-z][\w-]*)'/g)].map(([, word = '']) => word);
  if (words.length > 1) return words;
  if (['count', 'list'].includes(option.kind)) return 'none';
  return ['bundle', 'root', 'cwd'].includes(name) ? 'directory' : 'file';
}

const visible = (table: OptionTable): (readonly [name: string, option: Option])[] =>
  Object.entries(table).filter(([, option]) => option.hidden !== true);

const spellings = (name: string, { short }: Option): string[] =>
  short === undefined ? [`--${name}`] : [`--${name}`, `-${short}`];

export function completionScript(shell: Shell, commands: readonly Command[]): string {
  return SCRIPTS[shell](commands);
}

const SCRIPTS: { readonly [shell in Shell]: (commands: readonly Command[]) => string } = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/** '' is the global table. */
function tables(commands: readonly Command[]): (readonly [command: string, table: OptionTable])[] {
  return [['', GLOBAL_OPTIONS], ...commands.map(({ name, options }) => [name, options] as const)];
}

function bashKind(kind: Kind): string {
  if (kind === 'container') return 'containers';
  return typeof kind === 'string' ? kind : `words ${kind.join(' ')}`;
}

/** Goes through the words up to the cursor: which command, which argument of it, or whose value. */
const BASH_WALK = `_tsrun() {
  local word=\${COMP_WORDS[COMP_CWORD]} command= kind= count=0 at=1 root=()
  while [ "$at" -lt "$COMP_CWORD" ]; do
    local one=\${COMP_WORDS[at]}
    at=$((at + 1))
    case $one in
      -*)
        kind=$(_tsrun_value "$command" "$one")
        # readline makes three words of --name=value
        [ "\${COMP_WORDS[at]}" = = ] && [ "$at" -lt "$COMP_CWORD" ] && at=$((at + 1))
        [ -n "$kind" ] || continue
        [ "$at" -lt "$COMP_CWORD" ] || { _tsrun_complete "$kind" "\${word#=}"; return; }
        [ "$one" = --root ] && root=(--root "\${COMP_WORDS[at]}")
        at=$((at + 1))
        ;;
      *)
        if [ -z "$command" ]; then command=$one; else count=$((count + 1)); fi
        ;;
    esac
  done
  case $word in
    -*) COMPREPLY=($(compgen -W "$(_tsrun_options "$command")" -- "$word")) ;;
    *) _tsrun_complete "$(_tsrun_argument "$command" "$count")" "$word" ;;
  esac
}

_tsrun_complete() {
  case $1 in
    'words '*) COMPREPLY=($(compgen -W "\${1#words }" -- "$2")) ;;
    containers) COMPREPLY=($(compgen -W "$("\${COMP_WORDS[0]}" "\${root[@]}" list -q 2>/dev/null)" -- "$2")) ;;
    directory) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- "$2")) ;;
    file) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$2")) ;;
  esac
}

`;

function bashScript(commands: readonly Command[]): string {
  const options = tables(commands).map(([command, table]) => {
    const words = visible(table).flatMap(([name, option]) => spellings(name, option));
    return `    '${command}') printf '%s ' ${words.join(' ')} ;;`;
  });
  const values = tables(commands).flatMap(([command, table]) =>
    visible(table)
      .filter(([, option]) => option.kind !== 'flag')
      .map(([name, option]) => {
        const patterns = spellings(name, option).map((spelling) => `'${command} ${spelling}'`);
        return `    ${patterns.join(' | ')}) echo '${bashKind(valueKind(name, option))}' ;;`;
      }),
  );
  const args = commands.flatMap((command) =>
    argumentKinds(command, commands).map(
      (kind, index) => `    '${command.name} ${index}') echo '${bashKind(kind)}' ;;`,
    ),
  );
  return `# bash completion of tsrun, made by "tsrun completion bash"
_tsrun_options() {
  case $1 in
${options.join('\n')}
  esac
}

# What follows an option that takes a value; nothing for others.
_tsrun_value() {
  case "$1 $2" in
${values.join('\n')}
  esac
}

_tsrun_argument() {
  case "$1 $2" in
    ' 0') echo 'words ${commands.map(({ name }) => name).join(' ')}' ;;
${args.join('\n')}
  esac
}

${BASH_WALK}complete -F _tsrun tsrun
`;
}

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

function zshScript(commands: readonly Command[]): string {
  const cases = commands.map((command) => {
    const kinds = argumentKinds(command, commands).map((kind, index) => `'${index + 1}:argument:${zshAction(kind)}'`);
    return `    ${command.name})\n      _arguments \\\n        ${[...zshOptions(command.options), ...kinds].join(' \\\n        ')}\n      ;;`;
  });
  const names = commands.map(({ name, summary }) => `    '${name}:${zshText(summary)}'`);
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
${names.join('\n')}
  )
  _describe -t commands command commands
}

_tsrun() {
  local curcontext=$curcontext state line
  typeset -A opt_args
  _arguments -C \\
    ${zshOptions(GLOBAL_OPTIONS).join(' \\\n    ')} \\
    '1: :_tsrun_commands' \\
    '*:: :->rest'
  [[ $state == rest ]] || return
  case $line[1] in
${cases.join('\n')}
  esac
}

if [[ $funcstack[1] == _tsrun ]]; then _tsrun "$@"; else compdef _tsrun tsrun; fi
`;
}

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

function fishArguments(command: Command, commands: readonly Command[]): string[] {
  const [kind] = argumentKinds(command, commands);
  if (kind === undefined || kind === 'none') return [];
  const words: { readonly [kind: string]: string } = {
    container: '(__tsrun_containers)',
    directory: '(__fish_complete_directories)',
  };
  const what = typeof kind === 'string' ? (words[kind] ?? '') : kind.join(' ');
  return [`complete -c tsrun -n '__fish_seen_subcommand_from ${command.name}' -a ${fishText(what)}`];
}

function fishScript(commands: readonly Command[]): string {
  const names = commands.map(({ name }) => name).join(' ');
  const none = `not __fish_seen_subcommand_from ${names}`;
  return `# fish completion of tsrun, made by "tsrun completion fish"
function __tsrun_containers
    tsrun list -q 2>/dev/null
end

complete -c tsrun -f
${fishOptions(none, GLOBAL_OPTIONS).join('\n')}
${commands.map(({ name, summary }) => `complete -c tsrun -n '${none}' -a ${name} -d ${fishText(summary)}`).join('\n')}
${commands
  .flatMap((command) => [
    ...fishOptions(`__fish_seen_subcommand_from ${command.name}`, command.options),
    ...fishArguments(command, commands),
  ])
  .join('\n')}
`;
}

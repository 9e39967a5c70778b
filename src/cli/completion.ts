/**
 * Completions of command lines for bash, zsh and fish, from the same tables as --help: commands, options, the words that
 * an option takes, and ids of containers, which "tsrun list" is asked for. The script for bash is made here.
 *
 * Pure.
 */
import type { Command } from './command.js';
import { fishScript } from './completion-fish.js';
import {
  argumentKinds,
  groupsOf,
  type Kind,
  type Shell,
  spellings,
  tables,
  valueKind,
  visible,
  wordList,
} from './completion-words.js';
import { zshScript } from './completion-zsh.js';

export { SHELLS, type Shell } from './completion-words.js';

export function completionScript(shell: Shell, commands: readonly Command[]): string {
  return SCRIPTS[shell](commands);
}

const SCRIPTS: { readonly [shell in Shell]: (commands: readonly Command[]) => string } = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

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
        if [ -z "$command" ]; then command=$one
        elif _tsrun_group "$command"; then command="$command $one"
        else count=$((count + 1)); fi
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

_tsrun_group() {
  case $1 in
    ${groupsOf(commands).join(' | ')}) return 0 ;;
  esac
  return 1
}

_tsrun_argument() {
  case "$1 $2" in
    ' 0') echo 'words ${wordList(commands, '')}' ;;
${groupsOf(commands)
  .map((group) => `    '${group} 0') echo 'words ${wordList(commands, group)}' ;;`)
  .join('\n')}
${args.join('\n')}
  esac
}

${BASH_WALK}complete -F _tsrun tsrun
`;
}

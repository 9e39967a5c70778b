/** `tsrun completion`: a script that lets a shell complete command lines of tsrun. */
import { UsageError } from '../../errors.js';
import { quote } from '../../util/quote.js';
import { didYouMean } from '../../util/suggest.js';
import { defineCommand } from '../command.js';
import { HELP_OPTION } from '../options.js';
import { print } from '../output.js';

export const completion = defineCommand({
  name: 'completion',
  summary: 'print the completions for a shell',
  usage: '<shell>',
  description: [
    'Prints a script for bash, zsh or fish, which completes commands, options, and ids of containers. Have the shell read',
    'it at its start, or put it where the shell looks for such scripts.',
  ],
  examples: [
    '# tsrun completion bash > /usr/share/bash-completion/completions/tsrun',
    '# tsrun completion zsh > /usr/share/zsh/vendor-completions/_tsrun',
    '# tsrun completion fish > /usr/share/fish/vendor_completions.d/tsrun.fish',
  ],
  args: [1, 1],
  options: HELP_OPTION,
  async run({ args: [wanted = ''] }) {
    const [{ SHELLS, completionScript }, { allCommands }] = await Promise.all([
      import('../completion.js'),
      import('../commands.js'),
    ]);
    const shell = SHELLS.find((name) => name === wanted);
    if (shell === undefined) {
      const hint = didYouMean(wanted, SHELLS) ?? `it is ${SHELLS.join(', ')}`;
      throw new UsageError(`${quote(wanted, 64)} is no shell that tsrun knows`, undefined, hint);
    }
    print(completionScript(shell, await allCommands()));
    return 0;
  },
});

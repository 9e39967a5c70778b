/** `tsrun help`: of a command what --help prints, of an error's code its cause and remedy (docs/errors.md). */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TsrunError, UsageError } from '../../errors.js';
import { describeSystemError } from '../../util/errno.js';
import type { CodeEntry } from '../../util/error-codes.gen.js';
import { quote } from '../../util/quote.js';
import { didYouMean } from '../../util/suggest.js';
import { type Command, defineCommand } from '../command.js';
import { codeHelp, commandHelp, globalHelp, groupHelp } from '../help.js';
import { HELP_OPTION } from '../options.js';
import { print } from '../output.js';
import { versionText } from './version.js';

/** The text for a command's name, a code, or nothing. Throws UsageError for any other word. */
async function helpText(topic: string | undefined): Promise<string> {
  const { allCommands, findCommand } = await import('../commands.js');
  const command = topic === undefined ? undefined : await findCommand(topic);
  if (command !== undefined) return commandHelp(command);
  const commands = await allCommands();
  if (topic === undefined) return globalHelp(commands, await versionText());
  const group = commands.filter(({ name }) => name.startsWith(`${topic} `));
  if (group.length > 0) return groupHelp(topic, group);
  const { CODES, GROUPS } = await import('../../util/error-codes.gen.js');
  const found = CODES.filter(({ code }) => code === topic.toUpperCase());
  if (found.length === 0) throw unknownTopic(topic, commands, CODES);
  return found.map((entry) => codeHelp(entry, GROUPS[entry.group])).join('\n');
}

function unknownTopic(topic: string, commands: readonly Command[], codes: readonly CodeEntry[]): UsageError {
  // Of all words at once the common beginning would be none, and the nearest could be of the other kind.
  const names = commands.map(({ name }) => name);
  const near = didYouMean(topic, names) ?? didYouMean(topic.toUpperCase(), [...new Set(codes.map(({ code }) => code))]);
  const hint = near ?? '"tsrun help" lists the commands; codes are those of errors with --error-format json';
  return new UsageError(`No help topic for '${quote(topic, 64).slice(1, -1)}'`, undefined, hint);
}

export async function printHelp(topic: string | undefined): Promise<number> {
  print(await helpText(topic));
  return 0;
}

async function writeManPages(directory: string): Promise<number> {
  const [{ allCommands }, { manPages }, { VERSION }] = await Promise.all([
    import('../commands.js'),
    import('../man.js'),
    import('../version.js'),
  ]);
  const commands = await allCommands();
  try {
    mkdirSync(directory, { recursive: true });
    for (const { file, text } of manPages(commands, VERSION)) writeFileSync(join(directory, file), text);
  } catch (error) {
    throw new TsrunError('IO', `--man: ${quote(directory)}: ${describeSystemError(error)}`, { cause: error });
  }
  return 0;
}

export const help = defineCommand({
  name: 'help',
  summary: 'explain a command or the code of an error',
  usage: '[command | error-code]',
  description: [
    'Of a command it prints what --help prints. Of a code, which errors carry with --error-format json and in a log of',
    'format json, it prints the cause and what to do.',
  ],
  examples: ['# tsrun help create', '# tsrun help NEEDS_NAMESPACE'],
  args: [0, 2],
  options: {
    man: { kind: 'text', help: 'write the manual pages of tsrun and its commands to this directory' },
    ...HELP_OPTION,
  },
  run: ({ args, options, absolute }) =>
    options.man === undefined
      ? printHelp(args.length === 0 ? undefined : args.join(' '))
      : writeManPages(absolute(options.man)),
});

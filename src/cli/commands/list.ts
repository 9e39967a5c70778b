/** `tsrun list`: all containers below the root directory, in runc's two formats. The plain forms never get here. */
import { existsSync } from 'node:fs';
import { TsrunError } from '../../errors.js';
import { quote } from '../../util/quote.js';
import { defineCommand } from '../command.js';
import { readTableOrJson } from '../format.js';
import { HELP_OPTION } from '../options.js';

export const list = defineCommand({
  name: 'list',
  summary: 'list containers',
  usage: '',
  description: ['Lists the containers below the root directory, whatever their status.'],
  args: [0, 0],
  options: {
    format: { kind: 'text', short: 'f', help: "'table' or 'json'", shownDefault: 'table' },
    quiet: { kind: 'flag', short: 'q', help: 'print only the ids' },
    ...HELP_OPTION,
  },
  async run({ options, runtime, globals }) {
    const format = readTableOrJson(options.format);
    if (globals.rootGiven && !existsSync(runtime.root)) {
      throw new TsrunError('IO', `--root: ${quote(runtime.root)}: no such directory`);
    }
    const { printList } = await import('../../runtime/list.js');
    await printList(runtime, { format, quiet: options.quiet });
    return 0;
  },
});

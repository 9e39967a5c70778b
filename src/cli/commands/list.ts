/** `tsrun list`: all containers below the root directory, in runc's two formats. */
import { TsrunError } from '../../errors.js';
import type { ListedContainer } from '../../runtime/list.js';
import { quote } from '../../util/quote.js';
import { formatTable } from '../../util/tabwriter.js';
import { defineCommand } from '../command.js';
import { type Format, readTableOrJson } from '../format.js';
import { HELP_OPTION } from '../options.js';
import { print } from '../output.js';

const HEADER = ['ID', 'PID', 'STATUS', 'BUNDLE', 'CREATED', 'OWNER'];

/** One line; null for none, as Go prints an empty list. */
export function formatList(containers: readonly ListedContainer[], format: Format): string {
  if (format === 'json') return `${JSON.stringify(containers.length === 0 ? null : containers)}\n`;
  const rows = containers.map(({ id, pid, status, bundle, created, owner }) => [
    id,
    String(pid),
    status,
    bundle,
    created,
    owner,
  ]);
  return formatTable([HEADER, ...rows]);
}

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
    const { listContainers } = await import('../../runtime/list.js');
    const containers = await listContainers(runtime);
    if (containers === undefined && globals.rootGiven) {
      throw new TsrunError('IO', `--root: ${quote(runtime.root)}: no such directory`);
    }
    const found = containers ?? [];
    print(options.quiet ? found.map(({ id }) => `${id}\n`).join('') : formatList(found, format));
    return 0;
  },
});

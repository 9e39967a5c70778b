/** `tsrun mounts`: the mounts of a container that runs. add and remove take what crun's take; list is ours. */
import { UsageError } from '../../errors.js';
import type { ListedMount } from '../../runtime/mounts.js';
import { parseContainerId } from '../../state/container-id.js';
import { quote } from '../../util/quote.js';
import { didYouMean } from '../../util/suggest.js';
import { formatTable } from '../../util/tabwriter.js';
import { defineCommand, type Invocation } from '../command.js';
import { HELP_OPTION, type OptionTable } from '../options.js';
import { print } from '../output.js';

const OPTIONS = {
  destination: { kind: 'list', short: 'd', help: 'remove: a path in the container instead of a file; may be repeated' },
  force: { kind: 'flag', help: 'remove: mounts of the config too' },
  format: { kind: 'text', short: 'f', help: "list: 'table' or 'json'", shownDefault: 'table' },
  ...HELP_OPTION,
} as const satisfies OptionTable;

const ACTIONS = ['add', 'remove', 'list'] as const;
type Action = (typeof ACTIONS)[number];

function readAction(text: string): Action {
  const found = ACTIONS.find((action) => action === text);
  if (found !== undefined) return found;
  throw new UsageError(
    `unknown action ${quote(text, 64)}`,
    'ACTION',
    didYouMean(text, ACTIONS) ?? "it is 'add', 'remove' or 'list'",
  );
}

const HEADER = ['DESTINATION', 'TYPE', 'SOURCE', 'OPTIONS', 'ORIGIN', 'ID'];

export function formatMounts(mounts: readonly ListedMount[], format: string): string {
  if (format === 'json') return `${JSON.stringify(mounts)}\n`;
  const rows = mounts.map(({ destination, type, source, options, origin, id }) => {
    const cells = [destination, type, source, options.join(',')].map((cell) => quote(cell, 4096).slice(1, -1));
    return [...cells, origin, String(id)];
  });
  return formatTable([HEADER, ...rows]);
}

/** Which options an action has; the others' are a mistake. */
function checkOptions(action: Action, { options, args }: Invocation<typeof OPTIONS>): void {
  const wrong =
    (action !== 'remove' && options.destination.length > 0 && '--destination') ||
    (action !== 'remove' && options.force && '--force') ||
    (action !== 'list' && options.format !== undefined && '--format');
  if (wrong) throw new UsageError(`${wrong} is no option of ${action}`, wrong);
  if (options.format !== undefined && !['table', 'json'].includes(options.format))
    throw new UsageError(
      `--format: invalid format option ${quote(options.format, 64)}`,
      '--format',
      "it is 'table' or 'json'",
    );
  const file = action === 'add' || (action === 'remove' && options.destination.length === 0);
  if (file === (args.length === 3)) return;
  throw new UsageError(
    file ? `${action} needs a file, or - for standard input` : `${action}: too many arguments`,
    'FILE',
  );
}

export const mounts = defineCommand({
  name: 'mounts',
  summary: 'list the mounts of a running container, add some, remove some',
  usage: 'add|remove <container-id> <file>|-\n   tsrun mounts [command options] remove|list <container-id>',
  description: [
    'add mounts what the file says, a JSON array of mounts as in config.json, into a container that runs: all of it or,',
    'when something fails, nothing. remove unmounts the destinations that a file names, or --destination.',
    'list shows what is mounted, and whether the config or "mounts add" asked for it.',
  ],
  examples: [
    `# echo '[{"destination": "/data", "source": "/srv/data", "options": ["bind", "ro"]}]' | tsrun mounts add web -`,
    '# tsrun mounts --destination /data remove web',
  ],
  args: [2, 3],
  options: OPTIONS,
  async run(invocation) {
    const { args, options, runtime, absolute } = invocation;
    const action = readAction(args[0] ?? '');
    const id = parseContainerId(args[1] ?? '');
    checkOptions(action, invocation);
    const { addMounts, listMounts, removeMounts } = await import('../../runtime/mounts.js');
    if (action === 'list') {
      print(formatMounts(await listMounts(runtime, id), options.format ?? 'table'));
      return 0;
    }
    const { destinationsOf, readMountsFile } = await import('../../runtime/mounts-file.js');
    const file = args[2];
    const hint = action === 'remove' ? '--destination names a path in the container' : undefined;
    const document = file === undefined ? undefined : readMountsFile(file === '-' ? file : absolute(file), hint);
    if (action === 'add' && document !== undefined) await addMounts(runtime, id, document);
    else {
      const destinations = document === undefined ? options.destination : destinationsOf(document);
      await removeMounts(runtime, id, destinations, { force: options.force });
    }
    return 0;
  },
});

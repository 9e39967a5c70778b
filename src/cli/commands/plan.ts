/** `tsrun plan`: what create, start and delete would do with a bundle, before anything is done. */
import { UsageError } from '../../errors.js';
import { humanBytes } from '../../util/byte-size.js';
import { quote } from '../../util/quote.js';
import { formatTable } from '../../util/tabwriter.js';
import { defineCommand, type Invocation } from '../command.js';
import { CREATE_OPTIONS, HELP_OPTION } from '../options.js';
import { print } from '../output.js';

const OPTIONS = {
  bundle: CREATE_OPTIONS.bundle,
  diff: { kind: 'flag', help: 'take two bundles and show what the second one makes different' },
  json: { kind: 'flag', help: 'print JSON: every field of every operation' },
  list: { kind: 'flag', help: 'print one line per operation, without explanations' },
  'no-pivot': CREATE_OPTIONS['no-pivot'],
  'no-new-keyring': CREATE_OPTIONS['no-new-keyring'],
  cache: { kind: 'flag', help: 'list the plans that are kept for the next create or run' },
  'clear-cache': { kind: 'flag', help: 'forget them' },
  ...HELP_OPTION,
} as const;

/** The one bundle of a command line, absolute. */
export function bundleOf(
  { bundle }: { readonly bundle: string | undefined },
  args: readonly string[],
  absolute: (path: string) => string,
): string {
  if (args[0] !== undefined && bundle !== undefined) throw new UsageError('the bundle is named twice', '--bundle');
  return absolute(args[0] ?? bundle ?? '.');
}

/** "3m", the largest unit alone. */
function age(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [size, unit] = (
    [
      [86_400, 'd'],
      [3600, 'h'],
      [60, 'm'],
    ] as const
  ).find(([size]) => seconds >= size) ?? [1, 's'];
  return `${Math.floor(seconds / size)}${unit}`;
}

const CACHE_HEADER = ['PLAN', 'HITS', 'USED', 'SIZE', 'SLOTS', 'MADE FROM'];

/** --cache and --clear-cache: what is kept in this directory. */
async function tellOfCache(
  directory: string | undefined,
  options: { readonly json: boolean; readonly 'clear-cache': boolean },
) {
  if (directory === undefined) throw new UsageError('the plan cache is off: TSRUN_CACHE', '--cache');
  const { clearEntries, listEntries } = await import('../../cache/store.js');
  if (options['clear-cache']) {
    print(`${clearEntries(directory)} removed from ${directory}\n`);
    return;
  }
  const entries = listEntries(directory);
  if (options.json) {
    print(`${JSON.stringify(entries, null, 2)}\n`);
    return;
  }
  const rows = entries.map(({ name, hits, used, size, slots, label }) => [
    name,
    String(hits),
    `${age(Date.now() - used)} ago`,
    humanBytes(BigInt(size)),
    String(slots),
    quote(label).slice(1, -1),
  ]);
  print(formatTable([CACHE_HEADER, ...rows]));
}

function bundlesOf({ options, args, absolute }: Invocation<typeof OPTIONS>): readonly string[] {
  if (options.diff && (args.length !== 2 || options.bundle !== undefined)) {
    throw new UsageError('--diff takes two bundles, the one before and the one after', '--diff');
  }
  if (!options.diff && args.length > 1) throw new UsageError('two bundles are compared with --diff', '--diff');
  return options.diff ? args.map(absolute) : [bundleOf(options, args, absolute)];
}

export const plan = defineCommand({
  name: 'plan',
  summary: 'explain what create would do with a bundle',
  usage: '[bundle] | --diff <bundle> <bundle> | --cache | --clear-cache',
  description: [
    'Checks the config of a bundle and prints every operation that create, start and delete would carry out, in order,',
    'with what it is for and, behind the arrow, the field of the config it comes from. A bundle can be named by its',
    'config.json too, or by another file beside it. Changes nothing.',
    "Root's create, run and exec --process keep the plans they compiled, in /run/tsrun-cache, and take them again for what",
    'differs in host name, arguments, paths and the like alone. TSRUN_CACHE names another directory, or is "off".',
  ],
  examples: ['# tsrun plan mybundle', '# tsrun plan --diff config.json config-with-limits.json'],
  args: [0, 2],
  options: OPTIONS,
  async run(invocation) {
    const { options, runtime, globals } = invocation;
    if (options.cache || options['clear-cache']) {
      await tellOfCache(runtime.cache, options);
      return 0;
    }
    const [first = '', second] = bundlesOf(invocation);
    const choices = {
      form: options.json ? ('json' as const) : options.list ? ('list' as const) : ('explanation' as const),
      noPivot: options['no-pivot'],
      noNewKeyring: options['no-new-keyring'],
      systemdCgroup: globals.systemdCgroup,
    };
    const { comparePlans, showPlan } = await import('../../runtime/plan.js');
    print(second === undefined ? showPlan(runtime, first, choices) : comparePlans(runtime, [first, second], choices));
    return 0;
  },
});

/** `tsrun conformance`: the suite of conformance/ on any runtime. It is a program of its own, which knows nothing of tsrun. */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { TsrunError } from '../../errors.js';
import { defineCommand } from '../command.js';
import { HELP_OPTION } from '../options.js';

const BUNDLE = new URL('../../../dist/conformance.cjs', import.meta.url);
const file = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

interface Suite {
  readonly main: (argv: readonly string[], defaults: { probe: string; runtime: string }) => Promise<number>;
}

/** By require: the code cache of our own bundle leaves no room for import(). */
function load(): Suite {
  try {
    return createRequire(import.meta.url)(fileURLToPath(BUNDLE));
  } catch (error) {
    throw new TsrunError('IO', `the conformance suite cannot be loaded from ${BUNDLE.pathname}`, {
      cause: error,
      hint: "run 'npm run build'",
    });
  }
}

export const conformance = defineCommand({
  name: 'conformance',
  summary: 'run the conformance suite on any OCI runtime',
  usage: '',
  description: [
    'Runs some 900 cases of the OCI runtime specification on a runtime, by its command line alone (create, start, state,',
    'kill, delete), and reports each with the section and the requirement it shows. What the host cannot show is skipped',
    'with its reason. The exit status is 0 if no case failed, 1 if one did. Needs root.',
  ],
  examples: [
    '# tsrun conformance',
    '# tsrun conformance --runtime /usr/sbin/runc --report markdown',
    '# tsrun conformance --filter hooks.',
  ],
  args: [0, 0],
  options: {
    runtime: { kind: 'text', help: 'the runtime: a path, or a name on PATH', shownDefault: 'tsrun' },
    filter: { kind: 'list', help: 'only cases whose id contains this' },
    report: { kind: 'text', help: "'tap', 'json', 'markdown' or 'junit'", shownDefault: 'tap' },
    output: { kind: 'text', help: 'write the report to this file' },
    'global-args': {
      kind: 'text',
      help: 'options before the command; {root} is a directory of the suite',
      shownDefault: '--root {root}',
      mayBeEmpty: true,
    },
    jobs: { kind: 'count', help: 'containers at a time', shownDefault: '2' },
    list: { kind: 'flag', help: 'print the ids of the cases and end' },
    ...HELP_OPTION,
  },
  async run({ options, absolute }) {
    const { runtime, output } = options;
    const argv = [
      ...(runtime === undefined ? [] : ['--runtime', runtime.includes('/') ? absolute(runtime) : runtime]),
      ...options.filter.flatMap((text) => ['--filter', text]),
      ...(options.report === undefined ? [] : ['--report', options.report]),
      ...(output === undefined ? [] : ['--output', absolute(output)]),
      ...(options['global-args'] === undefined ? [] : [`--global-args=${options['global-args']}`]),
      ...(options.jobs > 0 ? ['--jobs', String(options.jobs)] : []),
      ...(options.list ? ['--list'] : []),
    ];
    const { main } = load();
    return main(argv, { probe: file('build/Release/conformance-probe'), runtime: file('bin/tsrun') });
  },
});

/** Mutants of the operations: what is called, what is said, what is not told. */
import type { Mutant, Operation } from './mutant.js';

type Document = { [name: string]: unknown };

const mutant = (name: string, breaks: string, cases: string, rest: Partial<Mutant>): Mutant => ({
  ...{ name, breaks, cases: [cases] },
  ...rest,
});

/** Says other things in the JSON of an operation; undefined leaves a member out. */
const says = (operation: Operation, change: (document: Document) => Document): Partial<Mutant> => ({
  output: {
    [operation]: (document: Document): void => {
      Object.assign(document, change(document));
    },
  },
});

/** Calls an operation with other arguments; without any it is not called at all, and all is well. */
const calls = (
  operation: Operation,
  change: (args: readonly string[]) => readonly string[] | undefined,
): Partial<Mutant> => ({
  args: (called, args) => (called === operation ? change(args) : args),
});

const instead = (from: string, to: string) => (args: readonly string[]) => args.map((arg) => (arg === from ? to : arg));
const silent = (operation: Operation): Partial<Mutant> => ({ swallows: [operation] });

export const OPERATION_MUTANTS: readonly Mutant[] = [
  mutant(
    'state-pid-wrong',
    'state.pid',
    'state.running.pid',
    says('state', () => ({ pid: 1 })),
  ),
  mutant(
    'state-pid-of-another',
    'state.pid',
    'state.created.pid',
    says('state', ({ pid }) => ({ pid: Number(pid) + 1 })),
  ),
  mutant(
    'state-created-is-running',
    'state.status',
    'state.created.status',
    says('state', () => ({ status: 'running' })),
  ),
  mutant(
    'state-never-stopped',
    'stop.status',
    'stop.status.zero',
    says('state', () => ({ status: 'running' })),
  ),
  mutant(
    'state-bundle-relative',
    'state.bundle',
    'state.created.bundle',
    says('state', () => ({ bundle: 'bundle' })),
  ),
  mutant(
    'state-id-wrong',
    'state.id',
    'state.created.id',
    says('state', ({ id }) => ({ id: `${id}-` })),
  ),
  mutant(
    'state-version-lost',
    'state.version',
    'state.created.version',
    says('state', () => ({ ociVersion: undefined })),
  ),
  mutant(
    'state-annotations-lost',
    'state.annotations',
    'state.stopped.annotations',
    says('state', () => ({ annotations: undefined })),
  ),
  mutant('state-of-nothing', 'state.unknown', 'state.unknown', silent('state')),
  mutant('start-of-nothing', 'start.unknown', 'start.unknown', silent('start')),
  mutant('start-twice', 'start.not-created', 'start.running', silent('start')),
  mutant(
    'start-does-nothing',
    'start.status',
    'start.status',
    calls('start', () => undefined),
  ),
  mutant('create-starts', 'create.not-run', 'create.not-run', { afterwards: { create: 'start' } }),
  mutant('create-is-running', 'create.status', 'create.status', { afterwards: { create: 'start' } }),
  mutant('create-id-taken', 'create.unique', 'create.unique.created', silent('create')),
  mutant('create-of-nothing', 'create.config', 'create.config-missing', silent('create')),
  mutant('create-any-id', 'create.valid-id', 'create.valid-id.slash', calls('create', instead('a/b', 'a-b'))),
  mutant('kill-always-term', 'kill.signal', 'kill.signal.SIGUSR1', calls('kill', instead('SIGUSR1', 'SIGHUP'))),
  mutant(
    'kill-does-nothing',
    'kill.created',
    'kill.created',
    calls('kill', () => undefined),
  ),
  mutant('kill-of-nothing', 'kill.unknown', 'kill.unknown', silent('kill')),
  mutant('kill-when-stopped', 'kill.stopped', 'kill.stopped', silent('kill')),
  mutant(
    'delete-while-running',
    'delete.not-stopped',
    'delete.running',
    calls('delete', ([, ...args]) => ['delete', '--force', ...args]),
  ),
  mutant(
    'delete-does-nothing',
    'delete.reuse',
    'delete.forgets',
    calls('delete', (args) => (args.includes('--force') ? args : undefined)),
  ),
  mutant('delete-of-nothing', 'delete.unknown', 'delete.unknown', silent('delete')),
  mutant('descriptor-leaks', 'descriptors.only', 'descriptors.only', { leaks: true }),
  mutant(
    'features-version',
    'features.versions',
    'features.versions.order',
    says('features', () => ({ ociVersionMin: '9.9.9' })),
  ),
  mutant(
    'features-hook-unknown',
    'features.hooks',
    'features.hooks.names',
    says('features', () => ({ hooks: ['prestart', 'prestop'] })),
  ),
  mutant(
    'features-property',
    'features.properties',
    'features.properties',
    says('features', () => ({ colour: 'red' })),
  ),
];

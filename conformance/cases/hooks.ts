/** config.md, "POSIX-platform Hooks": when, where and with what each of the six is called, and what its failure does. */
import { readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { must, same } from '../harness/check.js';
import { type Lab, parseObject, readText, refused, succeeded } from '../harness/lab.js';
import { lastingLeaks, processes } from '../harness/leaks.js';
import { type Group, type Patch, type Refusal, type Script, table } from '../harness/model.js';
import { once } from '../harness/once.js';
import type { Area } from '../harness/run.js';

const requirements = [
  ...table('config.md', [
    ['hooks.called', 'MUST', 'posix-platform-hooks', 'each hook is called at its step of the lifecycle'],
    ['hooks.order', 'MUST', 'posix-platform-hooks', 'hooks of a kind are called in the listed order'],
    [
      'hooks.kinds',
      'MUST',
      'posix-platform-hooks',
      'prestart comes before createRuntime, that before createContainer, that before startContainer',
    ],
    ['hooks.stdin', 'MUST', 'posix-platform-hooks', 'each hook gets the state of the container on its standard input'],
    ['hooks.args', 'MUST', 'posix-platform-hooks', 'a hook is called with its args, the first of them included'],
    ['hooks.env', 'MUST', 'posix-platform-hooks', 'a hook has the environment that env says'],
    [
      'hooks.runtime-namespace',
      'MUST',
      'posix-platform-hooks',
      "prestart, createRuntime, poststart and poststop run in the runtime's namespaces",
    ],
    [
      'hooks.container-namespace',
      'MUST',
      'posix-platform-hooks',
      "createContainer and startContainer run in the container's namespaces",
    ],
    [
      'hooks.path',
      'MUST',
      'posix-platform-hooks',
      "path is resolved in the runtime's namespaces, that of startContainer in the container's",
    ],
    ['hooks.path-absolute', 'MUST', 'posix-platform-hooks', 'path is absolute'],
    ['hooks.timeout', 'MUST', 'posix-platform-hooks', 'a hook that takes longer than timeout is aborted'],
    ['hooks.timeout-positive', 'MUST', 'posix-platform-hooks', 'timeout is greater than zero'],
    [
      'hooks.environment',
      'MUST',
      'posix-platform-hooks',
      'prestart and createRuntime are called when the namespaces are there, and before the root is changed',
    ],
    ['hooks.after-program', 'MUST', 'posix-platform-hooks', 'poststart is called after the program was executed'],
  ]),
  ...table('runtime.md', [
    [
      'hooks.failure',
      'MUST',
      'lifecycle',
      'a hook before the end of start that fails is an error, and the container is stopped and destroyed',
    ],
    [
      'hooks.failure-poststop',
      'MUST',
      'lifecycle',
      'the poststop hooks are called for a container that the failure of a hook has ended',
    ],
    [
      'hooks.poststop-failure',
      'MUST',
      'lifecycle',
      'a poststop hook that fails is a warning, and what is left goes on as if it had succeeded',
    ],
  ]),
];

type Kind = 'prestart' | 'createRuntime' | 'createContainer' | 'startContainer' | 'poststart' | 'poststop';
type Step = 'create' | 'start' | 'delete';

/** Where a hook runs, which operation calls it, and what status the state may have then. */
const KINDS: { readonly [kind in Kind]: { where: 'runtime' | 'container'; step: Step; status: readonly string[] } } = {
  prestart: { where: 'runtime', step: 'create', status: ['creating', 'created'] },
  createRuntime: { where: 'runtime', step: 'create', status: ['creating', 'created'] },
  createContainer: { where: 'container', step: 'create', status: ['creating', 'created'] },
  startContainer: { where: 'container', step: 'start', status: ['created'] },
  poststart: { where: 'runtime', step: 'start', status: ['running', 'stopped'] },
  poststop: { where: 'runtime', step: 'delete', status: ['stopped'] },
};
const NAMES = Object.keys(KINDS) as Kind[];

interface Called {
  readonly label: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly stdin: string;
  readonly cwd: string;
  readonly marker: number;
  readonly ns: { readonly [name: string]: string };
}

/** Hooks write to this directory, which is at the same path inside. */
const SHARED: Patch = {
  '/mounts/-': { destination: '{dir}/log', source: '{dir}/log', type: 'bind', options: ['bind', 'rw'] },
};

/** The program of a hook, seen from where its path is resolved. */
const programOf = (kind: Kind, lab: Lab): string => (kind === 'startContainer' ? '/probe' : lab.bench.probe);

function hook(lab: Lab, kind: Kind, label: string, more: { manner?: string; [field: string]: unknown } = {}): object {
  const { manner, ...fields } = more;
  const args = ['argv0', 'hook', join(lab.dir, 'log/calls'), label, ...(manner === undefined ? [] : [manner])];
  return { path: programOf(kind, lab), args, env: [`HOOK=${label}`, 'EMPTY='], ...fields };
}

function calls(lab: Lab): readonly Called[] {
  try {
    const lines = readFileSync(join(lab.dir, 'log/calls'), 'utf8').split('\n');
    return lines.filter((line) => line !== '').map((line) => parseObject(line) as unknown as Called);
  } catch {
    return [];
  }
}

const labels = (lab: Lab): readonly string[] => calls(lab).map(({ label }) => label);

async function prepare(lab: Lab): Promise<void> {
  const { mkdirSync, chmodSync } = await import('node:fs');
  mkdirSync(join(lab.dir, 'log'));
  chmodSync(join(lab.dir, 'log'), 0o777);
}

/** The whole life of a container with two hooks of each kind. Returns what had been called after each step. */
async function life(lab: Lab): Promise<{ readonly [step in Step]: readonly string[] } & { readonly pid: number }> {
  await prepare(lab);
  const hooks = Object.fromEntries(NAMES.map((kind) => [kind, [1, 2].map((n) => hook(lab, kind, `${kind}.${n}`))]));
  lab.configure([`log|${lab.dir}/log/calls|program`], SHARED, {
    '/hooks': hooks,
    '/annotations': { 'com.example.hook': 'seen' },
  });
  succeeded(await lab.create(), 'create');
  const { pid } = lab;
  const create = labels(lab);
  succeeded(await lab.start(), 'start');
  const start = labels(lab);
  await lab.ended();
  const all = labels(lab);
  succeeded(await lab.delete(), 'delete');
  return {
    create,
    start: start.includes('program') ? start : [...start, ...all.filter((label) => label === 'program')],
    delete: labels(lab),
    pid,
  };
}

/** One life is enough for all that only look. */
function observed(lab: Lab) {
  return once(lab, 'hooks', () => life(lab).then((after) => ({ calls: calls(lab), after, lab })));
}

function callOf(all: readonly Called[], label: string): Called {
  const found = all.find((call) => call.label === label);
  must(found !== undefined, `${label} was not called`);
  return found as Called;
}

const STEPS: readonly Step[] = ['create', 'start', 'delete'];

type Look = (call: Called, seen: Awaited<ReturnType<typeof observed>>) => void;

function look(kind: Kind, what: string, requirement: string, check: Look): Script<Lab> {
  return {
    ...{ id: `hooks.${kind}.${what}`, requirement },
    run: async (lab) => {
      const seen = await observed(lab);
      check(callOf(seen.calls, `${kind}.1`), seen);
    },
  };
}

const stateOf = (call: Called) => parseObject(call.stdin);

/** What a hook reads on its standard input. */
const states: readonly Script<Lab>[] = NAMES.flatMap((kind) => {
  const { where, status } = KINDS[kind];
  const member = (what: string, check: Look): Script<Lab> => look(kind, `stdin.${what}`, 'hooks.stdin', check);
  return [
    member('id', (call, { lab }) => same(stateOf(call)['id'], lab.id, 'id')),
    member('bundle', (call, { lab }) => same(stateOf(call)['bundle'], lab.bundle, 'bundle')),
    member('version', (call) => {
      must(/^\d+\.\d+\.\d+/.test(String(stateOf(call)['ociVersion'])), `ociVersion is ${stateOf(call)['ociVersion']}`);
    }),
    member('status', (call) => {
      const shown = String(stateOf(call)['status']);
      must(status.includes(shown), `status is ${shown}, not ${status.join(' or ')}`);
    }),
    member('annotations', (call) => {
      const { annotations = {} } = stateOf(call) as { annotations?: { [name: string]: string } };
      same(annotations['com.example.hook'], 'seen', 'the annotation');
    }),
    // In the container's namespace the runtime may tell the pid as it is seen there; after delete there is none.
    ...(kind === 'poststop'
      ? []
      : [
          member('pid', (call, { after }) => {
            const wanted = where === 'runtime' ? [after.pid] : [after.pid, 1];
            const { pid } = stateOf(call);
            must(wanted.includes(Number(pid)), `pid is ${pid}, expected ${wanted.join(' or ')}`);
          }),
        ]),
  ];
});

const looking: readonly Script<Lab>[] = NAMES.flatMap((kind) => {
  const { where, step } = KINDS[kind];
  return [
    look(kind, 'called', 'hooks.called', (_, { after }) => {
      const before = STEPS[STEPS.indexOf(step) - 1];
      must(after[step].includes(`${kind}.1`), `${kind} was not called before ${step} returned`);
      must(before === undefined || !after[before].includes(`${kind}.1`), `${kind} was called by ${before}`);
    }),
    look(kind, 'order', 'hooks.order', (_, { after }) => {
      const both = after.delete.filter((label) => label.startsWith(`${kind}.`));
      same(both, [`${kind}.1`, `${kind}.2`], 'the order');
    }),
    look(kind, 'args', 'hooks.args', (call) => same(call.args.slice(0, 2), ['argv0', 'hook'], 'the first arguments')),
    look(kind, 'env', 'hooks.env', (call) => same(call.env, [`HOOK=${kind}.1`, 'EMPTY='], 'the environment')),
    look(kind, 'namespace.mnt', `hooks.${where}-namespace`, (call) => inPlace(call, 'mnt', where)),
    look(kind, 'namespace.others', `hooks.${where}-namespace`, (call) => {
      for (const name of ['net', 'ipc', 'uts', 'pid']) inPlace(call, name, where);
    }),
    look(kind, 'path', 'hooks.path', (call) =>
      same(call.marker === 1, kind === 'startContainer', "running with the container's root"),
    ),
  ];
});

function inPlace(call: Called, name: string, where: 'runtime' | 'container'): void {
  const ours = readlinkSync(`/proc/self/ns/${name}`);
  must(
    (call.ns[name] === ours) === (where === 'runtime'),
    `the ${name} namespace is not the ${where}'s: ${call.ns[name]}`,
  );
}

const orders: readonly Script<Lab>[] = (
  [
    ['prestart', 'createRuntime'],
    ['createRuntime', 'createContainer'],
    ['createContainer', 'startContainer'],
    ['startContainer', 'program'],
    ['poststart', 'poststop'],
  ] as const
).map(([first, second]) => ({
  ...{ id: `hooks.kinds.${first}-${second}`, requirement: 'hooks.kinds' },
  run: async (lab) => {
    const { after } = await observed(lab);
    const at = (name: string): number => after.delete.findIndex((label) => label.startsWith(name));
    must(at(first) >= 0 && at(first) < at(second), `the order was ${after.delete.join(' ')}`);
  },
}));

/** Run by sh(1) of the host: what the container process is like while the hook runs. */
const LOOK_AT_PROCESS = `
pid=$(tr -d '\\n' | sed 's/.*"pid"[^0-9]*\\([0-9]*\\).*/\\1/')
exec >"$0"
stat --dereference --format %d:%i /proc/$pid/root
for name in mnt net ipc uts; do readlink /proc/$pid/ns/$name; done
tr '\\0' ' ' </proc/$pid/cmdline`;

/** The root, the namespaces and the command line of the container process when the hook was called. */
async function processDuring(lab: Lab, kind: Kind): Promise<{ root: string; ns: string[]; command: string }> {
  const seen = join(lab.dir, 'seen');
  const args = ['sh', '-c', LOOK_AT_PROCESS, seen];
  lab.configure(['wait'], { [`/hooks/${kind}/0`]: { path: '/bin/sh', args, env: [`PATH=${process.env['PATH']}`] } });
  succeeded(await lab.create(), 'create');
  if (KINDS[kind].step === 'start') succeeded(await lab.start(), 'start');
  const [root = '', ...rest] = readText(seen).split('\n');
  return { root, ns: rest.slice(0, 4), command: rest.slice(4).join(' ') };
}

const HOSTS = ['mnt', 'net', 'ipc', 'uts'].map((name) => readlinkSync(`/proc/self/ns/${name}`));

const during: readonly Script<Lab>[] = [
  ...(['prestart', 'createRuntime'] as const).map(
    (kind): Script<Lab> => ({
      ...{ id: `hooks.${kind}.environment`, requirement: 'hooks.environment' },
      run: async (lab) => {
        const { root, ns } = await processDuring(lab, kind);
        const ours = statSync('/');
        same(root, `${ours.dev}:${ours.ino}`, 'the root of the container process, as device and inode');
        for (const name of ns) must(!HOSTS.includes(name), `the namespace ${name} is the host's`);
        same(ns.length, 4, 'namespaces that were seen');
      },
    }),
  ),
  {
    ...{ id: 'hooks.poststart.after-program', requirement: 'hooks.after-program' },
    run: async (lab) => {
      const { command } = await processDuring(lab, 'poststart');
      must(command.startsWith('/probe '), `the process is "${command.trim()}"`);
    },
  },
];

/** Leads a container to the step whose hook fails. */
async function fail(lab: Lab, kind: Kind, more: { manner: string; timeout?: number }): Promise<void> {
  await prepare(lab);
  lab.configure(['wait'], SHARED, {
    [`/hooks/${kind}/0`]: hook(lab, kind, kind, more),
    [`/hooks/poststop/1`]: hook(lab, 'poststop', 'last'),
  });
  const created = await lab.create();
  if (KINDS[kind].step === 'create') return void refused(created, 'create');
  succeeded(created, 'create');
  refused(await lab.start(), 'start');
}

const FAILING = NAMES.filter((kind) => kind !== 'poststop');

const failures: readonly Script<Lab>[] = FAILING.flatMap((kind) => [
  {
    ...{ id: `hooks.${kind}.failure`, requirement: 'hooks.failure' },
    run: async (lab) => {
      await fail(lab, kind, { manner: 'fail' });
      same(labels(lab)[0], kind, 'the hook that was called');
      const left = await lastingLeaks(() => processes([lab.id], []));
      must(left.length === 0, `the container process is still there: ${left.join('; ')}`);
    },
  },
  {
    ...{ id: `hooks.${kind}.failure-cleans-up`, requirement: 'hooks.failure' },
    run: async (lab) => {
      await fail(lab, kind, { manner: 'fail' });
      const { status, stdout } = await lab.run('state', lab.id);
      must(status !== 0 || parseObject(stdout)['status'] === 'stopped', `it is still ${stdout}`);
    },
  },
  {
    ...{ id: `hooks.${kind}.failure-poststop`, requirement: 'hooks.failure-poststop' },
    run: async (lab) => {
      await fail(lab, kind, { manner: 'fail' });
      // Who has only stopped it does the rest when it is told to.
      if ((await lab.run('state', lab.id)).status === 0) succeeded(await lab.delete(), 'delete');
      same(labels(lab), [kind, 'last'], 'hooks that were called');
    },
  },
  {
    ...{ id: `hooks.${kind}.timeout`, requirement: 'hooks.timeout' },
    run: async (lab) => {
      const begin = Date.now();
      await fail(lab, kind, { manner: 'hang', timeout: 1 });
      must(Date.now() - begin < 18_000, 'it was not aborted');
    },
  },
]);

const poststop: readonly Script<Lab>[] = [
  {
    ...{ id: 'hooks.poststop.failure', requirement: 'hooks.poststop-failure' },
    run: async (lab) => {
      await prepare(lab);
      lab.configure(['self'], SHARED, {
        '/hooks/poststop': [hook(lab, 'poststop', 'first', { manner: 'fail' }), hook(lab, 'poststop', 'second')],
      });
      succeeded(await lab.create(), 'create');
      succeeded(await lab.start(), 'start');
      await lab.ended();
      succeeded(await lab.delete(), 'delete');
    },
  },
  {
    ...{ id: 'hooks.poststop.failure-goes-on', requirement: 'hooks.poststop-failure' },
    run: async (lab) => {
      await prepare(lab);
      lab.configure(['self'], SHARED, {
        '/hooks/poststop': [hook(lab, 'poststop', 'first', { manner: 'fail' }), hook(lab, 'poststop', 'second')],
      });
      succeeded(await lab.create(), 'create');
      succeeded(await lab.start(), 'start');
      await lab.ended();
      await lab.delete();
      same(labels(lab), ['first', 'second'], 'hooks that were called');
      refused(await lab.run('state', lab.id), 'state after delete');
    },
  },
  {
    ...{ id: 'hooks.poststop.timeout', requirement: 'hooks.timeout' },
    run: async (lab) => {
      await prepare(lab);
      lab.configure(['self'], SHARED, {
        '/hooks/poststop': [hook(lab, 'poststop', 'first', { manner: 'hang', timeout: 1 })],
      });
      succeeded(await lab.create(), 'create');
      succeeded(await lab.start(), 'start');
      await lab.ended();
      const begin = Date.now();
      await lab.delete();
      must(Date.now() - begin < 18_000, 'it was not aborted');
    },
  },
];

const values: Group = {
  name: 'values of hooks',
  refusals: NAMES.flatMap((kind): Refusal[] => [
    {
      ...{ id: `hooks.${kind}.refuses.relative-path`, requirement: 'hooks.path-absolute' },
      ...{ patch: { [`/hooks/${kind}`]: [{ path: 'bin/true' }] }, atDelete: kind === 'poststop' },
    },
    ...[0, -1].map(
      (timeout): Refusal => ({
        ...{
          id: `hooks.${kind}.refuses.timeout-${timeout === 0 ? 'zero' : 'negative'}`,
          requirement: 'hooks.timeout-positive',
        },
        ...{ patch: { [`/hooks/${kind}`]: [{ path: '/bin/true', timeout }] }, atDelete: kind === 'poststop' },
      }),
    ),
  ]),
};

export const hooksArea: Area = {
  name: 'hooks',
  requirements,
  groups: [values],
  scripts: [...states, ...looking, ...orders, ...during, ...failures, ...poststop],
};

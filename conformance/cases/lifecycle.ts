/** runtime.md: state, lifecycle and the five operations, each in each state. */
import { existsSync, readFileSync, readlinkSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must, same } from '../harness/check.js';
import { type Lab, readText, refused, succeeded } from '../harness/lab.js';
import { findLeaks, lastingLeaks } from '../harness/leaks.js';
import { type Answer, type Patch, type Place, type Script, table } from '../harness/model.js';
import { once } from '../harness/once.js';
import type { Area } from '../harness/run.js';
import { eventually, isAlive } from '../harness/runtime.js';

const requirements = table('runtime.md', [
  ['state.id', 'MUST', 'state', 'the state has the id of the container'],
  ['state.version', 'MUST', 'state', 'the state has ociVersion, a version by SemVer'],
  ['state.status', 'MUST', 'state', 'status is created, running or stopped as the container is'],
  ['state.pid', 'MUST', 'state', 'pid is the container process as the host sees it, while there is one'],
  ['state.bundle', 'MUST', 'state', 'bundle is the absolute path of the bundle'],
  ['state.annotations', 'MUST', 'state', 'annotations are those of the configuration'],
  ['state.json', 'MUST', 'query-state', 'the operation state returns the state as a JSON object'],
  ['state.unknown', 'MUST', 'query-state', 'state of a container that is not there is an error'],
  ['state.no-id', 'MUST', 'query-state', 'state without an id is an error'],
  ['create.status', 'MUST', 'create', 'after create the status is created'],
  ['create.resources', 'MUST', 'create', 'create makes the environment: namespaces and mounts are there before start'],
  ['create.not-run', 'MUST NOT', 'create', 'create does not run the program'],
  ['create.arguments', 'MUST', 'create', 'create without an id or with a bundle that is not there is an error'],
  [
    'create.config',
    'MUST',
    'create',
    'a bundle whose config.json is missing or unreadable is an error, and no container is made',
  ],
  ['create.unique', 'MUST', 'create', 'an id that is in use is an error, and the container that has it is not touched'],
  ['create.valid-id', 'MUST', 'create', 'an id that is not valid is an error, and no container is made'],
  ['create.snapshot', 'MUST NOT', 'lifecycle', 'changes of config.json after create have no effect'],
  ['create.root', 'MUST', 'create', 'root.path that is not a directory is an error'],
  ['start.runs', 'MUST', 'start', 'start runs the program of process'],
  ['start.status', 'MUST', 'start', 'after start the status is running'],
  ['start.unknown', 'MUST', 'start', 'start of a container that is not there is an error'],
  ['start.no-id', 'MUST', 'start', 'start without an id is an error'],
  ['start.not-created', 'MUST', 'start', 'start of a container that is not created is an error and has no effect'],
  ['start.no-process', 'MUST', 'start', 'start of a container whose process is not set is an error'],
  ['create.no-process', 'MUST', 'create', 'a configuration without process can be created'],
  ['kill.signal', 'MUST', 'kill', 'kill sends the signal it was told to the container process'],
  ['kill.unknown', 'MUST', 'kill', 'kill of a container that is not there is an error'],
  ['kill.no-id', 'MUST', 'kill', 'kill without an id is an error'],
  ['kill.created', 'MUST', 'kill', 'a container that is created can be killed'],
  [
    'kill.stopped',
    'MUST',
    'kill',
    'kill of a container that is neither created nor running is an error and has no effect',
  ],
  ['stop.status', 'MUST', 'lifecycle', 'once the program has ended, in whatever way, the status is stopped'],
  ['delete.unknown', 'MUST', 'delete', 'delete of a container that is not there is an error'],
  ['delete.no-id', 'MUST', 'delete', 'delete without an id is an error'],
  ['delete.not-stopped', 'MUST', 'delete', 'delete of a container that is not stopped is an error and has no effect'],
  ['delete.undoes', 'MUST', 'delete', 'delete removes what create made'],
  ['delete.joined', 'MUST NOT', 'delete', 'delete does not remove what the container used and did not make'],
  ['delete.reuse', 'MUST', 'delete', 'after delete the id is unknown, and free'],
  [
    'errors.no-trace',
    'MUST',
    'errors',
    'an operation that is an error leaves the environment as if it had never been tried',
  ],
]);

type Run = (lab: Lab) => Promise<void>;
const script = (id: string, requirement: string, run: Run): Script<Lab> => ({ id, requirement, run });

const ANNOTATIONS = { 'com.example.key': 'a value', 'com.example.empty': '', 'com.example.json': '{"a":[1]}' };
const ANNOTATED: Patch = { '/annotations': ANNOTATIONS };

/** The three states, each with the way there. */
const STATES: { readonly [status: string]: (lab: Lab) => Promise<void> } = {
  created: (lab) => lab.created(['wait'], ANNOTATED),
  running: (lab) => lab.running([], ANNOTATED),
  stopped: (lab) => lab.stopped(['self'], ANNOTATED),
};

/** A look at the state of a container in each state. */
const look = (status: string, what: string, check: (state: Answer, lab: Place) => void): Script<Lab> =>
  script(`state.${status}.${what}`, `state.${what}`, async (lab) => {
    const seen = await once(lab, `state ${status}`, async () => {
      await STATES[status]?.(lab);
      const { id, dir, bundle, rootfs } = lab;
      return { state: await lab.state(), place: { id, dir, bundle, rootfs } };
    });
    check(seen.state, seen.place);
  });

const stateCases = Object.keys(STATES).flatMap((status) => [
  look(status, 'id', (state, { id }) => same(state['id'], id, 'id')),
  look(status, 'status', (state) => same(state['status'], status, 'status')),
  look(status, 'version', ({ ociVersion }) => {
    must(/^\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?$/.test(String(ociVersion)), `ociVersion is ${ociVersion}`);
  }),
  look(status, 'bundle', (state, { bundle }) => same(state['bundle'], bundle, 'bundle')),
  look(status, 'annotations', ({ annotations }) => {
    const shown = annotations as { [name: string]: unknown } | undefined;
    for (const [name, value] of Object.entries(ANNOTATIONS)) same(shown?.[name], value, `annotation ${name}`);
  }),
]);

const stateScripts: readonly Script<Lab>[] = [
  ...stateCases,
  script('state.created.pid', 'state.pid', async (lab) => {
    await lab.created(['wait']);
    const pid = Number((await lab.state())['pid']);
    must(isAlive(pid), `pid ${pid} is no process`);
    same(innermostPid(pid), 1, `the pid of process ${pid} in its own namespace`);
  }),
  script('state.running.pid', 'state.pid', async (lab) => {
    await lab.running();
    const pid = Number((await lab.state())['pid']);
    same(innermostPid(pid), 1, `the pid of process ${pid} in its own namespace`);
    must(readText(`/proc/${pid}/cmdline`).startsWith('/probe\0'), `process ${pid} is not the program`);
  }),
  script('state.pid-stays', 'state.pid', async (lab) => {
    await lab.created(['wait']);
    const before = (await lab.state())['pid'];
    succeeded(await lab.start(), 'start');
    same((await lab.state())['pid'], before, 'pid after start');
  }),
  script('state.annotations.none', 'state.annotations', async (lab) => {
    await lab.created(['wait']);
    const { annotations = {} } = (await lab.state()) as { annotations?: object };
    const ours = Object.keys(annotations).filter((name) => name.startsWith('com.example'));
    same(ours, [], 'annotations that nobody gave');
  }),
  script('state.json', 'state.json', async (lab) => {
    await lab.created(['wait']);
    const { stdout } = succeeded(await lab.run('state', lab.id), 'state');
    must(stdout.trim().startsWith('{') && typeof JSON.parse(stdout) === 'object', 'state is no JSON object');
  }),
  script('state.unknown', 'state.unknown', async (lab) => void refused(await lab.run('state', lab.id), 'state')),
  script('state.no-id', 'state.no-id', async (lab) => void refused(await lab.run('state'), 'state without an id')),
];

/** The last number of NSpid: proc_pid_status(5). */
function innermostPid(pid: number): number {
  return Number(/^NSpid:.*\s(\d+)$/m.exec(readText(`/proc/${pid}/status`))?.[1]);
}

const createScripts: readonly Script<Lab>[] = [
  script('create.status', 'create.status', async (lab) => {
    await lab.created(['self']);
    same((await lab.state())['status'], 'created', 'status');
  }),
  script('create.not-run', 'create.not-run', async (lab) => {
    await lab.created(['self']);
    await eventually(() => lab.lines().length > 0, 300);
    same(lab.lines().length, 0, 'lines that the program wrote before start');
  }),
  ...['pid', 'net', 'ipc', 'uts', 'mnt'].map((name) =>
    script(`create.resources.${name}`, 'create.resources', async (lab) => {
      await lab.created(['wait']);
      const path = (pid: number | string): string => readlinkSync(`/proc/${pid}/ns/${name}`);
      must(path(lab.pid) !== path('self'), `the ${name} namespace is the host's`);
    }),
  ),
  script('create.resources.mounts', 'create.resources', async (lab) => {
    await lab.created(['wait']);
    must(/ \/proc rw.* - proc /.test(readText(`/proc/${lab.pid}/mountinfo`)), '/proc is not mounted before start');
  }),
  script('create.resources.hostname', 'create.resources', async (lab) => {
    await lab.created(['self'], { '/hostname': 'early' });
    succeeded(await lab.start(), 'start');
    same((await lab.answered())[0]?.['nodename'], 'early', 'the host name');
  }),
  script('create.no-id', 'create.arguments', async (lab) => {
    lab.configure(['self']);
    refused(await lab.run('create', '--bundle', lab.bundle), 'create without an id');
  }),
  script('create.no-bundle', 'create.arguments', async (lab) => {
    refused(await lab.run('create', '--bundle', join(lab.dir, 'nowhere'), lab.id), 'create');
    refused(await lab.run('state', lab.id), 'state afterwards');
  }),
  script('create.bundle-in-cwd-missing', 'create.arguments', async (lab) => {
    refused(await lab.run('create', lab.id), 'create where there is no bundle');
  }),
  script('create.config-missing', 'create.config', async (lab) => {
    refused(await lab.create(), 'create');
    refused(await lab.run('state', lab.id), 'state afterwards');
  }),
  ...Object.entries({
    'no-json': 'hello',
    truncated: '{"ociVersion": "1.0.2", ',
    empty: '',
    array: '[]',
    null: 'null',
  }).map(([name, text]) =>
    script(`create.config-${name}`, 'create.config', async (lab) => {
      writeFileSync(join(lab.bundle, 'config.json'), text);
      refused(await lab.create(), 'create');
      refused(await lab.run('state', lab.id), 'state afterwards');
    }),
  ),
  ...Object.entries(STATES).map(([status, reach]) =>
    script(`create.unique.${status}`, 'create.unique', async (lab) => {
      await reach(lab);
      const before = await lab.state();
      refused(await lab.run('create', '--bundle', lab.bundle, lab.id), `create with the id of a ${status} container`);
      same(await lab.state(), before, 'the state of the first container');
    }),
  ),
  ...Object.entries({ slash: 'a/b', parent: '../escape', dots: '..', dot: '.', empty: '' }).map(([name, id]) =>
    script(`create.valid-id.${name}`, 'create.valid-id', async (lab) => {
      lab.configure(['self']);
      refused(await lab.create({ id }), `create with the id ${JSON.stringify(id)}`);
      refused(await lab.run('state', id), 'state afterwards');
    }),
  ),
  ...Object.entries({ missing: 'nowhere', file: 'config.json', empty: '' }).map(([name, path]) =>
    script(`create.root-${name}`, 'create.root', async (lab) => {
      lab.configure(['self'], { '/root/path': path });
      refused(await lab.create(), 'create');
      refused(await lab.run('state', lab.id), 'state afterwards');
    }),
  ),
];

/** What an edit of config.json between create and start must not change. */
const EDITS: { readonly [name: string]: readonly [Patch, member: string, wanted: unknown] } = {
  args: [{ '/process/args/1': 'fds' }, 'cwd', '/'],
  cwd: [{ '/process/cwd': '/work' }, 'cwd', '/'],
  user: [{ '/process/user/uid': 77 }, 'uid', 0],
  env: [{ '/process/env': ['PATH=/elsewhere'] }, 'env', undefined],
  hostname: [{ '/hostname': 'late' }, 'nodename', 'first'],
};

const snapshotScripts: readonly Script<Lab>[] = [
  ...Object.entries(EDITS).map(([name, [patch, member, wanted]]) =>
    script(`create.snapshot.${name}`, 'create.snapshot', async (lab) => {
      await lab.created(['self'], { '/hostname': 'first' });
      lab.configure(['self'], { '/hostname': 'first' }, patch);
      succeeded(await lab.start(), 'start');
      const [answer] = await lab.answered();
      if (name === 'env')
        must(JSON.stringify(answer?.['env']).includes('PATH=/bin'), `env is ${JSON.stringify(answer?.['env'])}`);
      else same(answer?.[member], wanted, member);
    }),
  ),
  script('create.snapshot.removed', 'create.snapshot', async (lab) => {
    await lab.created(['self']);
    unlinkSync(join(lab.bundle, 'config.json'));
    succeeded(await lab.start(), 'start');
    same((await lab.answered())[0]?.['cwd'], '/', 'cwd');
  }),
  script('create.snapshot.broken', 'create.snapshot', async (lab) => {
    await lab.created(['wait'], ANNOTATED);
    writeFileSync(join(lab.bundle, 'config.json'), 'no json');
    const state = (await lab.state()) as { annotations?: { [name: string]: string } };
    same(state.annotations?.['com.example.key'], 'a value', 'the annotation');
  }),
  script('create.snapshot.delete', 'create.snapshot', async (lab) => {
    await lab.stopped();
    renameSync(join(lab.bundle, 'config.json'), join(lab.bundle, 'gone.json'));
    succeeded(await lab.delete(), 'delete');
  }),
];

const startScripts: readonly Script<Lab>[] = [
  script('start.runs', 'start.runs', async (lab) => {
    await lab.created(['self']);
    succeeded(await lab.start(), 'start');
    same((await lab.answered())[0]?.['pid'], 1, 'the pid that the program sees');
  }),
  script('start.status', 'start.status', async (lab) => {
    await lab.running();
    same((await lab.state())['status'], 'running', 'status');
  }),
  script('start.unknown', 'start.unknown', async (lab) => void refused(await lab.start(), 'start')),
  script('start.no-id', 'start.no-id', async (lab) => void refused(await lab.run('start'), 'start without an id')),
  script('start.running', 'start.not-created', async (lab) => {
    await lab.running();
    const before = await lab.state();
    refused(await lab.start(), 'start of a running container');
    same(await lab.state(), before, 'the state');
    must(isAlive(lab.pid), 'the program is gone');
  }),
  script('start.stopped', 'start.not-created', async (lab) => {
    await lab.stopped();
    const lines = lab.lines().length;
    refused(await lab.start(), 'start of a stopped container');
    same((await lab.state())['status'], 'stopped', 'status');
    same(lab.lines().length, lines, 'lines that the program wrote');
  }),
  script('create.no-process', 'create.no-process', async (lab) => {
    lab.configure([], { '/process': undefined });
    succeeded(await lab.create(), 'create');
    same((await lab.state())['status'], 'created', 'status');
  }),
  script('start.no-process', 'start.no-process', async (lab) => {
    lab.configure([], { '/process': undefined });
    succeeded(await lab.create(), 'create');
    refused(await lab.start(), 'start');
  }),
];

/** Names and numbers, as kill(1) has them. */
const SIGNALS = { HUP: 1, INT: 2, QUIT: 3, USR1: 10, USR2: 12, WINCH: 28, CONT: 18, TERM: 15 } as const;

/** One after the other to one program; SIGTERM, its last, comes last. Returns what it got for each. */
async function sendAll(lab: Lab): Promise<ReadonlyMap<string, readonly unknown[]>> {
  await lab.created(['signals']);
  succeeded(await lab.start(), 'start');
  await lab.answered();
  const got = (): unknown[] => lab.lines().flatMap((line) => ('signal' in line ? [line['signal']] : []));
  const all = new Map<string, readonly unknown[]>();
  for (const spelling of SPELLINGS) {
    const before = got().length;
    succeeded(await lab.kill(spelling), `kill with ${spelling}`);
    await eventually(() => got().length > before, 3000);
    all.set(spelling, got().slice(before));
  }
  return all;
}

const NUMBERS: ReadonlyMap<string, number> = new Map(
  Object.entries(SIGNALS).flatMap(([name, number]) => [
    [`SIG${name}`, number],
    [String(number), number],
  ]),
);
/** SIGTERM by its number is left out: the program ends with the first. */
const SPELLINGS = [...NUMBERS.keys()].filter((spelling) => spelling !== '15');

const killScripts: readonly Script<Lab>[] = [
  ...SPELLINGS.map((spelling) =>
    script(`kill.signal.${spelling}`, 'kill.signal', async (lab) => {
      const got = await once(lab, 'signals', () => sendAll(lab));
      same(got.get(spelling), [NUMBERS.get(spelling)], 'signals that the program got');
    }),
  ),
  script('kill.signal.KILL', 'kill.signal', async (lab) => {
    await lab.running();
    succeeded(await lab.kill('KILL'), 'kill');
    await lab.ended();
  }),
  script('kill.signal.unknown', 'kill.signal', async (lab) => {
    await lab.running();
    refused(await lab.kill('SIGNOTHING'), 'kill with a signal that does not exist');
    must(isAlive(lab.pid), 'the program is gone');
  }),
  script('kill.unknown', 'kill.unknown', async (lab) => void refused(await lab.kill('TERM'), 'kill')),
  script('kill.no-id', 'kill.no-id', async (lab) => void refused(await lab.run('kill'), 'kill without an id')),
  script('kill.created', 'kill.created', async (lab) => {
    await lab.created(['wait']);
    succeeded(await lab.kill('KILL'), 'kill');
    await lab.ended();
    same((await lab.state())['status'], 'stopped', 'status');
  }),
  script('kill.stopped', 'kill.stopped', async (lab) => {
    await lab.stopped();
    refused(await lab.kill('KILL'), 'kill of a stopped container');
    same((await lab.state())['status'], 'stopped', 'status');
  }),
];

const ENDINGS = { zero: 'exit|0', 'non-zero': 'exit|42', crash: 'try|60' } as const;

const stopScripts: readonly Script<Lab>[] = [
  ...Object.entries(ENDINGS).map(([name, ask]) =>
    script(`stop.status.${name}`, 'stop.status', async (lab) => {
      await lab.stopped([ask]);
      same((await lab.state())['status'], 'stopped', 'status');
    }),
  ),
  ...['KILL', 'TERM'].map((signal) =>
    script(`stop.status.${signal}`, 'stop.status', async (lab) => {
      await lab.running();
      succeeded(await lab.kill(signal), 'kill');
      await lab.ended();
      same((await lab.state())['status'], 'stopped', 'status');
    }),
  ),
  script('stop.status.stays', 'stop.status', async (lab) => {
    await lab.stopped();
    same((await lab.state())['status'], 'stopped', 'status');
    same((await lab.state())['status'], 'stopped', 'status the second time');
  }),
];

const deleteScripts: readonly Script<Lab>[] = [
  script('delete.unknown', 'delete.unknown', async (lab) => void refused(await lab.delete(), 'delete')),
  script('delete.no-id', 'delete.no-id', async (lab) => void refused(await lab.run('delete'), 'delete without an id')),
  ...['created', 'running'].map((status) =>
    script(`delete.${status}`, 'delete.not-stopped', async (lab) => {
      await STATES[status]?.(lab);
      const before = await lab.state();
      refused(await lab.delete(), `delete of a ${status} container`);
      same(await lab.state(), before, 'the state');
      must(isAlive(lab.pid), 'its process is gone');
    }),
  ),
  script('delete.forgets', 'delete.reuse', async (lab) => {
    await lab.stopped();
    succeeded(await lab.delete(), 'delete');
    refused(await lab.run('state', lab.id), 'state after delete');
  }),
  script('delete.again', 'delete.unknown', async (lab) => {
    await lab.stopped();
    succeeded(await lab.delete(), 'delete');
    refused(await lab.delete(), 'the second delete');
  }),
  script('delete.reuse', 'delete.reuse', async (lab) => {
    await lab.stopped();
    succeeded(await lab.delete(), 'delete');
    succeeded(await lab.create(), 'create with the same id');
    same((await lab.state())['status'], 'created', 'status');
  }),
  script('delete.bundle-stays', 'delete.joined', async (lab) => {
    await lab.stopped();
    succeeded(await lab.delete(), 'delete');
    must(existsSync(join(lab.rootfs, 'inside')), 'the root file system is gone');
    must(readFileSync(join(lab.bundle, 'config.json'), 'utf8') !== '', 'config.json is gone');
  }),
  script('delete.bind-source-stays', 'delete.joined', async (lab) => {
    const source = join(lab.dir, 'source');
    writeFileSync(source, 'keep');
    await lab.stopped(['self'], { '/mounts/-': { destination: '/mnt/it', source, type: 'bind', options: ['bind'] } });
    succeeded(await lab.delete(), 'delete');
    same(readText(source), 'keep', 'the source of a bind mount');
  }),
];

/** What comes last of what create does, and fails. */
const LATE_FAILURES: { readonly [name: string]: Patch } = {
  mount: { '/mounts/-': { destination: '/mnt', source: '{dir}/nowhere', type: 'none', options: ['bind'] } },
  hook: { '/hooks/createRuntime': [{ path: '/bin/false' }] },
  program: { '/linux/seccomp': { defaultAction: 'SCMP_ACT_NOTHING' } },
};

const errorScripts: readonly Script<Lab>[] = Object.entries(LATE_FAILURES).flatMap(([name, patch]) => [
  script(`errors.${name}.nothing-left`, 'errors.no-trace', async (lab) => {
    lab.configure(['self'], patch);
    refused(await lab.create(), 'create');
    const left = await lastingLeaks(() => findLeaks([lab.id], []));
    must(left.length === 0, `create failed and left ${left.join('; ')}`);
  }),
  script(`errors.${name}.again`, 'errors.no-trace', async (lab) => {
    lab.configure(['self'], patch);
    refused(await lab.create(), 'create');
    await lab.created(['self']);
    same((await lab.state())['status'], 'created', 'the status of a second container with the id');
  }),
]);

export const lifecycleArea: Area = {
  name: 'lifecycle',
  requirements,
  scripts: [
    ...stateScripts,
    ...createScripts,
    ...snapshotScripts,
    ...startScripts,
    ...killScripts,
    ...stopScripts,
    ...deleteScripts,
    ...errorScripts,
  ],
};

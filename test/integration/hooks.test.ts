// The six hook points: when they run, where, what they are told, and what their failure does (runtime-spec: config.md,
// "POSIX-platform Hooks"; runtime.md, "Lifecycle").
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { TestConfig } from '../helpers/config.js';
import { type Bundle, eventually, IS_TSRUN, must, needRuntime, type Sandbox, sandbox } from '../helpers/runtime.js';

const skip = needRuntime();
const KINDS = ['prestart', 'createRuntime', 'createContainer', 'startContainer', 'poststart', 'poststop'] as const;

/** A hook that appends to log: its name, what it read on stdin, its own mount namespace. */
function logging(kind: string, log: string): TestConfig {
  const script = `echo "${kind} $(readlink /proc/self/ns/mnt) $(tr -d '\\n')" >>${log}`;
  return { path: '/bin/sh', args: ['sh', '-c', script], env: ['PATH=/bin:/usr/bin'] };
}

/** The log directory is at the same path inside, so that startContainer can write to it. */
function withHooks(box: Sandbox, hooks: (log: string) => TestConfig, args?: string[]): { bundle: Bundle; log: string } {
  const log = join(box.directory, 'log');
  const bundle = box.bundle(args, (config) => {
    config['hooks'] = hooks(log);
    config['mounts'].push({
      destination: box.directory,
      type: 'bind',
      source: box.directory,
      options: ['rbind', 'rw'],
    });
  });
  return { bundle, log };
}

interface Entry {
  readonly kind: string;
  readonly namespace: string;
  readonly state: { readonly id: string; readonly status: string; readonly pid: number; readonly bundle: string };
}

function entries(log: string): Entry[] {
  if (!existsSync(log)) return [];
  const lines = readFileSync(log, 'utf8').trim().split('\n');
  return lines.map((line) => {
    const [kind = '', namespace = '', ...rest] = line.split(' ');
    return { kind, namespace, state: JSON.parse(rest.join(' ')) };
  });
}

t.test('hooks run in the order of the spec, with the state on stdin, in their namespaces', { skip }, async (t) => {
  const box = sandbox(t);
  const hooks = (log: string) => Object.fromEntries(KINDS.map((kind) => [kind, [logging(kind, log)]]));
  const { bundle, log } = withHooks(box, hooks);
  const id = box.id();
  must(box.run(['create', '--bundle', bundle.path, id]));
  // runc before 1.2 runs poststart at create already; the spec says start.
  const early = entries(log).filter((entry) => IS_TSRUN || entry.kind !== 'poststart');
  t.same(
    early.map((entry) => entry.kind),
    ['prestart', 'createRuntime', 'createContainer'],
  );
  must(box.run(['start', id]));
  t.ok(eventually(() => entries(log).length === 5));
  const { pid } = box.state(id);
  must(box.run(['delete', '--force', id]));
  const order = (entry: Entry) => (KINDS as readonly string[]).indexOf(entry.kind);
  const all = IS_TSRUN ? entries(log) : entries(log).sort((a, b) => order(a) - order(b));
  t.same(
    all.map((entry) => entry.kind),
    [...KINDS],
  );
  const host = all[0]?.namespace;
  const where = all.map((entry) => (entry.namespace === host ? 'host' : 'container'));
  t.same(where, ['host', 'host', 'container', 'container', 'host', 'host']);
  for (const { kind, state } of all) t.match(state, { id, bundle: bundle.path, ociVersion: /^1\./ }, kind);
  if (!IS_TSRUN) return;
  t.same(
    all.map(({ state }) => state.status),
    ['creating', 'creating', 'creating', 'created', 'running', 'stopped'],
  );
  for (const { kind, state } of all.slice(0, 2)) t.equal(state.pid, pid, `${kind} is told the pid`);
});

t.test('two hooks of one kind run in their order', { skip }, async (t) => {
  const box = sandbox(t);
  const { bundle, log } = withHooks(box, (log) => ({ createRuntime: [logging('first', log), logging('second', log)] }));
  must(box.run(['create', '--bundle', bundle.path, box.id()]));
  t.same(
    entries(log).map((entry) => entry.kind),
    ['first', 'second'],
  );
});

t.test('a hook gets the environment it asks for and nothing else', { skip }, async (t) => {
  const box = sandbox(t);
  const { bundle, log } = withHooks(box, (log) => ({
    createRuntime: [
      { path: '/usr/bin/env', args: ['env', 'sh', '-c', `/usr/bin/env >>${log}`], env: ['ONE=1', 'PATH=/bin'] },
    ],
  }));
  must(box.run(['create', '--bundle', bundle.path, box.id()], { env: { SECRET: 'x' } }));
  const variables = readFileSync(log, 'utf8').trim().split('\n');
  const own = variables.filter((line) => !/^(PWD|SHLVL|_|OLDPWD)=/.test(line)).sort();
  t.same(own, ['ONE=1', 'PATH=/bin']);
});

for (const kind of ['prestart', 'createRuntime', 'createContainer'] as const) {
  t.test(`a failing ${kind} hook fails create, with its output, and leaves nothing`, { skip }, async (t) => {
    const box = sandbox(t);
    const failing = { path: '/bin/sh', args: ['sh', '-c', 'echo the reason >&2; exit 3'] };
    const { bundle } = withHooks(box, () => ({ [kind]: [failing] }));
    const id = box.id();
    const result = box.run(['create', '--bundle', bundle.path, id]);
    t.not(result.status, 0);
    t.match(result.stderr, IS_TSRUN ? new RegExp(`/hooks/${kind}/0`) : /hook/);
    t.match(result.stderr, /the reason/);
    t.not(box.run(['state', id]).status, 0);
    t.notOk(existsSync(join(box.root, id)));
  });
}

t.test('a startContainer hook without env has the environment of the process', { skip }, async (t) => {
  const box = sandbox(t);
  const script = (log: string) => [{ path: '/bin/sh', args: ['sh', '-c', `echo $WORD $HOME >> ${log}`] }];
  const { bundle, log } = withHooks(box, (path) => ({ startContainer: script(path) }), ['true']);
  const config = { ...bundle.config, process: { ...bundle.config['process'], env: ['PATH=/bin', 'WORD=w'] } };
  writeFileSync(join(bundle.path, 'config.json'), JSON.stringify(config));
  must(box.run(['run', '--bundle', bundle.path, box.id()]));
  t.equal(readFileSync(log, 'utf8'), 'w /root\n', 'and the home directory that the program gets');
});

t.test('a failing startContainer hook fails start', { skip }, async (t) => {
  const box = sandbox(t);
  const { bundle } = withHooks(box, () => ({ startContainer: [{ path: '/bin/sh', args: ['sh', '-c', 'exit 3'] }] }));
  const id = box.id();
  must(box.run(['create', '--bundle', bundle.path, id]));
  const started = box.run(['start', id]);
  if (IS_TSRUN) t.not(started.status, 0);
  t.ok(eventually(() => box.run(['state', id]).status !== 0 || box.state(id).status === 'stopped'));
});

t.test('a hook that takes longer than its timeout is killed and fails', { skip }, async (t) => {
  const box = sandbox(t);
  // The grandchild keeps the hook's output open: waiting for its end would be waiting for the grandchild.
  const slow = { path: '/bin/sh', args: ['sh', '-c', IS_TSRUN ? 'sleep 30; true' : 'exec sleep 30'], timeout: 1 };
  const { bundle } = withHooks(box, () => ({ createRuntime: [slow] }));
  const begin = Date.now();
  const result = box.run(['create', '--bundle', bundle.path, box.id()]);
  t.not(result.status, 0);
  t.ok(Date.now() - begin < 15_000, 'it did not wait for the hook');
  if (IS_TSRUN) t.match(result.stderr, /time/i);
});

t.test(
  'a poststop hook that fails after a foreground run warns, and the status is the program’s',
  { skip },
  async (t) => {
    const box = sandbox(t);
    const { bundle, log } = withHooks(
      box,
      (file) => ({ poststop: [{ path: '/bin/false' }, logging('poststop', file)] }),
      ['sh', '-c', 'echo out; exit 7'],
    );
    const id = box.id();
    const result = box.run(['run', '--bundle', bundle.path, id]);
    t.equal(result.status, 7);
    t.equal(result.stdout, 'out\n');
    t.match(result.stderr, IS_TSRUN ? /level=warning.*poststop hook .*\/bin\/false.*exit status 1/ : /hook/);
    if (IS_TSRUN) t.equal(entries(log).length, 1, 'the next one runs');
    t.not(box.run(['state', id]).status, 0, 'it is deleted');
  },
);

t.test('a poststop hook that fails does not keep the container from being deleted', { skip }, async (t) => {
  const box = sandbox(t);
  const { bundle } = withHooks(box, () => ({ poststop: [{ path: '/bin/false' }] }), ['true']);
  const id = box.start(bundle);
  t.ok(eventually(() => box.state(id).status === 'stopped'));
  box.run(['delete', id]);
  t.notOk(existsSync(join(box.root, id)));
});

const skipOther = skip || (IS_TSRUN ? false : 'what tsrun says of a hook');

t.test(
  'a hook that fails is named with index, path, arguments, ending, time and output',
  { skip: skipOther },
  async (t) => {
    const box = sandbox(t);
    const script = 'echo said; echo complained >&2; exit 4';
    for (const [then, ending] of [
      [script, 'exit status 4'],
      ['echo said; kill -USR1 $$; sleep 5', 'killed by signal 10 \\(SIGUSR1\\)'],
    ] as const) {
      const hooks = [{ path: '/bin/true' }, { path: '/bin/sh', args: ['a-hook', '-c', then] }];
      const { bundle } = withHooks(box, () => ({ createRuntime: hooks }));
      const { stderr } = box.run(['create', '--bundle', bundle.path, box.id()]);
      const sentence = `/hooks/createRuntime/1: error running createRuntime hook #1: "/bin/sh": ${ending} after 0\\.\\d{3} s, args: "a-hook -c .*said`;
      t.match(stderr, new RegExp(sentence));
    }
  },
);

t.test('a poststop hook that fails or hangs is a warning that says as much', { skip: skipOther }, async (t) => {
  const box = sandbox(t);
  const poststop = [
    { path: '/bin/sh', args: ['sh', '-c', 'echo gone >&2; exit 5'] },
    { path: '/bin/sleep', args: ['sleep', '30'], timeout: 1 },
  ];
  const { bundle } = withHooks(box, () => ({ poststop }), ['true']);
  const id = box.start(bundle);
  t.ok(eventually(() => box.state(id).status === 'stopped'));
  const { stderr } = must(box.run(['delete', id]));
  t.match(stderr, /hooks\/poststop\/0: .*exit status 5 after 0\.\d{3} s.*gone/);
  t.match(stderr, /hooks\/poststop\/1: .*specified timeout of 1\.0s and was killed after 1\.\d{3} s/);
});

t.test('--debug logs how long each hook took', { skip: skipOther }, async (t) => {
  const box = sandbox(t);
  const hooks = Object.fromEntries(KINDS.map((kind) => [kind, [{ path: '/bin/sleep', args: ['sleep', '0.1'] }]]));
  const { bundle } = withHooks(box, () => hooks, ['true']);
  const id = box.id();
  const run = box.run(['--debug', 'run', '--bundle', bundle.path, id]);
  for (const kind of ['prestart', 'createRuntime', 'createContainer', 'poststart']) {
    t.match(run.stderr, new RegExp(`/hooks/${kind}/0: run the ${kind} hook .*took 0\\.[1-9]\\d\\d s`), kind);
  }
});

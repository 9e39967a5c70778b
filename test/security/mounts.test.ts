// Mounts of a running container whose processes work against them: where a path leads, what is removed, who sees the
// process that mounts (CVE-2021-30465, CVE-2016-9962 and the like, at this entry point).
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { skipUnless } from '../helpers/host.js';
import { eventually, IS_TSRUN, must, needRuntime, type Result, type Sandbox, sandbox } from '../helpers/runtime.js';

const skip = skipUnless(needRuntime(), IS_TSRUN ? false : 'what other runtimes do not have');

const add = (box: Sandbox, id: string, mounts: unknown): Result =>
  box.run(['mounts', 'add', id, '-'], { input: JSON.stringify(mounts) });

interface Row {
  readonly destination: string;
  readonly origin: string;
}

const list = (box: Sandbox, id: string): Row[] =>
  JSON.parse(must(box.run(['mounts', '--format', 'json', 'list', id])).stdout);

/** Of this test: other work on the machine mounts too. */
const hostMounts = (box: Sandbox) =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(box.directory)).length;

/** A directory of the host that no mount may appear on, deeper than any "..": the container cannot reach it. */
function outside(box: Sandbox): string {
  const path = join(box.directory, 'outside/x');
  mkdirSync(path, { recursive: true });
  return join(box.directory, 'outside');
}

function source(box: Sandbox): string {
  const path = join(box.directory, 'data');
  mkdirSync(path);
  writeFileSync(join(path, 'file'), 'text\n');
  return path;
}

t.test('a destination that the container keeps exchanging for a link never leads outside', { skip }, async (t) => {
  const box = sandbox(t);
  const data = source(box);
  const target = outside(box);
  const script = `mkdir -p /race/dir/x; while :; do mv /race/dir /race/away; ln -s ${'../'.repeat(20)}${target.slice(1)} /race/dir;
    rm /race/dir; mv /race/away /race/dir; done 2>/dev/null`;
  const id = box.start(box.bundle(['sh', '-c', script]));
  const settled = list(box, id).length;
  let succeeded = 0;
  for (let round = 0; round < 10; round++) {
    const { status } = add(box, id, [
      { destination: '/first', type: 'tmpfs', source: 'tmpfs' },
      { destination: '/race/dir/x', source: data, options: ['bind'] },
    ]);
    const live = list(box, id).filter(({ origin }) => origin === 'live').length;
    t.equal(live, status === 0 ? 2 : 0, 'all or nothing');
    if (status === 0) {
      succeeded++;
      // The path has to be there for a moment; the mount that is removed then is the right one.
      const gone = () => box.run(['mounts', '-d', '/race/dir/x', '-d', '/first', 'remove', id]).status === 0;
      t.ok(eventually(gone, 20_000));
    }
    t.equal(list(box, id).length, settled, 'nothing is left');
  }
  t.equal(hostMounts(box), 0, 'no mount on the host');
  t.comment(`${succeeded} of 10 succeeded`);
});

t.test(
  'links of the container count from its root, absolute ones and those with too many ".."',
  { skip },
  async (t) => {
    const box = sandbox(t);
    const data = source(box);
    const target = outside(box);
    const links = `ln -s ${target} /absolute; ln -s ${'../'.repeat(30)}${target.slice(1)} /dots; sleep 1000`;
    const bundle = box.bundle(['sh', '-c', links]);
    const id = box.start(bundle);
    t.ok(eventually(() => box.run(['exec', id, 'test', '-L', '/dots']).status === 0));
    must(
      add(box, id, [
        { destination: '/absolute/x', source: data, options: ['bind'] },
        { destination: '/dots/y', source: data, options: ['bind'] },
        { destination: `${'../'.repeat(9)}plain`, source: data, options: ['bind'] },
      ]),
    );
    t.equal(hostMounts(box), 0);
    const live = list(box, id).filter(({ origin }) => origin === 'live');
    t.same(
      live.map(({ destination }) => destination).sort(),
      ['/plain', `${target}/x`, `${target}/y`].sort(),
      'inside',
    );
    t.equal(must(box.run(['exec', id, 'cat', '/absolute/x/file'])).stdout, 'text\n', 'the positive twin');
  },
);

t.test('a source inside the root file system is resolved inside it', { skip }, async (t) => {
  const box = sandbox(t);
  source(box);
  const bundle = box.bundle([
    'sh',
    '-c',
    `mkdir /real; echo own >/real/file; ln -s ${box.directory}/data /link; ln -s /real /good; sleep 1000`,
  ]);
  const id = box.start(bundle);
  t.ok(eventually(() => box.run(['exec', id, 'test', '-L', '/good']).status === 0));
  const bind = (name: string) =>
    add(box, id, [{ destination: '/mnt', source: join(bundle.rootfs, name), options: ['bind'] }]);
  t.equal(bind('link').status, 1, 'not the directory of the host that the link names');
  must(bind('good'));
  t.equal(must(box.run(['exec', id, 'cat', '/mnt/file'])).stdout, 'own\n');
});

t.test(
  'remove takes the mount that was added, wherever the container has moved it, and no mask',
  { skip },
  async (t) => {
    const box = sandbox(t);
    const data = source(box);
    const id = box.start(box.bundle());
    must(add(box, id, [{ destination: '/a/keys', source: join(data, 'file'), options: ['bind'] }]));
    must(box.run(['exec', id, 'sh', '-c', 'mv /a /b && ln -s /proc /a']));
    t.equal(must(box.run(['exec', id, 'cat', '/b/keys'])).stdout, 'text\n');
    must(box.run(['mounts', '-d', '/a/keys', 'remove', id]));
    t.equal(
      must(box.run(['exec', id, 'cat', '/b/keys', '/proc/keys'])).stdout,
      '',
      'the mask of /proc/keys is still there',
    );
  },
);

t.test('no process of the container sees the one that mounts', { skip }, async (t) => {
  const box = sandbox(t);
  const data = source(box);
  const script =
    'while :; do for p in /proc/[0-9]*; do tr "\\0" " " <$p/cmdline; for f in $p/exe $p/fd/*; do readlink $f; done; done; done >/tmp/seen 2>&1';
  const bundle = box.bundle(['sh', '-c', script], (config) => {
    for (const set of ['bounding', 'effective', 'permitted'])
      config['process'].capabilities[set].push('CAP_SYS_PTRACE');
  });
  const id = box.start(bundle);
  const file = join(bundle.rootfs, 'tmp/seen');
  const seen = () => (existsSync(file) ? readFileSync(file, 'utf8') : '');
  t.ok(
    eventually(() => seen().includes('/bin/busybox')),
    'the positive twin: it sees itself',
  );
  for (let round = 0; round < 10; round++)
    must(add(box, id, [{ destination: `/m${round}`, source: data, options: ['bind'] }]));
  t.notMatch(seen(), /tsrun-executor|memfd:/);
});

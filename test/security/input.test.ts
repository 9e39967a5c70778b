// Sizes and names that once wrapped around, or led out of a directory: CVE-2021-43784, GHSA-5g49-rx9x-qfc6, ids as paths.
import { existsSync, mkdirSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { canary } from '../helpers/canary.js';
import type { TestConfig } from '../helpers/config.js';
import { call, ENTRY_POINTS, launch, SETUPS } from '../helpers/launch.js';
import { IS_TSRUN, must, needRuntime, sandbox } from '../helpers/runtime.js';

t.setTimeout(300_000);
const skip = needRuntime();

// CVE-2021-43784: lengths around 16 and 20 bits. Whatever is answered, the namespaces are those that were asked for.
const NAMESPACES = ['pid', 'net', 'ipc', 'uts', 'mnt'];
const LENGTHS = [65_535, 65_536, 70_000, 131_072, 1_048_577];
/** Where each entry is one system call or more. */
const MANY = ['masked paths', 'additional groups', 'uid mappings'];

const FIELDS: { readonly [name: string]: (config: TestConfig, length: number) => void } = {
  'process.env': ({ process }, length) => process.env.push(`LONG=${'x'.repeat(length - 6)}`),
  'process.args': ({ process }, length) => process.args.push('x'.repeat(length - 1)),
  hostname: (config, length) => {
    config['hostname'] = 'h'.repeat(length);
  },
  'process.cwd': ({ process }, length) => {
    process.cwd = `/${'d/'.repeat(length / 2)}`;
  },
  'a mount destination': ({ mounts }, length) =>
    mounts.push({ destination: `/${'d'.repeat(length)}`, type: 'tmpfs', source: 'tmpfs' }),
  'a mount option': ({ mounts }, length) =>
    mounts.push({ destination: '/mnt', type: 'tmpfs', source: 'tmpfs', options: [`size=${'1'.repeat(length)}`] }),
  'a namespace path': ({ linux }, length) => linux.namespaces.push({ type: 'cgroup', path: `/${'n'.repeat(length)}` }),
  'uid mappings': (config, length) => {
    config['linux'].namespaces.push({ type: 'user' });
    const count = Math.ceil(length / 24);
    config['linux'].uidMappings = Array.from({ length: count }, (_, i) => ({
      containerID: i,
      hostID: 100_000 + i,
      size: 1,
    }));
    config['linux'].gidMappings = [{ containerID: 0, hostID: 100_000, size: 1 }];
  },
  'additional groups': ({ process }, length) => {
    process.user.additionalGids = Array.from({ length: Math.ceil(length / 4) }, (_, i) => i);
  },
  'masked paths': ({ linux }, length) => {
    linux.maskedPaths = Array.from({ length: Math.ceil(length / 16) }, (_, i) => `/none/${i}`);
  },
  annotations: (config, length) => {
    config['annotations'] = { long: 'x'.repeat(length) };
  },
};

for (const [name, edit] of Object.entries(FIELDS)) {
  t.test(`${name} of any length: refused, or a container with its own namespaces`, { skip }, async (t) => {
    const box = sandbox(t);
    const outside = NAMESPACES.map((kind) => readlinkSync(`/proc/self/ns/${kind}`));
    const script = `for n in ${NAMESPACES.join(' ')}; do readlink /proc/1/ns/$n; done; id -u; echo`;
    for (const length of LENGTHS.slice(0, MANY.includes(name) ? 3 : undefined)) {
      const bundle = box.bundle(['sh', '-c', script], (config) => edit(config, length));
      const { status, stdout, stderr } = launch(box, bundle, 'run');
      t.ok(status < 128, `${length}: no signal`);
      if (status !== 0) t.not(stderr.trim(), '', `${length}: refused`);
      else for (const namespace of outside) t.notMatch(stdout, namespace, `${length}: not of the host`);
      if (status === 0) t.match(stdout, /^(\w+:\[\d+\]\n){5}0\n/, `${length}: + it ran`);
    }
  });
}

t.test('+ a variable and an argument of 128 KiB but one byte arrive whole', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(
    ['sh', '-c', 'echo $(printf %s "$LONG" | wc -c) $(printf %s "$1" | wc -c)', 'sh', 'a'.repeat(131_071)],
    ({ process }) => {
      process.env.push(`LONG=${'x'.repeat(131_066)}`);
    },
  );
  for (const entry of ENTRY_POINTS) t.equal(must(launch(box, bundle, entry)).stdout, '131066 131071\n', entry);
});

// V18: cgroups are below the mount, and below the container's own.
const PATHS = ['../../x', '/../x', '/a/../../x', 'a/../../../x', '/..', '/a/..', '/', '/.', 'a/b/../../..'];

t.test('cgroupsPath does not lead out of the hierarchy or to its root', { skip }, async (t) => {
  const box = sandbox(t);
  for (const cgroupsPath of PATHS) {
    const bundle = box.bundle(['echo', 'program ran'], ({ linux }) => {
      linux.cgroupsPath = cgroupsPath;
    });
    for (const entry of SETUPS) {
      const { status, stdout, stderr } = launch(box, bundle, entry);
      // Others clean such a path; what counts is that nothing is made outside, which the leak check sees.
      if (!IS_TSRUN) continue;
      t.not(status, 0, `${entry} ${cgroupsPath}`);
      t.equal(stdout, '');
      t.match(stderr, /cgroupsPath/);
    }
  }
});

t.test('keys of linux.resources.unified are names of files in the cgroup', { skip }, async (t) => {
  const box = sandbox(t);
  const bird = canary(box);
  for (const key of [
    '../x',
    '../cgroup.procs',
    'a/b',
    '/etc/passwd',
    '.',
    '..',
    '',
    `../../../..${bird.path}/victim`,
    'cgroup.procs',
    'a\nb',
    'a\0b',
  ]) {
    const bundle = box.bundle(['echo', 'program ran'], ({ linux }) => {
      linux.resources = { unified: { [key]: '1' } };
    });
    for (const entry of SETUPS) {
      const { status, stdout } = launch(box, bundle, entry);
      t.not(status, 0, `${entry} ${JSON.stringify(key)}`);
      t.notMatch(stdout, /program ran/);
    }
    bird.untouched(t);
  }
});

t.test('exec takes no cgroup that leads out of the container’s', { skip }, async (t) => {
  const box = sandbox(t);
  const id = box.start(box.bundle());
  for (const path of ['../..', 'a/../../b', '..', '/../x', 'memory:../x']) {
    for (const flag of [['--cgroup', path], [`--cgroup=${path}`]]) {
      const { status, stdout } = box.run(['exec', ...flag, id, 'echo', 'program ran']);
      t.not(status, 0, flag.join(' '));
      t.equal(stdout, '');
    }
  }
});

t.test('+ exec --cgroup / is the container’s own cgroup, not the top of the host’s', { skip }, async (t) => {
  const box = sandbox(t);
  const id = box.start(box.bundle());
  const where = (...flags: string[]) => must(box.run(['exec', ...flags, id, 'cat', '/proc/self/cgroup'])).stdout;
  t.equal(where('--cgroup', '/'), where());
});

// V19: an id is one path component, at every verb.
const IDS = [
  '../x',
  'a/b',
  '/x',
  '.',
  '..',
  '-rf',
  '--force',
  '',
  'a\nb',
  'a b',
  'ä',
  'a\u202eb',
  'x'.repeat(5000),
  'x'.repeat(1025),
  'a;b',
  '$(id)',
  '*',
  'a\\b',
  '.x',
];

const VERBS: { readonly [verb: string]: (bundle: string) => readonly string[] } = {
  create: (bundle) => ['--bundle', bundle],
  run: (bundle) => ['--bundle', bundle],
  start: () => [],
  state: () => [],
  delete: () => ['--force'],
  kill: () => [],
  exec: () => [],
};

t.test('ids that are no name are refused by every verb, and touch nothing', { skip }, async (t) => {
  const box = sandbox(t);
  const bird = canary(box);
  const bundle = box.bundle(['echo', 'program ran']);
  mkdirSync(join(box.directory, 'x'));
  writeFileSync(join(box.directory, 'x/state.json'), '{}');
  mkdirSync(box.root, { recursive: true });
  const before = readdirSync(box.directory).filter((name) => !name.startsWith('io-'));
  for (const [verb, flags] of Object.entries(VERBS)) {
    for (const id of IDS.filter((_, index) => verb === 'create' || index % 3 === 0)) {
      const rest = verb === 'exec' ? ['echo', 'program ran'] : [];
      const { status, stdout, stderr } = call(box, [verb, ...flags(bundle.path), '--', id, ...rest]);
      // delete --force of what is not there is no error elsewhere.
      if (IS_TSRUN || verb !== 'delete') t.not(status, 0, `${verb} ${JSON.stringify(id.slice(0, 20))}`);
      t.notMatch(stdout, /program ran/);
      if (IS_TSRUN) t.match(stderr, /container id|container ID/, verb);
      t.ok(stderr.split('\n').filter((line) => line.startsWith('tsrun: ')).length <= 1, 'one message');
    }
  }
  t.same(readdirSync(box.root), [], 'no state');
  t.same(
    readdirSync(box.directory).filter((name) => !name.startsWith('io-')),
    before,
  );
  t.ok(existsSync(join(box.directory, 'x/state.json')));
  bird.untouched(t);
});

t.test('+ ids of every allowed kind work', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['echo', 'program ran']);
  for (const suffix of ['', '.a', '_b', '-c', '+d', '..e', 'A9', 'x'.repeat(100)]) {
    t.equal(must(box.run(['run', '--bundle', bundle.path, `${box.id()}${suffix}`])).stdout, 'program ran\n');
  }
});

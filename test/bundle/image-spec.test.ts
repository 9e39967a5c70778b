// imageSpec: an image's config and the options of image run become a config.json.
import t from 'tap';
import { imageSpec, type RunChoices } from '../../src/bundle/image-spec.js';
import { volumePaths } from '../../src/bundle/image-volumes.js';
import { defaultSeccomp } from '../../src/bundle/seccomp.js';
import type { ImageConfig, ProcessConfig } from '../../src/image/config.js';
import { readDocument } from '../../src/spec/read.js';
import { validateConfig } from '../../src/spec/validate.js';
import { stringifyJson } from '../../src/util/json-write.js';

const PROCESS: ProcessConfig = {
  user: '',
  env: ['A=image', 'B=image'],
  entrypoint: ['/entry', 'first'],
  cmd: ['second'],
  workingDir: '/work',
  exposedPorts: [],
  volumes: ['/../../../etc'],
  labels: {
    note: 'yes',
    'run.oci.handler': 'x',
    'org.systemd.property.X': 'y',
    'io.containerd.z': 'z',
    'tsrun.x': 'z',
  },
  stopSignal: 'SIGINT',
  shell: [],
  onBuild: [],
  healthcheck: undefined,
};

const image = (process: Partial<ProcessConfig> = {}): ImageConfig => ({
  architecture: 'amd64',
  os: 'linux',
  variant: undefined,
  osVersion: undefined,
  created: undefined,
  author: undefined,
  config: { ...PROCESS, ...process },
  diffIds: [],
  history: [],
});

const CHOICES: RunChoices = {
  id: 'c1',
  args: [],
  entrypoint: undefined,
  env: [],
  workingDir: undefined,
  terminal: false,
  readOnly: false,
  hostNetwork: false,
  hostname: 'c1',
  labels: {},
  mounts: [],
  poststop: [],
  apparmor: undefined,
};
const ROOT = { uid: 0, gid: 0, additionalGids: [], home: '/root' };
const HOST = { cgroupNamespace: true, arch: 'x64' };

const make = (choices: Partial<RunChoices> = {}, process: Partial<ProcessConfig> = {}, account = ROOT) =>
  imageSpec(image(process), account, { ...CHOICES, ...choices }, HOST);

t.test('imageSpec joins entrypoint and command, and options take their place', async (t) => {
  const args = (choices: Partial<RunChoices>, process: Partial<ProcessConfig> = {}) =>
    make(choices, process).config.process?.args;
  t.same(args({}), ['/entry', 'first', 'second']);
  t.same(args({ args: ['x'] }), ['/entry', 'first', 'x']);
  t.same(args({ entrypoint: 'e', args: ['x'] }), ['e', 'x']);
  t.same(args({ entrypoint: '', args: ['x'] }), ['x']);
  t.throws(() => args({ entrypoint: '' }), /neither entrypoint nor command/);
  t.throws(() => args({}, { entrypoint: [], cmd: [] }), /neither entrypoint nor command/);
});

t.test('imageSpec: later environment wins, defaults come first', async (t) => {
  const { process } = make({ env: ['B=mine', 'HOME=/h'], terminal: true }).config;
  t.same(process?.env, [
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    ...['HOSTNAME=c1', 'HOME=/h', 'TERM=xterm', 'A=image', 'B=mine'],
  ]);
});

t.test('imageSpec: labels that engines act upon are no annotations, those of the command line are', async (t) => {
  const { config, dropped } = make({ labels: { 'run.oci.mine': 'kept' } });
  t.same(config.annotations, { note: 'yes', 'org.opencontainers.image.stopSignal': 'SIGINT', 'run.oci.mine': 'kept' });
  t.same(dropped, ['run.oci.handler', 'org.systemd.property.X', 'io.containerd.z', 'tsrun.x']);
});

t.test('volumePaths: below the root, each once, and not where the caller mounts something', async (t) => {
  t.strictSame(volumePaths(['/../../../etc', '/data/', '/data', 'rel'], []), ['/data', '/etc', '/rel']);
  t.strictSame(volumePaths(['/data', '/etc'], [{ destination: '/data/../data' }]), ['/etc']);
  t.throws(() => volumePaths(['/x/..'], []), { code: 'IMAGE_INVALID', message: /Volumes: "\/x\/\.\." is the root/ });
});

t.test('imageSpec: a working directory must be absolute', async (t) => {
  t.throws(() => make({}, { workingDir: 'rel' }), { code: 'IMAGE_INVALID' });
  t.throws(() => make({ workingDir: 'rel' }), { code: 'USAGE' });
});

t.test('imageSpec: another user than root has no capabilities but may get them back by setuid programs', async (t) => {
  const { process } = make({}, {}, { ...ROOT, uid: 5 }).config;
  t.same([process?.capabilities?.effective, process?.capabilities?.bounding?.length], [[], 14]);
});

t.test('imageSpec gives a config that is valid', async (t) => {
  const text = stringifyJson(make({ hostNetwork: true, readOnly: true }).config, '\t');
  t.doesNotThrow(() => validateConfig(readDocument(Buffer.from(text), 'config.json')));
});

t.test('defaultSeccomp gates calls by capability', async (t) => {
  const calls = (capabilities: readonly string[]) => defaultSeccomp(capabilities, 'x64').syscalls?.[0]?.names ?? [];
  for (const name of [
    'mount',
    'setns',
    'bpf',
    'init_module',
    'keyctl',
    'io_uring_setup',
    'userfaultfd',
    'socket',
    'clone',
  ]) {
    t.notOk(calls([]).includes(name), name);
  }
  t.ok(calls(['CAP_SYS_ADMIN']).includes('mount'));
  t.ok(calls(['CAP_SYS_MODULE']).includes('init_module'));
  t.ok(calls([]).includes('execve'));
});

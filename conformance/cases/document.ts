/** config.md: the document itself: its version, unknown properties, values that are invalid, annotations. */
import { same } from '../harness/check.js';
import { type Lab, succeeded } from '../harness/lab.js';
import { type Group, type Patch, type Refusal, type Script, table } from '../harness/model.js';
import type { Area } from '../harness/run.js';

const requirements = table('config.md', [
  ['version.format', 'MUST', 'specification-version', 'ociVersion is there and a version by SemVer'],
  [
    'version.compatible',
    'MUST',
    'specification-version',
    'a later 1.x version of the configuration is accepted as far as the runtime knows it',
  ],
  ['version.major', 'MUST', 'valid-values', 'a major version that the runtime does not support is an error'],
  ['unknown.property', 'MUST', 'extensibility', 'a property that the runtime does not know is ignored'],
  ['values.type', 'MUST', 'valid-values', 'a value of the wrong type is an error'],
  ['values.required', 'MUST', 'valid-values', 'a property that is required and missing is an error'],
  ['annotations.keys', 'MUST NOT', 'annotations', 'the key of an annotation is not empty'],
  ['annotations.values', 'MUST', 'annotations', 'the values of annotations are texts'],
  [
    'annotations.unknown',
    'MUST',
    'annotations',
    'annotations that the runtime does not know are accepted like unknown properties',
  ],
]);

const OBJECTS: { readonly [name: string]: string } = {
  'top-level': '',
  root: '/root',
  process: '/process',
  user: '/process/user',
  capabilities: '/process/capabilities',
  mount: '/mounts/0',
  linux: '/linux',
  namespace: '/linux/namespaces/0',
  resources: '/linux/resources',
  'resources.memory': '/linux/resources/memory',
  hooks: '/hooks',
};

/** One container each: which object it is that the runtime refuses must come out. */
const unknown: readonly Group[] = Object.entries(OBJECTS).map(([name, pointer]) => ({
  name: `unknown property of ${name}`,
  patch: { [`${pointer}/com.example.unknown`]: { any: ['thing', 1, null] } },
  observations: [{ id: `unknown.${name}`, requirement: 'unknown.property', ask: 'self', want: { pid: 1 } }],
}));

const accepted = (id: string, requirement: string, patch: Patch): Group => ({
  ...{ name: id, patch, observations: [{ id, requirement, ask: 'self', want: { pid: 1 } }] },
});

const bad = (id: string, requirement: string, patch: Patch): Refusal => ({
  id: `document.refuses.${id}`,
  requirement,
  patch,
});

/** A value of another type at a property of each kind. */
const WRONG: Patch = {
  '/root': 'rootfs',
  '/root/path': 1,
  '/root/readonly': 'yes',
  '/hostname': 1,
  '/mounts': {},
  '/mounts/0': 'proc',
  '/mounts/0/destination': 1,
  '/mounts/0/options': 'ro',
  '/process/args': '/probe',
  '/process/args/0': 1,
  '/process/env': 'PATH=/bin',
  '/process/env/0': 1,
  '/process/cwd': 1,
  '/process/terminal': 'no',
  '/process/user/uid': '0',
  '/process/user/additionalGids': ['x'],
  '/process/rlimits': {},
  '/process/oomScoreAdj': 'high',
  '/process/noNewPrivileges': 'yes',
  '/process/capabilities/bounding': 'CAP_CHOWN',
  '/linux/namespaces': {},
  '/linux/maskedPaths': '/proc',
  '/linux/sysctl': ['a'],
  '/linux/devices': {},
  '/hooks/prestart': {},
  '/hooks/prestart/0': 'true',
  '/annotations': ['a'],
};

const MISSING = ['/ociVersion', '/root', '/root/path', '/process/cwd', '/process/args', '/mounts/0/destination'];

const values: Group = {
  name: 'values',
  refusals: [
    ...Object.entries(WRONG).map(([pointer, value]) =>
      bad(`type.${dotted(pointer)}`, 'values.type', { [pointer]: value }),
    ),
    bad('type.process.user.uid-negative', 'values.type', { '/process/user/uid': -1 }),
    bad('type.process.user.uid-fraction', 'values.type', { '/process/user/uid': 1.5 }),
    ...MISSING.map((pointer) => bad(`missing.${dotted(pointer)}`, 'values.required', { [pointer]: undefined })),
    ...Object.entries({ short: '1.0', word: 'latest', empty: '', prefix: 'v1.0.2', four: '1.0.0.0' }).map(
      ([id, ociVersion]) => bad(`version.${id}`, 'version.format', { '/ociVersion': ociVersion }),
    ),
    bad('version.number', 'version.format', { '/ociVersion': 1 }),
    bad('version.major', 'version.major', { '/ociVersion': '99.0.0' }),
    bad('annotation.empty-key', 'annotations.keys', { '/annotations': { '': 'value' } }),
    bad('annotation.number', 'annotations.values', { '/annotations': { 'com.example.key': 1 } }),
    bad('annotation.object', 'annotations.values', { '/annotations': { 'com.example.key': {} } }),
  ],
};

function dotted(pointer: string): string {
  return pointer.slice(1).replaceAll('/', '.');
}

const annotated: Script<Lab> = {
  ...{ id: 'annotations.many', requirement: 'annotations.unknown' },
  run: async (lab) => {
    const annotations = { 'org.opencontainers.image.os': 'linux', 'org.example.unknown': '', 'no-dots': 'x y\nz' };
    await lab.created(['self'], { '/annotations': annotations });
    const shown = ((await lab.state())['annotations'] ?? {}) as { [name: string]: unknown };
    for (const [name, value] of Object.entries(annotations)) same(shown[name], value, `annotation ${name}`);
    succeeded(await lab.start(), 'start');
  },
};

export const documentArea: Area = {
  name: 'document',
  requirements,
  groups: [
    ...unknown,
    accepted('version.first', 'version.compatible', { '/ociVersion': '1.0.0' }),
    accepted('version.second', 'version.compatible', { '/ociVersion': '1.0.1' }),
    accepted('version.build', 'version.format', { '/ociVersion': '1.0.2+build.5' }),
    accepted('version.prerelease', 'version.format', { '/ociVersion': '1.0.2-rc.1' }),
    accepted('annotations.empty', 'annotations.unknown', { '/annotations': {} }),
    values,
  ],
  scripts: [annotated],
};

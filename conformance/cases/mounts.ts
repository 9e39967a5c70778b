/** config.md, "Root" and "Mounts": the root file system, the order of mounts, each option that can be seen. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { flags, MOUNTINFO, mountAt, must, parseMountinfo, refusedWith, same, textOf } from '../harness/check.js';
import { type Group, type Observation, type Place, type Refusal, table, type Undo } from '../harness/model.js';
import type { Area } from '../harness/run.js';

const requirements = table('config.md', [
  ['root.path', 'MUST', 'root', 'the root of the container is root.path, absolute or relative to the bundle'],
  ['root.readonly', 'MUST', 'root', 'with root.readonly the root file system is read-only inside'],
  ['root.writable', 'MUST', 'root', 'without root.readonly the root file system is writable'],
  ['mounts.order', 'MUST', 'mounts', 'mounts are made in the listed order'],
  ['mounts.type', 'MUST', 'posix-platform-mounts', 'a file system of type is mounted at destination'],
  ['mounts.bind', 'MUST', 'mounts', 'with the option bind the file or directory source is at destination'],
  ['mounts.rbind', 'MUST', 'linux-mount-options', 'rbind has the mounts below source too, bind has not'],
  ['mounts.source-relative', 'MUST', 'mounts', 'a relative source of a bind mount is relative to the bundle'],
  ['mounts.source-missing', 'MUST', 'mounts', 'a bind mount whose source is not there is an error'],
  ['mounts.destination-relative', 'MUST', 'mounts', 'a relative destination is relative to the root of the container'],
  [
    'mounts.type-unknown',
    'MUST',
    'posix-platform-mounts',
    'a file system type that the kernel does not have is an error',
  ],
  ['mounts.options', 'MUST', 'linux-mount-options', 'the option does to the mount what mount(8) says'],
  [
    'mounts.options-should',
    'SHOULD',
    'linux-mount-options',
    'symfollow and nosymfollow do to the mount what mount(8) says',
  ],
  [
    'mounts.options-recursive',
    'SHOULD',
    'linux-mount-options',
    'the recursive option changes the mounts below as well',
  ],
  ['mounts.options-propagation', 'MUST', 'linux-mount-options', 'the option gives the mount its propagation type'],
  [
    'mounts.options-data',
    'SHOULD',
    'linux-mount-options',
    'options that the runtime does not know go to the file system',
  ],
  ['mounts.remount', 'MUST', 'linux-mount-options', 'remount changes the flags of the mount that is there'],
  [
    'mounts.idmap',
    'SHOULD',
    'linux-mount-options',
    'idmap and ridmap map the owners of files by uidMappings and gidMappings',
  ],
  ['mounts.idmap-both', 'MUST', 'posix-platform-mounts', 'uidMappings and gidMappings come together'],
  [
    'mounts.idmap-none',
    'MUST',
    'linux-mount-options',
    'idmap without mappings and without a user namespace is an error',
  ],
  [
    'mounts.default-file-systems',
    'SHOULD',
    'mounts',
    'the file systems of the Linux ABI are usable: /proc, /sys, /dev/pts, /dev/shm',
  ],
]);

const mount = (...args: readonly string[]): void => void execFileSync('mount', args, { stdio: 'pipe' });

const RESTRICTED = 'ro,nosuid,nodev,noexec,noatime,nodiratime,nosymfollow';

/** On the host: a tree of two mounts with every flag, one with none, one that is shared; and a file. */
function makeTrees({ dir }: Place): Undo {
  const points: string[] = [];
  const make = (path: string, options: string): void => {
    mkdirSync(path, { recursive: true });
    mount('-t', 'tmpfs', '-o', options, 'conformance', path);
    points.push(path);
    writeFileSync(join(path, 'file'), `${path}\n`);
    mkdirSync(join(path, 'sub'));
  };
  for (const name of ['plain', 'restricted', 'shared']) {
    make(join(dir, name), 'rw');
    mount('--make-private', join(dir, name));
    make(join(dir, name, 'sub'), 'rw');
    mount('--make-private', join(dir, name, 'sub'));
  }
  for (const path of ['restricted/sub', 'restricted']) mount('-o', `remount,bind,${RESTRICTED}`, join(dir, path));
  mount('--make-rshared', join(dir, 'shared'));
  for (const name of ['a', 'b/sub']) {
    mkdirSync(join(dir, name), { recursive: true });
    writeFileSync(join(dir, name, 'file'), `${name}\n`);
  }
  mkdirSync(join(dir, 'bundle/beside'));
  writeFileSync(join(dir, 'bundle/beside/file'), 'beside\n');
  chmodSync(join(dir, 'a/file'), 0o644);
  return () => {
    for (const path of points.reverse()) execFileSync('umount', ['-l', path], { stdio: 'pipe' });
  };
}

const at = (name: string): string => `/mnt/${name}`;

/** A new tmpfs with these options, and what its line in mountinfo has and lacks. */
function fresh(
  option: string,
  options: readonly string[],
  present: readonly string[],
  absent: readonly string[],
  requirement = 'mounts.options',
): Observation {
  const destination = at(`fresh-${option}`);
  return {
    ...{ id: `mounts.option.${option}`, requirement, ...flags(destination, present, absent) },
    patch: { '/mounts/-': { destination, type: 'tmpfs', source: 'tmpfs', options } },
  };
}

const newMounts: readonly Observation[] = [
  ...['ro', 'nosuid', 'nodev', 'noexec', 'sync', 'dirsync', 'noatime', 'nodiratime', 'lazytime'].map((option) =>
    fresh(option, [option], [option], []),
  ),
  fresh('strictatime', ['strictatime'], [], ['relatime', 'noatime']),
  fresh('nostrictatime', ['strictatime', 'nostrictatime'], ['relatime'], []),
  fresh('nosymfollow', ['nosymfollow'], ['nosymfollow'], [], 'mounts.options-should'),
  fresh('symfollow', ['nosymfollow', 'symfollow'], [], ['nosymfollow'], 'mounts.options-should'),
  // The later of two that contradict each other counts: mount(8).
  ...Object.entries({
    ...{ rw: 'ro', suid: 'nosuid', dev: 'nodev', exec: 'noexec', async: 'sync', atime: 'noatime' },
    ...{ diratime: 'nodiratime', nolazytime: 'lazytime' },
  }).map(([option, before]) => fresh(option, [before, option], [], [before])),
  // Nothing shows these; who takes them for data of the file system gets EINVAL.
  ...['defaults', 'norelatime', 'iversion', 'noiversion', 'silent', 'loud'].map((option) =>
    fresh(option, [option, 'nosuid'], ['nosuid'], []),
  ),
];

function bound(
  option: string,
  tree: string,
  path: string,
  present: readonly string[],
  absent: readonly string[],
  requirement: string,
): Observation {
  const destination = at(`bound-${option}`);
  const [how, id] =
    option.startsWith('r') && requirement !== 'mounts.options' ? ['rbind', 'recursive'] : ['bind', 'bind'];
  return {
    ...{ id: `mounts.${id}-option.${option}`, requirement, ...flags(`${destination}${path}`, present, absent) },
    patch: { '/mounts/-': { destination, type: 'none', source: `{dir}/${tree}`, options: [how, option] } },
  };
}

const boundMounts: readonly Observation[] = [
  ...['ro', 'nosuid', 'nodev', 'noexec', 'noatime', 'nodiratime'].map((option) =>
    bound(option, 'plain', '', [option], [], 'mounts.options'),
  ),
  ...Object.entries({
    ...{ rw: 'ro', suid: 'nosuid', dev: 'nodev', exec: 'noexec', diratime: 'nodiratime' },
    ...{ atime: 'noatime', relatime: 'noatime', strictatime: 'noatime' },
  }).map(([option, gone]) => bound(option, 'restricted', '', [], [gone], 'mounts.options')),
  ...['rro', 'rnosuid', 'rnodev', 'rnoexec', 'rnoatime', 'rnodiratime', 'rnosymfollow'].map((option) =>
    bound(option, 'plain', '/sub', [option.slice(1)], [], 'mounts.options-recursive'),
  ),
  ...Object.entries({
    ...{ rrw: 'ro', rsuid: 'nosuid', rdev: 'nodev', rexec: 'noexec', rdiratime: 'nodiratime' },
    ...{ rsymfollow: 'nosymfollow', ratime: 'noatime', rrelatime: 'noatime', rstrictatime: 'noatime' },
  }).map(([option, gone]) => bound(option, 'restricted', '/sub', [], [gone], 'mounts.options-recursive')),
  ...['rnorelatime', 'rnostrictatime'].map((option) =>
    bound(option, 'plain', '/sub', ['rw'], [], 'mounts.options-recursive'),
  ),
];

/** What the mount's line says: proc_pid_mountinfo(5), optional fields. */
const PROPAGATION: { readonly [type: string]: (fields: readonly string[]) => boolean } = {
  shared: (fields) => fields.some((field) => field.startsWith('shared:')),
  slave: (fields) =>
    fields.some((field) => field.startsWith('master:')) && !fields.some((field) => field.startsWith('shared:')),
  private: (fields) => fields.length === 0,
  unbindable: (fields) => fields.includes('unbindable'),
};

const propagation: readonly Observation[] = Object.entries(PROPAGATION).flatMap(([type, matches]) =>
  ['', 'r'].map((recursive): Observation => {
    const destination = at(`propagation-${recursive}${type}`);
    const path = recursive === '' ? destination : `${destination}/sub`;
    return {
      ...{ id: `mounts.propagation.${recursive}${type}`, requirement: 'mounts.options-propagation', ask: MOUNTINFO },
      patch: {
        '/mounts/-': { destination, type: 'none', source: '{dir}/shared', options: ['rbind', `${recursive}${type}`] },
      },
      check: ({ answer }) => {
        const fields = mountAt(answer, path).propagation;
        must(matches(fields), `${path} has the propagation fields [${fields.join(' ')}]`);
      },
    };
  }),
);

const content = (
  id: string,
  requirement: string,
  patch: { readonly [pointer: string]: unknown },
  path: string,
  text: string,
): Observation => ({
  ...{ id: `mounts.${id}`, requirement, patch, ask: `text|${path}`, want: { text } },
});

const bind = (name: string, source: string, more: object = {}): object => ({
  ...{ destination: at(name), type: 'none', source, options: ['bind'], ...more },
});

const contents: readonly Observation[] = [
  content('bind.directory', 'mounts.bind', { '/mounts/-': bind('dir', '{dir}/a') }, at('dir/file'), 'a\n'),
  content(
    'bind.no-type',
    'mounts.bind',
    { '/mounts/-': bind('no-type', '{dir}/a', { type: undefined }) },
    at('no-type/file'),
    'a\n',
  ),
  content(
    'bind.dummy-type',
    'mounts.bind',
    { '/mounts/-': bind('dummy', '{dir}/a', { type: 'ext4' }) },
    at('dummy/file'),
    'a\n',
  ),
  content('bind.file', 'mounts.bind', { '/mounts/-': bind('one-file', '{dir}/a/file') }, at('one-file'), 'a\n'),
  content(
    'source-relative',
    'mounts.source-relative',
    { '/mounts/-': bind('relative', 'beside') },
    at('relative/file'),
    'beside\n',
  ),
  content(
    'destination-relative',
    'mounts.destination-relative',
    { '/mounts/-': bind('', '{dir}/a', { destination: 'mnt/from-root' }) },
    at('from-root/file'),
    'a\n',
  ),
  content(
    'order.later-covers',
    'mounts.order',
    { '/mounts/1000': bind('cover', '{dir}/a'), '/mounts/1001': bind('cover', '{dir}/b/sub') },
    at('cover/file'),
    'b/sub\n',
  ),
  content(
    'order.nested',
    'mounts.order',
    { '/mounts/1002': bind('nest', '{dir}/b'), '/mounts/1003': bind('nest/sub', '{dir}/a') },
    at('nest/sub/file'),
    'a\n',
  ),
  content(
    'order.hidden',
    'mounts.order',
    { '/mounts/1004': bind('hide/sub', '{dir}/a'), '/mounts/1005': bind('hide', '{dir}/b') },
    at('hide/sub/file'),
    'b/sub\n',
  ),
  content(
    'rbind',
    'mounts.rbind',
    { '/mounts/-': bind('rbind', '{dir}/plain', { options: ['rbind'] }) },
    at('rbind/sub/file'),
    '{dir}/plain/sub\n',
  ),
  {
    ...{ id: 'mounts.bind.not-recursive', requirement: 'mounts.rbind', ask: MOUNTINFO },
    patch: { '/mounts/-': bind('bind-only', '{dir}/plain') },
    check: ({ answer }) => {
      mountAt(answer, at('bind-only'));
      const below = parseMountinfo(textOf(answer)).filter(({ point }) => point.startsWith(`${at('bind-only')}/`));
      same(
        below.map(({ point }) => point),
        [],
        'mounts below a bind mount',
      );
    },
  },
  {
    ...{ id: 'mounts.remount', requirement: 'mounts.remount', ...flags(at('again'), ['ro', 'noexec']) },
    patch: {
      '/mounts/2000': { destination: at('again'), type: 'tmpfs', source: 'tmpfs', options: ['nosuid'] },
      '/mounts/2001': {
        destination: at('again'),
        type: 'tmpfs',
        source: 'tmpfs',
        options: ['remount', 'ro', 'noexec'],
      },
    },
  },
];

const tmpfs = (
  id: string,
  options: readonly string[],
  observation: Omit<Observation, 'id' | 'requirement' | 'patch'>,
): Observation => ({
  ...{ id: `mounts.data.${id}`, requirement: 'mounts.options-data', ...observation },
  patch: { '/mounts/-': { destination: at(`data-${id}`), type: 'tmpfs', source: 'tmpfs', options } },
});

const data: readonly Observation[] = [
  tmpfs('size', ['size=3145728'], { ask: `fs|${at('data-size')}`, want: { bytes: 3145728 } }),
  tmpfs('mode', ['mode=1751'], { ask: `stat|${at('data-mode')}`, want: { mode: 0o1751 } }),
  tmpfs('inodes', ['nr_inodes=77'], { ask: `fs|${at('data-inodes')}`, want: { inodes: 77 } }),
  tmpfs('owner', ['uid=12', 'gid=34'], { ask: `stat|${at('data-owner')}`, want: { uid: 12, gid: 34 } }),
  tmpfs('with-flags', ['nosuid', 'size=2m', 'ro'], flags(at('data-with-flags'), ['nosuid', 'ro', 'size=2048k'])),
];

/** The effect, not only the flag. */
const effects: readonly Observation[] = [
  {
    ...{ id: 'mounts.effect.ro', requirement: 'mounts.options', ask: `make|${at('effect-ro')}/new|644` },
    patch: { '/mounts/-': bind('effect-ro', '{dir}/a', { options: ['bind', 'ro'] }) },
    check: ({ answer }) => refusedWith(answer, ['EROFS'], 'a new file on a read-only mount'),
  },
  {
    ...{
      id: 'mounts.effect.rw',
      requirement: 'mounts.options',
      ask: `make|${at('effect-rw')}/new|644`,
      want: { type: 'file' },
    },
    patch: { '/mounts/-': bind('effect-rw', '{dir}/b', { options: ['bind', 'rw'] }) },
  },
  {
    ...{
      id: 'mounts.effect.noexec',
      requirement: 'mounts.options',
      ask: `exec|${at('effect-noexec')}`,
      want: { status: 100 },
    },
    patch: { '/mounts/-': bind('effect-noexec', '{rootfs}/probe', { options: ['bind', 'noexec'] }) },
  },
  {
    ...{
      id: 'mounts.effect.exec',
      requirement: 'mounts.options',
      ask: `exec|${at('effect-exec')}`,
      want: { status: 0 },
    },
    patch: { '/mounts/-': bind('effect-exec', '{rootfs}/probe', { options: ['bind', 'exec'] }) },
  },
  {
    ...{ id: 'mounts.effect.nodev', requirement: 'mounts.options', ask: `io|${at('effect-nodev')}|r` },
    patch: { '/mounts/-': bind('effect-nodev', '/dev/zero', { options: ['bind', 'nodev'] }) },
    check: ({ answer }) => refusedWith(answer, ['EACCES'], 'a device on a nodev mount'),
  },
];

const TYPES = {
  '/proc': 'proc',
  '/sys': 'sysfs',
  '/dev/pts': 'devpts',
  '/dev/shm': 'tmpfs',
  '/dev/mqueue': 'mqueue',
  '/dev': 'tmpfs',
};

const types: readonly Observation[] = [
  ...Object.entries(TYPES).map(
    ([point, type]): Observation => ({
      ...{ id: `mounts.type.${point.slice(1).replace('/', '-')}`, requirement: 'mounts.type', ask: MOUNTINFO },
      check: ({ answer }) => same(mountAt(answer, point).type, type, `the type at ${point}`),
    }),
  ),
  {
    id: 'mounts.default.proc',
    requirement: 'mounts.default-file-systems',
    ask: 'link|/proc/self',
    want: { target: '1' },
  },
  {
    id: 'mounts.default.sys',
    requirement: 'mounts.default-file-systems',
    ask: 'stat|/sys/kernel',
    want: { type: 'directory' },
  },
  {
    id: 'mounts.default.pts',
    requirement: 'mounts.default-file-systems',
    ask: 'stat|/dev/pts/ptmx',
    want: { type: 'c', major: 5, minor: 2 },
  },
  {
    id: 'mounts.default.shm',
    requirement: 'mounts.default-file-systems',
    ask: 'make|/dev/shm/file|600',
    want: { type: 'file' },
  },
];

const idmapped = (name: string, how: string, path: string, uid: number): Observation => ({
  ...{
    id: `mounts.idmap.${name}`,
    requirement: 'mounts.idmap',
    ask: `stat|${at(name)}${path}/file`,
    want: { uid, gid: uid },
  },
  patch: {
    '/mounts/-': {
      ...{ destination: at(name), type: 'none', source: '{dir}/plain', options: ['rbind', how] },
      uidMappings: [{ containerID: 0, hostID: 4000, size: 10 }],
      gidMappings: [{ containerID: 0, hostID: 4000, size: 10 }],
    },
  },
});

const idmap: Group = {
  name: 'mounts with id maps',
  // The trees are tmpfs, which takes id maps since then.
  needs: ['linux:6.3'],
  prepare: makeTrees,
  observations: [
    idmapped('idmap', 'idmap', '', 4000),
    idmapped('idmap-not-recursive', 'idmap', '/sub', 0),
    idmapped('ridmap', 'ridmap', '/sub', 4000),
  ],
};

const options: Group = {
  name: 'mounts',
  prepare: makeTrees,
  observations: [...newMounts, ...boundMounts, ...propagation, ...contents, ...data, ...effects, ...types],
  refusals: [
    refusal('source-missing', 'mounts.source-missing', bind('x', '{dir}/nowhere')),
    refusal('source-missing-relative', 'mounts.source-missing', bind('x', 'nowhere')),
    refusal('type-unknown', 'mounts.type-unknown', { destination: at('x'), type: 'no_such_type', source: 'none' }),
    refusal('data-unknown', 'mounts.options-data', {
      destination: at('x'),
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['no_such_option'],
    }),
    refusal('data-value', 'mounts.options-data', {
      destination: at('x'),
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['size=nonsense'],
    }),
    ...['uidMappings', 'gidMappings'].map((one) =>
      refusal(
        `only-${one}`,
        'mounts.idmap-both',
        bind('x', '{dir}/plain', { options: ['bind', 'idmap'], [one]: [{ containerID: 0, hostID: 1, size: 1 }] }),
      ),
    ),
    ...['idmap', 'ridmap'].map((one) =>
      refusal(`${one}-nothing`, 'mounts.idmap-none', bind('x', '{dir}/plain', { options: ['rbind', one] })),
    ),
  ],
};

function refusal(id: string, requirement: string, entry: object): Refusal {
  return { id: `mounts.refuses.${id}`, requirement, patch: { '/mounts/-': entry } };
}

const rootOf = (
  id: string,
  requirement: string,
  patch: { readonly [pointer: string]: unknown },
  observations: readonly Omit<Observation, 'requirement'>[],
): Group => ({
  ...{ name: `root ${id}`, patch, observations: observations.map((one) => ({ ...one, requirement })) },
});

const roots: readonly Group[] = [
  rootOf('absolute', 'root.path', { '/root/path': '{rootfs}' }, [
    { id: 'root.absolute', ask: 'text|/inside', want: { text: 'inside\n' } },
  ]),
  rootOf('default', 'root.writable', {}, [
    { id: 'root.writable', ask: 'make|/new|644', want: { type: 'file' } },
    { id: 'root.writable-flag', ...flags('/', ['rw'], []) },
  ]),
  rootOf('relative', 'root.path', {}, [
    { id: 'root.relative', ask: 'text|/inside', want: { text: 'inside\n' } },
    {
      id: 'root.nothing-else',
      ask: ['stat|/bundle', 'stat|/var'],
      check: ({ answers }) =>
        same(
          answers.map(({ errno }) => errno),
          ['ENOENT', 'ENOENT'],
          "the host's directories",
        ),
    },
  ]),
  rootOf('readonly', 'root.readonly', { '/root/readonly': true }, [
    {
      id: 'root.readonly.file',
      ask: 'make|/new|644',
      check: ({ answer }) => refusedWith(answer, ['EROFS'], 'a new file'),
    },
    {
      id: 'root.readonly.existing',
      ask: 'write|/data/file|x',
      check: ({ answer }) => refusedWith(answer, ['EROFS'], 'a write'),
    },
    {
      id: 'root.readonly.node',
      ask: 'mknod|/fifo|p|0|0',
      check: ({ answer }) => refusedWith(answer, ['EROFS'], 'a new node'),
    },
    { id: 'root.readonly.flag', ...flags('/', ['ro'], []) },
    { id: 'root.readonly.mounts-stay-writable', ask: 'make|/dev/shm/file|600', want: { type: 'file' } },
  ]),
];

export const mountsArea: Area = { name: 'mounts', requirements, groups: [...roots, options, idmap] };

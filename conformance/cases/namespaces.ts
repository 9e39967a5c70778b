/** config-linux.md: namespaces, their mappings and offsets; config.md: hostname and domainname. */
import { readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must, same, textOf } from '../harness/check.js';
import { startHelper } from '../harness/helper.js';
import type { Lab } from '../harness/lab.js';
import { readText, succeeded } from '../harness/lab.js';
import { type Group, type Patch, type Refusal, type Script, table } from '../harness/model.js';
import type { Area } from '../harness/run.js';

const requirements = [
  ...table('config-linux.md', [
    ['namespaces.new', 'MUST', 'namespaces', 'without path the container has a new namespace of the type'],
    ['namespaces.joined', 'MUST', 'namespaces', 'with path the container is in the namespace that the path names'],
    ['namespaces.inherited', 'MUST', 'namespaces', "a type that is not listed is the runtime's namespace"],
    ['namespaces.wrong-type', 'MUST', 'namespaces', 'a path that is a namespace of another type is an error'],
    ['namespaces.path', 'MUST', 'namespaces', 'path is an absolute path to a namespace'],
    ['namespaces.once', 'MUST', 'namespaces', 'a type that is listed twice is an error'],
    ['namespaces.type', 'MUST', 'namespaces', 'a type that does not exist is an error'],
    ['namespaces.pid-view', 'SHOULD', 'namespaces', "in a pid namespace only the container's processes are seen"],
    ['namespaces.network-view', 'SHOULD', 'namespaces', 'a network namespace has network devices of its own'],
    ['namespaces.ipc-view', 'SHOULD', 'namespaces', "in an ipc namespace the host's System V objects are not seen"],
    [
      'mappings.map',
      'MUST',
      'user-namespace-mappings',
      'the user namespace has the maps of uidMappings and gidMappings',
    ],
    ['mappings.owner', 'SHOULD NOT', 'user-namespace-mappings', 'the owners of files are not changed for a mapping'],
    ['mappings.values', 'MUST', 'user-namespace-mappings', 'mappings that the kernel refuses are an error'],
    [
      'time.offsets',
      'MUST',
      'offset-for-time-namespace',
      'the clocks of the time namespace have the offsets of timeOffsets',
    ],
    ['time.values', 'MUST', 'offset-for-time-namespace', 'offsets that cannot be applied are an error'],
  ]),
  ...table('config.md', [
    ['hostname', 'MUST', 'hostname', 'the host name in the container is hostname'],
    ['domainname', 'MUST', 'domainname', 'the domain name in the container is domainname'],
  ]),
];

/** Spec name: [name in /proc/PID/ns, clone flag]. */
const TYPES = {
  pid: ['pid', 0x20000000],
  network: ['net', 0x40000000],
  mount: ['mnt', 0x00020000],
  ipc: ['ipc', 0x08000000],
  uts: ['uts', 0x04000000],
  user: ['user', 0x10000000],
  cgroup: ['cgroup', 0x02000000],
  time: ['time', 0x80],
} as const;
type Type = keyof typeof TYPES;
const NAMES = Object.keys(TYPES) as Type[];

const ns = (pid: number | 'self', type: Type): string => readlinkSync(`/proc/${pid}/ns/${TYPES[type][0]}`);
const others = (type: Type): readonly { type: string }[] =>
  (['pid', 'network', 'ipc', 'uts', 'mount'] as const).filter((name) => name !== type).map((name) => ({ type: name }));

const MAPS: Patch = {
  '/linux/uidMappings': [{ containerID: 0, hostID: 0, size: 65536 }],
  '/linux/gidMappings': [{ containerID: 0, hostID: 0, size: 65536 }],
};
/** What the types need beside themselves. sysfs belongs to the network namespace: the kernel lets only its owner mount it. */
const patchFor = (type: Type, entry: object): Patch => ({
  '/linux/namespaces': [...others(type), entry],
  ...(type === 'user' ? MAPS : {}),
});

const scripts: readonly Script<Lab>[] = NAMES.flatMap((type) => {
  const needs = [`namespace:${TYPES[type][0]}`];
  const cases: Script<Lab>[] = [
    {
      ...{ id: `namespaces.new.${type}`, requirement: 'namespaces.new', needs },
      run: async (lab) => {
        await lab.created(['wait'], patchFor(type, { type }));
        must(ns(lab.pid, type) !== ns('self', type), `the ${type} namespace is the host's`);
      },
    },
    {
      ...{ id: `namespaces.joined.${type}`, requirement: 'namespaces.joined', needs },
      run: async (lab) => {
        const holder = await hold(lab, type);
        const path = `/proc/${holder}/ns/${TYPES[type][0]}`;
        await lab.created(['wait'], joinPatch(type, { type, path }));
        same(ns(lab.pid, type), ns(holder, type), `the ${type} namespace`);
      },
    },
    {
      ...{ id: `namespaces.joined.${type}.stays`, requirement: 'delete.joined', needs },
      run: async (lab) => {
        const holder = await hold(lab, type);
        const before = ns(holder, type);
        await lab.created(['self'], joinPatch(type, { type, path: `/proc/${holder}/ns/${TYPES[type][0]}` }));
        succeeded(await lab.kill('KILL'), 'kill');
        await lab.ended();
        succeeded(await lab.delete(), 'delete');
        same(ns(holder, type), before, 'the namespace that was joined');
      },
    },
  ];
  if (type === 'mount') return cases;
  return [
    ...cases,
    {
      ...{ id: `namespaces.inherited.${type}`, requirement: 'namespaces.inherited', needs },
      run: async (lab) => {
        await lab.created(['wait'], { '/linux/namespaces': others(type), ...withoutOwn(type) });
        same(ns(lab.pid, type), ns('self', type), `the ${type} namespace`);
      },
    },
  ];
});

/** The container would change the mounts of the host: so the runtime has a mount namespace of its own, which ends with it. */
const UNSHARE = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c'];

const mountInherited: Script<Lab> = {
  ...{ id: 'namespaces.inherited.mount', requirement: 'namespaces.inherited', needs: ['command:unshare'] },
  run: async (lab) => {
    const seen = join(lab.dir, 'namespace');
    lab.configure(['wait'], { '/linux/namespaces': others('mount') });
    const through = [...UNSHARE, 'readlink /proc/self/ns/mnt >"$0" && exec "$@"', seen];
    succeeded(await lab.create({ through }), 'create');
    same(ns(lab.pid, 'mount'), readText(seen).trim(), 'the mount namespace');
  },
};

/** Mounts that only the owner of a namespace may make are left out where the container has none of its own. */
function withoutOwn(type: Type): Patch {
  return type === 'ipc' ? { '/mounts/4': undefined } : {};
}

/** A joined user namespace has its maps; the other namespaces are new and belong to it. */
function joinPatch(type: Type, entry: object): Patch {
  return { '/linux/namespaces': [...others(type), entry] };
}

/** A process in a new namespace of the type; a user namespace gets maps from us. */
async function hold(lab: Lab, type: Type): Promise<number> {
  const pid = await startHelper(lab, ['hold', String(TYPES[type][1])]);
  if (type === 'user') for (const map of ['uid_map', 'gid_map']) writeFileSync(`/proc/${pid}/${map}`, '0 0 65536');
  return pid;
}

const refusal = (id: string, requirement: string, patch: Patch, needs: readonly string[] = []): Refusal => ({
  ...{ id: `namespaces.refuses.${id}`, requirement, patch, needs },
});

const refusals: Group = {
  name: 'refused namespaces',
  refusals: [
    ...NAMES.map((type) => {
      const other = type === 'uts' ? 'ipc' : 'uts';
      return refusal(
        `wrong-type.${type}`,
        'namespaces.wrong-type',
        patchFor(type, { type, path: `/proc/self/ns/${other}` }),
        [`namespace:${TYPES[type][0]}`],
      );
    }),
    ...NAMES.map((type) =>
      refusal(
        `twice.${type}`,
        'namespaces.once',
        { '/linux/namespaces': [...others(type), { type }, { type }], ...(type === 'user' ? MAPS : {}) },
        [`namespace:${TYPES[type][0]}`],
      ),
    ),
    refusal('path-relative', 'namespaces.path', patchFor('uts', { type: 'uts', path: 'proc/self/ns/uts' })),
    refusal('path-missing', 'namespaces.path', patchFor('uts', { type: 'uts', path: '/proc/self/ns/nothing' })),
    refusal('path-file', 'namespaces.path', patchFor('uts', { type: 'uts', path: '/etc/passwd' })),
    refusal('type-unknown', 'namespaces.type', { '/linux/namespaces/-': { type: 'nothing' } }),
    refusal('type-kernel-name', 'namespaces.type', { '/linux/namespaces/-': { type: 'mnt' } }),
    refusal('type-empty', 'namespaces.type', { '/linux/namespaces/-': { type: '' } }),
    refusal('type-missing', 'namespaces.type', { '/linux/namespaces/-': {} }),
    refusal('user-no-maps', 'mappings.values', { '/linux/namespaces/-': { type: 'user' } }),
    refusal('user-overlap', 'mappings.values', {
      '/linux/namespaces/-': { type: 'user' },
      '/linux/uidMappings': [0, 5].map((hostID) => ({ containerID: 0, hostID, size: 10 })),
      '/linux/gidMappings': [{ containerID: 0, hostID: 0, size: 10 }],
    }),
    refusal(
      'time-clock-unknown',
      'time.values',
      { '/linux/namespaces/-': { type: 'time' }, '/linux/timeOffsets': { realtime: { secs: 1 } } },
      ['namespace:time'],
    ),
    refusal('time-no-namespace', 'time.values', { '/linux/timeOffsets': { monotonic: { secs: 1 } } }, [
      'namespace:time',
    ]),
  ],
};

const names: Group = {
  name: 'names',
  patch: { '/hostname': 'host-inside', '/domainname': 'domain.inside' },
  observations: [
    { id: 'hostname', requirement: 'hostname', ask: 'self', want: { nodename: 'host-inside' } },
    {
      id: 'hostname.proc',
      requirement: 'hostname',
      ask: 'text|/proc/sys/kernel/hostname',
      want: { text: 'host-inside\n' },
    },
    { id: 'domainname', requirement: 'domainname', ask: 'self', want: { domainname: 'domain.inside' } },
    {
      id: 'namespaces.view.pid',
      requirement: 'namespaces.pid-view',
      ask: 'list|/proc',
      check: ({ answer }) => {
        const pids = (answer['names'] as string[]).filter((name) => /^\d+$/.test(name));
        same(pids, ['1'], 'processes that are seen');
      },
    },
    { id: 'namespaces.view.pid-one', requirement: 'namespaces.pid-view', ask: 'self', want: { pid: 1, ppid: 0 } },
    {
      id: 'namespaces.view.network',
      requirement: 'namespaces.network-view',
      ask: 'net',
      check: ({ answer }) => {
        const seen = (answer['interfaces'] as { name: string }[]).map(({ name }) => name);
        must(
          seen.includes('lo') && !seen.some((name) => /^(eth|ens|enp|docker|veth)/.test(name)),
          `network devices: ${seen.join(' ')}`,
        );
      },
    },
    {
      id: 'namespaces.view.ipc',
      requirement: 'namespaces.ipc-view',
      ask: 'text|/proc/sysvipc/shm',
      check: ({ answer }) => {
        same(textOf(answer).trim().split('\n').length, 1, 'lines of /proc/sysvipc/shm');
      },
    },
  ],
};

const mapped: Group = {
  name: 'user namespace',
  needs: ['namespace:user'],
  patch: {
    '/linux/namespaces/-': { type: 'user' },
    '/linux/uidMappings': [
      { containerID: 0, hostID: 100000, size: 1000 },
      { containerID: 1000, hostID: 0, size: 1 },
    ],
    '/linux/gidMappings': [
      { containerID: 0, hostID: 200000, size: 2000 },
      { containerID: 5000, hostID: 0, size: 2 },
    ],
  },
  observations: [
    {
      id: 'mappings.uid',
      requirement: 'mappings.map',
      ask: 'text|/proc/self/uid_map',
      check: ({ answer }) =>
        mapIs(textOf(answer), [
          [0, 100000, 1000],
          [1000, 0, 1],
        ]),
    },
    {
      id: 'mappings.gid',
      requirement: 'mappings.map',
      ask: 'text|/proc/self/gid_map',
      check: ({ answer }) =>
        mapIs(textOf(answer), [
          [0, 200000, 2000],
          [5000, 0, 2],
        ]),
    },
    { id: 'mappings.self', requirement: 'mappings.map', ask: 'self', want: { uid: 0, gid: 0 } },
    { id: 'mappings.owner', requirement: 'mappings.owner', ask: 'stat|/inside', want: { uid: 1000, gid: 5000 } },
    {
      ...{ id: 'mappings.host-owner', requirement: 'mappings.owner', ask: 'self' },
      check: ({ rootfs }) => same(statSync(`${rootfs}/inside`).uid, process.geteuid?.(), 'the owner on the host'),
    },
  ],
};

function mapIs(text: string, wanted: readonly (readonly number[])[]): void {
  same(
    text
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/\s+/).map(Number)),
    wanted,
    'the map',
  );
}

const uptime = (): number => Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);

const time: Group = {
  name: 'time namespace',
  needs: ['namespace:time'],
  patch: {
    '/linux/namespaces/-': { type: 'time' },
    '/linux/timeOffsets': { monotonic: { secs: 500000 }, boottime: { secs: 900000, nanosecs: 1 } },
  },
  observations: Object.entries({ monotonic: 500000, boottime: 900000 }).map(([clock, offset]) => ({
    ...{ id: `time.offsets.${clock}`, requirement: 'time.offsets', ask: 'clock' },
    check: ({ answer }) => {
      const beyond = Number(answer[clock]) - uptime();
      must(
        Math.abs(beyond - offset) < 120,
        `${clock} is ${Math.round(beyond)} s ahead of the host, expected ${offset}`,
      );
    },
  })),
};

export const namespacesArea: Area = {
  name: 'namespaces',
  requirements,
  groups: [names, mapped, time, refusals],
  scripts: [...scripts, mountInherited],
};

/** config-linux.md: devices, masked and read-only paths, propagation, sysctl, personality, memory policy, network devices, RDT; runtime-linux.md. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { listOf, MOUNTINFO, mountAt, must, refusedWith, same, textOf } from '../harness/check.js';
import { readText } from '../harness/lab.js';
import { type Group, type Observation, type Patch, type Refusal, table, type Undo } from '../harness/model.js';
import type { Area } from '../harness/run.js';

const requirements = [
  ...table('config-linux.md', [
    [
      'devices.default',
      'MUST',
      'default-devices',
      'null, zero, full, random, urandom, tty and ptmx are in /dev, whatever the configuration says',
    ],
    ['devices.console', 'MUST', 'default-devices', 'with terminal the pseudoterminal is bind mounted to /dev/console'],
    ['devices.made', 'MUST', 'devices', 'each device of devices is there, with its type and numbers'],
    ['devices.mode', 'MUST', 'devices', 'a device has fileMode, uid and gid'],
    ['devices.existing', 'MUST', 'devices', 'a file that is at path and is another thing is an error'],
    ['devices.values', 'MUST', 'devices', 'a type that does not exist, or numbers that are missing, are an error'],
    ['masked.hidden', 'MUST', 'masked-paths', 'what is at a masked path cannot be read'],
    ['masked.missing', 'MUST', 'masked-paths', 'a masked path that is not there is no error'],
    ['masked.absolute', 'MUST', 'masked-paths', 'masked paths are absolute'],
    ['readonly.paths', 'MUST', 'readonly-paths', 'what is at a read-only path cannot be changed, and can be read'],
    ['readonly.absolute', 'MUST', 'readonly-paths', 'read-only paths are absolute'],
    [
      'propagation.rootfs',
      'MUST',
      'rootfs-mount-propagation',
      'the root mount has the propagation type of rootfsPropagation',
    ],
    ['propagation.values', 'MUST', 'rootfs-mount-propagation', 'a propagation type that does not exist is an error'],
    ['sysctl.set', 'MUST', 'sysctl', 'kernel parameters have the values of sysctl in the container'],
    ['sysctl.host', 'MUST NOT', 'sysctl', 'parameters of the host are not changed by a container that has its own'],
    ['sysctl.unknown', 'MUST', 'sysctl', 'a parameter that cannot be set is an error'],
    ['personality.domain', 'MUST', 'personality', 'the execution domain is that of personality'],
    ['personality.values', 'MUST', 'personality', 'a domain or flag that does not exist is an error'],
    ['memory-policy.mode', 'MUST', 'memory-policy', 'mode and nodes of the memory policy are those of memoryPolicy'],
    ['memory-policy.values', 'MUST', 'memory-policy', 'a mode, flag or list of nodes that does not exist is an error'],
    [
      'net-devices.moved',
      'MUST',
      'network-devices',
      "each device of netDevices is moved to the container's network namespace, up, with its addresses and attributes",
    ],
    ['net-devices.named', 'MUST', 'network-devices', 'a device gets the name that the configuration says'],
    ['net-devices.template', 'MUST', 'network-devices', 'of a name that ends in %d the kernel makes one that is free'],
    ['net-devices.taken', 'MUST', 'network-devices', 'a name that is taken in the network namespace is an error'],
    ['net-devices.missing', 'MUST', 'network-devices', 'a device that is not there is an error'],
    ['rdt.mounted', 'MUST', 'intelrdt', 'intelRdt without a mounted resctrl file system is an error'],
    [
      ...([
        'rdt.tasks',
        'MUST',
        'intelrdt',
        'with intelRdt the process is in the tasks file of its class, whose schemata are written',
      ] as const),
      'needs a processor with Intel RDT; no virtual machine has it',
    ],
    [
      ...(['label.mount', 'MUST', 'mount-label', 'mountLabel is the SELinux context of the mounts'] as const),
      'needs a host with an SELinux policy',
    ],
  ]),
  ...table('runtime-linux.md', [
    ['descriptors.only', 'MUST', 'file-descriptors', 'only standard input, output and error are open in the program'],
    [
      'links.dev',
      'MUST',
      'dev-symbolic-links',
      '/dev/fd, /dev/stdin, /dev/stdout and /dev/stderr are links into /proc/self/fd',
    ],
  ]),
];

const DEFAULT_DEVICES = {
  null: [1, 3],
  zero: [1, 5],
  full: [1, 7],
  random: [1, 8],
  urandom: [1, 9],
  tty: [5, 0],
} as const;

/** What a byte in and out does: the device works, and is not only there. */
const BEHAVIOUR: readonly (readonly [id: string, ask: string, want: { [name: string]: number | string }])[] = [
  ['null.read', 'io|/dev/null|r', { ok: 0 }],
  ['null.write', 'io|/dev/null|w', { ok: 1 }],
  ['zero.read', 'io|/dev/zero|r', { ok: 1, byte: 0 }],
  ['full.write', 'io|/dev/full|w', { errno: 'ENOSPC' }],
  ['full.read', 'io|/dev/full|r', { ok: 1, byte: 0 }],
  ['random.read', 'io|/dev/urandom|r', { ok: 1 }],
  ['ptmx.open', 'io|/dev/ptmx|w', { ok: 1 }],
];

const LINKS = { fd: '/proc/self/fd', stdin: '/proc/self/fd/0', stdout: '/proc/self/fd/1', stderr: '/proc/self/fd/2' };

const usual: Group = {
  name: 'devices that are always there',
  observations: [
    ...Object.entries(DEFAULT_DEVICES).map(
      ([name, [major, minor]]): Observation => ({
        ...{ id: `devices.default.${name}`, requirement: 'devices.default', ask: `stat|/dev/${name}` },
        want: { type: 'c', major, minor },
      }),
    ),
    ...Object.keys(DEFAULT_DEVICES).map(
      (name): Observation => ({
        ...{ id: `devices.default.${name}.mode`, requirement: 'devices.default', ask: `stat|/dev/${name}` },
        check: ({ answer }) => same(Number(answer['mode']) & 0o666, 0o666, 'who may read and write'),
      }),
    ),
    ...BEHAVIOUR.map(
      ([id, ask, want]): Observation => ({ id: `devices.default.${id}`, requirement: 'devices.default', ask, want }),
    ),
    {
      id: 'devices.default.ptmx',
      requirement: 'devices.default',
      ask: 'follow|/dev/ptmx',
      want: { type: 'c', major: 5, minor: 2 },
    },
    {
      ...{
        id: 'devices.default.ptmx-own',
        requirement: 'devices.default',
        ask: ['follow|/dev/ptmx', 'stat|/dev/pts/ptmx'],
      },
      check: ({ answers }) => same(answers[0]?.['dev'], answers[1]?.['dev'], 'the file system of /dev/ptmx'),
    },
    ...Object.entries(LINKS).map(
      ([name, target]): Observation => ({
        ...{ id: `links.${name}`, requirement: 'links.dev', ask: `link|/dev/${name}`, want: { target } },
      }),
    ),
    {
      ...{
        id: 'devices.no-console',
        requirement: 'devices.console',
        ask: 'stat|/dev/console',
        want: { errno: 'ENOENT' },
      },
    },
    {
      ...{ id: 'descriptors.only', requirement: 'descriptors.only', ask: 'fds' },
      check: ({ answer }) => same(listOf(answer, 'open'), [0, 1, 2], 'open descriptors'),
    },
  ],
};

const DEVICES: readonly {
  id: string;
  path: string;
  type: string;
  major?: number;
  minor?: number;
  fileMode: number;
  uid: number;
  gid: number;
}[] = [
  { id: 'char', path: '/dev/made-c', type: 'c', major: 10, minor: 229, fileMode: 0o640, uid: 11, gid: 12 },
  { id: 'block', path: '/dev/made-b', type: 'b', major: 8, minor: 17, fileMode: 0o606, uid: 13, gid: 14 },
  { id: 'unbuffered', path: '/dev/made-u', type: 'u', major: 10, minor: 200, fileMode: 0o600, uid: 0, gid: 0 },
  { id: 'fifo', path: '/dev/made-p', type: 'p', fileMode: 0o622, uid: 15, gid: 16 },
  { id: 'elsewhere', path: '/work/made', type: 'c', major: 1, minor: 5, fileMode: 0o666, uid: 17, gid: 18 },
];

const made: Group = {
  name: 'devices',
  observations: DEVICES.flatMap(({ id, ...device }, index): Observation[] => {
    const { path, type, major = 0, minor = 0, fileMode, uid, gid } = device;
    const common = { ask: `stat|${path}`, patch: { [`/linux/devices/${index}`]: device } };
    return [
      {
        id: `devices.${id}`,
        requirement: 'devices.made',
        ...common,
        want: { type: type === 'u' ? 'c' : type, major, minor },
      },
      { id: `devices.${id}.mode`, requirement: 'devices.mode', ...common, want: { mode: fileMode } },
      { id: `devices.${id}.owner`, requirement: 'devices.mode', ...common, want: { uid, gid } },
    ];
  }),
};

/** Where a runtime cannot simply make them; and with a path that no host has. */
const inUserNamespace: Group = {
  name: 'devices in a user namespace',
  needs: ['namespace:user'],
  patch: {
    '/linux/namespaces/-': { type: 'user' },
    '/linux/uidMappings': [{ containerID: 0, hostID: 100000, size: 1000 }],
    '/linux/gidMappings': [{ containerID: 0, hostID: 100000, size: 1000 }],
  },
  observations: [
    {
      ...{ id: 'devices.user-namespace.null', requirement: 'devices.default', ask: 'io|/dev/null|w', want: { ok: 1 } },
    },
    {
      ...{ id: 'devices.user-namespace', requirement: 'devices.made', ask: 'io|/dev/made-user|r', want: { ok: 1 } },
      patch: { '/linux/devices/0': { path: '/dev/made-user', type: 'c', major: 1, minor: 5, fileMode: 0o666 } },
    },
  ],
};

const device = (id: string, requirement: string, entry: object): Refusal => ({
  ...{ id: `devices.refuses.${id}`, requirement, patch: { '/linux/devices/-': entry } },
});

const badDevices: Group = {
  name: 'refused devices',
  prepare: ({ rootfs }) => {
    writeFileSync(`${rootfs}/work/taken`, 'a file\n');
    return undefined;
  },
  refusals: [
    device('existing-file', 'devices.existing', { path: '/work/taken', type: 'c', major: 1, minor: 3 }),
    device('existing-directory', 'devices.existing', { path: '/data', type: 'c', major: 1, minor: 3 }),
    device('type-unknown', 'devices.values', { path: '/dev/bad', type: 'x', major: 1, minor: 3 }),
    device('type-missing', 'devices.values', { path: '/dev/bad', major: 1, minor: 3 }),
    device('numbers-missing', 'devices.values', { path: '/dev/bad', type: 'c' }),
    device('path-missing', 'devices.values', { type: 'c', major: 1, minor: 3 }),
  ],
};

const paths: Group = {
  name: 'masked and read-only paths',
  patch: {
    '/linux/maskedPaths': ['/data/file', '/data/dir', '/no/such/path', '/proc/kcore', '/sys/kernel'],
    '/linux/readonlyPaths': ['/plain', '/proc/sys', '/work/file', '/no/such/other'],
  },
  prepare: ({ rootfs }) => {
    writeFileSync(`${rootfs}/work/file`, 'readable\n');
    mkdirSync(`${rootfs}/plain/below`);
    return undefined;
  },
  observations: [
    { id: 'masked.file', requirement: 'masked.hidden', ask: 'text|/data/file', want: { text: '' } },
    {
      id: 'masked.file-write',
      requirement: 'masked.hidden',
      ask: ['write|/data/file|seen', 'text|/data/file'],
      check: ({ answers }) => same(answers[1]?.['text'], '', 'the content after a write'),
    },
    { id: 'masked.directory', requirement: 'masked.hidden', ask: 'list|/data/dir', want: { names: [] } },
    {
      id: 'masked.directory-file',
      requirement: 'masked.hidden',
      ask: 'text|/data/dir/file',
      want: { errno: 'ENOENT' },
    },
    {
      id: 'masked.directory-write',
      requirement: 'masked.hidden',
      ask: 'make|/data/dir/new|644',
      check: ({ answer }) => must(answer['errno'] !== undefined, 'a file can be made in a masked directory'),
    },
    {
      id: 'masked.proc-file',
      requirement: 'masked.hidden',
      ask: 'stat|/proc/kcore',
      check: ({ answer }) => must(Number(answer['size']) < 4096, 'kcore is not masked'),
      needs: ['path:/proc/kcore'],
    },
    { id: 'masked.sys-directory', requirement: 'masked.hidden', ask: 'list|/sys/kernel', want: { names: [] } },
    { id: 'masked.missing', requirement: 'masked.missing', ask: 'stat|/no/such/path', want: { errno: 'ENOENT' } },
    {
      id: 'readonly.directory',
      requirement: 'readonly.paths',
      ask: 'make|/plain/new|644',
      check: ({ answer }) => refusedWith(answer, ['EROFS'], 'a new file'),
    },
    {
      id: 'readonly.directory-below',
      requirement: 'readonly.paths',
      ask: 'make|/plain/below/new|644',
      check: ({ answer }) => refusedWith(answer, ['EROFS'], 'a new file below'),
    },
    {
      id: 'readonly.directory-file',
      requirement: 'readonly.paths',
      ask: 'write|/plain/file|x',
      check: ({ answer }) => refusedWith(answer, ['EROFS'], 'a write'),
    },
    {
      id: 'readonly.directory-read',
      requirement: 'readonly.paths',
      ask: 'text|/plain/file',
      want: { text: 'plain/file\n' },
    },
    {
      id: 'readonly.file',
      requirement: 'readonly.paths',
      ask: 'write|/work/file|x',
      check: ({ answer }) => refusedWith(answer, ['EROFS'], 'a write'),
    },
    { id: 'readonly.file-read', requirement: 'readonly.paths', ask: 'text|/work/file', want: { text: 'readable\n' } },
    {
      id: 'readonly.proc-sys',
      requirement: 'readonly.paths',
      ask: 'write|/proc/sys/kernel/domainname|x',
      check: ({ answer }) => refusedWith(answer, ['EROFS'], 'a write to /proc/sys'),
    },
    { id: 'readonly.beside', requirement: 'readonly.paths', ask: 'make|/work/other|644', want: { type: 'file' } },
  ],
  refusals: [
    { id: 'masked.refuses.relative', requirement: 'masked.absolute', patch: { '/linux/maskedPaths': ['data/file'] } },
    {
      id: 'readonly.refuses.relative',
      requirement: 'readonly.absolute',
      patch: { '/linux/readonlyPaths': ['data/file'] },
    },
  ],
};

const PROPAGATION: { readonly [type: string]: (fields: readonly string[]) => boolean } = {
  shared: (fields) => fields.some((field) => field.startsWith('shared:')),
  slave: (fields) => !fields.some((field) => field.startsWith('shared:')) && !fields.includes('unbindable'),
  private: (fields) => fields.length === 0,
  unbindable: (fields) => fields.includes('unbindable'),
};

const propagation: readonly Group[] = Object.entries(PROPAGATION).map(([type, matches]) => ({
  name: `rootfsPropagation ${type}`,
  patch: { '/linux/rootfsPropagation': type },
  observations: [
    {
      ...{ id: `propagation.${type}`, requirement: 'propagation.rootfs', ask: MOUNTINFO },
      check: ({ answer }) => {
        const fields = mountAt(answer, '/').propagation;
        must(matches(fields), `/ has the propagation fields [${fields.join(' ')}]`);
      },
    },
  ],
}));

/** A new network namespace begins with the host's value. */
const FORWARD = readText('/proc/sys/net/ipv4/ip_forward').trim() === '1' ? '0' : '1';

const SYSCTL = {
  'net.ipv4.ip_forward': FORWARD,
  'net.core.somaxconn': '321',
  'kernel.shm_rmid_forced': '1',
  'kernel.msgmax': '16384',
  'fs.mqueue.msg_max': '17',
};
const fileOf = (name: string): string => `/proc/sys/${name.replaceAll('.', '/')}`;

const sysctl: Group = {
  name: 'sysctl',
  observations: [
    ...Object.entries(SYSCTL).map(
      ([name, value]): Observation => ({
        ...{
          id: `sysctl.${name}`,
          requirement: 'sysctl.set',
          ask: `text|${fileOf(name)}`,
          needs: [`path:${fileOf(name)}`],
        },
        patch: { [`/linux/sysctl/${name}`]: value },
        check: ({ answer }) => same(textOf(answer).trim(), value, name),
      }),
    ),
  ],
  refusals: [
    {
      id: 'sysctl.refuses.unknown',
      requirement: 'sysctl.unknown',
      patch: { '/linux/sysctl': { 'net.no_such_parameter': '1' } },
    },
    {
      id: 'sysctl.refuses.value',
      requirement: 'sysctl.unknown',
      patch: { '/linux/sysctl': { 'kernel.shm_rmid_forced': 'nonsense' } },
    },
    { id: 'sysctl.refuses.global', requirement: 'sysctl.host', patch: { '/linux/sysctl': { 'vm.swappiness': '17' } } },
  ],
};

const personality: readonly Group[] = [
  ...Object.entries({ LINUX32: [8, 'i686'], LINUX: [0, 'x86_64'] }).map(
    ([domain, [number, machine]]): Group => ({
      name: `personality ${domain}`,
      patch: { '/linux/personality': { domain } },
      observations: [
        {
          id: `personality.${domain}`,
          requirement: 'personality.domain',
          ask: 'sched',
          want: { personality: Number(number) },
        },
        ...(process.arch === 'x64'
          ? [
              {
                id: `personality.${domain}.machine`,
                requirement: 'personality.domain',
                needs: domain === 'LINUX32' ? ['machine-of:linux32'] : [],
                ask: 'self',
                want: { machine: String(machine) },
              },
            ]
          : []),
      ],
    }),
  ),
];

const policy = (mode: string, more: object = {}): Patch => ({ '/linux/memoryPolicy': { mode, ...more } });

/** set_mempolicy(2) */
const memory: readonly Group[] = Object.entries({
  MPOL_BIND: 2,
  MPOL_INTERLEAVE: 3,
  MPOL_PREFERRED: 1,
  MPOL_LOCAL: 4,
}).map(([mode, number]) => ({
  name: mode,
  needs: ['path:/proc/self/numa_maps'],
  patch: policy(mode, mode === 'MPOL_LOCAL' ? {} : { nodes: '0' }),
  observations: [
    {
      id: `memory-policy.${mode}`,
      requirement: 'memory-policy.mode',
      ask: 'mempolicy',
      want: { mode: number, nodes: mode === 'MPOL_LOCAL' ? 0 : 1 },
    },
  ],
}));

const bad = (id: string, requirement: string, patch: Patch): Refusal => ({ id, requirement, patch });

const values: Group = {
  name: 'values of linux',
  refusals: [
    bad('propagation.refuses.unknown', 'propagation.values', { '/linux/rootfsPropagation': 'sideways' }),
    bad('personality.refuses.domain', 'personality.values', { '/linux/personality': { domain: 'SOLARIS' } }),
    bad('personality.refuses.flag', 'personality.values', {
      '/linux/personality': { domain: 'LINUX', flags: ['NO_SUCH_FLAG'] },
    }),
    bad('memory-policy.refuses.mode', 'memory-policy.values', policy('MPOL_NOTHING')),
    bad(
      'memory-policy.refuses.flag',
      'memory-policy.values',
      policy('MPOL_BIND', { nodes: '0', flags: ['MPOL_F_NOTHING'] }),
    ),
    bad('memory-policy.refuses.nodes', 'memory-policy.values', policy('MPOL_BIND', { nodes: 'zero' })),
    bad('memory-policy.refuses.no-nodes', 'memory-policy.values', policy('MPOL_BIND')),
    {
      ...bad('rdt.refuses', 'rdt.mounted', { '/linux/intelRdt': { closID: 'conformance' } }),
      needs: ['no-path:/sys/fs/resctrl/schemata'],
    },
    bad('net-devices.refuses.missing', 'net-devices.missing', { '/linux/netDevices': { conform99: {} } }),
  ],
};

const ip = (...args: readonly string[]): void => void execFileSync('ip', args, { stdio: 'pipe' });

/** A pair of devices; without an owner the kernel removes virtual ones with their namespace. */
function makePair(first: string, second: string): Undo {
  ip('link', 'add', first, 'type', 'veth', 'peer', 'name', second);
  return () => {
    for (const name of [first, second]) tolerate(() => ip('link', 'del', name));
  };
}

const NEEDS_NET = ['command:ip', 'capability:CAP_NET_ADMIN'];
const HARDWARE_ADDRESS = '02:00:5e:10:00:17';

const net: Group = {
  name: 'netDevices',
  needs: NEEDS_NET,
  patch: { '/linux/netDevices': { conform0: {}, conform1: { name: 'inside1' } } },
  prepare: () => {
    const undo = makePair('conform0', 'conform1');
    ip('link', 'set', 'conform0', 'mtu', '1321', 'address', HARDWARE_ADDRESS);
    for (const [index, name] of ['conform0', 'conform1'].entries()) {
      ip('addr', 'add', `10.99.${index}.1/24`, 'dev', name);
    }
    return undo;
  },
  observations: [
    {
      id: 'net-devices.moved',
      requirement: 'net-devices.moved',
      ask: 'net',
      check: ({ answer }) => interfaceIs(answer['interfaces'], 'conform0', { up: 1 }),
    },
    {
      id: 'net-devices.address',
      requirement: 'net-devices.moved',
      ask: 'net',
      check: ({ answer }) => interfaceIs(answer['interfaces'], 'conform0', { address: '10.99.0.1' }),
    },
    {
      id: 'net-devices.named',
      requirement: 'net-devices.named',
      ask: 'net',
      check: ({ answer }) => interfaceIs(answer['interfaces'], 'inside1', { up: 1 }),
    },
    {
      id: 'net-devices.named-address',
      requirement: 'net-devices.moved',
      ask: 'net',
      check: ({ answer }) => interfaceIs(answer['interfaces'], 'inside1', { address: '10.99.1.1' }),
    },
    ...Object.entries({ mtu: '1321', address: HARDWARE_ADDRESS }).map(
      ([attribute, value]): Observation => ({
        ...{ id: `net-devices.attribute.${attribute}`, requirement: 'net-devices.moved' },
        ...{ ask: `text|/sys/class/net/conform0/${attribute}`, want: { text: `${value}\n` } },
      }),
    ),
  ],
};

const template: Group = {
  name: 'netDevices with a template',
  needs: NEEDS_NET,
  patch: { '/linux/netDevices': { conform2: { name: 'free%d' }, conform3: { name: 'free%d' } } },
  prepare: () => makePair('conform2', 'conform3'),
  observations: ['free0', 'free1'].map((name) => ({
    ...{ id: `net-devices.template.${name}`, requirement: 'net-devices.template', ask: 'net' },
    check: ({ answer }) => interfaceIs(answer['interfaces'], name, { up: 1 }),
  })),
};

const takenName: Group = {
  name: 'netDevices with a name that is taken',
  needs: NEEDS_NET,
  prepare: () => makePair('conform4', 'conform5'),
  refusals: [
    bad('net-devices.refuses.name-taken', 'net-devices.taken', { '/linux/netDevices': { conform4: { name: 'lo' } } }),
  ],
};

function tolerate(step: () => void): void {
  try {
    step();
  } catch {
    // it is gone already, which is what is wanted
  }
}

function interfaceIs(all: unknown, name: string, wanted: { readonly [field: string]: unknown }): void {
  const rows = (all as { name: string; [field: string]: unknown }[]).filter((row) => row.name === name);
  must(rows.length > 0, `there is no ${name}: ${JSON.stringify(all)}`);
  for (const [field, value] of Object.entries(wanted))
    must(
      rows.some((row) => row[field] === value),
      `${name} has no ${field} ${value}: ${JSON.stringify(rows)}`,
    );
}

export const linuxArea: Area = {
  name: 'linux',
  requirements,
  groups: [
    usual,
    made,
    inUserNamespace,
    badDevices,
    paths,
    ...propagation,
    sysctl,
    ...personality,
    ...memory,
    values,
    net,
    template,
    takenName,
  ],
};

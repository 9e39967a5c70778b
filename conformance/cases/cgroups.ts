/** config-linux.md, "Control groups": path, limits as the kernel has them afterwards, device rules, unified. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { cgroupOf, controllerDirectory, findCgroups, isUnified, readLimit } from '../harness/cgroup.js';
import { must, same } from '../harness/check.js';
import { type Lab, succeeded } from '../harness/lab.js';
import {
  type Group,
  type Observation,
  type Patch,
  type Refusal,
  type Script,
  Skipped,
  table,
} from '../harness/model.js';
import type { Area } from '../harness/run.js';

const requirements = table('config-linux.md', [
  ['cgroups.path', 'MUST', 'cgroups-path', 'an absolute cgroupsPath is taken from the mount point of the cgroups'],
  ['cgroups.consistent', 'MUST', 'cgroups-path', 'the same cgroupsPath is the same place each time'],
  ['cgroups.removed', 'MUST', 'cgroups-path', 'a cgroup that create made is gone after delete'],
  ['cgroups.kept', 'MUST NOT', 'cgroups-path', 'a cgroup that was there before is not removed by delete'],
  [
    'cgroups.owner',
    'SHOULD NOT',
    'cgroup-ownership',
    'without a new cgroup namespace and a writable cgroup mount the owner of the cgroup is not changed',
  ],
  ['limits.memory', 'MUST', 'memory', "limits, swappiness and disableOOMKiller of memory are the cgroup's"],
  ['limits.cpu', 'MUST', 'cpu', "shares, quota, burst, period, cpus, mems and idle of cpu are the cgroup's"],
  ['limits.pids', 'MUST', 'pids', "pids.limit is the cgroup's"],
  ['limits.hugetlb', 'MUST', 'huge-page-limits', "hugepageLimits are the cgroup's, for reservations too"],
  [
    'limits.block-io',
    'MUST',
    'block-io',
    "rates of blockIO are the cgroup's; those that cannot be applied are an error",
  ],
  ['limits.device-rules', 'MUST', 'allowed-device-list', 'device rules are applied in the listed order'],
  ['limits.values', 'MUST', 'control-groups', 'a limit that cannot be applied is an error'],
  ['unified.written', 'MUST', 'unified', 'each entry of unified is written to the file that it names'],
  ['unified.missing', 'MUST', 'unified', 'an entry of unified whose controller is not there is an error'],
  ['cgroups.mount', 'MUST', 'control-groups', 'a mount of type cgroup shows the cgroups of the container'],
  [
    ...([
      'limits.check-before-update',
      'MUST',
      'memory',
      'with checkBeforeUpdate a limit below the use is rejected',
    ] as const),
    'update is no operation of the specification',
  ],
  [
    ...(['limits.rdma', 'MUST', 'rdma', "hcaHandles and hcaObjects of a device are the cgroup's"] as const),
    'needs a machine with an RDMA device',
  ],
  [
    ...(['limits.network', 'MUST', 'network', "classID and priorities are the cgroup's"] as const),
    'needs the controllers net_cls and net_prio of cgroup v1',
  ],
  [
    ...([
      'cgroups.owner-changed',
      'SHOULD',
      'cgroup-ownership',
      'with a writable cgroup mount and a new cgroup namespace the owner is the user of the process',
    ] as const),
    'a runtime may leave the owner alone altogether',
  ],
]);

/** [resources, controller, file and value of cgroup2, file and value of v1] */
type Limit = readonly [Patch, string, { v2: string; v1: string }, v2: string, v1: string];
const R = '/linux/resources';
const MB = 1024 * 1024;

const LIMITS: { readonly [id: string]: Limit } = {
  'memory.limit': [
    { [`${R}/memory/limit`]: 64 * MB },
    'memory',
    { v2: 'memory.max', v1: 'memory.limit_in_bytes' },
    '67108864',
    '67108864',
  ],
  'memory.reservation': [
    { [`${R}/memory/reservation`]: 32 * MB },
    'memory',
    { v2: 'memory.low', v1: 'memory.soft_limit_in_bytes' },
    '33554432',
    '33554432',
  ],
  'memory.unlimited': [
    { [`${R}/memory/limit`]: -1 },
    'memory',
    { v2: 'memory.max', v1: 'memory.limit_in_bytes' },
    'max',
    '9223372036854771712',
  ],
  'pids.limit': [{ [`${R}/pids/limit`]: 57 }, 'pids', { v2: 'pids.max', v1: 'pids.max' }, '57', '57'],
  'pids.unlimited': [{ [`${R}/pids/limit`]: -1 }, 'pids', { v2: 'pids.max', v1: 'pids.max' }, 'max', 'max'],
  'cpu.quota': [
    { [`${R}/cpu/quota`]: 30000, [`${R}/cpu/period`]: 60000 },
    'cpu',
    { v2: 'cpu.max', v1: 'cpu.cfs_quota_us' },
    '30000 60000',
    '30000',
  ],
  'cpu.period': [
    { [`${R}/cpu/quota`]: 30000, [`${R}/cpu/period`]: 50000 },
    'cpu',
    { v2: 'cpu.max', v1: 'cpu.cfs_period_us' },
    '30000 50000',
    '50000',
  ],
  'cpu.burst': [
    { [`${R}/cpu/quota`]: 30000, [`${R}/cpu/period`]: 60000, [`${R}/cpu/burst`]: 20000 },
    'cpu',
    { v2: 'cpu.max.burst', v1: 'cpu.cfs_burst_us' },
    '20000',
    '20000',
  ],
  'cpu.idle': [{ [`${R}/cpu/idle`]: 1 }, 'cpu', { v2: 'cpu.idle', v1: 'cpu.idle' }, '1', '1'],
  'cpu.cpus': [{ [`${R}/cpu/cpus`]: '0' }, 'cpuset', { v2: 'cpuset.cpus', v1: 'cpuset.cpus' }, '0', '0'],
  'cpu.mems': [
    { [`${R}/cpu/cpus`]: '0', [`${R}/cpu/mems`]: '0' },
    'cpuset',
    { v2: 'cpuset.mems', v1: 'cpuset.mems' },
    '0',
    '0',
  ],
  'hugetlb.2MB': [
    { [`${R}/hugepageLimits/-`]: { pageSize: '2MB', limit: 4 * MB } },
    'hugetlb',
    { v2: 'hugetlb.2MB.max', v1: 'hugetlb.2MB.limit_in_bytes' },
    '4194304',
    '4194304',
  ],
  'hugetlb.2MB.reserved': [
    { [`${R}/hugepageLimits/-`]: { pageSize: '2MB', limit: 4 * MB } },
    'hugetlb',
    { v2: 'hugetlb.2MB.rsvd.max', v1: 'hugetlb.2MB.rsvd.limit_in_bytes' },
    '4194304',
    '4194304',
  ],
};

const requirementOf = (id: string): string => `limits.${id.split('.')[0]}`;

/** What cgroup2 has not: property, value, file, and a line of it. */
const OF_V1: { readonly [id: string]: readonly [member: string, value: unknown, file: string, line: string] } = {
  swappiness: ['swappiness', 17, 'memory.swappiness', '17'],
  'oom-killer': ['disableOOMKiller', true, 'memory.oom_control', 'oom_kill_disable 1'],
};

/** The numbers of a whole disk; of one that has no driver's queue the kernel refuses a rate. */
function blockDevice(): readonly number[] {
  const names = readdirSync('/sys/block').filter((name) => !/^(loop|ram|zram)/.test(name));
  const [name] = names;
  if (name === undefined) throw new Skipped('no disk in /sys/block');
  return readFileSync(`/sys/block/${name}/dev`, 'utf8').split(':').map(Number);
}

const limitScripts: readonly Script<Lab>[] = [
  ...Object.entries(LIMITS).map(
    ([id, [patch, controller, file, v2, v1]]): Script<Lab> => ({
      ...{ id: `limits.${id}`, requirement: requirementOf(id), needs: [`controller:${controller}`] },
      run: async (lab) => {
        await lab.running([], patch);
        same(
          readLimit(lab.pid, controller, file),
          isUnified(controller) ? v2 : v1,
          isUnified(controller) ? file.v2 : file.v1,
        );
      },
    }),
  ),
  {
    ...{ id: 'limits.memory.swap', requirement: 'limits.memory', needs: ['controller:memory'] },
    run: async (lab) => {
      const file = { v2: 'memory.swap.max', v1: 'memory.memsw.limit_in_bytes' };
      await lab.running([], { [`${R}/memory`]: { limit: 64 * MB, swap: 96 * MB } });
      // On v1 the number is memory and swap together.
      same(readLimit(lab.pid, 'memory', file), isUnified('memory') ? '33554432' : '100663296', 'the limit of swap');
    },
  },
  ...Object.entries(OF_V1).map(
    ([id, [member, value, file, line]]): Script<Lab> => ({
      ...{ id: `limits.memory.${id}`, requirement: 'limits.memory', needs: ['controller:memory'] },
      run: async (lab) => {
        if (isUnified('memory')) throw new Skipped(`${file} is a file of cgroup v1`);
        await lab.running([], { [`${R}/memory/${member}`]: value });
        const lines = readLimit(lab.pid, 'memory', { v2: file, v1: file }).split('\n');
        must(lines.includes(line), `${file} has ${lines.join(', ')}`);
      },
    }),
  ),
  {
    ...{ id: 'limits.block-io.rate', requirement: 'limits.block-io', needs: ['block-io:'] },
    run: async (lab) => {
      const [major, minor] = blockDevice();
      const file = { v2: 'io.max', v1: 'blkio.throttle.read_bps_device' };
      const controller = isUnified('io') ? 'io' : 'blkio';
      await lab.running([], { [`${R}/blockIO/throttleReadBpsDevice`]: [{ major, minor, rate: MB }] });
      const text = readLimit(lab.pid, controller, file);
      must(new RegExp(`^${major}:${minor} (rbps=)?${MB}\\b`, 'm').test(text), `the file of rates has ${text}`);
    },
  },
  {
    ...{ id: 'limits.cpu.shares', requirement: 'limits.cpu', needs: ['controller:cpu'] },
    run: async (lab) => {
      await lab.running([], { [`${R}/cpu/shares`]: 4096 });
      const value = Number(readLimit(lab.pid, 'cpu', { v2: 'cpu.weight', v1: 'cpu.shares' }));
      // cpu.weight has another scale, and the specification does not say which number it is.
      must(isUnified('cpu') ? value > 100 : value === 4096, `the weight is ${value}`);
    },
  },
  {
    ...{ id: 'limits.pids.holds', requirement: 'limits.pids', needs: ['controller:pids'] },
    run: async (lab) => {
      await lab.created(['try|39', 'exit|0'], { [`${R}/pids/limit`]: 1 });
      succeeded(await lab.start(), 'start');
      same((await lab.answered())[0]?.['errno'], 'EAGAIN', 'a second process');
    },
  },
];

const ABSOLUTE = '/{id}/container';

async function attached(lab: Lab, path: string): Promise<string> {
  lab.undo(() => removeCgroups(lab.id));
  await lab.running([], { '/linux/cgroupsPath': path, [`${R}/pids/limit`]: 100 });
  return cgroupOf(lab.pid, 'pids');
}

/** The parents of a cgroup, which some runtimes leave: the case cgroups.removed.parents says so. */
function removeCgroups(name: string): void {
  for (const path of [...findCgroups(`${name}/container`), ...findCgroups(name)]) rmdirSync(path);
}

async function finish(lab: Lab): Promise<void> {
  succeeded(await lab.kill('KILL'), 'kill');
  await lab.ended();
  succeeded(await lab.delete(), 'delete');
}

const pathScripts: readonly Script<Lab>[] = [
  {
    ...{ id: 'cgroups.path.absolute', requirement: 'cgroups.path', needs: ['controller:pids'] },
    run: async (lab) => {
      const cgroup = await attached(lab, ABSOLUTE);
      must(cgroup.endsWith(`/${lab.id}/container`), `the cgroup is ${cgroup}`);
      must(existsSync(join(controllerDirectory('pids') ?? '', lab.id, 'container')), 'it is not below the mount point');
    },
  },
  ...Object.entries({ absolute: ABSOLUTE, relative: '{id}/container' }).map(
    ([how, path]): Script<Lab> => ({
      ...{ id: `cgroups.consistent.${how}`, requirement: 'cgroups.consistent', needs: ['controller:pids'] },
      run: async (lab) => {
        const first = await attached(lab, path);
        must(first.includes(lab.id), `the cgroup is ${first}, which has nothing of ${path}`);
        await finish(lab);
        same(await attached(lab, path), first, 'the cgroup of the second container');
      },
    }),
  ),
  {
    ...{ id: 'cgroups.removed', requirement: 'cgroups.removed', needs: ['controller:pids'] },
    run: async (lab) => {
      await attached(lab, ABSOLUTE);
      must(findCgroups(`${lab.id}/container`).length > 0, 'there is no cgroup');
      await finish(lab);
      same(findCgroups(`${lab.id}/container`), [], 'cgroups that are left');
    },
  },
  {
    ...{ id: 'cgroups.removed.parents', requirement: 'cgroups.removed', needs: ['controller:pids'] },
    run: async (lab) => {
      await attached(lab, ABSOLUTE);
      await finish(lab);
      same(findCgroups(lab.id), [], 'parents that create made');
    },
  },
  {
    ...{ id: 'cgroups.kept', requirement: 'cgroups.kept', needs: ['controller:pids'] },
    run: async (lab) => {
      const ours = join(controllerDirectory('pids') ?? '', lab.id);
      mkdirSync(ours);
      await attached(lab, ABSOLUTE);
      await finish(lab);
      must(existsSync(ours), 'the parent that was there before is gone');
    },
  },
  ...Object.entries({ '': [], '.no-mount': [{ type: 'cgroup' }] }).map(
    ([id, more]): Script<Lab> => ({
      ...{ id: `cgroups.owner${id}`, requirement: 'cgroups.owner', needs: ['controller:pids', 'namespace:user'] },
      run: async (lab) => {
        const map = [{ containerID: 0, hostID: 100000, size: 1000 }];
        const namespaces = ['pid', 'network', 'ipc', 'uts', 'mount', 'user'].map((type) => ({ type }));
        await lab.running([], {
          ...{ '/linux/cgroupsPath': ABSOLUTE, [`${R}/pids/limit`]: 100 },
          ...{ '/linux/namespaces': [...namespaces, ...more], '/linux/uidMappings': map, '/linux/gidMappings': map },
        });
        const directory = join(controllerDirectory('pids') ?? '', cgroupOf(lab.pid, 'pids'));
        same(statSync(directory).uid, 0, 'the owner of the cgroup');
      },
    }),
  ),
  {
    ...{ id: 'cgroups.mount', requirement: 'cgroups.mount', needs: ['controller:pids'] },
    run: async (lab) => {
      const destination = '/sys/fs/cgroup';
      const file = isUnified('pids') ? 'cgroup.procs' : 'pids/cgroup.procs';
      await lab.created([`text|${destination}/${file}`], {
        ...{
          '/mounts/-': { destination, type: 'cgroup', source: 'cgroup', options: ['ro', 'nosuid', 'nodev', 'noexec'] },
        },
        ...{ '/linux/namespaces/-': { type: 'cgroup' }, [`${R}/pids/limit`]: 100 },
      });
      succeeded(await lab.start(), 'start');
      must(
        String((await lab.answered())[0]?.['text'])
          .split('\n')
          .includes('1'),
        'the program is not in the cgroup that it sees',
      );
    },
  },
];

/** Numbers that no driver has: open(2) gives ENXIO where the rules allow it, EPERM where they do not. */
const RULES = [
  { allow: false, access: 'rwm' },
  { allow: true, type: 'c', major: 250, minor: 1, access: 'rwm' },
  { allow: true, type: 'c', major: 250, minor: 2, access: 'r' },
  { allow: true, type: 'c', major: 250, minor: 3, access: 'w' },
  { allow: true, type: 'b', major: 250, access: 'rw' },
];
/** The device cgroup of v1 has no exception within an exception, so this is on its own. */
const EXCEPTIONS = [
  { allow: false, access: 'rwm' },
  { allow: true, type: 'c', major: 251, access: 'rwm' },
  { allow: false, type: 'c', major: 251, minor: 5, access: 'rwm' },
  { allow: true, type: 'c', major: 251, minor: 6, access: 'rw' },
];

/** What is opened: type, numbers, way, and whether it is allowed. */
type Opened = readonly [id: string, type: string, major: number, minor: number, way: string, allowed: boolean];

const OPENED: readonly Opened[] = [
  ['allowed-read', 'c', 250, 1, 'r', true],
  ['allowed-write', 'c', 250, 1, 'w', true],
  ['read-only-read', 'c', 250, 2, 'r', true],
  ['read-only-write', 'c', 250, 2, 'w', false],
  ['write-only-write', 'c', 250, 3, 'w', true],
  ['write-only-read', 'c', 250, 3, 'r', false],
  ['not-listed', 'c', 250, 4, 'r', false],
  ['other-type', 'b', 250, 77, 'r', true],
  ['other-type-else', 'b', 252, 1, 'r', false],
];
const OPENED_EXCEPTIONS: readonly Opened[] = [
  ['wildcard', 'c', 251, 4, 'r', true],
  ['later-denied', 'c', 251, 5, 'r', false],
  ['later-rule-of-another', 'c', 251, 6, 'w', true],
];
const nodeOf = (type: string, major: number, minor: number): string => `/dev/${type}-${major}-${minor}`;

const ruleGroup = (name: string, rules: readonly object[], opened: readonly Opened[]): Group => ({
  name,
  patch: {
    '/linux/resources/devices': rules,
    '/linux/devices': [
      ...new Map(opened.map(([, type, major, minor]) => [nodeOf(type, major, minor), { type, major, minor }])),
    ].map(([path, node]) => ({ path, ...node, fileMode: 0o666 })),
  },
  observations: [
    ...opened.map(
      ([id, type, major, minor, way, allowed]): Observation => ({
        ...{ id: `limits.device-rules.${id}`, requirement: 'limits.device-rules' },
        ask: `io|${nodeOf(type, major, minor)}|${way}`,
        check: ({ answer }) => same(answer['errno'] === 'EPERM', !allowed, `refused: that (${JSON.stringify(answer)})`),
      }),
    ),
    {
      ...{ id: `limits.${name.replaceAll(' ', '-')}.default-devices`, requirement: 'devices.default' },
      ...{ ask: 'io|/dev/zero|r', want: { ok: 1 } },
    },
  ],
});

const bad = (id: string, patch: Patch, needs: readonly string[] = [], requirement = 'limits.values'): Refusal => ({
  ...{ id: `limits.refuses.${id}`, requirement, patch, needs },
});

const values: Group = {
  name: 'refused limits',
  refusals: [
    bad('pids-text', { [`${R}/pids/limit`]: 'many' }),
    bad('memory-text', { [`${R}/memory/limit`]: '64M' }),
    bad('memory-swap-below', { [`${R}/memory`]: { limit: 64 * MB, swap: 32 * MB } }, ['controller:memory']),
    bad('cpus-unknown', { [`${R}/cpu/cpus`]: '4000' }, ['controller:cpuset']),
    bad('cpus-text', { [`${R}/cpu/cpus`]: 'first' }, ['controller:cpuset']),
    bad('cpu-period', { [`${R}/cpu/period`]: 1 }, ['controller:cpu']),
    bad('hugetlb-size', { [`${R}/hugepageLimits/-`]: { pageSize: '3MB', limit: 1 } }, ['controller:hugetlb']),
    bad(
      'block-io-device',
      { [`${R}/blockIO/throttleReadBpsDevice`]: [{ major: 250, minor: 250, rate: 1048576 }] },
      ['block-io:'],
      'limits.block-io',
    ),
    bad('device-access', { [`${R}/devices/-`]: { allow: true, type: 'c', major: 1, minor: 3, access: 'xyz' } }),
    bad('device-type', { [`${R}/devices/-`]: { allow: true, type: 'x', major: 1, minor: 3, access: 'r' } }),
    bad('unified-controller', { [`${R}/unified`]: { 'nothing.max': '1' } }, ['unified:'], 'unified.missing'),
    bad(
      'unified-value',
      { [`${R}/unified`]: { 'hugetlb.2MB.max': 'nonsense' } },
      ['unified:hugetlb'],
      'unified.written',
    ),
  ],
};

const unified: readonly Script<Lab>[] = (
  [
    ['hugetlb', 'hugetlb.2MB.max', '6291456'],
    ['memory', 'memory.high', '50331648'],
    ['pids', 'pids.max', '91'],
    ['cpu', 'cpu.weight', '77'],
    ['', 'cgroup.max.descendants', '13'],
  ] as const
).map(([controller, file, value]) => ({
  ...{ id: `unified.${file}`, requirement: 'unified.written', needs: [`unified:${controller}`] },
  run: async (lab) => {
    await lab.running([], { [`${R}/unified`]: { [file]: value } });
    same(readLimit(lab.pid, controller, { v2: file, v1: file }), value, file);
  },
}));

export const cgroupsArea: Area = {
  name: 'cgroups',
  requirements,
  groups: [
    ruleGroup('device rules', RULES, OPENED),
    ruleGroup('device exceptions', EXCEPTIONS, OPENED_EXCEPTIONS),
    values,
  ],
  scripts: [...pathScripts, ...limitScripts, ...unified],
};

// The systemd cgroup driver: names of units, properties, annotations, what is refused. Whole plans are test/golden/systemd-*.
import t from 'tap';
import { updateUnit } from '../../src/compile/systemd/cgroup.js';
import { limitProperties } from '../../src/compile/systemd/properties.js';
import { expandSlice } from '../../src/compile/systemd/unit.js';
import { SpecError } from '../../src/errors.js';
import { systemdRefusal } from '../../src/exec/systemd.js';
import type { CgroupFacts, HostFacts } from '../../src/host/facts.js';
import { parseDrivers, parseUnixSockets } from '../../src/host/parse.js';
import { probeSystemd } from '../../src/host/systemd.js';
import { CGROUP, type Op } from '../../src/plan/op.gen.js';
import { readProperties } from '../../src/plan/unit-text.js';
import { pointer } from '../../src/util/pointer.js';
import type { TestConfig } from '../helpers/config.js';
import { HYBRID, hostFacts, LEGACY, SYSTEMD, UNIFIED, USER_SYSTEMD } from '../helpers/facts.js';
import { create, exec, ops, refusals } from './compiling.js';

const SCOPE = { systemd: { id: 'c1' } };

function compile(change: TestConfig = {}, facts: Partial<HostFacts> = {}) {
  return create(change, { facts, options: SCOPE });
}

function started(change: TestConfig = {}, facts: Partial<HostFacts> = {}) {
  const [start] = ops(compile(change, facts), 'SYSTEMD_START_UNIT', 'settle');
  if (start === undefined) throw new Error('no unit is started');
  return start;
}

/** "NAME=value" of what systemd is told. */
function properties(change: TestConfig = {}, facts: Partial<HostFacts> = {}): string[] {
  return readProperties(started(change, facts)).map(({ name, value }) => `${name}=${value}`);
}

const limits = (resources: object, facts: Partial<HostFacts> = {}) =>
  properties({ linux: { resources: { devices: [{ allow: true, access: 'rwm' }], ...resources } } }, facts).slice(9);

const write = (file: string, value: string): Op => {
  return { op: 'CGROUP_WRITE', hierarchy: 0, file, value, flags: 0, origin: pointer('linux', 'resources') };
};

t.test('placeUnit makes PREFIX-NAME.scope in its slice, and has defaults for all three', async (t) => {
  const place = (cgroupsPath: string, facts: Partial<HostFacts> = {}) => {
    const { unit, path } = started({ linux: { cgroupsPath } }, facts);
    return `${unit} ${path}`;
  };
  t.equal(place('machine.slice:libpod:0123'), 'libpod-0123.scope /machine.slice/libpod-0123.scope');
  t.equal(place('a-b-c.slice:p:n'), 'p-n.scope /a.slice/a-b.slice/a-b-c.slice/p-n.scope');
  t.equal(place('-.slice:p:n'), 'p-n.scope /p-n.scope');
  t.equal(place('::n'), 'n.scope /system.slice/n.scope');
  t.equal(place(''), 'tsrun-c1.scope /system.slice/tsrun-c1.scope');
  const user = '/user.slice/user-1000.slice/user@1000.service/user.slice/tsrun-c1.scope';
  t.equal(place('', { systemd: USER_SYSTEMD, euid: 1000 }), `tsrun-c1.scope ${user}`);
});

t.test('expandSlice knows the names of slices', async (t) => {
  for (const wrong of ['a', 'a.scope', '-a.slice', 'a-.slice', 'a--b.slice', '.slice', 'a/b.slice', 'a@b.slice'])
    t.equal(expandSlice(wrong), undefined, wrong);
  t.equal(expandSlice('a.slice'), '/a.slice');
});

t.test(
  'placeUnit refuses what is no slice:prefix:name or no unit (SYSTEMD_CGROUPS_PATH, SYSTEMD_UNIT_NAME)',
  async (t) => {
    const refused = (cgroupsPath: string) => refusals(() => compile({ linux: { cgroupsPath } }));
    for (const path of ['/foo/bar', 'a.slice', 'a.slice:b', 'a.slice:b:'])
      t.same(refused(path), ['SYSTEMD_CGROUPS_PATH /linux/cgroupsPath'], path);
    for (const path of ['a:b:c', 'a-.slice:b:c', 'a.slice:b:c+d', `a.slice:b:${'c'.repeat(255)}`, 'a.slice::b.slice'])
      t.same(refused(path), ['SYSTEMD_UNIT_NAME /linux/cgroupsPath'], path);
    const message =
      'expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got "/foo/bar" instead';
    try {
      compile({ linux: { cgroupsPath: '/foo/bar' } });
      t.fail('it is refused');
    } catch (error) {
      t.equal(error instanceof SpecError ? error.issues[0]?.message : error, message, 'in the words of runc');
    }
  },
);

t.test(
  'compileSystemdCgroup refuses a host without systemd, or without its cgroups (SYSTEMD_UNAVAILABLE)',
  async (t) => {
    const refused = (facts: Partial<HostFacts>) => refusals(() => compile({}, facts));
    t.same(refused({ systemd: null }), ['SYSTEMD_UNAVAILABLE --systemd-cgroup']);
    const nameless = LEGACY.v1.filter(({ controllers }) => controllers !== 'name=systemd');
    t.same(refused({ cgroup: { ...LEGACY, v1: nameless } }), ['SYSTEMD_UNAVAILABLE --systemd-cgroup']);
    const foreign = LEGACY.v1.map((one) => ({ ...one, writable: false }));
    t.same(refused({ cgroup: { ...LEGACY, v1: foreign }, euid: 1000 }), ['SYSTEMD_UNAVAILABLE --systemd-cgroup']);
  },
);

t.test('on a host with cgroup v1 the unit has a cgroup in each hierarchy, made or taken over', async (t) => {
  const on = (cgroup: CgroupFacts) => compile({}, { cgroup, systemd: { ...SYSTEMD, controllers: [] } });
  const path = '/system.slice/tsrun-c1.scope';
  const of = (cgroup: CgroupFacts) => {
    const made = ops(on(cgroup), 'CGROUP_CREATE_V1', 'settle');
    t.ok(made.every((op) => op.path === path && (op.flags & CGROUP.ADOPT) !== 0));
    t.equal(ops(on(cgroup), 'CGROUP_JOIN', 'settle').length, made.length);
    t.equal(ops(on(cgroup), 'CGROUP_REMOVE', 'teardown').filter((op) => op.hierarchy !== 0).length, made.length);
    return made.map(({ controllers, flags }) => `${controllers}${(flags & CGROUP.FREEZER) === 0 ? '' : ' freezes'}`);
  };
  t.same(of(HYBRID), HYBRID.v1.map(({ controllers }) => controllers), 'cgroup2 freezes'); // biome-ignore format: one line
  t.match(of(LEGACY), ['cpu,cpuacct', 'cpuset', 'memory', 'devices', 'freezer freezes']);
  t.match(ops(on(HYBRID), 'SYSTEMD_START_UNIT', 'settle'), [{ mount: '/sys/fs/cgroup/unified', path }]);
  t.match(ops(on(HYBRID), 'CGROUP_ADOPT', 'settle'), [{ mount: '/sys/fs/cgroup/unified', path }]);
  t.match(ops(on(LEGACY), 'SYSTEMD_START_UNIT', 'settle'), [{ mount: '/sys/fs/cgroup/systemd', path }]);
  t.same(ops(on(LEGACY), 'CGROUP_ADOPT', 'settle'), []);
  t.same(
    ops(on({ ...HYBRID, mount: '/mnt/cgroup2' }), 'CGROUP_ADOPT', 'settle'),
    [],
    'a cgroup2 that systemd does not use has no cgroup of the unit',
  );
});

t.test('limitProperties has the property for each file of cgroup v1', async (t) => {
  const told = (resources: object) => limits(resources, { cgroup: HYBRID, systemd: { ...SYSTEMD, controllers: [] } });
  t.same(told({ memory: { limit: 100, swap: 300, reservation: 50 } }), ['MemoryLimit=100']);
  t.same(told({ memory: { limit: -1 } }), ['MemoryLimit=infinity']);
  t.same(told({ pids: { limit: 5 } }), ['TasksMax=5']);
  t.same(told({ cpu: { shares: 512 } }), ['CPUShares=512']);
  t.same(told({ cpu: { quota: 25_000, period: 50_000 } }), ['CPUQuotaPerSecUSec=500000', 'CPUQuotaPeriodUSec=50000']);
  t.same(told({ cpu: { quota: -1 } }), ['CPUQuotaPerSecUSec=infinity', 'CPUQuotaPeriodUSec=100000']);
  t.same(told({ cpu: { period: 50_000 } }), [], 'a period alone limits nothing');
  t.same(told({ cpu: { cpus: '0' } }), ['AllowedCPUs=[1]']);
  t.same(told({ blockIO: { weight: 200 } }), ['BlockIOWeight=200']);
});

t.test('a container starts in the cgroup of the runtime and makes its cgroup namespace after the move', async (t) => {
  const own = { namespaces: [{ type: 'mount' }, { type: 'cgroup' }] };
  const late = compile({ linux: own });
  t.same(ops(late, 'CGROUP_CREATE'), []);
  t.equal(ops(late, 'UNSHARE_CGROUP', 'init').length, 1);
  t.equal(ops(late, 'CLONE')[0]?.namespaces, 0x20000n, 'CLONE_NEWNS alone');
  t.equal(ops(create({ linux: own }), 'UNSHARE_CGROUP', 'init').length, 1, 'as with cgroupfs');
  t.same(ops(compile(), 'UNSHARE_CGROUP'), [], 'but not without one');
  const names = late.plan.lists.settle.map(({ op }) => op);
  t.ok(names.indexOf('CGROUP_ADOPT') < names.indexOf('NOTIFY'), 'init is told to go on when it has been moved');
});

t.test('limitProperties has the property for each file', async (t) => {
  t.same(limits({ memory: { limit: 100, reservation: 50, swap: 300 } }), [
    'MemoryMax=100',
    'MemorySwapMax=200',
    'MemoryLow=50',
  ]);
  t.same(limits({ memory: { limit: -1 } }), ['MemoryMax=infinity', 'MemorySwapMax=infinity']);
  t.same(limits({ pids: { limit: 5 } }), ['TasksMax=5']);
  t.same(limits({ cpu: { shares: 1024 } }), ['CPUWeight=100']);
  t.same(limits({ cpu: { quota: 25_001, period: 50_000 } }), ['CPUQuotaPerSecUSec=510000', 'CPUQuotaPeriodUSec=50000']);
  t.same(limits({ cpu: { quota: 50_000 } }), ['CPUQuotaPerSecUSec=500000', 'CPUQuotaPeriodUSec=100000']);
  t.same(limits({ cpu: { period: 5000 } }), ['CPUQuotaPerSecUSec=infinity', 'CPUQuotaPeriodUSec=5000']);
  t.same(limits({ cpu: { cpus: '0-2,9', mems: '1' } }), ['AllowedCPUs=[7 2]', 'AllowedMemoryNodes=[2]']);
  t.same(limits({ blockIO: { weight: 10 } }), ['IOWeight=1']);
  t.same(limits({ hugepageLimits: [{ pageSize: '2MB', limit: 0 }] }), [], 'systemd has none');
});

t.test('limitProperties takes unified as well, which comes last and counts', async (t) => {
  const unified = {
    'memory.max': '1G',
    'memory.high': 'max',
    'pids.max': '9',
    'cpu.max': 'max 20000',
    'io.weight': 'default 7',
  };
  t.same(limits({ memory: { limit: 5 }, unified }), [
    'MemoryMax=1073741824',
    'MemoryHigh=infinity',
    'TasksMax=9',
    'CPUQuotaPerSecUSec=infinity',
    'IOWeight=7',
    'CPUQuotaPeriodUSec=20000',
  ]);
  t.same(
    limits({ unified: { 'memory.max': 'lots', 'cpu.max': '5 0', 'cpuset.cpus': 'x', 'memory.zswap.max': '1' } }),
    [],
  );
});

t.test('properties that the running version does not know are left out, or can be', async (t) => {
  const writes = [
    write('cpuset.cpus', '0'),
    write('memory.oom.group', '1'),
    write('cpu.idle', '1'),
    write('pids.max', '3'),
  ];
  const names = (version: number | null) => limitProperties(writes, version).map(({ name }) => name);
  t.same(names(239), ['TasksMax']);
  t.same(names(252), ['AllowedCPUs', 'CPUWeight', 'TasksMax']);
  t.same(names(null), ['AllowedCPUs', 'OOMPolicy', 'CPUWeight', 'TasksMax']);
  const { texts, properties, newer } = started({ linux: { resources: { cpu: { cpus: '0' }, pids: { limit: 3 } } } });
  const told = (bytes: { readonly properties: Uint8Array; readonly newer: Uint8Array }) =>
    readProperties(bytes).map(({ name }) => name);
  t.same(told({ properties: new Uint8Array(), newer }), ['AllowedCPUs'], 'what is new is apart');
  t.notOk(told({ properties, newer: new Uint8Array() }).includes('AllowedCPUs'));
  t.same(texts, ['Description', 'tsrun container c1', 'Slice', 'system.slice']);
  t.equal(started().newer.length, 0);
});

t.test('deviceProperties says what systemd has words for', async (t) => {
  const devices = (...rules: object[]) =>
    properties({ linux: { resources: { devices: rules } } }).filter((line) => line.startsWith('Device'));
  const deny = { allow: false, access: 'rwm' };
  t.equal(devices(deny)[0], 'DevicePolicy=strict');
  t.match(devices(deny)[1], /\[char-\* m\] \[block-\* m\] \[\/dev\/char\/1:3 rwm\].*\[char-pts rwm\]/);
  t.match(devices(deny, { allow: true, type: 'b', major: 8, access: 'r' })[1], /\[block-sd r\]/);
  t.match(
    devices(deny, { allow: true, major: 8, minor: 1, access: 'w' })[1],
    /\[\/dev\/block\/8:1 w\] \[\/dev\/char\/8:1 w\]/,
  );
  t.same(devices({ allow: true, access: 'rwm' }), [], 'everything is allowed');
  t.same(devices(deny, { allow: true, type: 'c', major: 99, access: 'r' }), [], 'a driver that is not loaded');
  t.same(devices(deny, { allow: true, type: 'c', minor: 3, access: 'r' }), [], 'one minor of all majors');
  t.same(
    devices(deny, { allow: true, type: 'c', access: 'rw' }, { allow: false, type: 'c', major: 4, access: 'w' }),
    [],
    'a denial',
  );
  const user = properties({}, { systemd: USER_SYSTEMD });
  t.notOk(
    user.some((line) => line.startsWith('Device')),
    'the manager of a user attaches no filters',
  );
});

t.test('annotations become properties, seconds microseconds', async (t) => {
  const set = (annotations: { readonly [key: string]: string }) => properties({ annotations }).slice(9, -2);
  t.same(set({ 'org.systemd.property.CollectMode': "'inactive-or-failed'" }), ['CollectMode=inactive-or-failed']);
  t.same(set({ 'org.systemd.property.TimeoutStopSec': '5' }), ['TimeoutStopUSec=5000000']);
  t.same(set({ 'org.systemd.property.TimeoutStopSec': 'uint32 5' }), ['TimeoutStopUSec=5000000']);
  t.same(set({ 'org.systemd.property.TimeoutStopSec': '0.5' }), ['TimeoutStopUSec=500000']);
  t.same(set({ 'org.systemd.property.TimeoutStopUSec': 'uint64 7' }), ['TimeoutStopUSec=7']);
  t.same(set({ 'org.systemd.property.Sec': '1' }), ['Sec=1'], 'no unit of time is left before Sec');
  t.same(set({ 'org.systemd.property.After': "['a.service']" }), ['After=[a.service]']);
  t.same(set({ 'other.annotation': '!' }), []);
});

t.test('annotations are refused by name and value (SYSTEMD_PROPERTY_NAME, SYSTEMD_PROPERTY_VALUE)', async (t) => {
  const refused = (name: string, value: string) =>
    refusals(() => compile({ annotations: { [`org.systemd.property.${name}`]: value } }));
  for (const name of ['', 'ab', 'Ab1', 'Memory.Max', 'Slice', 'PIDs'])
    t.same(refused(name, 'true'), [`SYSTEMD_PROPERTY_NAME /annotations/org.systemd.property.${name}`], name);
  for (const value of ['', 'text', '[]', '1 2'])
    t.same(
      refused('CollectMode', value),
      ['SYSTEMD_PROPERTY_VALUE /annotations/org.systemd.property.CollectMode'],
      value,
    );
  for (const value of ["'5'", 'true', '-1'])
    t.same(refused('TimeoutStopSec', value), [
      'SYSTEMD_PROPERTY_VALUE /annotations/org.systemd.property.TimeoutStopSec',
    ]);
  t.doesNotThrow(
    () => create({ annotations: { 'org.systemd.property.ab': '' } }),
    'without --systemd-cgroup they mean nothing',
  );
});

t.test('updateUnit tells systemd of changed limits', async (t) => {
  const facts = hostFacts();
  const [connect, set] = updateUnit('x.scope', [write('memory.max', '5'), write('hugetlb.2MB.max', '0')], facts);
  t.match(connect, { op: 'SYSTEMD_CONNECT', direct: ['/run/systemd/private'] });
  t.same(set?.op === 'SYSTEMD_SET_PROPERTIES' ? readProperties(set) : [], [{ name: 'MemoryMax', value: '5' }]);
  t.same(updateUnit('x.scope', [write('hugetlb.2MB.max', '0')], facts), []);
});

t.test('exec is moved by the manager of a user, and cloned in place for root', async (t) => {
  const unit = (facts: Partial<HostFacts>) => exec({}, {}, { facts, unit: 'x.scope' }).plan.lists;
  t.ok(unit({ systemd: USER_SYSTEMD, euid: 1000 }).settle.some(({ op }) => op === 'SYSTEMD_ATTACH'));
  t.notOk(unit({ systemd: SYSTEMD }).settle.some(({ op }) => op.startsWith('SYSTEMD')));
});

t.test(
  'CGROUP_DELEGATE comes with a cgroup namespace, a writable mount and a root that is not the runtime',
  async (t) => {
    const map = [{ containerID: 0, hostID: 100_000, size: 10 }];
    const delegated = (options: string[], namespaces: string[], uid = 100_000) => {
      const maps = map.map((one) => ({ ...one, hostID: uid }));
      const linux = { namespaces: namespaces.map((type) => ({ type })), uidMappings: maps, gidMappings: maps };
      const mounts = [{ destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options }];
      return ops(create({ mounts, linux }), 'CGROUP_DELEGATE').map((op) => `${op.uid} ${op.origin}`);
    };
    t.same(delegated([], ['mount', 'cgroup', 'user']), ['100000 /mounts/0']);
    t.same(delegated(['ro'], ['mount', 'cgroup', 'user']), []);
    t.same(delegated([], ['mount', 'user']), []);
    t.same(delegated([], ['mount', 'cgroup', 'user'], 0), []);
  },
);

t.test('systemdRefusal names the annotation that the words of systemd are about', async (t) => {
  const op = started({ annotations: { 'org.systemd.property.TimeoutStopSec': '5' } });
  const refusal = (text: string, name = 'org.freedesktop.DBus.Error.InvalidArgs') =>
    systemdRefusal(
      { record: { detail: Buffer.from(`${name}\0${text}`) }, op, at: '/linux/cgroupsPath: ' },
      'have systemd start it',
    );
  t.match(refusal('Cannot set property TimeoutStopUSec, or unknown property.'), {
    message: /^\/annotations\/org\.systemd\.property\.TimeoutStopSec: have systemd start it: "Cannot set .*" \(org\./,
    hint: /systemd\.scope/,
  });
  t.match(refusal('Unexpected message contents'), {
    message: /^\/linux\/cgroupsPath: /,
    hint: /wrong type: .*TimeoutStopSec/,
  });
  t.match(refusal('No.', 'org.freedesktop.DBus.Error.AccessDenied'), { hint: /run as root/ });
});

t.test('parseDrivers and parseUnixSockets take the texts apart', async (t) => {
  const drivers = parseDrivers(
    'Character devices:\n  1 mem\n  5 /dev/tty\n  5 ttyprintk\n136 pts\n\nBlock devices:\n  8 sd\n259 blkext\n',
  );
  t.same(drivers, { char: { 1: 'mem', 5: '/dev/tty', 136: 'pts' }, block: { 8: 'sd', 259: 'blkext' } });
  t.same(parseUnixSockets('unix:path=/run/user/1000/bus,guid=ab;tcp:host=x;unix:abstract=/tmp/d%20b'), [
    '/run/user/1000/bus',
    '@/tmp/d b',
  ]);
  t.same(parseUnixSockets('autolaunch:'), []);
});

t.test('probeSystemd finds none where none was booted, and never throws', async (t) => {
  const found = probeSystemd(UNIFIED, { XDG_RUNTIME_DIR: '/nonexistent' });
  t.ok(found === null || found.manager === 'system' || found.bus.length + found.direct.length > 0);
});

// The same resources where their controllers are bound to cgroup v1: which files get which values, in which order.
import t from 'tap';
import { compileCgroup } from '../../src/compile/cgroup.js';
import { SpecError } from '../../src/errors.js';
import type { CgroupFacts } from '../../src/host/facts.js';
import { CGROUP, SLOT, WRITE } from '../../src/plan/op.gen.js';
import type { LinuxResources } from '../../src/spec/types.gen.js';
import type { ValidSpec } from '../../src/spec/valid.js';
import { HYBRID, hostFacts, LEGACY } from '../helpers/facts.js';

function compile(resources: LinuxResources, cgroup: CgroupFacts = HYBRID, cgroupsPath = '/c1') {
  return compileCgroup({ ociVersion: '1.3.0', linux: { resources, cgroupsPath } } as ValidSpec, hostFacts({ cgroup }));
}

/** "mount file = value"; ? is IGNORE_MISSING, ~ IGNORE_INVALID. */
function writes(resources: LinuxResources, cgroup: CgroupFacts = HYBRID): string[] {
  const name = (hierarchy: number) => cgroup.v1[hierarchy - 1]?.mount.replace('/sys/fs/cgroup/', '') ?? 'unified';
  return compile(resources, cgroup).setup.flatMap((op) => {
    if (op.op === 'CGROUP_WRITE_EITHER') return [`${name(op.hierarchy)} ${op.file}|${op.otherFile} = ${op.value}`];
    if (op.op !== 'CGROUP_WRITE') return [];
    const missing = (op.flags & WRITE.IGNORE_MISSING) === 0 ? '' : '?';
    const invalid = (op.flags & WRITE.IGNORE_INVALID) === 0 ? '' : '~';
    return [`${name(op.hierarchy)} ${op.file}${missing}${invalid} = ${op.value}`];
  });
}

function issues(resources: LinuxResources, cgroup?: CgroupFacts): { code: string; path: string; hint?: string }[] {
  try {
    compile(resources, cgroup);
    return [];
  } catch (error) {
    if (error instanceof SpecError) return [...error.issues];
    throw error;
  }
}

t.test('a container has a cgroup in every hierarchy, joins those of v1 and leaves none', async (t) => {
  const { setup, settle, teardown, places } = compile({}, HYBRID, 'mine');
  t.equal(places.length, 10);
  t.same(
    places.slice(0, 5).map(({ mount, path }) => `${mount} ${path}`),
    [
      '/sys/fs/cgroup/unified /mine',
      '/sys/fs/cgroup/cpu,cpuacct /mine',
      '/sys/fs/cgroup/cpuset /mine',
      '/sys/fs/cgroup/memory /user/session/mine',
      '/sys/fs/cgroup/devices /mine',
    ],
    "below the runtime's own cgroup, which is not the same everywhere",
  );
  t.match(setup.slice(0, 4), [
    { op: 'CGROUP_CREATE' },
    { op: 'CGROUP_CREATE_V1', hierarchy: 1, flags: 0 },
    { op: 'CGROUP_CREATE_V1', hierarchy: 2, flags: CGROUP.INHERIT_CPUSET },
    { op: 'CGROUP_CREATE_V1', hierarchy: 3, controllers: 'memory' },
  ]);
  t.same(
    settle.map((op) => op.op === 'CGROUP_JOIN' && op.hierarchy),
    [1, 2, 3, 4, 5, 6, 7, 8, 9],
  );
  t.same(
    teardown.map(({ op }) => op),
    ['CGROUP_KILL', ...Array.from({ length: 10 }, () => 'CGROUP_REMOVE')],
  );
  t.equal(compile({}, HYBRID, '').places[3]?.path, `/user/session/${SLOT.id}`);
  t.equal(compile({}, HYBRID, '/abs').places[3]?.path, '/abs');
});

t.test('without cgroup2 the v1 freezer freezes and kills', async (t) => {
  const { setup, teardown } = compile({}, LEGACY);
  t.match(
    setup.find((op) => op.op === 'CGROUP_CREATE_V1' && op.controllers === 'freezer'),
    { flags: CGROUP.FREEZER },
  );
  t.match(teardown[0], { op: 'CGROUP_KILL_V1', hierarchy: 5 });
});

t.test('compileMemoryV1 writes the limit on both sides of memsw, so that both can grow and shrink', async (t) => {
  t.same(writes({ memory: { limit: 100n, swap: 300n, reservation: 50n, swappiness: 0n, disableOOMKiller: true } }), [
    'memory memory.limit_in_bytes~ = 100',
    'memory memory.memsw.limit_in_bytes = 300',
    'memory memory.limit_in_bytes = 100',
    'memory memory.soft_limit_in_bytes = 50',
    'memory memory.swappiness = 0',
    'memory memory.oom_control = 1',
  ]);
  t.same(writes({ memory: { limit: 100n } }), ['memory memory.limit_in_bytes = 100']);
  t.same(writes({ memory: { limit: -1n } }), [
    'memory memory.limit_in_bytes~ = -1',
    'memory memory.memsw.limit_in_bytes? = -1',
    'memory memory.limit_in_bytes = -1',
  ]);
  t.same(writes({ memory: { kernelTCP: 5n } }), ['memory memory.kmem.tcp.limit_in_bytes? = 5']);
  t.match(compile({ memory: { kernel: 5n } }).warnings, [{ code: 'MEMORY_FIELD_IGNORED' }]);
});

t.test('compileCpuV1 writes period and burst on both sides of the quota', async (t) => {
  t.same(writes({ cpu: { shares: 512n, quota: 50_000n, period: 100_000n, burst: 1000n, idle: 1n } }), [
    'cpu,cpuacct cpu.shares = 512',
    'cpu,cpuacct cpu.cfs_period_us~ = 100000',
    'cpu,cpuacct cpu.cfs_burst_us?~ = 1000',
    'cpu,cpuacct cpu.cfs_quota_us = 50000',
    'cpu,cpuacct cpu.cfs_period_us = 100000',
    'cpu,cpuacct cpu.cfs_burst_us = 1000',
    'cpu,cpuacct cpu.idle = 1',
  ]);
  t.same(writes({ cpu: { realtimePeriod: 10n, realtimeRuntime: 5n, cpus: '0', mems: '0' } }), [
    'cpu,cpuacct cpu.rt_period_us~ = 10',
    'cpu,cpuacct cpu.rt_runtime_us = 5',
    'cpu,cpuacct cpu.rt_period_us = 10',
    'cpuset cpuset.cpus = 0',
    'cpuset cpuset.mems = 0',
  ]);
});

t.test('the other controllers of v1', async (t) => {
  const rate = [{ major: 8n, minor: 0n, rate: 5n }];
  t.same(
    writes({
      pids: { limit: -1n },
      blockIO: { weight: 10, weightDevice: [{ major: 8n, minor: 0n, weight: 20 }], throttleReadIOPSDevice: rate },
      network: { classID: 1048577, priorities: [{ name: 'eth0', priority: 5 }] },
      hugepageLimits: [{ pageSize: '2MB', limit: 7n }],
    }),
    [
      'pids pids.max = max',
      'blkio blkio.bfq.weight|blkio.weight = 10',
      'blkio blkio.bfq.weight_device|blkio.weight_device = 8:0 20',
      'blkio blkio.throttle.read_iops_device = 8:0 5',
      'unified hugetlb.2MB.max = 7',
      'unified hugetlb.2MB.rsvd.max? = 7',
      'net_cls,net_prio net_cls.classid = 1048577',
      'net_cls,net_prio net_prio.ifpriomap = eth0 5',
    ],
  );
  t.same(
    writes({ hugepageLimits: [{ pageSize: '2MB', limit: 7n }] }, LEGACY).filter((line) => line.startsWith('hugetlb')),
    ['hugetlb hugetlb.2MB.limit_in_bytes = 7', 'hugetlb hugetlb.2MB.rsvd.limit_in_bytes? = 7'],
  );
});

t.test('what no hierarchy has, or may be written to, is refused', async (t) => {
  const rdma = { rdma: { mlx: { hcaHandles: 1 } } };
  t.match(issues(rdma), [{ code: 'CONTROLLER_UNAVAILABLE', path: '/linux/resources/rdma/mlx', hint: /cpuacct/ }]);
  const path = '/linux/resources/blockIO/leafWeight';
  t.match(issues({ blockIO: { leafWeight: 10 } }), [{ code: 'NO_LEAF_WEIGHT', path }]);
  const readOnly = { ...HYBRID, v1: HYBRID.v1.map((one) => ({ ...one, writable: false })) };
  t.match(issues({ pids: { limit: 5n } }, readOnly), [
    { code: 'CGROUP_UNAVAILABLE', path: '/linux/resources/pids/limit' },
  ]);
  t.same(compile({}, readOnly).places.length, 1, 'and nobody has to ask for those');
});

t.test('unified is for cgroup2: refused for a controller bound to v1, and without cgroup2', async (t) => {
  const unified = { unified: { 'memory.max': '1', 'hugetlb.2MB.max': '0' } };
  const field = '/linux/resources/unified';
  t.match(issues(unified), [
    { code: 'CONTROLLER_UNAVAILABLE', path: `${field}/memory.max`, hint: /cgroup_no_v1=memory/ },
  ]);
  t.match(issues(unified, LEGACY), [{ code: 'CONTROLLER_UNAVAILABLE', path: field }]);
  t.same(writes({ unified: { 'hugetlb.2MB.max': '0' } }), ['unified hugetlb.2MB.max = 0']);
});

const rules = (devices: LinuxResources['devices']) =>
  writes({ ...(devices === undefined ? {} : { devices }) }, LEGACY).map((line) => line.replace('devices devices.', ''));

t.test('compileDevicesV1 brings the rules down to a default and its exceptions', async (t) => {
  t.same(rules([{ allow: false }]).slice(0, 3), ['deny = a', 'allow = c *:* m', 'allow = b *:* m']);
  const disk = { type: 'b', major: 8n, minor: 0n } as const;
  const allowed = rules([
    { allow: false },
    { ...disk, allow: true, access: 'rw' },
    { ...disk, allow: false, access: 'w' },
  ]);
  t.same(allowed.slice(0, 2), ['deny = a', 'allow = b 8:0 r'], 'a later denial takes its letters away');
  t.same(rules([{ allow: true }]), [], 'everything is what a new cgroup has');
  t.match(
    rules([{ allow: true }, { ...disk, allow: false }]),
    ['allow = a', /^deny = b 8:0 rw/],
    'mknod stays allowed',
  );
});

t.test('compileDevicesV1 refuses an exception from an exception (DEVICE_RULES_OVERLAP)', async (t) => {
  const devices: LinuxResources['devices'] = [
    { allow: false },
    { allow: true, type: 'b', major: 8n, access: 'r' },
    { allow: false, type: 'b', major: 8n, minor: 1n, access: 'r' },
  ];
  t.match(issues({ devices }, LEGACY), [{ code: 'DEVICE_RULES_OVERLAP', path: '/linux/resources/devices' }]);
  t.same(issues({ devices }, HYBRID), [], 'eBPF can');
});

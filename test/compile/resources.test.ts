import fc from 'fast-check';
import t from 'tap';
import { compileCgroup } from '../../src/compile/cgroup.js';
import { weightOfShares } from '../../src/compile/resources/cpu.js';
import { SpecError } from '../../src/errors.js';
import type { CgroupFacts } from '../../src/host/facts.js';
import { WRITE } from '../../src/plan/op.gen.js';
import { settlePidsLimit } from '../../src/spec/pids-limit.js';
import type { LinuxResources } from '../../src/spec/types.gen.js';
import type { ValidSpec } from '../../src/spec/valid.js';
import { hostFacts, UNIFIED } from '../helpers/facts.js';

function compile(resources: LinuxResources, cgroup: CgroupFacts = UNIFIED) {
  const spec = { ociVersion: '1.3.0', linux: { resources } } as ValidSpec;
  return compileCgroup(spec, hostFacts({ cgroup }));
}

/** A kernel with next to no controllers. */
const BARE: CgroupFacts = { ...UNIFIED, controllers: ['hugetlb'] };

/** "file value <- origin" of every write; ? is IGNORE_MISSING, ~ IGNORE_INVALID. */
function writes(resources: LinuxResources, cgroup?: CgroupFacts): string[] {
  return compile(resources, cgroup).setup.flatMap((op) => {
    const origin = op.origin.replace('/linux/resources/', '');
    if (op.op === 'CGROUP_WRITE') {
      const missing = (op.flags & WRITE.IGNORE_MISSING) === 0 ? '' : '?';
      const invalid = (op.flags & WRITE.IGNORE_INVALID) === 0 ? '' : '~';
      return [`${op.file}${missing}${invalid} = ${op.value} <- ${origin}`];
    }
    if (op.op !== 'CGROUP_WRITE_EITHER') return [];
    return [`${op.file} = ${op.value} or ${op.otherFile} = ${op.otherValue} <- ${origin}`];
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

t.test('compileMemory writes memory.max, memory.swap.max as swap alone, and memory.low', async (t) => {
  const memory = (limit?: bigint, swap?: bigint) =>
    writes({ memory: { ...(limit === undefined ? {} : { limit }), ...(swap === undefined ? {} : { swap }) } });
  t.same(writes({ memory: { limit: 100n, reservation: 50n, swap: 300n } }), [
    'memory.max = 100 <- memory/limit',
    'memory.swap.max = 200 <- memory/swap',
    'memory.low = 50 <- memory/reservation',
  ]);
  t.same(memory(100n, 100n), ['memory.max = 100 <- memory/limit', 'memory.swap.max? = 0 <- memory/swap']);
  t.same(memory(100n, -1n), ['memory.max = 100 <- memory/limit', 'memory.swap.max? = max <- memory/swap']);
  t.same(memory(-1n), ['memory.max = max <- memory/limit', 'memory.swap.max? = max <- memory/limit']);
  t.same(memory(-1n, 500n), ['memory.max = max <- memory/limit', 'memory.swap.max = 500 <- memory/swap']);
  t.same(memory(undefined, -1n), ['memory.swap.max? = max <- memory/swap']);
  t.same(writes({ memory: { reservation: -1n } }), ['memory.low = max <- memory/reservation']);
  t.same(writes({ memory: { limit: 0n, swap: 0n, reservation: 0n } }), [], '0 asks for nothing');
});

t.test('settlePidsLimit: 0 is one process since runtime-spec 1.3, before it was no limit', async (t) => {
  const zero = { pids: { limit: 0n }, cpu: { shares: 5n } };
  for (const version of ['1.0.2', '1.0.2-dev', '1.2.1'])
    t.same(settlePidsLimit(zero, version), { cpu: zero.cpu }, version);
  for (const version of ['1.3.0', '1.3.0+dev', '1.10.0'])
    t.same(settlePidsLimit(zero, version), { ...zero, pids: { limit: 1n } }, version);
  for (const pids of [{ limit: 7n }, { limit: -1n }, {}]) t.same(settlePidsLimit({ pids }, '1.3.0'), { pids });
});

t.test('compilePids writes a limit, and max for -1', async (t) => {
  t.same(writes({ pids: { limit: 7n } }), ['pids.max = 7 <- pids/limit']);
  t.same(writes({ pids: { limit: -1n } }), ['pids.max = max <- pids/limit']);
  t.same(writes({ pids: {} }), []);
});

t.test('what cgroup v2 cannot do is refused (NOT_ON_CGROUP_V2), each field by its path', async (t) => {
  const resources: LinuxResources = {
    memory: { swappiness: 60n, disableOOMKiller: true },
    cpu: { realtimeRuntime: 1n, realtimePeriod: 2n },
    blockIO: { leafWeight: 10, weightDevice: [{ major: 8n, minor: 0n, leafWeight: 10 }] },
    network: { classID: 1, priorities: [{ name: 'eth0', priority: 1 }] },
  };
  const found = issues(resources);
  t.same([...new Set(found.map(({ code }) => code))], ['NOT_ON_CGROUP_V2']);
  t.same(
    found.map(({ path }) => path.replace('/linux/resources/', '')),
    [
      'memory/swappiness',
      'memory/disableOOMKiller',
      'blockIO/leafWeight',
      'blockIO/weightDevice/0/leafWeight',
      'cpu/realtimeRuntime',
      'cpu/realtimePeriod',
      'network/classID',
      'network/priorities',
    ],
  );
  const harmless: LinuxResources = { memory: { disableOOMKiller: false, useHierarchy: true }, network: { classID: 0 } };
  t.same(issues(harmless), []);
});

t.test('memory.kernel and kernelTCP are ignored with a warning (MEMORY_FIELD_IGNORED)', async (t) => {
  t.match(compile({ memory: { kernel: 1n, kernelTCP: 2n } }).warnings, [
    { code: 'MEMORY_FIELD_IGNORED', path: '/linux/resources/memory/kernel' },
    { code: 'MEMORY_FIELD_IGNORED', path: '/linux/resources/memory/kernelTCP' },
  ]);
});

t.test('weightOfShares puts the default on the default and stays monotonic from 1 to 10000', async (t) => {
  t.same([2n, 1024n, 262_144n, 0x7fff_ffff_ffffn].map(weightOfShares), [1, 100, 10_000, 10_000]);
  t.same([512n, 2048n, 100n].map(weightOfShares), [59, 174, 17]);
  fc.assert(
    fc.property(fc.bigInt(2n, 262_143n), (shares) => {
      const weight = weightOfShares(shares);
      return weight >= 1 && weight <= 10_000 && weight <= weightOfShares(shares + 1n);
    }),
  );
});

t.test('compileCpu writes weight before idle, and the burst on both sides of the quota', async (t) => {
  t.same(writes({ cpu: { shares: 1024n, idle: 1n, quota: 50_000n, period: 200_000n, burst: 1000n } }), [
    'cpu.weight = 100 <- cpu/shares',
    'cpu.idle = 1 <- cpu/idle',
    'cpu.max.burst?~ = 1000 <- cpu/burst',
    'cpu.max = 50000 200000 <- cpu/quota',
    'cpu.max.burst = 1000 <- cpu/burst',
  ]);
  t.same(writes({ cpu: { quota: 50_000n } }), ['cpu.max = 50000 100000 <- cpu/quota']);
  t.same(writes({ cpu: { quota: -1n } }), ['cpu.max = max 100000 <- cpu/quota']);
  t.same(writes({ cpu: { period: 20_000n } }), ['cpu.max = max 20000 <- cpu/period']);
  t.same(writes({ cpu: { shares: 0n, quota: 0n, period: 0n, burst: 0n, idle: 0n, cpus: '' } }), []);
  t.same(writes({ cpu: { cpus: '0-1', mems: '0' } }), ['cpuset.cpus = 0-1 <- cpu/cpus', 'cpuset.mems = 0 <- cpu/mems']);
});

t.test('compileBlockIo writes weights to whichever file there is, and io.max', async (t) => {
  t.same(
    writes({
      blockIO: {
        weight: 750,
        weightDevice: [{ major: 8n, minor: 16n, weight: 10 }],
        throttleReadBpsDevice: [{ major: 8n, minor: 0n, rate: 1000n }],
        throttleWriteIOPSDevice: [
          { major: 8n, minor: 0n, rate: 0n },
          { major: 8n, minor: 16n, rate: (1n << 64n) - 1n },
        ],
      },
    }),
    [
      'io.bfq.weight = 750 or io.weight = 7475 <- blockIO/weight',
      'io.bfq.weight = 8:16 10 or io.weight = 8:16 1 <- blockIO/weightDevice/0/weight',
      'io.max = 8:0 rbps=1000 <- blockIO/throttleReadBpsDevice/0',
      'io.max = 8:16 wiops=18446744073709551615 <- blockIO/throttleWriteIOPSDevice/1',
    ],
  );
});

t.test('setLimit asks for no controller when the value is what holds without one', async (t) => {
  t.same(writes({ cpu: { shares: 1024n, quota: -1n }, pids: { limit: -1n }, memory: { limit: -1n } }, BARE), []);
  t.match(issues({ cpu: { shares: 1025n } }, BARE), [{ code: 'CONTROLLER_UNAVAILABLE' }]);
  t.match(issues({ pids: { limit: 1n } }, BARE), [{ code: 'CONTROLLER_UNAVAILABLE' }]);
});

t.test('pids, huge pages and rdma', async (t) => {
  t.same(writes({ pids: { limit: 10n } }), ['pids.max = 10 <- pids/limit']);
  t.same(writes({ pids: { limit: -1n } }), ['pids.max = max <- pids/limit']);
  t.same(writes({ hugepageLimits: [{ pageSize: '2MB', limit: 4096n }] }), [
    'hugetlb.2MB.max = 4096 <- hugepageLimits/0',
    'hugetlb.2MB.rsvd.max? = 4096 <- hugepageLimits/0',
  ]);
  t.same(writes({ rdma: { mlx5_1: { hcaHandles: 3, hcaObjects: 10 }, mlx4_0: { hcaObjects: 1 } } }), [
    'rdma.max = mlx5_1 hca_handle=3 hca_object=10 <- rdma/mlx5_1',
    'rdma.max = mlx4_0 hca_object=1 <- rdma/mlx4_0',
  ]);
});

t.test('compileHugepages refuses a size the host does not have (HUGEPAGE_SIZE_UNKNOWN)', async (t) => {
  const path = '/linux/resources/hugepageLimits/0/pageSize';
  const found = issues({ hugepageLimits: [{ pageSize: '3MB', limit: 1n }] });
  t.match(found, [{ code: 'HUGEPAGE_SIZE_UNKNOWN', path, value: '"3MB"', hint: /1GB, 2MB/ }]);
  const without = { ...UNIFIED, controllers: ['memory'] };
  t.same(writes({ hugepageLimits: [{ pageSize: '2MB', limit: 0n }] }, without), [], 'Kubernetes sends 0 everywhere');
});

t.test('compileUnified comes last, line by line, and enables the controllers of its files', async (t) => {
  const unified = {
    'memory.high': '5',
    'io.max': '8:0 rbps=1\n8:16 wbps=2\n',
    'cgroup.max.depth': '3',
    'cpu.new': 'x',
  };
  t.same(writes({ unified, memory: { limit: 9n } }), [
    'memory.max = 9 <- memory/limit',
    'memory.high = 5 <- unified/memory.high',
    'io.max = 8:0 rbps=1 <- unified/io.max',
    'io.max = 8:16 wbps=2 <- unified/io.max',
    'cgroup.max.depth = 3 <- unified/cgroup.max.depth',
    'cpu.new = x <- unified/cpu.new',
  ]);
  t.match(compile({ unified }).setup[0], { op: 'CGROUP_CREATE', controllers: '+memory +io +cpu' });
});

t.test('compileUnified refuses to move processes (UNIFIED_FILE)', async (t) => {
  for (const file of ['cgroup.procs', 'cgroup.threads']) {
    const path = `/linux/resources/unified/${file}`;
    t.match(issues({ unified: { [file]: '1' } }), [{ code: 'UNIFIED_FILE', path }], file);
  }
});

t.test('a limit whose controller cgroup2 lacks is refused with the way out (CONTROLLER_UNAVAILABLE)', async (t) => {
  const found = issues({ memory: { limit: 1n }, blockIO: { weight: 10 }, unified: { 'misc.max': 'x' } }, BARE);
  t.match(found, [
    { code: 'CONTROLLER_UNAVAILABLE', path: '/linux/resources/memory/limit', hint: /offers only: hugetlb/ },
    { code: 'CONTROLLER_UNAVAILABLE', path: '/linux/resources/blockIO/weight', hint: /hugetlb/ },
    { code: 'CONTROLLER_UNAVAILABLE', path: '/linux/resources/unified/misc.max', hint: /hugetlb/ },
  ]);
  t.equal(found.length, 3);
});

t.test('a host without the controllers is no error as long as no limit is asked for', async (t) => {
  const nothing: LinuxResources = {
    memory: { limit: 0n, disableOOMKiller: false },
    cpu: { shares: 0n, quota: 0n, cpus: '' },
    blockIO: { weight: 0, throttleReadBpsDevice: [] },
    hugepageLimits: [{ pageSize: '2MB', limit: 7n }],
    network: { classID: 0, priorities: [] },
    rdma: {},
    unified: {},
    devices: [{ allow: false, access: 'rwm' }],
  };
  t.same(issues(nothing, BARE), []);
  t.same(writes(nothing, BARE), [
    'hugetlb.2MB.max = 7 <- hugepageLimits/0',
    'hugetlb.2MB.rsvd.max? = 7 <- hugepageLimits/0',
  ]);
});

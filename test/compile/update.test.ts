// compileUpdate: what is written in which order, what of the old limits counts, and the list that brings them back.
import t from 'tap';
import { compileUpdate, type UpdateTarget } from '../../src/compile/update.js';
import type { HostFacts } from '../../src/host/facts.js';
import { type ListName, SLOT } from '../../src/plan/op.gen.js';
import { opText } from '../../src/plan/text.js';
import type { LinuxIntelRdt, LinuxResources } from '../../src/spec/types.gen.js';
import { asPointer } from '../../src/util/pointer.js';
import { HYBRID, hostFacts } from '../helpers/facts.js';
import { refusals } from './compiling.js';

const MIB = 1n << 20n;
const RECORD = ['CGROUP_ENTER', 'STATE_FILE'];

interface Given extends Partial<Pick<UpdateTarget, 'intelRdt' | 'schemata'>> {
  readonly current?: LinuxResources;
  /** cgroup2's by name, those of v1 with the name of their controllers: "cpu,cpuacct/cpu.shares". */
  readonly files?: { readonly [name: string]: string };
  readonly facts?: Partial<HostFacts>;
}

function update(
  resources: LinuxResources,
  given: Given = {},
  rdt: Pick<LinuxIntelRdt, 'l3CacheSchema' | 'memBwSchema'> = {},
) {
  const { current = {}, files = {}, facts = {}, intelRdt, schemata } = given;
  const host = hostFacts(facts);
  const live = (hierarchy: number, file: string) =>
    files[hierarchy === 0 ? file : `${host.cgroup.v1[hierarchy - 1]?.controllers}/${file}`];
  const places = [{ hierarchy: 0, controllers: '', mount: '/sys/fs/cgroup', path: '/c1' }];
  const target = { current, places, unit: null, live, record: '', intelRdt, schemata };
  return compileUpdate({ resources, intelRdt: rdt }, target, host, (path) => asPointer(`AT${path}`));
}

/** The ops of a list as the plan prints them, but for those that are in each. */
function texts(compiled: ReturnType<typeof update>, list: ListName = 'setup'): string[] {
  return compiled.plan.lists[list].filter(({ op }) => !RECORD.includes(op)).map(opText);
}

const MEMORY = { 'memory.max': String(64n * MIB), 'memory.swap.max': String(64n * MIB) };
const bySize = (limit: bigint, swap: bigint) => update({ memory: { limit, swap } }, { files: MEMORY });

t.test('compileUpdate lets grow before it lets shrink, so that nothing is reclaimed that may stay', async (t) => {
  t.same(texts(bySize(128n * MIB, 160n * MIB)), [
    'write 134217728 to memory.max of the cgroup',
    'write 33554432 to memory.swap.max of the cgroup',
  ]);
  t.same(texts(bySize(32n * MIB, 160n * MIB)), [
    'write 134217728 to memory.swap.max of the cgroup',
    'write 33554432 to memory.max of the cgroup',
  ]);
});

t.test('compileUpdate keeps the burst within the quota at every step', async (t) => {
  const files = { 'cpu.max': '90000 100000', 'cpu.max.burst': '80000' };
  const order = (quota: bigint, burst: bigint) => texts(update({ cpu: { quota, burst } }, { files }));
  const both = (quota: number, burst: number) => [
    `write ${burst} to cpu.max.burst of the cgroup (if it is there; if it is taken yet)`,
    `write "${quota} 100000" to cpu.max of the cgroup`,
    `write ${burst} to cpu.max.burst of the cgroup`,
  ];
  t.same(order(10_000n, 5000n), both(10_000, 5000), 'smaller: the first write makes room');
  t.same(order(200_000n, 150_000n), both(200_000, 150_000), 'larger: the last one is what counts');
});

t.test('compileUpdate ends idling before it sets a weight', async (t) => {
  t.same(texts(update({ cpu: { idle: 0n, shares: 1024n } })), [
    'write 0 to cpu.idle of the cgroup (if it is there)',
    'write 100 to cpu.weight of the cgroup',
  ]);
});

t.test('compileUpdate ends a burst before it sets a quota', async (t) => {
  t.same(texts(update({ cpu: { burst: 0n, quota: 10_000n } }, { files: { 'cpu.max': '90000 100000' } })), [
    'write 0 to cpu.max.burst of the cgroup (if it is there)',
    'write "10000 100000" to cpu.max of the cgroup',
  ]);
});

t.test('compileUpdate takes from the kernel what shares a file with what is named', async (t) => {
  const cpu = (named: LinuxResources['cpu'], max: string) =>
    texts(update({ cpu: named ?? {} }, { files: { 'cpu.max': max } }));
  t.same(cpu({ period: 20_000n }, '50000 100000'), ['write "50000 20000" to cpu.max of the cgroup']);
  t.same(cpu({ period: 20_000n }, 'max 100000'), ['write "max 20000" to cpu.max of the cgroup']);
  t.same(cpu({ quota: 30_000n }, 'max 20000'), ['write "30000 20000" to cpu.max of the cgroup']);
});

t.test('compileUpdate counts swap with memory, as the config did', async (t) => {
  const current = { memory: { limit: 32n * MIB, swap: 64n * MIB } };
  t.same(texts(update({ memory: { limit: 48n * MIB } }, { current, files: { 'memory.max': String(32n * MIB) } })), [
    'write 50331648 to memory.max of the cgroup',
    'write 16777216 to memory.swap.max of the cgroup',
  ]);
  t.same(texts(update({ memory: { limit: -1n } }, { current })), [
    'write max to memory.max of the cgroup',
    'write max to memory.swap.max of the cgroup (if it is there)',
  ]);
});

t.test('checkBeforeUpdate compares with what is used (BELOW_USAGE)', async (t) => {
  const files = { 'memory.current': '5000000', 'memory.swap.current': '1000000' };
  const check = (limit: bigint, swap: bigint) =>
    refusals(() => update({ memory: { limit, swap, checkBeforeUpdate: true } }, { files }));
  t.same(check(5_000_000n, 6_000_000n), ['BELOW_USAGE AT/memory/limit', 'BELOW_USAGE AT/memory/swap']);
  t.same(check(5_000_001n, 6_000_001n), []);
});

t.test('restoreOps writes what the files held, last written first, and nothing that was not there', async (t) => {
  const files = { ...MEMORY, 'pids.max': '30\n', 'cpu.max': '50000 100000' };
  const named: LinuxResources = {
    memory: { limit: 32n * MIB, swap: 32n * MIB },
    pids: { limit: 5n },
    cpu: { quota: 20_000n },
    unified: { 'memory.high': '1', 'memory.reclaim': '5' },
  };
  t.same(texts(update(named, { files }), 'teardown'), [
    'write "50000 100000" to cpu.max of the cgroup',
    'write 67108864 to memory.max of the cgroup',
    'write 67108864 to memory.swap.max of the cgroup',
    'write 30 to pids.max of the cgroup',
  ]);
});

t.test('restoreOps ends a throttle of a device that had none', async (t) => {
  const blockIO = { throttleReadBpsDevice: [{ major: 8n, minor: 0n, rate: 4096n }] };
  const back = (text: string) => texts(update({ blockIO }, { files: { 'io.max': text } }), 'teardown');
  t.same(back('8:16 rbps=7 wbps=max riops=max wiops=max\n'), [
    'write "8:0 rbps=max wbps=max riops=max wiops=max" to io.max of the cgroup',
    'write "8:16 rbps=7 wbps=max riops=max wiops=max" to io.max of the cgroup',
  ]);
  t.same(back('8:0 rbps=9 wbps=max riops=max wiops=max\n'), [
    'write "8:0 rbps=9 wbps=max riops=max wiops=max" to io.max of the cgroup',
  ]);
});

t.test('restoreOps brings the device rules back', async (t) => {
  const allow = [{ allow: true, access: 'rwm' }];
  const back = update({ devices: [{ allow: false, access: 'rwm' }] }, { current: { devices: allow } });
  t.match(back.plan.lists.teardown, [{ op: 'CGROUP_DEVICES', program: { length: 16 } }], 'a filter that lets all pass');
});

t.test('cgroup v1: a limit and memsw in the order that the kernel takes, both ways', async (t) => {
  const files = { 'memory/memory.limit_in_bytes': '33554432', 'memory/memory.memsw.limit_in_bytes': '67108864' };
  const compiled = update({ memory: { limit: 128n * MIB, swap: 256n * MIB } }, { files, facts: { cgroup: HYBRID } });
  t.same(texts(compiled), [
    'write 134217728 to memory.limit_in_bytes of the cgroup (if it is taken yet)',
    'write 268435456 to memory.memsw.limit_in_bytes of the cgroup',
    'write 134217728 to memory.limit_in_bytes of the cgroup',
  ]);
  t.same(texts(compiled, 'teardown'), [
    'write 33554432 to memory.limit_in_bytes of the cgroup (if it is taken yet)',
    'write 67108864 to memory.memsw.limit_in_bytes of the cgroup',
    'write 33554432 to memory.limit_in_bytes of the cgroup',
  ]);
});

const GOLD = { intelRdt: { closID: 'gold' }, schemata: '    MB:0=100;1= 50\n    L3:0=0fffff\n' };

t.test('updateIntelRdt writes into the class of the container, last of all, and can bring it back', async (t) => {
  const compiled = update({ pids: { limit: 5n } }, GOLD, { l3CacheSchema: 'L3:0=ff', memBwSchema: 'MB:0=20' });
  t.same(texts(compiled), [
    'write 5 to pids.max of the cgroup',
    'open class of service gold in /sys/fs/resctrl',
    'change its schemata to L3:0=ff, MB:0=20',
  ]);
  t.equal(compiled.plan.lists.setup.at(-1)?.op, 'STATE_FILE', 'the record follows when all is written');
  const back = update({}, GOLD, { memBwSchema: 'MB:0=20' });
  t.same(texts(back, 'teardown'), ['change its schemata to MB:0=100;1= 50'], 'only what was written');
  const own = update({}, { ...GOLD, intelRdt: {} }, { memBwSchema: 'MB:0=20' });
  t.match(own.plan.lists.setup[1], { op: 'RDT_GROUP', group: SLOT.id }, 'the class of the container');
});

t.test('updateIntelRdt refuses where there is nothing to change (RDT_UNAVAILABLE)', async (t) => {
  const change = { l3CacheSchema: 'L3:0=3', memBwSchema: 'MB:0=20' };
  t.same(
    refusals(() => update({}, {}, change)),
    ['RDT_UNAVAILABLE AT/linux/intelRdt/l3CacheSchema', 'RDT_UNAVAILABLE AT/linux/intelRdt/memBwSchema'],
    'a config without intelRdt',
  );
  const without = (resctrl: HostFacts['resctrl']) =>
    refusals(() => update({}, { ...GOLD, facts: { resctrl } }, change));
  t.same(without(null), ['RDT_UNAVAILABLE AT/linux/intelRdt'], 'a host without resctrl');
  t.same(without({ mount: '/r', info: ['L3'] }), ['RDT_UNAVAILABLE AT/linux/intelRdt/memBwSchema']);
});

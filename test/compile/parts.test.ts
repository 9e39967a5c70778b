// Functions of compile/ that hold a rule of their own.
import t from 'tap';
import { environment } from '../../src/compile/environment.js';
import { hostId } from '../../src/compile/id-maps.js';
import { MOUNT_OPTIONS, parseMountOptions } from '../../src/compile/mount-options.js';
import { containerPath } from '../../src/compile/mounts.js';
import { PHASE, SLOT } from '../../src/plan/op.gen.js';
import { MOUNT_ATTR, MS } from '../../src/util/kernel.js';
import { MOUNT_OPTIONS as OPTION_NAMES } from '../../src/util/linux-names.js';
import { create, exec, line, ops, refusals } from './compiling.js';

t.test('MOUNT_OPTIONS knows exactly the options that spec/ and features name', (t) => {
  t.same(Object.keys(MOUNT_OPTIONS).sort(), [...OPTION_NAMES].sort());
  t.end();
});

t.test('parseMountOptions lets the last option win', (t) => {
  const attributes = (...options: string[]) => parseMountOptions(options).attributes;
  t.same(attributes('ro', 'rw'), { set: 0n, clear: MOUNT_ATTR.RDONLY });
  t.same(attributes('rw', 'ro'), { set: MOUNT_ATTR.RDONLY, clear: 0n });
  t.same(attributes('noatime', 'strictatime'), { set: MOUNT_ATTR.STRICTATIME, clear: MOUNT_ATTR._ATIME });
  t.same(attributes('strictatime', 'atime'), { set: MOUNT_ATTR.STRICTATIME, clear: MOUNT_ATTR._ATIME });
  t.same(attributes('noatime', 'relatime'), { set: 0n, clear: MOUNT_ATTR._ATIME });
  t.same(attributes('norelatime', 'defaults', ''), { set: 0n, clear: 0n });
  t.equal(parseMountOptions(['sync', 'async', 'lazytime']).superblock, Number(MS.LAZYTIME));
  t.end();
});

t.test('parseMountOptions clears the whole access time field for any r*atime', (t) => {
  for (const option of ['ratime', 'rnoatime', 'rrelatime', 'rstrictatime', 'rnostrictatime']) {
    const { recursive, attributes } = parseMountOptions([option]);
    t.equal(recursive.clear & MOUNT_ATTR._ATIME, MOUNT_ATTR._ATIME, option);
    t.same(attributes, { set: 0n, clear: 0n }, `${option} is for the tree`);
  }
  t.end();
});

t.test('parseMountOptions leaves unknown words to the file system, prototype names too', (t) => {
  const { data } = parseMountOptions(['ro', 'size=1m', 'constructor', '__proto__']);
  t.same(data, [
    { index: 1, text: 'size=1m' },
    { index: 2, text: 'constructor' },
    { index: 3, text: '__proto__' },
  ]);
  const range = { from: 0, to: 1, size: 10, relative: false };
  t.same(parseMountOptions(['idmap', 'ridmap=uids=0-1-10', 'bind']).idmap, {
    index: 1,
    recursive: true,
    value: { uids: [range], gids: [] },
  });
  t.equal(parseMountOptions(['bind', 'idmapped=1']).idmap, undefined);
  t.end();
});

t.test('containerPath cannot leave the root', (t) => {
  t.equal(containerPath('a/b/'), '/a/b');
  t.equal(containerPath('/../../etc'), '/etc');
  t.equal(containerPath('/a/../..//b'), '/b');
  t.equal(containerPath('/'), '/');
  t.end();
});

t.test('hostId looks an id up in the mappings', (t) => {
  const maps = [
    { containerID: 0, hostID: 1000, size: 1 },
    { containerID: 1, hostID: 100000, size: 10 },
  ];
  t.same(
    [0, 1, 10, 11].map((id) => hostId(maps, id)),
    [1000, 100000, 100009, undefined],
  );
  t.end();
});

t.test('environment keeps the last of two entries and no empty HOME', (t) => {
  t.same(environment(['A=1', 'B=x=y', 'HOME=', 'A=2']), ['B=x=y', 'A=2']);
  t.same(environment(), []);
  t.end();
});

t.test('stateJson is JSON with slots, whatever the annotations hold', (t) => {
  const annotations = { 'org.example/text': `a "quote"\n${SLOT.pid}` };
  const { stateJson } = create({ annotations }).plan;
  const filled = Object.entries({ id: 'box', pid: '7', status: 'created', created: 'now' }).reduce(
    (text, [slot, value]) => text.replaceAll(SLOT[slot as keyof typeof SLOT], value),
    stateJson,
  );
  const expected = {
    ociVersion: '1.3.0',
    id: 'box',
    pid: 7,
    status: 'created',
    bundle: '/bundle',
    rootfs: '/bundle/rootfs',
    created: 'now',
    annotations,
    owner: '',
  };
  t.same(JSON.parse(filled), expected);
  t.equal(filled, JSON.stringify(expected, null, 2), 'in the shape that other runtimes print');
  t.notMatch(create().plan.stateJson, /annotations/, 'without annotations there is no such key');
  t.end();
});

t.test('compileRlimits makes init wait for its limits, and only then', (t) => {
  t.same(
    ops(create(), 'AWAIT', 'init').map(({ phase }) => phase),
    [PHASE.MAPPED],
  );
  const limited = create({ process: { rlimits: [{ type: 'RLIMIT_CORE', soft: 0, hard: 0 }] } });
  t.same(
    ops(limited, 'AWAIT', 'init').map(({ phase }) => phase),
    [PHASE.MAPPED, PHASE.LIMITED],
  );
  const settle = limited.plan.lists.settle.map(({ op }) => op);
  t.ok(settle.indexOf('RLIMIT') < settle.lastIndexOf('AWAIT'), 'before the user changes: READY is after that');
  t.end();
});

t.test('compileExec refuses what it cannot do, with paths of the process document', (t) => {
  t.same(
    refusals(() => exec({ scheduler: { policy: 'SCHED_ISO' }, apparmorProfile: 'x' })),
    ['SCHEDULER_UNSUPPORTED /scheduler/policy', 'APPARMOR_UNAVAILABLE /apparmorProfile'],
  );
  t.same(exec({ capabilities: { permitted: ['CAP_KILL'] } }).warnings.map(line), []);
  t.end();
});

t.test('compileExec joins just the namespaces that the container has', (t) => {
  const compiled = exec({}, { linux: { namespaces: [{ type: 'mount' }, { type: 'pid', path: '/proc/1/ns/pid' }] } });
  t.match(ops(compiled, 'JOIN_INIT'), [{ namespaces: 0x2002_0000n }]);
  t.end();
});

t.test('compileExec takes what the process leaves out from the container', (t) => {
  const container = { process: { user: { uid: 0, gid: 0, umask: 0o77 }, capabilities: { bounding: ['CAP_KILL'] } } };
  t.match(ops(exec({}, container), 'BOUNDING_SET'), [{ mask: 1n << 5n }]);
  t.match(ops(exec({}, container), 'UMASK'), [{ mode: 0o77 }]);
  t.match(ops(exec({ capabilities: {} }, container), 'BOUNDING_SET'), [{ mask: 0n }], 'but not what it says');
  t.end();
});

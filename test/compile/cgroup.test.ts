import t from 'tap';
import { compileCgroup } from '../../src/compile/cgroup.js';
import { SpecError } from '../../src/errors.js';
import type { HostFacts } from '../../src/host/facts.js';
import { BPF, SLOT } from '../../src/plan/op.gen.js';
import type { Linux } from '../../src/spec/types.gen.js';
import type { ValidSpec } from '../../src/spec/valid.js';
import { HYBRID, hostFacts, NO_CGROUP2, UNIFIED } from '../helpers/facts.js';

function compile(linux: Linux, facts: HostFacts = hostFacts()) {
  return compileCgroup({ ociVersion: '1.3.0', linux } as ValidSpec, facts);
}

function issues(linux: Linux, facts?: HostFacts): { code: string; path: string }[] {
  try {
    compile(linux, facts);
    return [];
  } catch (error) {
    if (error instanceof SpecError) return error.issues.map(({ code, path }) => ({ code, path }));
    throw error;
  }
}

const pathOf = (cgroupsPath: string, own = '/system.slice/tsrun.service') =>
  compile({ cgroupsPath }, hostFacts({ cgroup: { ...UNIFIED, own } })).places[0]?.path;

t.test('compileCgroup places absolute paths below the mount and others beside the own cgroup', async (t) => {
  t.equal(pathOf('/kubepods/pod1/c1'), '/kubepods/pod1/c1');
  t.equal(pathOf('//a/./b/'), '/a/b');
  t.equal(pathOf('mine/c1'), '/system.slice/mine/c1');
  t.equal(pathOf(''), `/system.slice/${SLOT.id}`);
  t.equal(pathOf('', '/'), `/${SLOT.id}`);
  t.equal(pathOf('mine', '/service'), '/mine');
  t.equal(pathOf('/with:colons/a:b:c'), '/with:colons/a:b:c');
});

t.test('compileCgroup makes, limits, kills and removes the same cgroup', async (t) => {
  const { setup, settle, teardown, places } = compile({ cgroupsPath: '/c1', resources: { pids: { limit: 5n } } });
  const place = { mount: '/sys/fs/cgroup', path: '/c1' };
  t.same(places, [{ hierarchy: 0, controllers: '', ...place }]);
  t.same(settle, [], 'CLONE puts the process there');
  t.same(setup[0], {
    op: 'CGROUP_CREATE',
    ...place,
    controllers: '+pids',
    wanted: '+cpu +io +memory',
    origin: '/linux/cgroupsPath',
  });
  t.match(setup.slice(1), [
    { op: 'CGROUP_WRITE', file: 'pids.max', value: '5', origin: '/linux/resources/pids/limit' },
    { op: 'CGROUP_DEVICES', flags: 0, origin: '/linux/resources/devices' },
  ]);
  t.match(teardown, [
    { op: 'CGROUP_KILL', ...place },
    { op: 'CGROUP_REMOVE', ...place },
  ]);
});

t.test('compileCgroup wants only controllers that cgroup2 has', async (t) => {
  t.match(compile({}, hostFacts({ cgroup: HYBRID })).setup[0], {
    op: 'CGROUP_CREATE',
    mount: '/sys/fs/cgroup/unified',
    path: `/${SLOT.id}`,
    controllers: '',
    wanted: '',
    origin: '/linux',
  });
});

t.test(
  'compileCgroup writes limits in the order pids, memory, io, cpu, devices, cpuset, hugetlb, rdma, unified',
  async (t) => {
    const { setup } = compile({
      resources: {
        unified: { 'memory.high': '1' },
        rdma: { dev: { hcaObjects: 1 } },
        hugepageLimits: [{ pageSize: '2MB', limit: 1n }],
        cpu: { cpus: '0', shares: 2n },
        blockIO: { throttleReadBpsDevice: [{ major: 8n, minor: 0n, rate: 1n }] },
        memory: { limit: 1n },
        pids: { limit: 1n },
      },
    });
    t.same(
      setup.slice(1).map((op) => (op.op === 'CGROUP_WRITE' ? op.file : op.op)),
      [
        'pids.max',
        'memory.max',
        'io.max',
        'cpu.weight',
        'CGROUP_DEVICES',
        'cpuset.cpus',
        'hugetlb.2MB.max',
        'hugetlb.2MB.rsvd.max',
        'rdma.max',
        'memory.high',
      ],
    );
  },
);

t.test('compileCgroup attaches no device program when everything is allowed', async (t) => {
  const { setup } = compile({ resources: { devices: [{ allow: true, access: 'rwm' }] } });
  t.same(
    setup.map(({ op }) => op),
    ['CGROUP_CREATE'],
  );
});

t.test('compileCgroup explains slice:prefix:name without --systemd-cgroup (SYSTEMD_CGROUPS_PATH)', async (t) => {
  for (const cgroupsPath of ['system.slice:runc:c1', ':tsrun:c1']) {
    t.same(issues({ cgroupsPath }), [{ code: 'SYSTEMD_CGROUPS_PATH', path: '/linux/cgroupsPath' }]);
  }
});

const rootless = hostFacts({ euid: 1000, cgroup: { ...UNIFIED, writable: false } });

t.test(
  'compileCgroup goes without a cgroup when nothing needs one, and warns where that is not the rule',
  async (t) => {
    for (const facts of [rootless, hostFacts({ cgroup: NO_CGROUP2 })]) {
      const compiled = compile({}, facts);
      t.same({ ...compiled, warnings: [] }, { setup: [], settle: [], teardown: [], places: [], warnings: [] });
      t.match(compiled.warnings, [{ code: 'NO_CGROUP', path: '/linux', message: /cannot be found and killed/ }]);
    }
    const namespaces = [{ type: 'pid' } as const];
    t.match(compile({ namespaces }, hostFacts({ cgroup: NO_CGROUP2 })).warnings, [{ code: 'NO_CGROUP' }]);
    t.same(compile({ namespaces }, rootless).warnings, [], 'without root it is the rule');
    t.same(
      issues({ namespaces }, { ...rootless, rootless: false }),
      [{ code: 'CGROUP_UNAVAILABLE', path: '/linux/cgroupsPath' }],
      '--rootless=false',
    );
    t.equal(
      compile({ resources: { devices: [{ allow: false }] } }, rootless).places.length,
      0,
      'no filter without privilege',
    );
    t.equal(compile({ cgroupsPath: '/c1' }, hostFacts({ cgroup: NO_CGROUP2 })).places.length, 0, 'a path is no limit');
  },
);

t.test('compileCgroup refuses what would be lost without a cgroup (CGROUP_UNAVAILABLE)', async (t) => {
  const limit = '/linux/resources/pids/limit';
  const path = '/linux/cgroupsPath';
  t.same(issues({ cgroupsPath: 'mine', resources: { pids: { limit: 1n } } }, rootless), [
    { code: 'CGROUP_UNAVAILABLE', path: limit },
    { code: 'CGROUP_UNAVAILABLE', path },
  ]);
  const devices = { resources: { devices: [{ allow: false }] } };
  t.same(issues(devices, hostFacts({ cgroup: NO_CGROUP2 })), [
    { code: 'CGROUP_UNAVAILABLE', path: '/linux/resources/devices' },
  ]);
  t.same(issues({ resources: { pids: { limit: 1n } } }, hostFacts({ cgroup: NO_CGROUP2 })), [
    { code: 'CONTROLLER_UNAVAILABLE', path: limit },
  ]);
});

t.test('compileCgroup trusts a delegated absolute path and lets an unprivileged filter fail', async (t) => {
  const { places, setup } = compile({ cgroupsPath: '/user.slice/delegated/c1' }, rootless);
  t.equal(places[0]?.path, '/user.slice/delegated/c1');
  t.match(setup.at(-1), { op: 'CGROUP_DEVICES', flags: BPF.IGNORE_ERRORS });
});

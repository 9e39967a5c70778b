// What compileCreate refuses and warns of, code by code. What it emits is in the golden plans.
import t from 'tap';
import type { HostFacts } from '../../src/host/facts.js';
import { SETGROUPS, USER } from '../../src/plan/op.gen.js';
import { ID_MAPS, NO_CGROUP2, UNIFIED } from '../helpers/facts.js';
import { create, line, ops, refusals } from './compiling.js';

const MAPS = {
  namespaces: [{ type: 'mount' }, { type: 'user' }],
  uidMappings: [{ containerID: 0, hostID: 100000, size: 10 }],
  gidMappings: [{ containerID: 0, hostID: 100000, size: 10 }],
};

t.test('compileCreate refuses namespaces that cannot be', (t) => {
  const without = { facts: { namespaces: ['mount', 'pid'] as const } };
  const linux = { namespaces: [{ type: 'mount' }, { type: 'cgroup' }] };
  t.same(
    refusals(() => create({ linux }, without)),
    ['NAMESPACE_UNSUPPORTED /linux/namespaces/1'],
  );
  t.same(
    refusals(() => create({ linux: { ...MAPS, namespaces: [{ type: 'user' }] } })),
    ['MOUNT_NAMESPACE_MISSING /linux/namespaces'],
  );
  t.end();
});

t.test('mappings beside a user namespace that is joined are compared with its own', (t) => {
  const { uidMappings, gidMappings } = MAPS;
  const namespaces = [{ type: 'mount' }, { type: 'user', path: '/proc/7/ns/user' }];
  t.match(ops(create({ linux: { namespaces, uidMappings, gidMappings } }), 'ID_MAP_CHECK', 'settle'), [
    { file: 'uid_map', map: '0 100000 10\n', origin: '/linux/uidMappings' },
    { file: 'gid_map', map: '0 100000 10\n', origin: '/linux/gidMappings' },
  ]);
  t.same(ops(create({ linux: { namespaces } }), 'ID_MAP_CHECK'), [], 'none are said');
  t.same(ops(create({ linux: MAPS }), 'ID_MAP_CHECK'), [], 'a new one gets them');
  t.end();
});

t.test('compileCreate refuses ids that a new user namespace does not map', (t) => {
  const process = { user: { uid: 10, gid: 11, additionalGids: [1, 12] } };
  const mounts = [{ destination: '/t', type: 'tmpfs', source: 'tmpfs', options: ['mode=700', 'uid=99', 'gid=9'] }];
  t.same(
    refusals(() => create({ process, mounts, linux: MAPS })),
    [
      'ID_NOT_MAPPED /mounts/0/options/1',
      'ID_NOT_MAPPED /process/user/uid',
      'ID_NOT_MAPPED /process/user/gid',
      'ID_NOT_MAPPED /process/user/additionalGids/1',
    ],
  );
  const high = [{ containerID: 1, hostID: 100000, size: 10 }];
  const user = { uid: 1, gid: 1 };
  t.same(
    refusals(() => create({ process: { user }, linux: { ...MAPS, uidMappings: high, gidMappings: high } })),
    ['ID_NOT_MAPPED /linux/uidMappings', 'ID_NOT_MAPPED /linux/gidMappings'],
  );
  t.end();
});

t.test('compileCreate refuses groups where setgroups is closed', (t) => {
  const process = { user: { uid: 0, gid: 0, additionalGids: [1] } };
  t.same(
    refusals(() => create({ process, linux: MAPS }, { facts: { idMaps: { ...ID_MAPS, setgroupsDenied: true } } })),
    ['GROUPS_NOT_ALLOWED /process/user/additionalGids'],
  );
  const own = { ...MAPS, gidMappings: [{ containerID: 0, hostID: 1000, size: 1 }] };
  const rootless = { capabilities: 0n, euid: 1000, egid: 1000 };
  t.same(
    refusals(() =>
      create({ process: { user: { ...process.user, additionalGids: [0] } }, linux: own }, { facts: rootless }),
    ),
    ['GROUPS_NOT_ALLOWED /process/user/additionalGids'],
    'a user who maps the own group alone',
  );
  t.same(
    refusals(() => create({ process, linux: MAPS }, { facts: rootless })),
    [],
    'newgidmap leaves it open',
  );
  t.end();
});

t.test('run.oci.keep_original_groups leaves the groups as they are, whatever the process asks for', (t) => {
  const process = { user: { uid: 0, gid: 0, additionalGids: [1, 5000] } };
  const flags = (annotations: object) =>
    (['SET_USER', 'BECOME_ROOT'] as const).flatMap((name) => ops(create({ process, linux: MAPS, annotations }), name));
  const kept = { flags: USER.SKIP_GROUPS };
  t.match(flags({ 'run.oci.keep_original_groups': '1' }), [kept, kept]);
  t.match(
    refusals(() => flags({ 'run.oci.keep_original_groups': '0' })),
    ['ID_NOT_MAPPED /process/user/additionalGids/1'],
    'which has no part in it otherwise',
  );
  t.end();
});

t.test('/dev/ptmx is the container’s own, though the devices of a privileged container have that of the host', (t) => {
  const devices = ['/dev/ptmx', '/dev/../dev/ptmx', '/dev/tty7'].map((path) => ({
    path,
    type: 'c',
    major: 5,
    minor: 2,
  }));
  for (const linux of [{ devices }, { ...MAPS, devices }]) {
    const compiled = create({ linux });
    const made = ops(compiled, 'MAKE_DEVICE').map(({ path }) => path);
    t.ok(made.includes('/dev/tty7'));
    t.notOk(made.includes('/dev/ptmx'), 'a node that is bound could not be replaced by the link');
    t.match(ops(compiled, 'MAKE_SYMLINK')[0], { path: '/dev/ptmx', target: 'pts/ptmx' });
  }
  t.end();
});

t.test('compileIdMaps writes the own id and has the tools write what needs rights', (t) => {
  const facts = { capabilities: 0n, euid: 1000, egid: 1000 };
  const own = [{ containerID: 0, hostID: 1000, size: 1 }];
  const more = [...own, { containerID: 1, hostID: 100000, size: 65536 }];
  const maps = (uidMappings: object, gidMappings: object, change: Partial<HostFacts> = facts) => {
    const compiled = create({ linux: { ...MAPS, uidMappings, gidMappings } }, { facts: change });
    return [...ops(compiled, 'ID_MAPS'), ...ops(compiled, 'ID_MAP_TOOL')];
  };
  t.match(maps(own, own), [{ uidMap: '0 1000 1\n', gidMap: '0 1000 1\n', setgroups: SETGROUPS.DENY }]);
  t.match(maps(more, own), [
    { uidMap: '', gidMap: '0 1000 1\n', setgroups: SETGROUPS.DENY },
    { path: '/usr/bin/newuidmap', ranges: ['0', '1000', '1', '1', '100000', '65536'], origin: '/linux/uidMappings' },
  ]);
  t.match(maps(more, more), [{ path: '/usr/bin/newuidmap' }, { path: '/usr/bin/newgidmap' }]);
  t.match(maps(more, more, {}), [{ op: 'ID_MAPS', setgroups: SETGROUPS.UNTOUCHED }], 'root writes them itself');
  const without = { ...facts, idMaps: { ...ID_MAPS, newuidmap: null } };
  t.same(
    refusals(() => maps(more, own, without)),
    ['ID_MAP_TOOL_MISSING /linux/uidMappings'],
  );
  t.same(
    refusals(() => maps(own, own, without)),
    [],
  );
  t.end();
});

t.test('checkNamespaces wants a user namespace of whoever is not root', (t) => {
  const facts = { capabilities: 0n, euid: 1000, egid: 1000 };
  t.same(
    refusals(() => create({}, { facts })),
    ['USER_NAMESPACE_MISSING /linux/namespaces'],
  );
  t.same(
    refusals(() => create({}, { facts: { inUserNamespace: true } })),
    [],
    'root of one has it',
  );
  t.end();
});

t.test('createSources leaves the sources to init where the runtime may not mount', (t) => {
  const slots = (mayMount: boolean) => ops(create({ linux: MAPS }, { facts: { mayMount } }), 'OPEN_SOURCE').length;
  t.equal(slots(true), 1);
  t.equal(slots(false), 0);
  t.end();
});

t.test('compileIntelRdt refuses what the host has not', (t) => {
  const intelRdt = { l3CacheSchema: 'L3:0=f', memBwSchema: 'MB:0=20', enableMonitoring: true };
  const found = (resctrl: HostFacts['resctrl']) =>
    refusals(() => create({ linux: { intelRdt } }, { facts: { resctrl } }));
  t.same(found(null), ['RDT_UNAVAILABLE /linux/intelRdt']);
  t.same(found({ mount: '/r', info: ['L3'] }), [
    'RDT_UNAVAILABLE /linux/intelRdt/memBwSchema',
    'RDT_UNAVAILABLE /linux/intelRdt/enableMonitoring',
  ]);
  t.same(found({ mount: '/r', info: ['L3CODE', 'L3DATA', 'L3_MON', 'MB'] }), []);
  t.end();
});

t.test('compileNetDevices refuses a runtime that is not the root of the host', (t) => {
  const linux = { namespaces: [{ type: 'mount' }, { type: 'network' }], netDevices: { eth0: {} } };
  const found = (facts: object) => refusals(() => create({ linux }, { facts }));
  t.same(found({ euid: 1000 }), ['NET_DEVICES_ROOTLESS /linux/netDevices']);
  t.same(found({ inUserNamespace: true }), ['NET_DEVICES_ROOTLESS /linux/netDevices']);
  t.end();
});

t.test('compileScheduler refuses what no kernel and no field of the spec can give', (t) => {
  const scheduler = { policy: 'SCHED_ISO', flags: ['SCHED_FLAG_RESET_ON_FORK', 'SCHED_FLAG_UTIL_CLAMP_MIN'] };
  t.same(
    refusals(() => create({ process: { scheduler } })),
    ['SCHEDULER_UNSUPPORTED /process/scheduler/policy', 'SCHEDULER_UNSUPPORTED /process/scheduler/flags/1'],
  );
  t.end();
});

t.test('compileCreate leaves execCPUAffinity to exec', (t) => {
  t.same(
    ops(create({ process: { execCPUAffinity: { final: '0' } } }), 'CPU_AFFINITY').map(({ cpus }) => cpus.length),
    [0],
  );
  t.end();
});

t.test('compileCreate refuses mounts that this kernel cannot make', (t) => {
  const one = (mount: object, facts = {}) => refusals(() => create({ mounts: [mount] }, { facts }));
  const bind = { destination: '/m', source: '/s', options: ['bind', 'nosymfollow'] };
  t.same(one(bind, { mountApi: { idmap: true, nosymfollow: false } }), [
    'MOUNT_OPTION_UNSUPPORTED /mounts/0/options/1',
  ]);
  t.same(one({ destination: '/proc', source: '/srv/proc', options: ['bind'] }), ['MOUNT_OVER_PROC /mounts/0/source']);
  t.same(one({ destination: '/x/../proc', source: '/proc', options: ['rbind'] }), [], 'the positive twin');
  const lowerdir = `lowerdir=${'/layer:'.repeat(700)}/end`;
  t.same(one({ destination: '/o', type: 'overlay', source: 'overlay', options: [lowerdir] }), [
    'MOUNT_OPTIONS_TOO_LONG /mounts/0/options',
  ]);
  const cgroup = { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup' };
  t.same(one(cgroup, { cgroup: NO_CGROUP2 }), ['CGROUP_MOUNT_UNAVAILABLE /mounts/0/type']);
  t.end();
});

t.test('compileCreate refuses more bind sources than the executor has slots for', (t) => {
  const mounts = Array.from({ length: 512 }, (_, i) => ({ destination: `/m${i}`, source: '/s', options: ['bind'] }));
  t.same(
    refusals(() => create({ mounts, linux: MAPS })),
    ['TOO_MANY_SOURCES /mounts/510'],
  );
  t.same(
    refusals(() => create({ mounts })),
    [],
    'without a user namespace there are no slots',
  );
  t.end();
});

t.test('compileCreate refuses --no-pivot for a private root file system', (t) => {
  const linux = { rootfsPropagation: 'rprivate' };
  t.same(
    refusals(() => create({ linux }, { options: { noPivot: true } })),
    ['NO_PIVOT_PRIVATE /linux/rootfsPropagation'],
  );
  t.same(
    refusals(() => create({ linux })),
    [],
  );
  t.end();
});

t.test('compileCreate refuses hard limits above the own ones without CAP_SYS_RESOURCE', (t) => {
  const process = { rlimits: [{ type: 'RLIMIT_NOFILE', soft: 1, hard: 1025 }] };
  const facts = { hardLimits: { RLIMIT_NOFILE: 1024n }, capabilities: 1n << 21n };
  t.same(
    refusals(() => create({ process }, { facts })),
    ['RLIMIT_ABOVE_HOST /process/rlimits/0/hard'],
  );
  t.same(
    refusals(() => create({ process }, { facts: { ...facts, capabilities: (1n << 41n) - 1n } })),
    [],
    'with it the kernel decides',
  );
  t.end();
});

t.test('compileCreate refuses profiles of security modules that are off', (t) => {
  t.same(
    refusals(() => create({ process: { apparmorProfile: 'p', selinuxLabel: 'l' } })),
    ['APPARMOR_UNAVAILABLE /process/apparmorProfile', 'SELINUX_UNAVAILABLE /process/selinuxLabel'],
  );
  t.same(
    refusals(() => create({ process: { apparmorProfile: '', selinuxLabel: '' } })),
    [],
  );
  t.end();
});

t.test('compileCreate reports the issues of all areas at once', (t) => {
  const change = {
    process: { apparmorProfile: 'p', scheduler: { policy: 'SCHED_ISO' } },
    linux: { resources: { memory: { limit: 1000000 } } },
  };
  t.same(
    refusals(() => create(change, { facts: { cgroup: { ...UNIFIED, controllers: ['pids'] } } })),
    [
      'CONTROLLER_UNAVAILABLE /linux/resources/memory/limit',
      'SCHEDULER_UNSUPPORTED /process/scheduler/policy',
      'APPARMOR_UNAVAILABLE /process/apparmorProfile',
    ],
  );
  t.end();
});

t.test('compileCapabilities leaves out with a warning what cannot be granted', (t) => {
  const sets = { permitted: ['CAP_CHOWN', 'CAP_SYS_ADMIN'], effective: ['CAP_CHOWN'], inheritable: ['CAP_KILL'] };
  const capabilities = { ...sets, bounding: ['CAP_CHOWN', 'CAP_BPF', 'CAP_CHECKPOINT_RESTORE'] };
  const compiled = create({ process: { capabilities } }, { facts: { capabilities: 0b100001n, lastCap: 39 } });
  t.same(compiled.warnings.map(line), [
    'CAPABILITY_NEWER /process/capabilities/bounding/2',
    'CAPABILITY_NOT_GRANTED /process/capabilities/permitted',
    'CAPABILITY_NOT_GRANTED /process/capabilities/inheritable',
  ]);
  t.match(compiled.warnings[1]?.message, /CAP_SYS_ADMIN$/);
  t.match(ops(compiled, 'BOUNDING_SET'), [{ mask: 1n | (1n << 39n) }]);
  t.match(ops(compiled, 'CAPABILITIES'), [{ permitted: 1n, effective: 1n, inheritable: 0n }]);
  t.end();
});

t.test('compileCapabilities gives nothing where the config says nothing', (t) => {
  const compiled = create();
  t.match(ops(compiled, 'BOUNDING_SET'), [{ mask: 0n }]);
  t.match(ops(compiled, 'CAPABILITIES'), [{ permitted: 0n, effective: 0n, inheritable: 0n }]);
  t.end();
});

t.test('compileBind warns of options that have no effect on a bind', (t) => {
  const mounts = [{ destination: '/m', source: '/s', options: ['bind', 'sync'] }];
  t.same(create({ mounts }).warnings.map(line), ['MOUNT_OPTION_NO_EFFECT /mounts/0/options']);
  t.end();
});

t.test('compileCreate refuses a path that could pass for a slot of the plan (CONTROL_CHARACTER)', (t) => {
  const mounts = [{ destination: '/x', source: '/a\u0001I', options: ['bind'] }];
  t.same(
    refusals(() => create({ mounts, linux: { namespaces: [{ type: 'mount' }], cgroupsPath: '/\u0001P' } })),
    ['CONTROL_CHARACTER /linux/cgroupsPath', 'CONTROL_CHARACTER /mounts/0/source'],
  );
  t.end();
});

t.test('compileCreate warns of options that have no effect where they stand', (t) => {
  const mounts = [
    { destination: '/a', options: ['rslave', 'size=5'] },
    { destination: '/b', type: 'proc', options: ['tmpcopyup'] },
    { destination: '/sys/fs/cgroup', type: 'cgroup', options: ['nsdelegate'] },
  ];
  t.same(
    create({ mounts }).warnings.map(line),
    [0, 1, 2].map((index) => `MOUNT_OPTION_NO_EFFECT /mounts/${index}/options`),
  );
  t.end();
});

t.test('compileCreate refuses a relative root.path that leads to the host root (IS_ROOT)', (t) => {
  t.same(
    refusals(() => create({ root: { path: '../..' } })),
    ['IS_ROOT /root/path'],
  );
  t.end();
});

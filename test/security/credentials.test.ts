// Who the program is: ids, groups, capabilities; and that it does not run at all when any of it cannot be set.
// CVE-2016-3697, CVE-2026-30892, CVE-2022-29162, CVE-2022-36109, CVE-2014-8989, CVE-2020-5291.
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { TestConfig } from '../helpers/config.js';
import { needCommand, needReadableBy, needUserNamespace, skipUnless } from '../helpers/host.js';
import { call, ENTRY_POINTS, launch, SETUPS } from '../helpers/launch.js';
import { install, needCompiler, program } from '../helpers/programs.js';
import {
  type Bundle,
  IS_TSRUN,
  must,
  needRuntime,
  RUNTIME,
  runProgram,
  type Sandbox,
  sandbox,
} from '../helpers/runtime.js';
import { needStrace, traced } from '../helpers/traced.js';

t.setTimeout(300_000);
const skip = needRuntime();
const skipProgram = skipUnless(needRuntime(), needCompiler());

/** Names that look like numbers and are root. */
const PASSWD = `root:x:0:0:root:/root:/bin/sh
1000:x:0:0:trap:/trap:/bin/sh
01:x:0:0:trap:/trap:/bin/sh
4294967296:x:0:0:trap:/trap:/bin/sh
2147483648:x:0:0:trap:/trap:/bin/sh
user:x:1000:1000:user:/home/user:/bin/sh
`;

function trapUsers(bundle: Bundle): void {
  writeFileSync(join(bundle.rootfs, 'etc/passwd'), PASSWD);
  writeFileSync(join(bundle.rootfs, 'etc/group'), '1000:x:0:\n2147483648:x:0:\nuser:x:1000:\n');
}

const WHO = 'echo $(id -u) $(id -g) $HOME';

// V03: ids of the config are numbers, whatever names the image has.
for (const [uid, gid, expected] of [
  [1000, 1000, '1000 1000 /home/user'],
  [2_147_483_648, 2_147_483_648, '2147483648 2147483648 /'],
  [65_536, 65_536, '65536 65536 /'],
  [4_294_967_294, 1, '4294967294 1 /'],
] as const) {
  t.test(`user ${uid}:${gid} is that number, also where the image has such a name`, { skip }, async (t) => {
    const box = sandbox(t);
    const bundle = box.bundle(['sh', '-c', WHO], ({ process }) => {
      process.user = { uid, gid };
      process.env = ['PATH=/bin'];
    });
    trapUsers(bundle);
    for (const entry of ENTRY_POINTS) t.equal(must(launch(box, bundle, entry)).stdout, `${expected}\n`, entry);
  });
}

const BAD_USERS = [
  { uid: -1, gid: 0 },
  { uid: 4_294_967_295, gid: 0 },
  { uid: 4_294_967_296, gid: 0 },
  { uid: 1000, gid: 4_294_967_295 },
  { uid: 1000, gid: 4_294_967_296 },
  { uid: 1000, gid: 1000, additionalGids: [4_294_967_296] },
  { uid: 1000, gid: 1000, additionalGids: [-1] },
  { uid: '1000', gid: 0 },
  { uid: 1000.5, gid: 0 },
  { uid: 1e300, gid: 0 },
];

t.test('ids that are out of range or no numbers are refused', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['sh', '-c', `echo program ran; ${WHO}`]);
  const id = box.start(box.bundle());
  const file = join(box.directory, 'process.json');
  for (const user of BAD_USERS) {
    bundle.config['process'].user = user;
    bundle.save();
    writeFileSync(file, JSON.stringify(bundle.config['process']));
    const tried = [...SETUPS.map((entry) => launch(box, bundle, entry)), call(box, ['exec', '--process', file, id])];
    for (const { status, stdout, stderr } of tried) {
      t.not(status, 0, JSON.stringify(user));
      t.notMatch(stdout, /program ran/);
      if (IS_TSRUN) t.match(stderr, /\/user\/\w+/);
    }
  }
});

// V04: exec --user takes numbers and nothing that begins like one.
t.test('exec --user runs as exactly the ids it is given, or not at all', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(undefined, ({ process }) => {
    process.user = { uid: 7, gid: 8 };
    process.env = ['PATH=/bin'];
  });
  trapUsers(bundle);
  const id = box.start(bundle);
  const asked: readonly (readonly [string, string | undefined])[] = [
    ['1', '1 8 /'],
    ['1:2', '1 2 /'],
    ['0', '0 8 /root'],
    ['0:0', '0 0 /root'],
    ['1000', '1000 8 /home/user'],
    ['1000:2147483648', '1000 2147483648 /home/user'],
    ['4294967294', '4294967294 8 /'],
    ...['01', '1:', ':1', ' 1', '1 ', '1x', '', '4294967295', '4294967296', '18446744073709551617'].map(
      (text) => [text, undefined] as const,
    ),
    ...['-1', '+1', '0x1', '1e3', '1.0', 'root', 'user', '1:user', 'user:1', '1:2:3', '1\n', '１'].map(
      (text) => [text, undefined] as const,
    ),
  ];
  for (const [user, expected] of asked) {
    const result = box.run(['exec', '--user', user, id, 'sh', '-c', WHO]);
    // Other runtimes are more generous with leading zeros and empty parts; root is what nobody asked for.
    if (expected !== undefined) t.equal(result.stdout, `${expected}\n`, `--user '${user}'`);
    else if (IS_TSRUN) t.match([result.status, result.stdout], [255, ''], `--user '${user}' is refused`);
    else t.notMatch(result.stdout, /^0 /, `--user '${user}' is not root`);
    if (expected === undefined && IS_TSRUN) t.match(result.stderr, /--user/);
  }
  const groups = box.run(['exec', '--user', '1:2', '--additional-gids', '3', '--additional-gids', '4', id, 'id', '-G']);
  t.equal(must(groups).stdout, '2 3 4\n', '+ additional groups');
  for (const gid of ['-1', 'root', '4294967295', '']) {
    const refused = box.run(['exec', '--additional-gids', gid, id, 'sh', '-c', WHO]);
    t.not(refused.status, 0, `--additional-gids '${gid}' is refused`);
    t.equal(refused.stdout, '');
  }
});

// V05: capabilities that nobody asked for, above all inheritable ones.
interface Sets {
  readonly [name: string]: bigint;
}

function capabilitiesIn(stdout: string): Sets {
  return Object.fromEntries(
    [...stdout.matchAll(/^Cap(\w+):\t(\w+)$/gm)].map(([, name = '', mask]) => [name, BigInt(`0x${mask}`)]),
  );
}

const SHOW = ['grep', '^Cap', '/proc/self/status'];
const KILL = 1n << 5n;
const CHOWN = 1n << 0n;
const NET_RAW = 1n << 13n;
const few = { bounding: ['CAP_KILL', 'CAP_CHOWN'], effective: ['CAP_KILL'], permitted: ['CAP_KILL'] };

const namespaced = (config: TestConfig): void => {
  config['linux'].namespaces.push({ type: 'user' });
  config['linux'].uidMappings = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
  config['linux'].gidMappings = config['linux'].uidMappings;
  config['mounts'] = config['mounts'].filter(({ destination }: TestConfig) => destination !== '/dev/mqueue');
};

/** Ids of a user namespace cannot enter directories of mkdtemp(3). */
function openUp(box: Sandbox, bundle: Bundle): void {
  for (const path of [box.directory, bundle.path]) chmodSync(path, 0o755);
  must(runProgram('chown', ['-Rh', '100000:100000', bundle.rootfs], box.directory));
}

for (const [what, edit] of [
  ['root', () => {}],
  ['another user', ({ process }: TestConfig) => Object.assign(process, { user: { uid: 1000, gid: 1000 } })],
  ['root of a user namespace', namespaced],
] as const) {
  const skipped = edit === namespaced ? skipUnless(skip, needUserNamespace()) : skip;
  t.test(`${what} has the capabilities that were asked for and no other`, { skip: skipped }, async (t) => {
    const box = sandbox(t);
    const bundle = box.bundle(SHOW, (config) => {
      edit(config);
      config['process'].capabilities = few;
    });
    if (edit === namespaced) openUp(box, bundle);
    for (const entry of ENTRY_POINTS) {
      const expected = { Inh: 0n, Prm: KILL, Eff: KILL, Bnd: KILL | CHOWN, Amb: 0n };
      // An execve(2) of another user drops what is not ambient; without no_new_privs root's would give the bounding set.
      const afterwards = what === 'another user' ? { Prm: 0n, Eff: 0n } : {};
      t.same(capabilitiesIn(must(launch(box, bundle, entry)).stdout), { ...expected, ...afterwards }, entry);
    }
    bundle.config['process'].capabilities = {};
    bundle.save();
    const none = { Inh: 0n, Prm: 0n, Eff: 0n, Bnd: 0n, Amb: 0n };
    for (const entry of ENTRY_POINTS)
      t.same(capabilitiesIn(must(launch(box, bundle, entry)).stdout), none, `${entry}: none`);
  });
}

t.test(
  'exec has the container’s capabilities; --cap adds to what may be had, never to what is inherited',
  { skip },
  async (t) => {
    const box = sandbox(t);
    const bundle = box.bundle(undefined, ({ process }) => {
      process.capabilities = few;
      process.user = { uid: 1000, gid: 1000 };
    });
    const id = box.start(bundle);
    const exec = (...flags: string[]): Sets => capabilitiesIn(must(box.run(['exec', ...flags, id, ...SHOW])).stdout);
    t.same(exec(), { Inh: 0n, Prm: 0n, Eff: 0n, Bnd: KILL | CHOWN, Amb: 0n });
    t.same(exec('--user', '0'), { Inh: 0n, Prm: KILL, Eff: KILL, Bnd: KILL | CHOWN, Amb: 0n });
    const [more, has] = [KILL | CHOWN | NET_RAW, KILL | NET_RAW];
    t.same(exec('--cap', 'CAP_NET_RAW'), { Inh: 0n, Prm: 0n, Eff: 0n, Bnd: more, Amb: 0n });
    t.same(exec('--cap', 'CAP_NET_RAW', '--user', '0'), { Inh: 0n, Prm: has, Eff: has, Bnd: more, Amb: 0n });
  },
);

t.test('+ inheritable and ambient capabilities are given when they are asked for', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(SHOW, ({ process }) => {
    process.user = { uid: 1000, gid: 1000 };
    const one = ['CAP_KILL'];
    process.capabilities = { bounding: one, effective: one, permitted: one, inheritable: one, ambient: one };
  });
  for (const entry of ENTRY_POINTS) {
    const all = { Inh: KILL, Prm: KILL, Eff: KILL, Bnd: KILL, Amb: KILL };
    t.same(capabilitiesIn(must(launch(box, bundle, entry)).stdout), all, entry);
  }
});

t.test('a file with inheritable capabilities gives another user nothing', { skip: skipProgram }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['/bin/busybox-capable', 'grep', '^Cap', '/proc/self/status'], ({ process }) => {
    process.noNewPrivileges = false;
    process.user = { uid: 1000, gid: 1000 };
    for (const set of ['bounding', 'effective', 'permitted']) process.capabilities[set].push('CAP_NET_RAW');
  });
  must(
    runProgram('cp', [join(bundle.rootfs, 'bin/busybox'), join(bundle.rootfs, 'bin/busybox-capable')], box.directory),
  );
  const give = (sets: string) =>
    must(
      runProgram(
        program('probe'),
        ['set-capability', join(bundle.rootfs, 'bin/busybox-capable'), '13', sets],
        box.directory,
      ),
    );
  give('ei');
  for (const entry of ENTRY_POINTS) {
    const { Prm = 0n, Eff = 0n, Inh } = capabilitiesIn(must(launch(box, bundle, entry)).stdout);
    t.same([Prm & NET_RAW, Eff & NET_RAW, Inh], [0n, 0n, 0n], entry);
  }
  give('ep');
  for (const entry of ENTRY_POINTS) {
    const { Prm = 0n } = capabilitiesIn(must(launch(box, bundle, entry)).stdout);
    t.equal(Prm & NET_RAW, NET_RAW, `+ ${entry}: a permitted one is gained`);
  }
});

// V06: a file may be closed to a group and open to everybody else.
function groupBundle(box: Sandbox, additionalGids?: number[]): Bundle {
  const bundle = box.bundle(['/bin/probe', 'open', '/closed'], ({ process }) => {
    process.noNewPrivileges = false;
    process.user = { uid: 1000, gid: 1000, ...(additionalGids === undefined ? {} : { additionalGids }) };
    process.capabilities = {};
  });
  install(bundle.rootfs, 'probe');
  install(bundle.rootfs, 'probe', '/bin/probe-of-group');
  chownSync(join(bundle.rootfs, 'bin/probe-of-group'), 0, 2000);
  chmodSync(join(bundle.rootfs, 'bin/probe-of-group'), 0o2755);
  writeFileSync(join(bundle.rootfs, 'closed'), '');
  chownSync(join(bundle.rootfs, 'closed'), 0, 1000);
  chmodSync(join(bundle.rootfs, 'closed'), 0o707);
  return bundle;
}

t.test('what is closed to the primary group or an additional one stays closed', { skip: skipProgram }, async (t) => {
  const box = sandbox(t);
  const bundle = groupBundle(box);
  for (const entry of ENTRY_POINTS) t.equal(must(launch(box, bundle, entry)).stdout, 'open EACCES\n', `${entry}: gid`);
  bundle.config['process'].user = { uid: 1000, gid: 5, additionalGids: [1000] };
  bundle.save();
  for (const entry of ENTRY_POINTS)
    t.equal(must(launch(box, bundle, entry)).stdout, 'open EACCES\n', `${entry}: additional`);
  bundle.config['process'].user = { uid: 1000, gid: 5, additionalGids: [6] };
  bundle.save();
  for (const entry of ENTRY_POINTS)
    t.equal(must(launch(box, bundle, entry)).stdout, 'open ok\n', `+ ${entry}: no member`);
});

t.test(
  'a setgid program does not leave the primary group when engines list it as they do',
  { skip: skipProgram },
  async (t) => {
    const box = sandbox(t);
    const bundle = groupBundle(box, [1000]);
    bundle.config['process'].args[0] = '/bin/probe-of-group';
    bundle.save();
    for (const entry of ENTRY_POINTS) t.equal(must(launch(box, bundle, entry)).stdout, 'open EACCES\n', entry);
  },
);

// Podman's --group-add keep-groups. Without the annotation nothing of the caller's groups gets in: the test above.
t.test(
  'run.oci.keep_original_groups keeps the groups of the caller, and nothing else does',
  { skip: skipUnless(skip, needCommand('setpriv', 'util-linux')) },
  async (t) => {
    const box = sandbox(t);
    const runtime = ['setpriv', '--groups=1234,5678', RUNTIME];
    const groupsOf = (annotations: { readonly [name: string]: string }, mappings: object = {}) => {
      const bundle = box.bundle(['id', '-G'], (config) => {
        config['process'].user = { uid: 1000, gid: 5, additionalGids: [6] };
        Object.assign(config, { annotations });
        Object.assign(config['linux'], mappings);
        if ('uidMappings' in mappings) config['linux'].namespaces.push({ type: 'user' });
      });
      return ENTRY_POINTS.map((entry) => must(launch(box, bundle, entry, { runtime })).stdout.trim());
    };
    const kept = { 'run.oci.keep_original_groups': '1' };
    t.same(groupsOf(kept), ['5 1234 5678', '5 1234 5678', '5 1234 5678']);
    t.same(groupsOf({}), ['5 6', '5 6', '5 6']);
    t.same(groupsOf({ 'run.oci.keep_original_groups': '0' }), ['5 6', '5 6', '5 6']);
    const ids = [{ containerID: 0, hostID: 100_000, size: 2000 }];
    const mapped = groupsOf(kept, { uidMappings: ids, gidMappings: ids });
    t.same(mapped.slice(0, 2), ['5 65534 65534', '5 65534 65534'], 'in a user namespace they have no name');
    t.notMatch(mapped[2], /\b6\b/, 'a process that joins it leaves them outside');
  },
);

const NOBODY_SPECIAL = 23_456;

// V07: who is nobody special may not drop groups by way of a user namespace.
t.test(
  'root of an unprivileged user namespace cannot leave its groups',
  {
    skip: skipUnless(
      skipProgram,
      needCommand('setpriv', 'util-linux'),
      needUserNamespace(),
      needReadableBy(NOBODY_SPECIAL, RUNTIME),
    ),
  },
  async (t) => {
    const box = sandbox(t);
    const uid = NOBODY_SPECIAL;
    const home = mkdtempSync(join(tmpdir(), 'tsrun-test-user-'));
    t.teardown(() => rmSync(home, { recursive: true, force: true }));
    const bundle = box.bundle(['/bin/probe', 'drop-groups', '/closed'], (config) => {
      config['linux'].namespaces = [{ type: 'user' }, { type: 'mount' }, { type: 'pid' }];
      config['linux'].uidMappings = [{ containerID: 0, hostID: uid, size: 1 }];
      config['linux'].gidMappings = [{ containerID: 0, hostID: uid, size: 1 }];
      config['linux'].maskedPaths = [];
      config['linux'].readonlyPaths = [];
      config['mounts'] = [{ destination: '/proc', type: 'proc', source: 'proc' }];
      config['process'].capabilities.permitted = ['CAP_SETGID'];
      config['process'].capabilities.effective = ['CAP_SETGID'];
      config['process'].capabilities.bounding = ['CAP_SETGID'];
      delete config['hostname'];
    });
    install(bundle.rootfs, 'probe');
    chmodSync(box.directory, 0o755);
    must(runProgram('chown', ['-Rh', `${uid}:${uid}`, bundle.path, home], box.directory));
    writeFileSync(join(bundle.rootfs, 'closed'), '');
    // Root without capabilities over it is governed by its modes like anybody.
    chownSync(join(bundle.rootfs, 'closed'), 0, 34_567);
    chmodSync(join(bundle.rootfs, 'closed'), 0o707);
    const as = [
      'setpriv',
      `--reuid=${uid}`,
      `--regid=${uid}`,
      '--groups=34567',
      '--inh-caps=-all',
      '--bounding-set=-all',
    ];
    const direct = runProgram(
      as[0] ?? '',
      [...as.slice(1), program('probe'), 'open', join(bundle.rootfs, 'closed')],
      box.directory,
    );
    t.equal(direct.stdout, 'open EACCES\n', 'outside it is closed to that group');
    const root = join(home, 'state');
    const options = { env: { XDG_RUNTIME_DIR: home } };
    const runtime = [...as, RUNTIME];
    const result = call({ ...box, root }, ['run', '--bundle', bundle.path, box.id()], { ...options, runtime });
    t.match(must(result).stdout, /^setgroups EPERM\nopen EACCES\n$/);
  },
);

// V29: a step that fails, for whatever reason, is the end of it.
/** System calls of the way in, each of which must count. Those of exec alone, and of both. */
const STEPS: { readonly [entry: string]: readonly string[] } = {
  run: [
    'clone3',
    'open_tree',
    'move_mount',
    'mount_setattr',
    'fsmount',
    'pivot_root',
    'umount2',
    'mknodat',
    'sethostname',
    'setsid',
  ],
  exec: ['setns'],
};
const ALWAYS = [
  'setgroups',
  'setresgid',
  'setresuid',
  'capset',
  'prctl',
  'close_range',
  'chdir',
  'getcwd',
  'prlimit64',
];

t.test(
  'a system call of the set-up that fails keeps the program from running',
  { skip: skipUnless(skip, needStrace()) },
  async (t) => {
    const box = sandbox(t);
    const bundle = box.bundle(['sh', '-c', 'echo program ran'], (config) => {
      config['linux'].seccomp = {
        defaultAction: 'SCMP_ACT_ALLOW',
        syscalls: [{ names: ['kexec_load'], action: 'SCMP_ACT_ERRNO' }],
      };
    });
    const id = box.start(
      box.bundle(undefined, ({ linux }) => Object.assign(linux, { seccomp: bundle.config['linux'].seccomp })),
    );
    for (const entry of ['run', 'exec']) {
      for (const name of [...(STEPS[entry] ?? []), ...ALWAYS, 'seccomp']) {
        const { runtime } = traced(box, ['-e', `inject=${name}:error=EPERM`, '-e', `trace=${name}`]);
        const args =
          entry === 'run' ? ['run', '--bundle', bundle.path, box.id()] : ['exec', id, 'sh', '-c', 'echo program ran'];
        stops(t, call(box, args, { runtime: [runtime] }), `${entry}: ${name}`);
      }
      const { runtime } = traced(box, ['-e', 'trace=capset']);
      const args =
        entry === 'run' ? ['run', '--bundle', bundle.path, box.id()] : ['exec', id, 'sh', '-c', 'echo program ran'];
      t.equal(must(call(box, args, { runtime: [runtime] })).stdout, 'program ran\n', `+ ${entry}: nothing fails`);
    }
  },
);

/** Allowed to fail: what is asked of an environment that may be poorer. */
const OPTIONAL = new Set(['mknodat']);

function stops(
  t: Test,
  { status, stdout, stderr }: { status: number; stdout: string; stderr: string },
  message: string,
): void {
  const name = message.slice(message.indexOf(' ') + 1);
  if (OPTIONAL.has(name) && status === 0) return;
  t.notMatch(stdout, /program ran/, message);
  t.not(status, 0, message);
  t.match(stderr, /EPERM|not permitted/, message);
}

t.test('a namespace that cannot be joined is not left out', { skip }, async (t) => {
  const box = sandbox(t);
  for (const path of ['/proc/self/ns/none', '/etc/passwd', '/proc/self/ns/mnt', '/proc/1/root']) {
    const bundle = box.bundle(['echo', 'program ran'], ({ linux }) => {
      linux.namespaces = linux.namespaces.map((one: TestConfig) =>
        one['type'] === 'network' ? { type: 'network', path } : one,
      );
    });
    for (const entry of SETUPS) {
      const result = launch(box, bundle, entry);
      t.not(result.status, 0, `${entry} ${path}`);
      t.notMatch(result.stdout, /program ran/);
    }
  }
});

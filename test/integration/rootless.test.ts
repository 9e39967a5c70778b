// Rootless: everything a user without rights does, as uid 1000 without capabilities on this host, with the config that
// `tsrun spec --rootless` writes. With a systemd session and a delegated cgroup: test/systems/rootless.qemu.test.ts.
import { existsSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { needCommand, needReadableBy, needUserNamespace, type Skip, skipUnless } from '../helpers/host.js';
import { eventually, must, needRuntime, RUNTIME } from '../helpers/runtime.js';
import { type Config, walker } from '../helpers/walker.js';

const readable = needRuntime() || needReadableBy(1000, RUNTIME);
const skip = skipUnless(readable, needUserNamespace(), needCommand('setpriv', 'util-linux'));
const tools = skipUnless(skip, needCommand('newuidmap', 'uidmap'));

const without = (config: Config, type: string) => {
  config['linux'].namespaces = config['linux'].namespaces.filter((one: { type: string }) => one.type !== type);
};
const RANGES = [
  { containerID: 0, hostID: 1000, size: 1 },
  { containerID: 1, hostID: 100000, size: 65536 },
];

t.test('a user without rights creates, starts, execs, lists, kills and deletes', { skip }, async (t) => {
  const user = walker(t);
  const id = user.id();
  user.config(['sleep', '1000']);
  t.same(must(user.run('create', id)).stderr, '', 'without a word');
  t.match(JSON.parse(must(user.run('state', id)).stdout), { status: 'created', id });
  must(user.run('start', id));
  t.equal(must(user.run('exec', id, 'id', '-u')).stdout, '0\n');
  t.match(must(user.run('list')).stdout, new RegExp(`${id} +\\d+ +running .* walker`));
  must(user.run('kill', id, 'KILL'));
  must(user.run('delete', '--force', id));
  const root = statSync(join(user.home, 'tsrun'));
  t.equal(root.mode & 0o7777, 0o1700, 'the state directory is its own, and sticky');
});

t.test(
  'without a cgroup ps finds the processes of its pid namespace, and only where that is its own',
  { skip },
  async (t) => {
    const user = walker(t);
    const [id, shared] = [user.id(), user.id()];
    user.config(['sh', '-c', 'sleep 1000 & exec sleep 1000']);
    must(user.run('run', '--detach', id));
    const pids = () => JSON.parse(must(user.run('ps', '--format', 'json', id)).stdout) as number[];
    t.ok(eventually(() => pids().length === 2));
    const { pid } = JSON.parse(must(user.run('state', id)).stdout);
    t.ok(pids().includes(pid));
    must(user.run('kill', id, 'KILL'));
    t.ok(eventually(() => pids().length === 0));

    user.config(['sleep', '1000'], (config) => {
      without(config, 'pid');
      const proc = config['mounts'].find(({ destination }: { destination: string }) => destination === '/proc');
      Object.assign(proc, { type: 'none', source: '/proc', options: ['rbind'] });
    });
    must(user.run('run', '--detach', shared));
    t.match(user.run('ps', shared), { status: 1, stderr: /cgroup not exist/ });
    must(user.run('kill', shared, 'KILL'));
  },
);

t.test('root inside is the user outside: /proc, /dev, mounts, setgroups', { skip }, async (t) => {
  const user = walker(t);
  const script = 'cat /proc/self/uid_map /proc/self/setgroups; echo x >/dev/null && ls -n /dev/null; id -G';
  user.config(['sh', '-c', script]);
  const { stdout } = must(user.run('run', user.id()));
  t.match(stdout, /^ +0 +1000 +1\ndeny\n/);
  t.match(stdout, /^crw-rw-rw- .* 1, +3 /m);
  t.match(stdout, /^0$/m, 'the groups of the caller are not passed on');
});

t.test(
  'ranges of /etc/subuid are mapped by newuidmap and newgidmap, and groups can then be set',
  { skip: tools },
  async (t) => {
    const user = walker(t);
    user.config(['sh', '-c', 'cat /proc/self/uid_map /proc/self/gid_map; id -u; id -G'], (config) => {
      config['linux'].uidMappings = RANGES;
      config['linux'].gidMappings = RANGES;
      config['process'].user = { uid: 5, gid: 6, additionalGids: [7] };
    });
    const { stdout } = must(user.run('run', user.id()));
    t.match(stdout.replaceAll(/ +/g, ' '), / 0 1000 1\n 1 100000 65536\n 0 1000 1\n 1 100000 65536\n5\n6 7\n/);
  },
);

t.test('root may be one of the subordinate ids', { skip: tools }, async (t) => {
  const user = walker(t);
  user.config(['sh', '-c', 'id -u'], (config) => {
    config['linux'].uidMappings = [{ containerID: 0, hostID: 100000, size: 1000 }];
    config['linux'].gidMappings = [{ containerID: 0, hostID: 100000, size: 1000 }];
  });
  t.equal(must(user.run('run', user.id())).stdout, '0\n');
});

t.test('ids that /etc/subuid does not grant are refused with what newuidmap says', { skip: tools }, async (t) => {
  const user = walker(t);
  user.config(['true'], (config) => {
    config['linux'].uidMappings = [RANGES[0], { containerID: 1, hostID: 300000, size: 10 }];
  });
  const { status, stderr } = user.run('run', user.id());
  t.equal(status, 1);
  t.match(stderr, /\/linux\/uidMappings: .*newuidmap: uid range \[1-11\) -> \[300000-300010\) not allowed/);
  t.match(stderr, /hint: .*\/etc\/subuid/);
});

const REFUSED: readonly [name: string, edit: (config: Config) => void, text: RegExp][] = [
  [
    'no user namespace',
    (config) => {
      without(config, 'user');
      delete config['linux'].uidMappings;
      delete config['linux'].gidMappings;
    },
    /\/linux\/namespaces .*rootless container requires user namespaces\nhint: .*spec --rootless/,
  ],
  [
    'additional groups where setgroups is closed',
    (config) => {
      config['process'].user.additionalGids = [0];
    },
    /\/process\/user\/additionalGids .*cannot set any additional groups in a rootless container/,
  ],
  [
    'a mount option with an id that is not mapped',
    (config) =>
      config['mounts'].push({ destination: '/mnt', type: 'tmpfs', source: 'tmpfs', options: ['uid=5', 'gid=0'] }),
    /\/mounts\/7\/options\/0 .*ID 5 of the container must be in linux\.uidMappings/,
  ],
  [
    'a cgroup it may not make',
    (config) => {
      config['linux'].cgroupsPath = '/tsrun-test/not-mine';
    },
    /\/linux\/cgroupsPath.*\nhint: .*delegated/,
  ],
  [
    'a device the host does not have',
    (config) => {
      config['linux'].devices = [{ path: '/dev/nothing', type: 'c', major: 10, minor: 250 }];
    },
    /\/linux\/devices\/0: .*\/dev\/nothing.*ENOENT.*\nhint: in a user namespace no device can be made/,
  ],
  [
    'proc of somebody else',
    (config) => without(config, 'pid'),
    /\/mounts\/0: mount 'proc'.*EPERM.*\nhint: .*pid namespace/,
  ],
  [
    'mqueue of somebody else',
    (config) => without(config, 'ipc'),
    /\/mounts\/4: mount 'mqueue'.*EPERM.*\nhint: .*ipc namespace/,
  ],
];

for (const [name, edit, text] of REFUSED) {
  t.test(`refused with the field and what to do: ${name}`, { skip }, async (t) => {
    const user = walker(t);
    user.config(['true'], edit);
    const { status, stderr } = user.run('run', user.id());
    t.equal(status, 1);
    t.match(stderr, text);
    t.match(must(user.run('list', '-q')).stdout, /^$/, 'nothing is left');
  });
}

t.test(
  'sysfs is bound from the host where it may not be mounted, and nothing below is writable',
  { skip },
  async (t) => {
    const user = walker(t);
    const script =
      'mkdir /sys/fs/cgroup/made 2>&1; grep -c " /sys[/ ].* rw" /proc/self/mounts; ls /sys/class | head -1';
    user.config(['sh', '-c', script], (config) => {
      config['mounts'] = config['mounts'].filter(
        ({ destination }: { destination: string }) => !/^\/sys/.test(destination),
      );
      const options = ['nosuid', 'noexec', 'nodev', 'ro'];
      config['mounts'].push({ destination: '/sys', type: 'sysfs', source: 'sysfs', options });
    });
    const { stdout } = must(user.run('run', user.id()));
    t.match(stdout, /Read-only file system\n0\n/, 'CVE-2023-25809');
  },
);

t.test('a network namespace of its own has sysfs of its own', { skip }, async (t) => {
  const user = walker(t);
  user.config(['ls', '/sys/class/net'], (config) => {
    config['linux'].namespaces.push({ type: 'network' });
    config['mounts'] = config['mounts'].filter(
      ({ destination }: { destination: string }) => !/^\/sys/.test(destination),
    );
    config['mounts'].push({ destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['ro'] });
  });
  t.notMatch(must(user.run('run', user.id())).stdout, /eth0/);
});

t.test('without pid namespace and cgroup it warns that processes can stay behind', { skip }, async (t) => {
  const user = walker(t);
  user.config(['true'], (config) => {
    without(config, 'pid');
    config['mounts'][0] = { destination: '/proc', type: 'none', source: '/proc', options: ['rbind'] };
    config['linux'].maskedPaths = [];
    config['linux'].readonlyPaths = [];
  });
  t.match(must(user.run('run', user.id())).stderr, /warning.*no cgroup of its own.*cannot be found and killed/);
});

t.test('--rootless=false insists on a cgroup, true and auto do not', { skip }, async (t) => {
  const user = walker(t);
  user.config(['true']);
  t.match(user.run('--rootless', 'false', 'run', user.id()), {
    status: 1,
    stderr: /\/linux\/cgroupsPath .*needs a cgroup/,
  });
  for (const value of ['true', 'auto']) must(user.run('--rootless', value, 'run', user.id()));
});

t.test('without XDG_RUNTIME_DIR the message says what to set', { skip }, async (t) => {
  const user = walker(t);
  user.config(['true']);
  const { status, stderr } = user.as(['env', '-u', 'XDG_RUNTIME_DIR', RUNTIME, 'run', user.id()]);
  t.equal(status, 1);
  t.match(stderr, /--root: make the state directory.*\nhint: .*XDG_RUNTIME_DIR.*--root/);
});

t.test('hooks, sysctl, oom_score_adj, a terminal and bind mounts work', { skip }, async (t) => {
  const user = walker(t);
  symlinkSync('/etc/hostname', join(user.home, 'link'));
  user.config(['sh', '-c', 'cat /proc/self/oom_score_adj /proc/sys/kernel/msgmax; ls /mnt; touch /mnt/x'], (config) => {
    config['process'].oomScoreAdj = 500;
    config['linux'].sysctl = { 'kernel.msgmax': '8000' };
    config['hooks'] = { createRuntime: [{ path: '/bin/sh', args: ['sh', '-c', 'cat >hook-ran'] }] };
    config['mounts'].push({ destination: '/mnt', type: 'bind', source: user.home, options: ['bind', 'ro'] });
  });
  const { stdout, stderr } = user.run('run', user.id());
  t.match(stdout, /^500\n8000\n/);
  t.match(stdout, /^hook-ran$/m);
  t.match(stderr, /Read-only/);
  user.config(['tty'], (config) => {
    config['process'].terminal = true;
  });
  const typed = user.as(['script', '-qec', `${RUNTIME} run ${user.id()}`, '/dev/null']);
  t.match(typed.stdout, /\/dev\/pts\/0/);
});

t.test('root of a user namespace only: with and without another user namespace inside', { skip }, async (t) => {
  const user = walker(t);
  const inside = (id: string) => user.as(['unshare', '-Ur', RUNTIME, 'run', id]);
  const own = [{ containerID: 0, hostID: 0, size: 1 }];
  user.config(['cat', '/proc/self/uid_map'], (config) => {
    config['linux'].uidMappings = own;
    config['linux'].gidMappings = own;
  });
  t.match(must(inside(user.id())).stdout, /^ +0 +0 +1$/m);
  user.config(['cat', '/proc/self/uid_map'], (config) => {
    without(config, 'user');
    delete config['linux'].uidMappings;
    delete config['linux'].gidMappings;
  });
  t.match(must(inside(user.id())).stdout, /^ +0 +1000 +1$/m);
  t.ok(statSync(join(user.home, 'tsrun')).isDirectory(), 'the state is below XDG_RUNTIME_DIR');
});

/** crun goes only where cgroup2 has no controllers beside cgroup v1. */
function needPlainHybrid(): Skip {
  const file = '/sys/fs/cgroup/unified/cgroup.controllers';
  const controllers = existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
  return controllers === '' ? false : `crun refuses this host: cgroup2 has ${controllers} beside cgroup v1`;
}

const OTHERS = [
  { other: 'runc', needs: false },
  { other: 'crun', needs: needPlainHybrid() },
] as const;

/** What a program can tell of its surroundings, one line each, without what is different in each run. */
const LOOK = [
  'id',
  'cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups | tr -s " "',
  'grep -E "^(Cap|NoNewPrivs|Seccomp:)" /proc/self/status',
  'hostname; pwd; umask; ulimit -n',
  'cut -d" " -f5 /proc/self/mountinfo | grep -v ^/sys/ | sort -u',
  'ls /dev; ls -l /dev/null | cut -c1-10; cat /dev/null && echo null',
  'for file in /proc/sysrq-trigger /proc/sys/kernel/hostname /sys/kernel/x; do echo 1 2>/dev/null >$file || echo closed; done',
  'kill -0 1 && echo own pids; env | grep -v TSRUN_TEST | sort',
].join('; ');

for (const { other, needs } of OTHERS) {
  const both = skipUnless(tools, needCommand(other), needs);
  t.test(`the same bundle gives the program the same surroundings as under ${other}`, { skip: both }, async (t) => {
    const user = walker(t);
    const older = (config: Config) => {
      config['ociVersion'] = '1.0.2';
      config['hostname'] = 'same';
    };
    user.config(['sh', '-c', LOOK], (config) => {
      older(config);
      config['linux'].uidMappings = RANGES;
      config['linux'].gidMappings = RANGES;
    });
    const run = (runtime: string) => user.as([runtime, '--root', join(user.home, 'state'), 'run', user.id()]);
    const [ours, theirs] = [run(RUNTIME), must(run(other))];
    t.equal(ours.stdout, theirs.stdout);
    t.equal(ours.status, 0);
    for (const [args, status] of [
      [['sh', '-c', 'exit 7'], 7],
      [['/no/such'], undefined],
    ] as const) {
      user.config(args, older);
      const ends = [run(RUNTIME), run(other)].map((result) => result.status);
      if (status === undefined)
        t.ok(
          ends.every((one) => one !== 0),
          ends.join(' '),
        );
      else t.same(ends, [status, status]);
    }
  });
}

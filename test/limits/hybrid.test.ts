// Limits on a host whose controllers are bound to cgroup v1 beside a cgroup2 (hybrid): what the config asks for is in
// the files of the v1 cgroups, it bites, and nothing of it stays. Runs on this machine itself, and so with any runtime.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import t from 'tap';
import { cgroupsOf } from '../helpers/cgroup-v1.js';
import { needHybrid, skipUnless } from '../helpers/host.js';
import { findLeaks } from '../helpers/leaks.js';
import {
  type Bundle,
  eventually,
  IS_TSRUN,
  must,
  needRuntime,
  RUNTIME,
  type Sandbox,
  sandbox,
} from '../helpers/runtime.js';

const skip = skipUnless(needRuntime(), needHybrid());
const onlyTsrun = skipUnless(skip, IS_TSRUN ? false : 'what tsrun says');
const CGROUPS = '/sys/fs/cgroup';

/** Directories of it that something is mounted on. */
function hierarchies(): string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return readdirSync(CGROUPS).filter((name) => mounts.some((line) => line.split(' ')[4] === join(CGROUPS, name)));
}

function limited(box: Sandbox, args: string[], resources: object): Bundle {
  return box.bundle(args, (config) => {
    config['linux'].resources = resources;
  });
}

function read(cgroups: Map<string, string>, controller: string, file: string): string {
  return readFileSync(join(cgroups.get(controller) ?? '/nonexistent', file), 'utf8').trim();
}

interface Expected {
  readonly name: string;
  readonly resources: object;
  readonly controller: string;
  readonly files: { readonly [file: string]: string | RegExp };
}

const LIMITS: readonly Expected[] = [
  {
    name: 'memory: limit, swap with memory, reservation, swappiness',
    resources: { memory: { limit: 64 << 20, swap: 96 << 20, reservation: 32 << 20, swappiness: 7 } },
    controller: 'memory',
    files: {
      'memory.limit_in_bytes': String(64 << 20),
      'memory.memsw.limit_in_bytes': String(96 << 20),
      'memory.soft_limit_in_bytes': String(32 << 20),
      'memory.swappiness': '7',
    },
  },
  {
    name: 'memory: no OOM killer',
    resources: { memory: { limit: 64 << 20, disableOOMKiller: true } },
    controller: 'memory',
    files: { 'memory.oom_control': /oom_kill_disable 1/ },
  },
  {
    name: 'memory: unlimited',
    resources: { memory: { limit: -1 } },
    controller: 'memory',
    files: { 'memory.limit_in_bytes': /^9223372036854771712$/, 'memory.memsw.limit_in_bytes': /^9223372036854771712$/ },
  },
  {
    name: 'cpu: shares, quota, period',
    resources: { cpu: { shares: 512, quota: 25000, period: 50000 } },
    controller: 'cpu',
    files: { 'cpu.shares': '512', 'cpu.cfs_quota_us': '25000', 'cpu.cfs_period_us': '50000' },
  },
  { name: 'cpuset', resources: { cpu: { cpus: '0', mems: '0' } }, controller: 'cpuset', files: { 'cpuset.cpus': '0' } },
  { name: 'cpuset: that of the parent', resources: {}, controller: 'cpuset', files: { 'cpuset.cpus': /\d/ } },
  { name: 'pids', resources: { pids: { limit: 20 } }, controller: 'pids', files: { 'pids.max': '20' } },
  { name: 'pids: unlimited', resources: { pids: { limit: -1 } }, controller: 'pids', files: { 'pids.max': 'max' } },
  {
    name: 'blockIO: weight',
    resources: { blockIO: { weight: 200 } },
    controller: 'blkio',
    files: { 'blkio.bfq.weight': '200' },
  },
];

/** runc 1.1 knows neither. */
const NEWER: readonly Expected[] = [
  {
    name: 'cpu: burst and idle',
    resources: { cpu: { quota: 25000, burst: 5000, idle: 1 } },
    controller: 'cpu',
    files: { 'cpu.cfs_burst_us': '5000', 'cpu.idle': '1' },
  },
];

for (const { name, resources, controller, files } of [...LIMITS, ...(IS_TSRUN ? NEWER : [])]) {
  t.test(`${name}: is in the files of the v1 cgroup`, { skip }, async (t) => {
    const box = sandbox(t);
    const cgroups = cgroupsOf(box.state(box.start(limited(box, ['sleep', '1000'], resources))).pid);
    for (const [file, expected] of Object.entries(files)) {
      if (typeof expected === 'string') t.equal(read(cgroups, controller, file), expected, file);
      else t.match(read(cgroups, controller, file), expected, file);
    }
  });
}

const device = readdirSync('/sys/block').map((name) => readFileSync(`/sys/block/${name}/dev`, 'utf8').trim())[0] ?? '';
const noDevice = skipUnless(skip, device === '' ? 'this machine has no block device' : false);

t.test('a device of the machine can be throttled', { skip: noDevice }, async (t) => {
  const [major, minor] = device.split(':').map(Number);
  const box = sandbox(t);
  const rate = [{ major, minor, rate: 1048576 }];
  const blockIO = { throttleReadBpsDevice: rate, throttleWriteIOPSDevice: rate };
  const cgroups = cgroupsOf(box.state(box.start(limited(box, ['sleep', '1000'], { blockIO }))).pid);
  t.equal(read(cgroups, 'blkio', 'blkio.throttle.read_bps_device'), `${device} 1048576`);
  t.equal(read(cgroups, 'blkio', 'blkio.throttle.write_iops_device'), `${device} 1048576`);
});

t.test('a process that takes more than memory.limit is killed', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = limited(box, ['sh', '-c', 'tail /dev/zero; echo "tail: $?"'], {
    memory: { limit: 32 << 20, swap: 32 << 20 },
  });
  t.match(box.run(['run', '--bundle', bundle.path, box.id()]).stdout, /tail: 137/);
});

t.test('pids.limit keeps a shell from forking', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = limited(box, ['sh', '-c', 'sleep 1 & sleep 1 & sleep 1 & sleep 1 & wait'], { pids: { limit: 3 } });
  t.match(box.run(['run', '--bundle', bundle.path, box.id()]).stderr, /fork/);
});

/** runc does so since 1.4, whatever version the config names. */
t.test('pids.limit 0 is one process since runtime-spec 1.3, no limit before', { skip: onlyTsrun }, async (t) => {
  const box = sandbox(t);
  const forks = (ociVersion: string) => {
    const bundle = limited(box, ['sh', '-c', 'cat /proc/self/status >/dev/null; echo forked'], { pids: { limit: 0 } });
    bundle.config['ociVersion'] = ociVersion;
    bundle.save();
    return box.run(['run', '--bundle', bundle.path, box.id()]);
  };
  t.match(forks('1.3.0'), { stdout: '', stderr: /fork/ });
  t.match(forks('1.2.1'), { status: 0, stdout: 'forked\n' });
  const id = box.start(limited(box, ['sleep', '1000'], { pids: { limit: 20 } }));
  const max = () => read(cgroupsOf(box.state(id).pid), 'pids', 'pids.max');
  must(box.run(['update', '-r', '-', id], { input: '{"pids":{"limit":0}}' }));
  t.equal(max(), '20', 'update goes by the version of the config');
  must(box.run(['update', '--pids-limit', '0', id]));
  t.equal(max(), '1', 'and a flag by what it says');
});

t.test(
  'init and exec are in the same cgroup of every hierarchy, and after delete none is left',
  { skip },
  async (t) => {
    const box = sandbox(t);
    const id = box.start(limited(box, ['sleep', '1000'], {}));
    const cgroups = cgroupsOf(box.state(id).pid);
    const { stdout } = must(box.run(['exec', id, 'cat', '/proc/self/cgroup']));
    t.equal(stdout, readFileSync(`/proc/${box.state(id).pid}/cgroup`, 'utf8'));
    t.ok(cgroups.size >= 5);
    for (const directory of cgroups.values()) t.ok(existsSync(directory), directory);
    must(box.run(['delete', '--force', id]));
    for (const directory of cgroups.values()) t.notOk(existsSync(directory), directory);
  },
);

t.test('a limit too small for the runtime itself is named, with what was charged', { skip: onlyTsrun }, async (t) => {
  const box = sandbox(t);
  const create = (limit: number) =>
    box.run(['create', '--bundle', limited(box, ['true'], { memory: { limit, swap: limit } }).path, box.id()]);
  t.match(create(64 << 10), {
    status: 1,
    stderr:
      /\/linux\/resources\/memory\/limit: container init was OOM-killed: memory limit 64 KiB, [\d.]+ [KM]iB charged at most\nhint: raise/,
  });
  t.equal(create(16 << 20).status, 0);
});

const unifiedOnly = skipUnless(skip, IS_TSRUN ? false : 'other runtimes ignore cgroup2 on a hybrid host');

t.test(
  'unified: a file whose controller is bound to v1 is refused with the way out',
  { skip: unifiedOnly },
  async (t) => {
    const box = sandbox(t);
    const bundle = limited(box, ['true'], { unified: { 'memory.max': '1' } });
    const id = box.id();
    const result = box.run(['create', '--bundle', bundle.path, id]);
    t.not(result.status, 0);
    t.match(result.stderr, /\/linux\/resources\/unified\/memory\.max/);
    t.match(result.stderr, /bound to cgroup v1 at \/sys\/fs\/cgroup\/memory/);
    t.match(result.stderr, /hint:.*cgroup_no_v1=memory/);
    t.not(box.run(['state', id]).status, 0);
  },
);

t.test('unified: a file of cgroup2 itself is written', { skip: unifiedOnly }, async (t) => {
  const box = sandbox(t);
  const id = box.start(limited(box, ['sleep', '1000'], { unified: { 'cgroup.max.depth': '3' } }));
  t.equal(read(cgroupsOf(box.state(id).pid), '', 'cgroup.max.depth'), '3');
});

const MOUNT = {
  destination: '/sys/fs/cgroup',
  type: 'cgroup',
  source: 'cgroup',
  options: ['nosuid', 'noexec', 'nodev', 'ro'],
};

for (const namespace of [true, false]) {
  const name = namespace ? 'a cgroup namespace' : "the host's cgroup namespace";
  t.test(`/sys/fs/cgroup in ${name} shows the own cgroup of each hierarchy, read-only`, { skip }, async (t) => {
    const box = sandbox(t);
    const bundle = box.bundle(['sh', '-c', 'cat /sys/fs/cgroup/pids/pids.max; ls /sys/fs/cgroup'], (config) => {
      config['linux'].resources = { pids: { limit: 17 } };
      config['mounts'] = [
        ...config['mounts'].filter((one: typeof MOUNT) => one.destination !== '/sys/fs/cgroup'),
        MOUNT,
      ];
      if (namespace) config['linux'].namespaces.push({ type: 'cgroup' });
      config['process'].args.splice(2, 1, `${config['process'].args[2]}; mkdir /sys/fs/cgroup/pids/x 2>&1`);
    });
    const { stdout } = box.run(['run', '--bundle', bundle.path, box.id()]);
    t.match(stdout, /^17\n/);
    for (const directory of hierarchies()) {
      if (IS_TSRUN || directory !== 'unified') t.match(stdout, new RegExp(`^${directory}$`, 'm'));
    }
    t.match(stdout, /Read-only file system/);
  });
}

t.test('events reports an OOM kill, which cgroup v1 only counts', { skip }, async (t) => {
  const box = sandbox(t);
  const script = 'until [ -e /tmp/go ]; do sleep 0.05; done; tail /dev/zero; sleep 1';
  const bundle = limited(box, ['sh', '-c', script], { memory: { limit: 24 << 20, swap: 24 << 20 } });
  const id = box.start(bundle);
  const events = spawn(RUNTIME, ['--root', box.root, 'events', '--interval', '100ms', id], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  events.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    writeFileSync(join(bundle.rootfs, 'tmp/go'), '');
  });
  const status = await new Promise((resolve) => events.once('close', resolve));
  t.equal(status, 0, 'it ends by itself');
  const kinds = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).type);
  t.ok(kinds.includes('stats') && kinds.includes('oom'), `${new Set(kinds).size} kinds`);
});

/** The runtime and what it started, but for the container's first process, which has a session of its own. */
async function createKilled(box: Sandbox, bundle: Bundle, id: string, after: number): Promise<void> {
  const child = spawn(RUNTIME, ['--root', box.root, 'create', '--bundle', bundle.path, id], {
    stdio: 'ignore',
    detached: true,
    env: { ...process.env, TSRUN_TEST: basename(box.directory) },
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  await setTimeout(after);
  try {
    process.kill(-(child.pid ?? 0), 'SIGKILL');
  } catch {
    // done already
  }
  await ended;
}

t.test('a create that is killed at any moment can be deleted, in every hierarchy', { skip: onlyTsrun }, async (t) => {
  const box = sandbox(t);
  const bundle = limited(box, ['sleep', '1000'], { memory: { limit: 64 << 20 }, pids: { limit: 20 } });
  const begin = performance.now();
  must(box.run(['create', '--bundle', bundle.path, box.id()]));
  const whole = performance.now() - begin;
  const moments = 24;
  for (let moment = 1; moment <= moments; moment++) {
    const id = box.id();
    await createKilled(box, bundle, id, (whole * moment) / moments);
    const { status, stderr } = box.run(['delete', '--force', id]);
    t.equal(status, 0, `killed at ${moment} of ${moments}: ${stderr}`);
    t.ok(
      eventually(() => findLeaks(id, [id]).length === 0),
      findLeaks(id, [id]).join('\n') || 'nothing is left',
    );
    t.notOk(existsSync(join(box.root, id)));
  }
});

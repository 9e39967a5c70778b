// Limits that bite (runtime-spec: config-linux.md, "Control groups"), on a kernel with cgroup v2 alone: this file runs
// inside `npm run vm`, where the memory, cpu, io and pids controllers are free and root has every capability.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { needVm, skipUnless } from '../helpers/host.js';
import { install, needCompiler } from '../helpers/programs.js';
import { type Bundle, eventually, IS_TSRUN, must, needRuntime, type Sandbox, sandbox } from '../helpers/runtime.js';

const skip = skipUnless(needVm(), needRuntime());
const CGROUPS = '/sys/fs/cgroup';

function limited(box: Sandbox, args: string[], resources: object, path?: string): Bundle {
  return box.bundle(args, (config) => {
    config['linux'].resources = resources;
    if (path !== undefined) config['linux'].cgroupsPath = path;
    config['linux'].namespaces.push({ type: 'cgroup' });
  });
}

/** Where the container's processes are, below /sys/fs/cgroup. */
function cgroupOf(pid: number): string {
  return join(CGROUPS, readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().replace(/^0::/, ''));
}

const value = (directory: string, file: string): string => readFileSync(join(directory, file), 'utf8').trim();

t.test('a process that takes more than memory.limit is killed', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = limited(box, ['sh', '-c', 'tail /dev/zero; echo "tail: $?"'], {
    memory: { limit: 32 << 20, swap: 32 << 20 },
  });
  const result = box.run(['run', '--bundle', bundle.path, box.id()]);
  t.match(result.stdout, /tail: 137/);
});

t.test('a program without a C library runs in 512 KiB', { skip: skipUnless(skip, needCompiler()) }, async (t) => {
  const box = sandbox(t);
  const bundle = limited(box, ['/bin/tiny'], { memory: { limit: 512 << 10, swap: 512 << 10 } });
  install(bundle.rootfs, 'tiny');
  const ran = box.run(['run', '--bundle', bundle.path, box.id()]);
  t.same(ran, { status: 7, stdout: 'tiny\n', stderr: '' });
});

t.test('pids.limit stops a fork bomb, and only that container', { skip }, async (t) => {
  const box = sandbox(t);
  // A shell that cannot fork ends; the outer one stays.
  const script = 'sh -c "while :; do sleep 1000 & done"; sleep 1000';
  const id = box.start(limited(box, ['sh', '-c', script], { pids: { limit: 20 } }));
  const cgroup = cgroupOf(box.state(id).pid);
  t.equal(value(cgroup, 'pids.max'), '20');
  t.ok(
    eventually(() => /max [1-9]/.test(value(cgroup, 'pids.events'))),
    'forks were refused',
  );
  t.ok(Number(value(cgroup, 'pids.current')) <= 20);
  t.equal(spawnSync('true').status, 0, 'others still fork');
});

t.test('cpu.quota throttles', { skip }, async (t) => {
  const box = sandbox(t);
  const id = box.start(limited(box, ['sh', '-c', 'while :; do :; done'], { cpu: { quota: 20000, period: 100000 } }));
  const cgroup = cgroupOf(box.state(id).pid);
  t.equal(value(cgroup, 'cpu.max'), '20000 100000');
  t.ok(eventually(() => /nr_throttled [1-9]/.test(value(cgroup, 'cpu.stat'))));
});

interface Expected {
  readonly name: string;
  readonly resources: object;
  readonly files: { readonly [file: string]: string | RegExp };
}

const TEXTS: readonly Expected[] = [
  {
    name: 'memory: limit, reservation, swap beyond the limit',
    resources: { memory: { limit: 64 << 20, reservation: 32 << 20, swap: 96 << 20 } },
    files: { 'memory.max': '67108864', 'memory.low': '33554432', 'memory.swap.max': '33554432' },
  },
  { name: 'memory: unlimited', resources: { memory: { limit: -1 } }, files: { 'memory.max': 'max' } },
  // 1024 shares, the default of v1, are weight 100, the default of v2; runc before 1.4 made 39 of them.
  {
    name: 'cpu: shares become weight',
    resources: { cpu: { shares: 1024 } },
    files: { 'cpu.weight': IS_TSRUN ? '100' : /^(39|100)$/ },
  },
  { name: 'cpu: quota without period', resources: { cpu: { quota: 50000 } }, files: { 'cpu.max': '50000 100000' } },
  { name: 'cpu: period without quota', resources: { cpu: { period: 50000 } }, files: { 'cpu.max': 'max 50000' } },
  { name: 'cpu: no quota', resources: { cpu: { quota: -1 } }, files: { 'cpu.max': 'max 100000' } },
  { name: 'pids: unlimited', resources: { pids: { limit: -1 } }, files: { 'pids.max': 'max' } },
  {
    name: 'io: throttles of a device',
    resources: {
      blockIO: {
        throttleReadBpsDevice: [{ major: 7, minor: 0, rate: 1048576 }],
        throttleWriteIOPSDevice: [{ major: 7, minor: 0, rate: 100 }],
      },
    },
    files: { 'io.max': /^7:0 rbps=1048576 wbps=max riops=max wiops=100$/ },
  },
  {
    name: 'unified: files by their own name, over what the rest says',
    resources: {
      memory: { limit: 64 << 20 },
      unified: { 'memory.max': '50331648', 'memory.high': '41943040', 'pids.max': '77' },
    },
    files: { 'memory.max': '50331648', 'memory.high': '41943040', 'pids.max': '77' },
  },
];

for (const { name, resources, files } of TEXTS) {
  t.test(`cgroup files: ${name}`, { skip }, async (t) => {
    const box = sandbox(t);
    const id = box.id();
    must(box.run(['create', '--bundle', limited(box, ['sleep', '1000'], resources).path, id]));
    const cgroup = cgroupOf(box.state(id).pid);
    for (const [file, expected] of Object.entries(files)) t.match(value(cgroup, file), expected, file);
    must(box.run(['delete', '--force', id]));
    t.notOk(existsSync(cgroup), 'delete leaves no cgroup');
  });
}

t.test('device rules: what is not allowed is EPERM, what is allowed works', { skip }, async (t) => {
  const box = sandbox(t);
  const script =
    'head -c 1 /dev/kmsg2 >/dev/null 2>/tmp/err && echo read || cat /tmp/err; head -c 1 /dev/zero | wc -c; echo >/dev/null && echo null';
  const run = (rules: object[]): string => {
    const bundle = limited(box, ['sh', '-c', script], { devices: [{ allow: false, access: 'rwm' }, ...rules] });
    bundle.config['linux'].devices = [
      { path: '/dev/kmsg2', type: 'c', major: 1, minor: 11, fileMode: 0o666, uid: 0, gid: 0 },
    ];
    bundle.save();
    return box.run(['run', '--bundle', bundle.path, box.id()]).stdout;
  };
  t.match(run([]), /not permitted\n1\nnull/, 'denied; the standard devices are always allowed');
  t.match(run([{ allow: true, type: 'c', major: 1, minor: 11, access: 'r' }]), /read\n1\nnull/, 'allowed');
  t.match(
    run([{ allow: true, type: 'c', major: 1, minor: 11, access: 'w' }]),
    /not permitted\n1\nnull/,
    'only for writing',
  );
  t.match(run([{ allow: true, type: 'c', access: 'r' }]), /read\n1\nnull/, 'every character device');
  const both = [
    { allow: true, type: 'c', access: 'rwm' },
    { allow: false, type: 'c', major: 1, minor: 11, access: 'r' },
  ];
  // runc refuses to take back a part of an allowed rule.
  if (IS_TSRUN) t.match(run(both), /not permitted\n1\nnull/, 'the later rule wins');
});

t.test('exec is in the container’s cgroup and under its limits', { skip }, async (t) => {
  const box = sandbox(t);
  const id = box.start(limited(box, ['sleep', '1000'], { memory: { limit: 32 << 20, swap: 32 << 20 } }));
  t.match(box.run(['exec', id, 'cat', '/proc/self/cgroup']).stdout, /^0::\/\n$/, 'the root of its cgroup namespace');
  t.equal(box.run(['exec', id, 'tail', '/dev/zero']).status, 137, 'killed');
  t.equal(box.state(id).status, 'running', 'and only that');
});

t.test('cgroupsPath: nested, and its parents are gone after delete', { skip }, async (t) => {
  const box = sandbox(t);
  const id = box.id();
  const path = `/${id}-outer/middle/${id}`;
  must(box.run(['create', '--bundle', limited(box, ['sleep', '1000'], { pids: { limit: 30 } }, path).path, id]));
  t.equal(value(join(CGROUPS, path), 'pids.max'), '30');
  must(box.run(['delete', '--force', id]));
  t.notOk(existsSync(join(CGROUPS, path)));
  for (const left of [`/${id}-outer/middle`, `/${id}-outer`]) {
    if (IS_TSRUN) t.notOk(existsSync(join(CGROUPS, left)), left);
    else if (existsSync(join(CGROUPS, left))) rmdirSync(join(CGROUPS, left));
  }
});

t.test('delete removes cgroups that the container made in its own', { skip }, async (t) => {
  const box = sandbox(t);
  const script =
    'mkdir -p /sys/fs/cgroup/a/b && echo $$ >/sys/fs/cgroup/a/b/cgroup.procs && echo >/tmp/made; sleep 1000';
  const bundle = limited(box, ['sh', '-c', script], {});
  bundle.config['mounts'].push({
    destination: '/sys/fs/cgroup',
    type: 'cgroup',
    source: 'cgroup',
    options: ['nosuid', 'noexec', 'nodev', 'rw'],
  });
  bundle.save();
  const id = box.start(bundle);
  t.ok(eventually(() => existsSync(join(bundle.rootfs, 'tmp/made'))));
  const cgroup = cgroupOf(box.state(id).pid).replace('/a/b', '');
  t.ok(existsSync(join(cgroup, 'a/b')));
  must(box.run(['delete', '--force', id]));
  t.notOk(existsSync(cgroup));
});

t.test('a cgroup that holds other processes, or is frozen, is refused and left as it was', { skip }, async (t) => {
  const box = sandbox(t);
  const id = box.id();
  const cgroup = join(CGROUPS, `${id}-busy`);
  mkdirSync(cgroup);
  t.teardown(() => rmdirSync(cgroup)); // EBUSY: a process was left in it
  writeFileSync(join(cgroup, 'cgroup.freeze'), '1');
  const bundle = limited(box, ['sleep', '1000'], {}, `/${id}-busy`);
  const frozen = box.run(['create', '--bundle', bundle.path, id]);
  t.not(frozen.status, 0, 'frozen');
  if (IS_TSRUN) t.match(frozen.stderr, /\/linux\/cgroupsPath[\s\S]*frozen/);
  t.equal(value(cgroup, 'cgroup.freeze'), '1');
  box.run(['delete', '--force', id]);
  if (!existsSync(cgroup)) mkdirSync(cgroup); // runc's delete takes it along
  writeFileSync(join(cgroup, 'cgroup.freeze'), '0');
  if (!IS_TSRUN) return; // runc only warns about processes
  const script = `sh -c 'echo $$ >${cgroup}/cgroup.procs; exec sleep 1000' >/dev/null 2>&1 & echo $!`;
  const sleeper = spawnSync('sh', ['-c', script], { encoding: 'utf8' }).stdout.trim();
  t.ok(eventually(() => value(cgroup, 'cgroup.procs') === sleeper));
  const busy = box.run(['create', '--bundle', bundle.path, id]);
  t.not(busy.status, 0, 'busy');
  t.match(busy.stderr, /\/linux\/cgroupsPath/);
  t.equal(value(cgroup, 'cgroup.procs'), sleeper, 'the other process is still there');
  process.kill(Number(sleeper), 'SIGKILL');
  t.ok(eventually(() => value(cgroup, 'cgroup.procs') === ''));
});

t.test('a frozen container is paused, and delete --force ends it', { skip }, async (t) => {
  const box = sandbox(t);
  const id = box.start(limited(box, ['sleep', '1000'], {}));
  const { pid } = box.state(id);
  const cgroup = cgroupOf(pid);
  writeFileSync(join(cgroup, 'cgroup.freeze'), '1');
  t.ok(eventually(() => box.state(id).status === 'paused'));
  must(box.run(['delete', '--force', id]));
  t.ok(eventually(() => !existsSync(`/proc/${pid}`)));
  t.notOk(existsSync(cgroup));
});

t.test('a limit the kernel refuses is an error at its field, and nothing is left', { skip }, async (t) => {
  const box = sandbox(t);
  for (const [resources, field] of [
    [{ unified: { 'memory.nonsense': '1' } }, /\/linux\/resources\/unified\/memory\.nonsense/],
    [{ unified: { 'pids.max': 'many' } }, /\/linux\/resources\/unified\/pids\.max/],
    [{ unified: { '../cgroup.procs': '1' } }, /\/linux\/resources\/unified/],
    [{ cpu: { quota: 50 } }, /\/linux\/resources\/cpu/],
    [{ hugepageLimits: [{ pageSize: '3MB', limit: 1 }] }, /\/linux\/resources\/hugepageLimits\/0/],
  ] as const) {
    const id = box.id();
    const result = box.run(['create', '--bundle', limited(box, ['true'], resources).path, id]);
    if (IS_TSRUN || result.status !== 0) t.not(result.status, 0, JSON.stringify(resources));
    if (IS_TSRUN) t.match(result.stderr, field);
    box.run(['delete', '--force', id]);
  }
});

t.test('all capabilities: a device, a raised rlimit and a lowered oom_score_adj', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['sh', '-c', 'ulimit -n; cat /proc/self/oom_score_adj'], (config) => {
    config['process'].rlimits = [{ type: 'RLIMIT_NOFILE', hard: 1048576, soft: 1048576 }];
    config['process'].oomScoreAdj = -500;
  });
  t.equal(must(box.run(['run', '--bundle', bundle.path, box.id()])).stdout, '1048576\n-500\n');
});

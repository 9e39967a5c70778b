// /proc and /sys: what an image, a volume or a config puts there must not decide where the runtime's own writes go, nor
// uncover what is masked. CVE-2019-16884, CVE-2019-19921, CVE-2023-28642, CVE-2025-31133, CVE-2025-52881, CVE-2022-0811.
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { CANARY_TEXT, canary } from '../helpers/canary.js';
import type { TestConfig } from '../helpers/config.js';
import { skipUnless } from '../helpers/host.js';
import { call, launch, SETUPS } from '../helpers/launch.js';
import { beside, install, needCompiler } from '../helpers/programs.js';
import { type Bundle, IS_TSRUN, must, needRuntime, type Result, type Sandbox, sandbox } from '../helpers/runtime.js';
import { needStrace, traced } from '../helpers/traced.js';

t.setTimeout(300_000);
const skip = needRuntime();
const skipProgram = skipUnless(needRuntime(), needCompiler());

const bind = (source: string, destination: string): TestConfig => ({
  destination,
  type: 'bind',
  source,
  options: ['rbind', 'rw'],
});

const tmpfs = (destination: string): TestConfig => ({ destination, type: 'tmpfs', source: 'tmpfs' });

const isRefused = (t: Test, { status, stderr, stdout }: Result, says: RegExp): void => {
  t.not(status, 0, 'refused');
  t.notMatch(stdout, /program ran/);
  if (IS_TSRUN) t.match(stderr, says);
};

/** Moves a directory of the image aside and puts a symlink to the copy in its place. */
function replaceByLink(bundle: Bundle, name: string, target: string): void {
  rmSync(join(bundle.rootfs, name), { recursive: true });
  mkdirSync(join(bundle.rootfs, 'fake/self/attr'), { recursive: true });
  mkdirSync(join(bundle.rootfs, 'fake/sys/kernel'), { recursive: true });
  symlinkSync(target, join(bundle.rootfs, name));
}

// V08: what covers /proc or /sys, or parts of them.
for (const name of ['proc', 'sys']) {
  for (const target of ['fake', '/fake', '../../../../fake']) {
    t.test(`/${name} of the image is a symlink to ${target}: refused`, { skip }, async (t) => {
      const box = sandbox(t);
      for (const entry of SETUPS) {
        const bundle = box.bundle(['echo', 'program ran']);
        replaceByLink(bundle, name, target);
        isRefused(t, launch(box, bundle, entry), /\/mounts\/\d/);
      }
    });
  }
}

interface Cover {
  readonly name: string;
  readonly mounts: (volume: string) => readonly TestConfig[];
  readonly prepare?: (bundle: Bundle) => void;
}

const COVERS: readonly Cover[] = [
  { name: 'a tmpfs on /proc', mounts: () => [tmpfs('/proc')] },
  { name: 'a volume on /proc', mounts: (volume) => [bind(volume, '/proc')] },
  { name: 'a volume on /proc/self/attr', mounts: (volume) => [bind(volume, '/proc/self/attr')] },
  {
    name: 'a volume on /proc/self/attr/exec',
    mounts: (volume) => [bind(join(volume, 'file'), '/proc/self/attr/exec')],
  },
  { name: 'a volume on /proc/sys/kernel', mounts: (volume) => [bind(volume, '/proc/sys/kernel')] },
  { name: 'a tmpfs on /proc/../proc/./self', mounts: () => [tmpfs('/proc/../proc/./self')] },
  { name: 'an overlay on /proc', mounts: () => [{ destination: '/proc', type: 'overlay', source: 'overlay' }] },
  {
    name: 'a volume on a symlink to /proc',
    mounts: (volume) => [bind(volume, '/data')],
    prepare: ({ rootfs }) => symlinkSync('/proc', join(rootfs, 'data')),
  },
  {
    name: 'a volume on a symlink to /proc/self/attr',
    mounts: (volume) => [bind(volume, '/data')],
    prepare: ({ rootfs }) => symlinkSync('proc/self/attr', join(rootfs, 'data')),
  },
  {
    name: 'a tmpfs below a symlink to /proc',
    mounts: () => [tmpfs('/data/sys')],
    prepare: ({ rootfs }) => symlinkSync('/proc', join(rootfs, 'data')),
  },
  {
    name: 'an mqueue with an option of mount(2) on a symlink to /proc/sys',
    mounts: () => [{ destination: '/data', type: 'mqueue', source: 'mqueue', options: ['mand'] }],
    prepare: ({ rootfs }) => symlinkSync('/proc/sys', join(rootfs, 'data')),
  },
  {
    name: 'a file on a symlink to /proc/sys/kernel/core_pattern',
    mounts: (volume) => [bind(join(volume, 'file'), '/data')],
    prepare: ({ rootfs }) => symlinkSync('/proc/sys/kernel/core_pattern', join(rootfs, 'data')),
  },
];

for (const { name, mounts, prepare } of COVERS) {
  t.test(`${name}: refused`, { skip }, async (t) => {
    const box = sandbox(t);
    const volume = join(box.directory, 'volume');
    mkdirSync(join(volume, 'self/attr'), { recursive: true });
    writeFileSync(join(volume, 'file'), '');
    for (const entry of SETUPS) {
      const bundle = box.bundle(['echo', 'program ran']);
      bundle.config['mounts'].push(...mounts(volume));
      prepare?.(bundle);
      bundle.save();
      isRefused(t, launch(box, bundle, entry), /\/mounts\/6/);
    }
    t.equal(readFileSync(join(volume, 'file'), 'utf8'), '');
  });
}

t.test('+ proc elsewhere, the files of lxcfs, and a bind of the host’s /proc are allowed', { skip }, async (t) => {
  const box = sandbox(t);
  const uptime = join(box.directory, 'uptime');
  writeFileSync(uptime, 'of lxcfs\n');
  for (const entry of SETUPS) {
    const bundle = box.bundle([
      'sh',
      '-c',
      'cat /proc/uptime; readlink /elsewhere/self; test -d /sys/class && echo sysfs',
    ]);
    bundle.config['mounts'].push(bind(uptime, '/proc/uptime'));
    bundle.config['mounts'].push({ destination: '/elsewhere', type: 'proc', source: 'proc' });
    bundle.save();
    t.match(must(launch(box, bundle, entry)).stdout, /^of lxcfs\n\d+\nsysfs\n$/, entry);
  }
  const host = box.bundle(['sh', '-c', 'test -d /proc/1 && echo bound'], (config) => {
    config['mounts'][0] = bind('/proc', '/proc');
    config['linux'].namespaces = config['linux'].namespaces.filter((one: TestConfig) => one['type'] !== 'pid');
  });
  t.equal(must(launch(box, host, 'run')).stdout, 'bound\n');
});

// V09: sysctls and labels go to the kernel, whatever lies at /proc of the root file system.
t.test('sysctls reach the kernel and not the files an image has at /proc/sys', { skip }, async (t) => {
  const box = sandbox(t);
  const bird = canary(box);
  const files = ['kernel/domainname', 'net/ipv4/ip_forward', 'kernel/shm_rmid_forced'];
  for (const entry of SETUPS) {
    const bundle = box.bundle(['sh', '-c', `cd /real/sys; cat ${files.join(' ')}`], (config) => {
      config['mounts'] = [{ destination: '/real', type: 'proc', source: 'proc' }];
      config['linux'].sysctl = {
        'kernel.domainname': 'a.b',
        'net.ipv4.ip_forward': '1',
        'kernel.shm_rmid_forced': '1',
      };
    });
    for (const [index, file] of files.entries()) {
      mkdirSync(join(bundle.rootfs, 'proc/sys', file, '..'), { recursive: true });
      if (index === 0) symlinkSync(join(bird.path, 'victim'), join(bundle.rootfs, 'proc/sys', file));
      else writeFileSync(join(bundle.rootfs, 'proc/sys', file), 'of the image\n');
    }
    t.equal(must(launch(box, bundle, entry)).stdout, 'a.b\n1\n1\n', `+ ${entry}: they have their values`);
    for (const file of files.slice(1)) {
      t.equal(readFileSync(join(bundle.rootfs, 'proc/sys', file), 'utf8'), 'of the image\n', `${entry}: ${file}`);
    }
    bird.untouched(t, entry);
  }
});

t.test('/proc of the image changes all the time: sysctls still reach the kernel', { skip: skipProgram }, async (t) => {
  const box = sandbox(t);
  const bird = canary(box);
  const bundle = box.bundle(['sh', '-c', 'cat /real/sys/kernel/domainname /real/sys/net/ipv4/ip_forward'], (config) => {
    config['mounts'] = [{ destination: '/real', type: 'proc', source: 'proc' }];
    config['linux'].sysctl = { 'kernel.domainname': 'a.b', 'net.ipv4.ip_forward': '1' };
  });
  const [real, fake] = [join(bundle.rootfs, 'proc'), join(bundle.rootfs, 'fake')];
  mkdirSync(join(fake, 'sys/kernel'), { recursive: true });
  symlinkSync(join(bird.path, 'victim'), join(fake, 'sys/kernel/domainname'));
  const values = await beside('swap', [real, fake, '20'], () => {
    const seen = new Set<string>();
    const end = Date.now() + 4000;
    for (let i = 0; i < 40 && Date.now() < end; i++) seen.add(must(launch(box, bundle, 'run')).stdout);
    return [...seen];
  });
  t.ok(values.count > 100, 'the attacker was at work');
  t.same(values.result, ['a.b\n1\n']);
  bird.untouched(t);
});

/** What a process does from the clone on: opens and mounts by a path below the /proc that it finds there. */
function absoluteProcCalls(log: string): string[] {
  const cloned = new Set([...log.matchAll(/clone3\(.*?= (\d+)$/gm)].map((match) => match[1]));
  const resumed = [...log.matchAll(/<\.\.\. clone3 resumed>.*?= (\d+)$/gm)].map((match) => match[1]);
  for (const pid of resumed) cloned.add(pid);
  const ran = new Set<string>();
  return log.split('\n').filter((line) => {
    const pid = line.slice(0, line.indexOf(' '));
    if (!cloned.has(pid) || ran.has(pid)) return false;
    if (/ execve\("\/bin\/true"/.test(line)) ran.add(pid);
    // Relative to a descriptor of the root file system or of the private procfs is what is wanted.
    return /AT_FDCWD, "\/proc\b/.test(line) || / (?!symlink|execve)\w+\("\/proc\b/.test(line);
  });
}

t.test(
  'no process of the executor opens /proc by path once it is in the container',
  { skip: skipUnless(skip, needStrace()) },
  async (t) => {
    const box = sandbox(t);
    const { runtime, log } = traced(box, ['-s', '200']);
    const bundle = box.bundle(['/bin/true'], (config) => {
      config['linux'].sysctl = { 'net.ipv4.ip_forward': '1' };
      config['process'].oomScoreAdj = 100;
    });
    for (const entry of ['run', 'create+start', 'exec'] as const) {
      const text = trace(box, bundle, entry, runtime, log);
      t.match(text, /clone3\(/, `${entry}: was traced`);
      t.match(text, /openat2\(.*RESOLVE_NO_SYMLINKS|setns\(/, `+ ${entry}: and does what is looked for`);
      t.same(absoluteProcCalls(text), [], entry);
    }
  },
);

function trace(
  box: Sandbox,
  bundle: Bundle,
  entry: 'run' | 'create+start' | 'exec',
  runtime: string,
  log: () => string,
): string {
  if (entry !== 'exec') {
    must(launch(box, bundle, entry, { runtime: [runtime] }));
    return log();
  }
  const id = box.start(box.bundle());
  must(call(box, ['exec', id, '/bin/true'], { runtime: [runtime] }));
  return log();
}

// V12: what is masked is empty, whatever the config or the image has at /dev/null.
const MASKED = ['/proc/version', '/proc/cpuinfo', '/proc/kcore', '/proc/keys'];

function maskBundle(box: Sandbox, dev: string): Bundle {
  const bundle = box.bundle(['/bin/probe', 'stat', ...MASKED], (config) => {
    config['linux'].maskedPaths = [...MASKED, '/sys/firmware'];
    config['mounts'] = config['mounts'].filter(({ destination }: TestConfig) => !destination.startsWith('/dev'));
    config['mounts'].push(bind(dev, '/dev'));
  });
  install(bundle.rootfs, 'probe');
  return bundle;
}

/** Every masked path that is there is the null device, and nothing else. */
function isMasked(t: Test, result: Result, message: string): void {
  if (result.status !== 0) return void t.not(result.stderr, '', `${message}: refused`);
  const lines = result.stdout.trim().split('\n');
  t.equal(lines.length, MASKED.length, message);
  for (const line of lines) t.match(line, /(char 1:3 size=0|ENOENT)$/, message);
}

for (const kind of [
  'a symlink to core_pattern',
  'a file',
  'a symlink to the canary',
  'a directory',
  'missing',
] as const) {
  t.test(`/dev/null of a bound /dev is ${kind}: masked paths are masked`, { skip: skipProgram }, async (t) => {
    const box = sandbox(t);
    const bird = canary(box);
    const dev = join(box.directory, 'dev');
    mkdirSync(dev);
    const null_ = join(dev, 'null');
    if (kind === 'a file') writeFileSync(null_, 'of the volume\n');
    if (kind === 'a symlink to core_pattern') symlinkSync('/proc/sys/kernel/core_pattern', null_);
    if (kind === 'a symlink to the canary') symlinkSync(join(bird.path, 'victim'), null_);
    if (kind === 'a directory') mkdirSync(null_);
    for (const entry of SETUPS) isMasked(t, launch(box, maskBundle(box, dev), entry), entry);
    bird.untouched(t);
  });
}

t.test('/dev/null of a bound /dev comes and goes: masked paths are masked', { skip: skipProgram }, async (t) => {
  const box = sandbox(t);
  const dev = join(box.directory, 'dev');
  mkdirSync(dev);
  symlinkSync('/proc/sys/kernel/core_pattern', join(dev, 'null'));
  writeFileSync(join(dev, 'other'), 'of the volume\n');
  const bundle = maskBundle(box, dev);
  const { count } = await beside('swap', [join(dev, 'null'), join(dev, 'other'), '20'], () => {
    const end = Date.now() + 3000;
    for (let i = 0; i < 30 && Date.now() < end; i++) isMasked(t, launch(box, bundle, 'run'), `round ${i}`);
  });
  t.ok(count > 100, 'the attacker was at work');
});

t.test('+ masked directories are empty, read-only paths refuse writes, both in exec too', { skip }, async (t) => {
  const box = sandbox(t);
  const script =
    'cat /proc/version /proc/cpuinfo | wc -c; ls -A /sys/kernel | wc -l; echo x >/proc/sys/kernel/domainname || echo refused';
  const bundle = box.bundle(['sh', '-c', script], (config) => {
    config['linux'].maskedPaths = ['/proc/version', '/proc/cpuinfo', '/sys/kernel'];
  });
  for (const entry of ['run', 'create+start', 'exec'] as const) {
    t.equal(launch(box, bundle, entry).stdout, '0\n0\nrefused\n', entry);
  }
});

t.test('a masked path that is a symlink of the image masks nothing of the host', { skip }, async (t) => {
  const box = sandbox(t);
  const bird = canary(box);
  const bundle = box.bundle(['sh', '-c', 'cat /secret; echo program ran'], (config) => {
    config['linux'].maskedPaths = ['/secret', '/directory', '/proc/kcore'];
    config['linux'].readonlyPaths = ['/directory', '/secret'];
  });
  symlinkSync(join(bird.path, 'secret'), join(bundle.rootfs, 'secret'));
  symlinkSync(join(bird.path, 'sub'), join(bundle.rootfs, 'directory'));
  for (const entry of SETUPS) {
    t.notMatch(launch(box, bundle, entry).stdout, CANARY_TEXT);
    bird.untouched(t, entry);
  }
});

// V25: sysctls that are not the container's, and values that hold another one.
const SYSCTLS: readonly (readonly [string, string, (config: TestConfig) => void, string?])[] = [
  ['kernel.core_pattern', '|/evil', () => {}],
  ['kernel/core_pattern', '|/evil', () => {}],
  ['kernel.modprobe', '/evil', () => {}],
  ['kernel.shm_rmid_forced', '1+kernel.core_pattern=|/evil', () => {}],
  ['kernel.shm_rmid_forced', '1\nkernel.core_pattern=|/evil', () => {}],
  ['kernel.shm_rmid_forced=1+kernel.core_pattern', '|/evil', () => {}],
  ['kernel.shm_rmid_forced/../core_pattern', '|/evil', () => {}],
  ['kernel/../kernel/core_pattern', '|/evil', () => {}],
  ['net.ipv4/../../kernel/core_pattern', '|/evil', () => {}],
  ['net/../kernel/core_pattern', '|/evil', () => {}],
  ['net.ipv4.ip_forward', '1', without('network')],
  ['kernel.domainname', 'x', without('uts')],
  ['kernel.shmmax', '1', without('ipc')],
  ['fs.mqueue.msg_max', '1', without('ipc')],
  ['kernel.hostname', 'x', () => {}],
  ['', 'x', () => {}],
  ['.', 'x', () => {}],
];

function without(namespace: string): (config: TestConfig) => void {
  return ({ linux }) => {
    linux.namespaces = linux.namespaces.filter(({ type }: TestConfig) => type !== namespace);
  };
}

t.test('sysctls outside of the container’s namespaces, and smuggled ones, are refused', { skip }, async (t) => {
  const box = sandbox(t);
  const watched = [
    'kernel/core_pattern',
    'kernel/modprobe',
    'kernel/domainname',
    'net/ipv4/ip_forward',
    'kernel/shmmax',
  ];
  const paths = watched.map((file) => join('/proc/sys', file)).filter(existsSync);
  const look = (): string[] => paths.map((path) => readFileSync(path, 'utf8'));
  const before = look();
  for (const [index, [name, value, edit]] of SYSCTLS.entries()) {
    const bundle = box.bundle(['echo', 'program ran'], (config) => {
      config['linux'].sysctl = { [name]: value };
      edit(config);
    });
    const entries = index < 6 ? SETUPS : (['run'] as const);
    for (const entry of entries) isRefused(t, launch(box, bundle, entry), /\/linux\/sysctl/);
    t.same(look(), before, `${name}=${value}: nothing of the host has changed`);
  }
});

t.test('+ sysctls of the container’s own namespaces are set, in both notations', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['sh', '-c', 'cd /proc/sys; cat net/ipv4/ip_forward kernel/msgmax fs/mqueue/msg_max']);
  for (const sysctl of [
    { 'net.ipv4.ip_forward': '1', 'kernel.msgmax': '5000', 'fs.mqueue.msg_max': '7' },
    { 'net/ipv4/ip_forward': '1', 'kernel/msgmax': '5000', 'fs/mqueue/msg_max': '7' },
  ]) {
    bundle.config['linux'].sysctl = sysctl;
    bundle.save();
    for (const entry of SETUPS) t.equal(must(launch(box, bundle, entry)).stdout, '1\n5000\n7\n');
  }
});

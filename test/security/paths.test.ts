// Paths below a root file system or a volume that somebody else writes to: symlinks that lead out, and symlinks that come
// and go while the runtime works. CVE-2021-30465, CVE-2024-45310, CVE-2026-41579, CVE-2026-47766, CVE-2026-55686.
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { CANARY_TEXT, canary } from '../helpers/canary.js';
import type { TestConfig } from '../helpers/config.js';
import { skipUnless } from '../helpers/host.js';
import { call, launch, SETUPS } from '../helpers/launch.js';
import { beside, needCompiler } from '../helpers/programs.js';
import { type Bundle, IS_TSRUN, must, needRuntime, runProgram, type Sandbox, sandbox } from '../helpers/runtime.js';

t.setTimeout(300_000);
const skip = needRuntime();
const skipRace = skipUnless(needRuntime(), needCompiler());

/** Seconds that one race may take; a slow machine gets fewer rounds, not a longer test. */
const RACE_SECONDS = 5;
const RACE_ROUNDS = 100;

const bind = (source: string, destination: string): TestConfig => ({
  destination,
  type: 'bind',
  source,
  options: ['bind', 'rw'],
});

const isRefused = (t: Test, status: number, stderr: string): void => {
  t.not(status, 0, 'refused');
  if (IS_TSRUN) t.match(stderr, /^tsrun: /m, 'with a message');
};

/** Targets that lead to the canary from the top of a root file system, by every kind of way. */
function waysTo(path: string): { readonly [kind: string]: string } {
  return { absolute: path, relative: `${'../'.repeat(20)}${path}`, 'through /proc': `/proc/self/root${path}` };
}

// V14: what is made in /dev is made in the container's own.
for (const [kind, how] of Object.entries({ absolute: 0, relative: 1, 'through /proc': 2 })) {
  for (const withMount of [true, false]) {
    const what = withMount ? 'with a tmpfs on it' : 'without a mount on it';
    t.test(
      `/dev of the image is a symlink (${kind}) to the host, ${what}: nothing is made there`,
      { skip },
      async (t) => {
        const box = sandbox(t);
        const bird = canary(box);
        for (const entry of SETUPS) {
          const bundle = box.bundle(['sh', '-c', 'cat /dev/victim /dev/secret; test -c /dev/null && echo has-null']);
          rmSync(join(bundle.rootfs, 'dev'), { recursive: true });
          symlinkSync(Object.values(waysTo(bird.path))[how] ?? '', join(bundle.rootfs, 'dev'));
          if (!withMount) bundle.config['mounts'] = bundle.config['mounts'].filter(notInDev);
          bundle.save();
          const result = launch(box, bundle, entry);
          t.notMatch(result.stdout, CANARY_TEXT, `${entry}: nothing of the host is read`);
          if (result.status === 0) t.match(result.stdout, /has-null/, `+ ${entry}: the devices are inside`);
          bird.untouched(t, `${entry}: the canary is untouched`);
        }
      },
    );
  }
}

const notInDev = ({ destination }: TestConfig): boolean => !String(destination).startsWith('/dev');

t.test('/dev/pts, /dev/shm and /dev/mqueue as symlinks to the host', { skip }, async (t) => {
  const box = sandbox(t);
  const bird = canary(box);
  for (const entry of SETUPS) {
    const bundle = box.bundle(['sh', '-c', 'cat /dev/*/victim; echo ended']);
    for (const name of ['pts', 'shm', 'mqueue', 'null', 'ptmx', 'fd']) {
      symlinkSync(name === 'null' ? join(bird.path, 'victim') : bird.path, join(bundle.rootfs, 'dev', name));
    }
    bundle.config['mounts'] = bundle.config['mounts'].filter((mount: TestConfig) => mount['destination'] !== '/dev');
    bundle.save();
    t.notMatch(launch(box, bundle, entry).stdout, CANARY_TEXT);
    bird.untouched(t, entry);
  }
});

t.test('+ devices in the image are taken, and made where /dev is a symlink inside it', { skip }, async (t) => {
  const box = sandbox(t);
  for (const entry of SETUPS) {
    const bundle = box.bundle(['sh', '-c', 'echo x >/dev/null && head -c 3 /dev/zero | wc -c && ls -l /other/null']);
    renameSync(join(bundle.rootfs, 'dev'), join(bundle.rootfs, 'other'));
    symlinkSync('other', join(bundle.rootfs, 'dev'));
    const result = must(launch(box, bundle, entry));
    t.match(result.stdout, /^3\n.*1, *3 .*\/other\/null/, entry);
  }
});

// V20: engines mount over and make files that the image may have replaced by symlinks.
const WRITTEN = ['etc/resolv.conf', 'etc/hosts', 'etc/hostname', 'etc/mtab', '.dockerenv'];

t.test('files and volumes mounted over symlinks to the host land in the root file system', { skip }, async (t) => {
  const box = sandbox(t);
  const bird = canary(box);
  const [file, directory] = [join(box.directory, 'file'), join(box.directory, 'volume')];
  writeFileSync(file, 'of the engine\n');
  mkdirSync(directory);
  for (const entry of SETUPS) {
    const bundle = box.bundle(['sh', '-c', 'cat /etc/hosts; echo changed >/etc/hosts; echo x >/data/new; ls -A /data']);
    for (const path of WRITTEN) {
      rmSync(join(bundle.rootfs, path), { force: true });
      symlinkSync(join(bird.path, path.replace(/.*\//, '')), join(bundle.rootfs, path));
      bundle.config['mounts'].push(bind(file, `/${path}`));
    }
    symlinkSync(join(bird.path, 'sub'), join(bundle.rootfs, 'data'));
    symlinkSync(join(bird.path, 'none/deeper'), join(bundle.rootfs, 'dangling'));
    bundle.config['mounts'].push(bind(directory, '/data'), bind(directory, '/dangling/sub'));
    bundle.save();
    const result = launch(box, bundle, entry);
    t.notMatch(result.stdout, CANARY_TEXT);
    bird.untouched(t, entry);
    t.notOk(existsSync(join(bird.path, 'none')));
  }
  t.equal(readFileSync(file, 'utf8'), 'changed\n', '+ the mount was there');
  t.ok(existsSync(join(directory, 'new')), '+ the volume was there');
});

t.test('process.cwd that is a symlink to the host is made in the root file system or refused', { skip }, async (t) => {
  const box = sandbox(t);
  const bird = canary(box);
  for (const target of [
    bird.path,
    `${bird.path}/made/here`,
    `/proc/1/root${bird.path}`,
    `/proc/self/cwd${bird.path}`,
  ]) {
    for (const entry of SETUPS) {
      const bundle = box.bundle(['sh', '-c', 'ls; cat victim'], (config) => {
        config['process'].cwd = '/work/below';
      });
      symlinkSync(target, join(bundle.rootfs, 'work'));
      t.notMatch(launch(box, bundle, entry).stdout, /canary|victim/, `${entry} ${target}`);
      bird.untouched(t, entry);
    }
  }
});

t.test('+ symlinks inside the image work: /var/run, cwd, a dangling one is completed', { skip }, async (t) => {
  const box = sandbox(t);
  const volume = join(box.directory, 'volume');
  mkdirSync(volume);
  writeFileSync(join(volume, 'marker'), 'volume\n');
  for (const entry of SETUPS) {
    const bundle = box.bundle(['sh', '-c', 'pwd; cat /run/x/marker; cat /a/b/marker'], (config) => {
      config['process'].cwd = '/link/to';
      config['mounts'].push(bind(volume, '/var/run/x'), bind(volume, '/incomplete/b'));
    });
    symlinkSync('/run', join(bundle.rootfs, 'var/run'));
    symlinkSync('srv', join(bundle.rootfs, 'link'));
    symlinkSync('a', join(bundle.rootfs, 'incomplete'));
    t.equal(must(launch(box, bundle, entry)).stdout, '/srv/to\nvolume\nvolume\n', entry);
  }
});

t.test('+ directories made for a mount take over the group of a setgid directory', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['true'], (config) => {
    config['mounts'].push({ destination: '/srv/made/target', type: 'tmpfs', source: 'tmpfs' });
  });
  chownSync(join(bundle.rootfs, 'srv'), 0, 1234);
  chmodSync(join(bundle.rootfs, 'srv'), 0o2755);
  must(launch(box, bundle, 'run'));
  const { gid, mode } = statSync(join(bundle.rootfs, 'srv/made'));
  t.same([gid, mode & 0o7777], [1234, 0o2755]);
});

// V10, V11: the volume of two containers, one of which exchanges a directory in it for a symlink all the time.
interface Volume {
  readonly path: string;
  readonly bundle: Bundle;
}

/** Of each kind, so that every start gives the attacker many chances: on what is there, below it, on what is missing. */
const TARGETS = 10;

function raceVolume(box: Sandbox, target: string): Volume {
  const [path, source] = [join(box.directory, 'volume'), join(box.directory, 'race-source')];
  mkdirSync(join(path, 'a/b'), { recursive: true });
  mkdirSync(source);
  writeFileSync(join(source, 'race-file'), '');
  symlinkSync(target, join(path, 'link'));
  const bundle = box.bundle(['cat', '/proc/self/mountinfo'], (config) => {
    config['mounts'].push(bind(path, '/vol'));
    for (let i = 0; i < TARGETS; i++) {
      config['mounts'].push(bind(source, '/vol/a/b'), bind(source, `/vol/a/new${i}/deep`));
      config['mounts'].push(bind(join(source, 'race-file'), `/vol/a/new-file${i}`));
    }
    config['linux'].maskedPaths.push('/vol/a/b/race-file');
    config['linux'].readonlyPaths.push('/vol/a/new0');
  });
  return { path, bundle };
}

/** Those that the container sees: what went elsewhere was left behind with the host's root. Field 4 is the source. */
function mountsOfSource(mountinfo: string): number {
  const sources = mountinfo.split('\n').map((line) => line.split(' ')[3] ?? '');
  return sources.filter((source) => /\/race-(source|file)$/.test(source)).length;
}

function race(box: Sandbox, volume: Volume, check: (stdout: string) => void): { rounds: number; failures: string[] } {
  const failures: string[] = [];
  let rounds = 0;
  for (const end = Date.now() + RACE_SECONDS * 1000; Date.now() < end && rounds < RACE_ROUNDS; rounds++) {
    for (const directory of ['a', 'link']) removeInRace(join(volume.path, directory));
    const result = launch(box, volume.bundle, 'run');
    if (result.status === 0) check(result.stdout);
    else failures.push(result.stderr);
  }
  return { rounds, failures };
}

/** What the round before made: below the directory, which has either name and may have the other a moment later. */
function removeInRace(directory: string): void {
  for (let i = 0; i < TARGETS; i++) {
    try {
      rmSync(join(directory, `new${i}`), { recursive: true, force: true });
      rmSync(join(directory, `new-file${i}`), { force: true });
    } catch {
      // The next round then finds its mount point there.
    }
  }
}

for (const kind of ['the canary', 'the canary, relative', '/'] as const) {
  t.test(`mount targets while a directory is exchanged for a symlink to ${kind}`, { skip: skipRace }, async (t) => {
    const box = sandbox(t);
    const bird = canary(box);
    const target = { 'the canary': bird.path, 'the canary, relative': `../../../../../..${bird.path}`, '/': '/' }[kind];
    const volume = raceVolume(box, target);
    let lost = 0;
    const { result, count } = await beside('swap', [join(volume.path, 'a'), join(volume.path, 'link'), '30'], () =>
      race(box, volume, (stdout) => {
        if (mountsOfSource(stdout) < 3 * TARGETS) lost++;
      }),
    );
    t.comment(
      `${result.rounds} rounds, ${count} exchanges, ${result.failures.length} failed: ${result.failures[0] ?? ''}`,
    );
    t.ok(count > result.rounds, 'the attacker was at work');
    t.equal(lost, 0, 'every mount is inside');
    bird.untouched(t);
    t.ok(result.failures.length <= Math.ceil(result.rounds / 100), 'at most one start in a hundred fails');
  });
}

// V21: what was a mount point becomes a symlink before the container is deleted.
t.test('delete unmounts nothing through a symlink that took the place of a mount point', { skip }, async (t) => {
  const box = sandbox(t);
  const host = join(box.directory, 'host-mount');
  mkdirSync(host);
  must(runProgram('mount', ['-t', 'tmpfs', 'tmpfs', host], box.directory));
  t.teardown(() => runProgram('umount', [host], box.directory));
  writeFileSync(join(host, 'kept'), '');
  for (const flags of [[], ['--force']]) {
    const bundle = box.bundle(flags.length > 0 ? undefined : ['true'], (config) => {
      config['mounts'].push({ destination: '/mnt', type: 'tmpfs', source: 'tmpfs' });
    });
    const id = box.start(bundle);
    rmSync(join(bundle.rootfs, 'mnt'), { recursive: true });
    symlinkSync(host, join(bundle.rootfs, 'mnt'));
    runProgram('sleep', ['0.2'], box.directory);
    must(box.run(['delete', ...flags, id]));
    t.ok(existsSync(join(host, 'kept')));
  }
  must(runProgram('umount', [host], box.directory));
});

// V33: chains of symlinks and long names: the right answer or a refusal, never a crash.
function chain(rootfs: string, length: number): void {
  mkdirSync(join(rootfs, 'end'), { recursive: true });
  for (let i = 1; i <= length; i++) symlinkSync(i === length ? 'end' : `link${i + 1}`, join(rootfs, `link${i}`));
}

const tmpfsOn = (destination: string): TestConfig => ({ destination, type: 'tmpfs', source: 'tmpfs' });

for (const [length, works] of [
  [1, true],
  [39, true],
  [40, true],
  [41, false],
  [45, false],
] as const) {
  for (const below of ['', '/made/below']) {
    const what = `a mount on ${below === '' ? 'the end' : 'something missing below the end'} of ${length} symlinks`;
    t.test(`${what} ${works ? 'works' : 'is refused'}`, { skip }, async (t) => {
      const box = sandbox(t);
      const bundle = box.bundle(['grep', '-c', ` /end${below} `, '/proc/self/mountinfo'], (config) => {
        config['mounts'].push(tmpfsOn(`/link1${below}`));
      });
      chain(bundle.rootfs, length);
      const result = launch(box, bundle, 'run');
      // 40 is the kernel's limit; a runtime that resolves paths itself may have another.
      if (works || (result.status === 0 && !IS_TSRUN)) t.equal(must(result).stdout, '1\n');
      else isRefused(t, result.status, result.stderr);
      if (!works && IS_TSRUN) t.match(result.stderr, /ELOOP/);
    });
  }
}

t.test('symlinks in a circle and names of any length are refused or right', { skip }, async (t) => {
  const box = sandbox(t);
  const long = 'd'.repeat(255);
  const cases: readonly (readonly [string, boolean])[] = [
    ['/circle/x', false],
    ['/self', false],
    [`/${long}/${long}`, true],
    [`/${long}x`, false],
    [`/${`${'d'.repeat(99)}/`.repeat(40)}x`, true],
    [`/${'d/'.repeat(2047)}`, true],
    [`/${'d/'.repeat(2048)}`, false],
    [`/${'d/'.repeat(32_768)}`, false],
    [`/text-of-4095/x`, false],
  ];
  for (const [destination, works] of cases) {
    const bundle = box.bundle(['true'], (config) => config['mounts'].push(tmpfsOn(destination)));
    symlinkSync('back', join(bundle.rootfs, 'circle'));
    symlinkSync('circle', join(bundle.rootfs, 'back'));
    symlinkSync('self', join(bundle.rootfs, 'self'));
    symlinkSync(`${'d/'.repeat(2047)}`, join(bundle.rootfs, 'text-of-4095'));
    const result = launch(box, bundle, 'run');
    const name = `${destination.slice(0, 20)}… (${destination.length} bytes)`;
    t.ok(result.status < 128, `${name}: no signal`);
    if (works) t.equal(result.status, 0, `${name}: ${result.stderr}`);
    else isRefused(t, result.status, result.stderr);
    // Its paths are longer than one system call takes.
    must(runProgram('rm', ['-rf', bundle.rootfs], box.directory));
  }
});

// V31: mounts of the container stay its own, also while the host's table of mounts changes below a reader.
t.test(
  'no mount reaches the host while others mount and unmount, below a shared directory',
  { skip: skipRace },
  async (t) => {
    const box = sandbox(t);
    const shared = join(box.directory, 'shared');
    const churned = Array.from({ length: 40 }, (_, index) => join(shared, `churn-${index}`));
    for (const path of [shared, ...churned]) mkdirSync(path);
    must(runProgram('mount', ['--bind', shared, shared], box.directory));
    t.teardown(() => runProgram('umount', ['-l', shared], box.directory));
    must(runProgram('mount', ['--make-rshared', shared], box.directory));
    for (const path of churned) mkdirSync(path, { recursive: true });
    const bundle = box.bundle(['true']);
    renameBundle(bundle, join(shared, 'bundle'));
    const { result, count } = await beside('churn', churned, () => {
      let rounds = 0;
      const id = box.id();
      for (const end = Date.now() + RACE_SECONDS * 1000; Date.now() < end && rounds < RACE_ROUNDS; rounds++) {
        must(call(box, ['run', '--bundle', join(shared, 'bundle'), id]));
      }
      return rounds;
    });
    t.comment(`${result} rounds, ${count} mounts`);
    t.ok(count > result, 'the others were at work');
    const left = readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes(`${shared}/`));
    t.same(left, [], 'nothing is left below the shared directory');
    t.ok(lstatSync(join(shared, 'bundle/rootfs')).isDirectory());
  },
);

function renameBundle(bundle: Bundle, target: string): void {
  must(runProgram('cp', ['-a', bundle.path, target], bundle.path));
}

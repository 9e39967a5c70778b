// What of the runtime a container can reach while the runtime works in it: its program, its descriptors, its directories.
// CVE-2016-9962, CVE-2019-5736, CVE-2024-21626, fd leaks.
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { CANARY_TEXT, canary } from '../helpers/canary.js';
import type { TestConfig } from '../helpers/config.js';
import { needCommand, skipUnless } from '../helpers/host.js';
import { call, ENTRY_POINTS, launch } from '../helpers/launch.js';
import { install, needCompiler } from '../helpers/programs.js';
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
import { needTsrun, wrapped } from '../helpers/traced.js';

t.setTimeout(300_000);
const skip = skipUnless(needRuntime(), needCompiler());

const ALL_CAPABILITIES = ['CAP_SYS_PTRACE', 'CAP_DAC_READ_SEARCH', 'CAP_SYS_ADMIN', 'CAP_SETPCAP', 'CAP_MKNOD'];

/** Root of this container may do whatever a container can be given. */
function empower(config: TestConfig): void {
  const { capabilities } = config['process'];
  for (const set of ['bounding', 'effective', 'permitted']) capabilities[set].push(...ALL_CAPABILITIES);
}

function probeBundle(box: Sandbox, args: readonly string[], edit: (config: TestConfig) => void = () => {}): Bundle {
  const bundle = box.bundle(args, edit);
  install(bundle.rootfs, 'probe');
  return bundle;
}

/** Everything of the runtime that a container could want to overwrite. */
function runtimeFiles(): string[] {
  const home = dirname(dirname(RUNTIME));
  const own = ['dist', 'build/Release'].map((name) => join(home, name)).filter((path) => IS_TSRUN && existsSync(path));
  const built = own.flatMap((path) => readdirSync(path).map((name) => join(path, name)));
  return [RUNTIME, ...built, realpathSync(process.execPath)].filter((path) => statSync(path).isFile());
}

function digests(): string[] {
  return runtimeFiles().map((path) => `${path} ${createHash('sha256').update(readFileSync(path)).digest('hex')}`);
}

// V02: the program that runs in the container is a sealed copy, so nothing of the host's can be written through it.
function isOutOfReach(t: Test, text: string, message: string): void {
  const lines = text.split('\n').filter((line) => line.startsWith('exe '));
  for (const line of lines) {
    t.notMatch(line, /write=ok/, message);
    if (IS_TSRUN && !line.includes('/bin/'))
      t.match(line, /^exe \/memfd:tsrun-executor \(deleted\) seals=15 /, message);
  }
}

t.test('the program of a created container’s init is a sealed copy, also for exec and hooks', { skip }, async (t) => {
  const before = digests();
  const box = sandbox(t);
  const log = join(box.directory, 'log');
  writeFileSync(log, '');
  const bundle = probeBundle(box, ['true'], (config) => {
    empower(config);
    config['mounts'].push({ destination: '/log', type: 'bind', source: log, options: ['bind', 'rw'] });
    config['hooks'] = { startContainer: [{ path: '/bin/sh', args: ['sh', '-c', '/bin/probe exe 1 >/log'] }] };
  });
  const id = box.id();
  must(box.run(['create', '--bundle', bundle.path, id]));
  const found = must(box.run(['exec', id, '/bin/probe', 'exe', '1'])).stdout;
  t.match(found, /^exe /, 'exec sees the program of init');
  isOutOfReach(t, found, 'exec');
  must(box.run(['start', id]));
  t.match(readFileSync(log, 'utf8'), /^exe /, 'a startContainer hook sees the program of init');
  isOutOfReach(t, readFileSync(log, 'utf8'), 'startContainer hook');
  t.same(digests(), before, 'the files of the runtime are what they were');
});

for (const [name, args] of [
  ['/proc/self/exe as the program', ['/proc/self/exe']],
  [
    '/proc/self/exe as the program, with arguments of the executor',
    ['/proc/self/exe', 'delete', '--root', '/', '--id', 'x'],
  ],
  ['a script for /proc/self/exe', ['/bin/script']],
] as const) {
  t.test(`${name} does no harm`, { skip }, async (t) => {
    const before = digests();
    const box = sandbox(t);
    const bundle = probeBundle(box, args, empower);
    writeFileSync(join(bundle.rootfs, 'bin/script'), '#!/proc/self/exe\n', { mode: 0o755 });
    for (const entry of ENTRY_POINTS) t.ok(launch(box, bundle, entry).status < 128, entry);
    t.same(digests(), before, 'the files of the runtime are what they were');
  });
}

/** Starts a container whose program watches the others for some seconds, and execs into it meanwhile. */
function watchExecs(box: Sandbox, watch: string, edit: (config: TestConfig) => void, args: readonly string[]): string {
  const seconds = 3;
  const bundle = probeBundle(box, ['sh', '-c', `/bin/probe ${watch} ${seconds} >/found; sleep 100`], edit);
  const id = box.start(bundle);
  withLeaks(
    Array.from({ length: 8 }, () => box.directory),
    (fds) => {
      for (const end = Date.now() + (seconds - 0.3) * 1000; Date.now() < end; )
        call(box, ['exec', id, ...args], { fds });
    },
  );
  const found = join(bundle.rootfs, 'found');
  if (!eventually(() => readFileSync(found, 'utf8').includes('looked '), 20_000)) throw new Error('probe does not end');
  return readFileSync(found, 'utf8');
}

t.test('a program that waits for processes of exec can write to none of their programs', { skip }, async (t) => {
  const before = digests();
  const box = sandbox(t);
  const found = watchExecs(box, 'grab', empower, ['/proc/self/exe', 'kill', '--root', '/', '--id', 'x']);
  t.comment(found.trim().replaceAll('\n', '; '));
  t.match(found, /looked [1-9]/, 'there was something to look at');
  isOutOfReach(t, found, 'exec');
  t.same(digests(), before, 'the files of the runtime are what they were');
});

// V01: what /proc shows of processes that are on their way into the container.
/** Standard streams, the sockets and pipes to the runtime, the container's own files; no directory, nothing of the host. */
function isHarmless(line: string): boolean {
  const [what = '', kind = '', ...rest] = line.split(' ');
  const target = rest.join(' ');
  if (kind.startsWith('E') || what === 'looked') return true;
  if (what === 'exe') return /^(\/bin\/|\/memfd:)/.test(target);
  if (what === 'cwd' || what === 'root') return kind === 'own-root' && target === '/';
  if (['dir', 'whole-proc'].includes(kind)) return false;
  return kind !== 'file' || /\/io-\w+\/std(in|out|err)$|^\/found$|^\/bin\/|memfd:/.test(target);
}

t.test(
  'init of a created container holds nothing of the host that root of the container could use',
  { skip },
  async (t) => {
    const box = sandbox(t);
    const bundle = probeBundle(box, ['true'], empower);
    const id = box.id();
    withLeaks(
      Array.from({ length: 8 }, () => box.directory),
      (fds) => {
        must(call(box, ['create', '--bundle', bundle.path, id], { fds }));
      },
    );
    const found = must(box.run(['exec', id, '/bin/probe', 'look', '1'])).stdout;
    t.match(found, /^root own-root \/$/m, 'it can look');
    t.same(
      lines(found).filter((line) => !isHarmless(line)),
      [],
    );
  },
);

const lines = (text: string): string[] => text.trim().split('\n').filter(Boolean);

t.test('processes of exec hold nothing of the host that root of the container could use', { skip }, async (t) => {
  const box = sandbox(t);
  const found = lines(watchExecs(box, 'spy', empower, ['true']));
  t.comment(found.join('; '));
  t.ok(
    found.some((line) => line.startsWith('fd ')),
    'it can look',
  );
  t.same(
    found.filter((line) => !isHarmless(line)),
    [],
  );
});

t.test('processes of exec cannot be looked into without CAP_SYS_PTRACE', { skip }, async (t) => {
  const box = sandbox(t);
  const found = lines(watchExecs(box, 'spy', () => {}, ['true']));
  t.comment(found.join('; '));
  t.match(found.join('\n'), /looked [1-9]/, 'there was something to look at');
  // Once it runs the program is like any other of the container.
  const early = found.filter(
    (line) => !/^(exe file \/bin\/|(cwd|root) own-root \/$|fd (char|file|fifo|socket) )|EACCES|looked/.test(line),
  );
  t.same(early, []);
  t.same(
    found.filter((line) => !isHarmless(line) || line.includes('memfd:tsrun')),
    [],
  );
});

t.test(
  'a container that joins the pid namespace of another is not open to it while it is made',
  { skip },
  async (t) => {
    const box = sandbox(t);
    const bird = canary(box);
    const spy = probeBundle(box, ['sh', '-c', `/bin/probe spy 3 ${bird.path}/victim >/found; sleep 100`]);
    const { pid } = box.state(box.start(spy));
    const joining = box.bundle(['true'], ({ linux }) => {
      linux.namespaces = linux.namespaces.map((one: TestConfig) =>
        one['type'] === 'pid' ? { type: 'pid', path: `/proc/${pid}/ns/pid` } : one,
      );
    });
    for (const end = Date.now() + 2500; Date.now() < end; ) must(launch(box, joining, 'run'));
    const file = join(spy.rootfs, 'found');
    t.ok(eventually(() => readFileSync(file, 'utf8').includes('looked '), 20_000));
    const found = lines(readFileSync(file, 'utf8'));
    t.comment(found.join('; '));
    t.match(found.join('\n'), /looked [1-9]/, 'there was something to look at');
    // Its program, once it runs, has a root of its own, as has any process of another container.
    t.same(
      found.filter((line) => !isHarmless(line) && !/^(cwd|root) dir \/$/.test(line)),
      [],
    );
  },
);

// V15: directories of the host as working directory, through descriptors that the caller or the runtime left open.
function withLeaks<T>(paths: readonly string[], action: (fds: number[]) => T): T {
  const fds = paths.map((path) => openSync(path, 'r'));
  try {
    return action(fds);
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}

const WHERE = 'readlink /proc/self/cwd; pwd; ls -a; cat victim cgroup.procs';

function isInside(t: Test, { status, stdout }: { status: number; stdout: string }, message: string): void {
  t.notMatch(stdout, CANARY_TEXT, message);
  t.notMatch(stdout, /unreachable|cgroup\.procs|victim/, message);
  if (stdout !== '') t.match(stdout, /^\//, message);
  else t.ok(status !== 0, `${message}: refused`);
}

t.test('cwd through a descriptor of the caller or of the runtime is refused or inside', { skip }, async (t) => {
  const box = sandbox(t);
  const bird = canary(box);
  const bundle = box.bundle(['sh', '-c', WHERE]);
  withLeaks([bird.path, '/', bird.path, box.directory, bird.path], (fds) => {
    for (let fd = 3; fd <= 10; fd++) {
      symlinkSync(`/proc/self/fd/${fd}`, join(bundle.rootfs, `link${fd}`));
      for (const cwd of [`/proc/self/fd/${fd}`, `/link${fd}`, `/dir/../proc/1/fd/${fd}/.`].slice(0, fd > 5 ? 2 : 3)) {
        bundle.config['process'].cwd = cwd;
        bundle.save();
        isInside(t, launch(box, bundle, 'run', { fds }), `run ${cwd}`);
        if (cwd.startsWith('/link') && fd < 6)
          isInside(t, launch(box, bundle, 'create+start', { fds }), `create ${cwd}`);
      }
    }
  });
  bird.untouched(t);
});

t.test(
  'directories that the executor itself is started with are closed and no working directory',
  { skip: skipUnless(skip, needTsrun()) },
  async (t) => {
    const box = sandbox(t);
    const bird = canary(box);
    const runtime = [wrapped(box, `exec 7<'${bird.path}' 8<'${bird.path}' 9<'${bird.path}'\nexec "$executor" "$@"`)];
    const bundle = probeBundle(box, ['true'], empower);
    for (const fd of [7, 8, 9]) symlinkSync(`/proc/self/fd/${fd}`, join(bundle.rootfs, `link${fd}`));
    const id = box.id();
    must(call(box, ['create', '--bundle', bundle.path, id], { runtime }));
    const found = must(call(box, ['exec', id, '/bin/probe', 'look', '1'], { runtime })).stdout;
    t.match(found, /^root own-root \/$/m, 'exec can look at init');
    t.notMatch(found, bird.path, 'which has nothing of them');
    for (const cwd of ['/link7', '/link8', '/link9']) {
      isInside(t, call(box, ['exec', '--cwd', cwd, id, 'sh', '-c', WHERE], { runtime }), `exec ${cwd}`);
    }
    bird.untouched(t);
  },
);

const OTHERS = ['/proc/1/cwd', '/proc/self/cwd', '/proc/1/root', '/proc/thread-self/root', '/link'];

t.test('cwd through /proc of another process is refused or inside', { skip }, async (t) => {
  const box = sandbox(t);
  const bird = canary(box);
  const bundle = box.bundle(['sh', '-c', WHERE]);
  symlinkSync('/proc/1/cwd', join(bundle.rootfs, 'link'));
  for (const cwd of OTHERS) {
    bundle.config['process'].cwd = cwd;
    bundle.save();
    isInside(t, launch(box, bundle, 'run'), `run ${cwd}`);
  }
  bird.untouched(t);
});

t.test('the working directory of exec, of a flag or a file, follows the same rules', { skip }, async (t) => {
  const box = sandbox(t);
  const bird = canary(box);
  const bundle = box.bundle();
  const file = join(bundle.path, 'process.json');
  symlinkSync('/proc/1/cwd', join(bundle.rootfs, 'link'));
  for (let fd = 3; fd <= 16; fd++) symlinkSync(`/proc/self/fd/${fd}`, join(bundle.rootfs, `link${fd}`));
  const id = box.start(bundle);
  const through = Array.from({ length: 14 }, (_, index) => [`/proc/self/fd/${index + 3}`, `/link${index + 3}`]).flat();
  withLeaks(
    Array.from({ length: 8 }, () => bird.path),
    (fds) => {
      for (const [index, cwd] of [...OTHERS, ...through].entries()) {
        writeFileSync(file, JSON.stringify({ ...bundle.config['process'], args: ['sh', '-c', WHERE], cwd }));
        const flags = index % 4 < 2 ? ['--cwd', cwd, id, 'sh', '-c', WHERE] : ['--process', file, id];
        isInside(t, call(box, ['exec', ...flags], { fds }), cwd);
      }
    },
  );
  t.equal(
    must(box.run(['exec', '--cwd', '/home/user', id, 'pwd'])).stdout,
    '/home/user\n',
    '+ a directory of the image',
  );
});

// V32: descriptors of the caller end with the runtime, but for those that it was asked to hand on.
t.test('the container gets 0, 1 and 2, whatever the caller has open', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = probeBundle(box, ['/bin/probe', 'fds']);
  for (const count of [1, 4, 9, 20]) {
    const leaks = Array.from({ length: count }, (_, index) => (index % 3 === 0 ? '/' : '/etc/passwd'));
    withLeaks(leaks, (fds) => {
      for (const entry of ENTRY_POINTS) {
        const { stdout } = must(launch(box, bundle, entry, { fds }));
        t.same(stdout.match(/^\d+/gm), ['0', '1', '2'], `${entry}, ${fds.length} open: ${stdout}`);
      }
    });
  }
});

t.test('+ --preserve-fds hands on exactly as many as it says', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = probeBundle(box, ['/bin/probe', 'fds']);
  const files = ['a', 'b', 'c', 'd'].map((name) => join(box.directory, name));
  for (const file of files) writeFileSync(file, '');
  withLeaks(files, (fds) => {
    for (const entry of ENTRY_POINTS) {
      const { stdout } = must(launch(box, bundle, entry, { fds, flags: ['--preserve-fds', '2'] }));
      t.same(stdout.match(/^\d+/gm), ['0', '1', '2', '3', '4'], entry);
      t.match(stdout, /^3 file .*\/a\n4 file .*\/b$/m, entry);
    }
  });
});

// V38: what enters the container's namespaces has one thread and nothing of a JavaScript engine.
t.test(
  'init of a created container is a single thread of a small static program',
  { skip: skipUnless(skip, needTsrun()) },
  async (t) => {
    const box = sandbox(t);
    const id = box.id();
    must(box.run(['create', '--bundle', box.bundle(['true']).path, id]));
    const { pid } = box.state(id);
    t.equal(readdirSync(`/proc/${pid}/task`).length, 1);
    t.match(readlinkSync(`/proc/${pid}/exe`), /^\/memfd:tsrun-executor/);
    const maps = readFileSync(`/proc/${pid}/maps`, 'utf8');
    t.notMatch(maps, /node|\.so\b|rwxp/);
    t.equal(readFileSync(`/proc/${pid}/environ`, 'utf8'), '', 'its environment is empty');
  },
);

const skipStrace = skipUnless(skip, needCommand('strace'), needTsrun());

t.test('only processes with one thread change namespaces', { skip: skipStrace }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['true']);
  const id = box.start(box.bundle());
  for (const args of [
    ['exec', '--env', 'A=b', id, 'true'],
    ['run', '--bundle', bundle.path, box.id()],
  ]) {
    const log = join(box.directory, 'strace');
    const strace = [
      'strace',
      '-f',
      '-qq',
      '-o',
      log,
      '-e',
      'trace=setns,unshare,chroot,pivot_root,clone,clone3',
      RUNTIME,
    ];
    must(call(box, args, { runtime: strace, env: { TSRUN_LAUNCHER: 'node' } }));
    const calls = readFileSync(log, 'latin1')
      .split('\n')
      .filter((line) => line.includes('('));
    const pid = (line: string) => line.slice(0, line.indexOf(' '));
    const threaded = new Set(calls.filter((line) => line.includes('CLONE_THREAD')).map(pid));
    const changing = calls.filter((line) => / (setns|unshare|chroot|pivot_root)\(/.test(line));
    t.ok(threaded.size > 0, 'node has threads, so this would be seen');
    t.ok(changing.length > 0, 'namespaces are changed');
    t.same(
      changing.filter((line) => threaded.has(pid(line))),
      [],
    );
  }
});

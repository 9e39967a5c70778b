// What the surroundings of the runtime may not decide: the environment of its caller, of the image, files in the working
// directory and the bundle. CVE-2025-23266, CVE-2022-4318, and what a JavaScript engine adds.
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { canary } from '../helpers/canary.js';
import type { TestConfig } from '../helpers/config.js';
import { needCommand, skipUnless } from '../helpers/host.js';
import { call, ENTRY_POINTS, launch, SETUPS } from '../helpers/launch.js';
import { install, needCompiler, program } from '../helpers/programs.js';
import {
  type Bundle,
  eventually,
  IS_TSRUN,
  must,
  needRuntime,
  RUNTIME,
  runProgram,
  type Sandbox,
  sandbox,
} from '../helpers/runtime.js';
import { needTsrun } from '../helpers/traced.js';

t.setTimeout(300_000);
const skip = needRuntime();
const skipProgram = skipUnless(needRuntime(), needCompiler());
const skipTsrun = skipUnless(skipProgram, needTsrun());

// V27: hooks have the rights of the runtime, so nothing of the image may be in them.
const KINDS = ['prestart', 'createRuntime', 'createContainer', 'startContainer', 'poststart', 'poststop'] as const;

interface Dump {
  readonly name: string;
  readonly cwd: string;
  readonly fds: readonly number[];
  readonly env: readonly string[];
}

function hookBundle(box: Sandbox, log: string, evil: string): Bundle {
  const bundle = box.bundle(['sh', '-c', 'sleep 0.2'], (config) => {
    config['process'].env.push(
      `LD_PRELOAD=${evil}`,
      'LD_AUDIT=/evil.so',
      'NODE_OPTIONS=--require /evil.js',
      'SECRET=of-the-image',
    );
    config['mounts'].push({
      destination: box.directory,
      type: 'bind',
      source: box.directory,
      options: ['rbind', 'rw'],
    });
  });
  install(bundle.rootfs, 'probe');
  copyFileSync(program('evil.so'), join(bundle.rootfs, 'evil.so'));
  bundle.config['hooks'] = Object.fromEntries(KINDS.map((kind) => [kind, hooks(kind, log)]));
  bundle.save();
  return bundle;
}

/** Two of each: the probe says what it was given; a dynamic program would load what its environment says. */
function hooks(kind: string, log: string): TestConfig[] {
  const path = kind === 'startContainer' ? '/bin/probe' : program('probe');
  const dynamic = kind === 'startContainer' ? '/bin/busybox' : '/bin/true';
  return [
    { path, args: ['probe', 'dump', log, kind], env: [`HOOK=${kind}`] },
    { path, args: ['probe', 'dump', log, `${kind} without env`] },
    { path: dynamic, args: ['true'], env: ['HOOK=dynamic'] },
  ];
}

t.test(
  'hooks get their own environment or, inside the container, its own, no descriptor but stdio, and no directory of the image',
  { skip: skipProgram },
  async (t) => {
    const box = sandbox(t);
    const log = join(box.directory, 'hooks');
    const evil = join(box.directory, 'evil.so');
    copyFileSync(program('evil.so'), evil);
    const control = runProgram('/bin/true', [], box.directory, { env: { LD_PRELOAD: evil } });
    t.equal(control.status, 0);
    t.ok(existsSync(`${evil}.loaded`), 'the evil library works where the environment names it');
    rmSync(`${evil}.loaded`);
    for (const entry of SETUPS) {
      writeFileSync(log, '');
      const bundle = hookBundle(box, log, evil);
      const fds = [process.stdout.fd, process.stdout.fd];
      must(launch(box, bundle, entry, { fds, env: { SECRET: 'of-the-caller', NOTIFY_SOCKET: '/none' } }));
      t.ok(
        eventually(() => readFileSync(log, 'utf8').trim().split('\n').length === 2 * KINDS.length),
        'all have run',
      );
      const dumps: Dump[] = readFileSync(log, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      for (const { name, cwd, fds: open, env } of dumps) {
        const own = [...bundle.config['process'].env, 'NOTIFY_SOCKET=/run/notify/notify.sock'];
        const inherited = name.startsWith('startContainer') ? own : [];
        const wanted = name.endsWith('without env') ? inherited : [`HOOK=${name}`];
        t.same(env.slice(0, -1), wanted, `${entry}, ${name}: environment`);
        t.same(open.slice(0, -1), [0, 1, 2], `${entry}, ${name}: descriptors`);
        if (name.startsWith('startContainer')) continue;
        t.ok(!cwd.startsWith(bundle.rootfs), `${entry}, ${name}: ${cwd} is not in the image`);
      }
      t.notOk(existsSync(`${evil}.loaded`), `${entry}: the library of the image was loaded nowhere`);
    }
  },
);

// V26: line breaks in what could become a line of a file.
t.test('a line break in HOME or another variable writes nothing into files of the image', { skip }, async (t) => {
  const box = sandbox(t);
  const evil = '/root\nx:x:0:0::/:/bin/sh';
  for (const env of [[`HOME=${evil}`], ['A=b\nHOME=/x'], [`USER=${evil}`], []]) {
    const bundle = box.bundle(['sh', '-c', 'echo "$HOME" | wc -l'], (config) => {
      config['process'].env = ['PATH=/bin', ...env];
      config['process'].cwd = '/';
    });
    const files = ['passwd', 'group', 'hosts', 'hostname'].map((name) => join(bundle.rootfs, 'etc', name));
    const look = () => files.map((file) => readFileSync(file, 'utf8'));
    const before = look();
    for (const entry of ENTRY_POINTS) launch(box, bundle, entry);
    t.same(look(), before, JSON.stringify(env));
  }
});

t.test('HOME is one line of the image’s /etc/passwd, whatever that file is', { skip }, async (t) => {
  const box = sandbox(t);
  const files = [
    ['user:x:1000:1000::/home/user:/bin/sh\n', '/home/user'],
    ['user:x:1000:1000::/a\rb:/bin/sh\n', undefined],
    ['user:x:1000:1000::relative:/bin/sh\n', '/'],
    [`user:x:1000:1000::/${'x'.repeat(9000)}:/bin/sh\n`, '/'],
    ['user:x:1000:1000\n', '/'],
    ['\0\0\0user:x:1000:1000::/home:/bin/sh', undefined],
    [`${'x'.repeat(100_000)}\nuser:x:1000:1000::/late:/bin/sh\n`, '/late'],
  ] as const;
  for (const [text, home] of files) {
    const bundle = box.bundle(['sh', '-c', 'echo "$HOME"'], ({ process }) => {
      process.env = ['PATH=/bin'];
      process.user = { uid: 1000, gid: 1000 };
    });
    writeFileSync(join(bundle.rootfs, 'etc/passwd'), text);
    for (const entry of ENTRY_POINTS) {
      const result = launch(box, bundle, entry);
      // Other runtimes refuse a wrong file, or cut a line.
      if (!IS_TSRUN) t.ok(result.status < 128);
      else if (home === undefined) t.match(must(result).stdout, /^\/[^\n]*\n$/);
      else t.equal(must(result).stdout, `${home}\n`);
    }
  }
});

// V36: variables that make node or the loader run something else.
const PORT = 39_229;
const RUNTIME_HOME = dirname(dirname(RUNTIME));

/** Each with a way to see that it had an effect: a file that the evil code makes. */
function hostile(box: Sandbox): { env: { [name: string]: string }; files: () => string[] } {
  const directory = join(box.directory, 'hostile');
  mkdirSync(join(directory, 'modules/yargs'), { recursive: true });
  mkdirSync(join(directory, 'coverage'));
  mkdirSync(join(directory, 'compile-cache'));
  const mark = join(directory, 'loaded');
  const code = `require('node:fs').appendFileSync(${JSON.stringify(mark)}, 'x')`;
  writeFileSync(join(directory, 'x.cjs'), code);
  writeFileSync(join(directory, 'modules/yargs/index.js'), code);
  writeFileSync(join(directory, 'openssl.cnf'), 'openssl_conf = none\n.include /none\n');
  const env = {
    NODE_OPTIONS: `--require ${join(directory, 'x.cjs')} --inspect=127.0.0.1:${PORT}`,
    NODE_PATH: join(directory, 'modules'),
    NODE_V8_COVERAGE: join(directory, 'coverage'),
    NODE_COMPILE_CACHE: join(directory, 'compile-cache'),
    NODE_REDIRECT_WARNINGS: join(directory, 'warnings'),
    NODE_REPL_EXTERNAL_MODULE: join(directory, 'x.cjs'),
    NODE_DEBUG: 'fs,child_process,module',
    NODE_DEBUG_NATIVE: 'ALL',
    NODE_CHANNEL_FD: '1',
    NODE_UNIQUE_ID: '1',
    NODE_PENDING_DEPRECATION: '1',
    NODE_EXTRA_CA_CERTS: join(directory, 'none.pem'),
    NODE_ICU_DATA: directory,
    NODE_TEST_CONTEXT: 'child-v8',
    BUN_INSPECT: `127.0.0.1:${PORT}`,
    BUN_OPTIONS: `--preload ${join(directory, 'x.cjs')}`,
    OPENSSL_CONF: join(directory, 'openssl.cnf'),
    TSRUN_BUILD_CACHE: '1',
    UV_THREADPOOL_SIZE: '1',
  };
  const names = ['loaded', 'warnings'];
  return {
    env,
    files: () => [
      ...names.filter((name) => existsSync(join(directory, name))),
      ...listed(join(directory, 'coverage')),
      ...listed(join(directory, 'compile-cache')),
    ],
  };
}

function listed(directory: string): string[] {
  return runProgram('ls', ['-A', directory], directory)
    .stdout.split('\n')
    .filter((name) => name !== '' && !name.startsWith('io-'));
}

t.test('variables of the caller make node run, write or open nothing', { skip: skipTsrun }, async (t) => {
  const box = sandbox(t);
  const { env, files } = hostile(box);
  const bundle = box.bundle(['sh', '-c', 'env; echo program ran']);
  const dist = join(RUNTIME_HOME, 'dist');
  const before = runProgram('ls', ['-l', '--full-time', dist], box.directory).stdout;
  for (const entry of ENTRY_POINTS) {
    const result = launch(box, bundle, entry, { env });
    t.match(result.stdout, /program ran/, `${entry}: ${result.stderr}`);
    t.equal(result.stderr, '', `${entry}: nothing is said`);
    t.notMatch(result.stdout, /NODE_|BUN_|OPENSSL/, `${entry}: nothing reaches the program`);
  }
  for (const args of [
    ['list'],
    ['state', 'none'],
    ['--version'],
    ['plan', '--bundle', bundle.path],
    ['delete', '--force', 'none'],
  ]) {
    const { stderr } = call(box, args, { env });
    t.notMatch(stderr, /Debugger|inspector|FS \d|MODULE|Warning|openssl/i, args.join(' '));
  }
  t.same(files(), [], 'no file of theirs is there');
  t.equal(runProgram('ls', ['-l', '--full-time', dist], box.directory).stdout, before, 'dist is as it was');
});

t.test('a preloaded library is in no process of the runtime', { skip: skipTsrun }, async (t) => {
  const box = sandbox(t);
  const evil = join(box.directory, 'evil.so');
  copyFileSync(program('evil.so'), evil);
  const bundle = box.bundle(['true'], (config) => {
    config['hooks'] = { createRuntime: [{ path: '/bin/true' }], poststop: [{ path: '/bin/true' }] };
  });
  for (const env of [{ LD_PRELOAD: evil }, { LD_AUDIT: evil }, { LD_LIBRARY_PATH: box.directory }]) {
    rmSync(`${evil}.loaded`, { force: true });
    for (const entry of ENTRY_POINTS) t.equal(launch(box, bundle, entry, { env }).status, 0, entry);
    t.notOk(existsSync(`${evil}.loaded`), Object.keys(env).join());
  }
});

// V37: files that JavaScript engines and their tools look for on their own.
function plant(directory: string, mark: string): void {
  const code = `require('node:fs').appendFileSync(${JSON.stringify(mark)}, 'x')`;
  const files: { readonly [path: string]: string } = {
    '.env': 'NODE_OPTIONS=--require ./evil.cjs\nSECRET=planted\n',
    'evil.cjs': code,
    'package.json': '{"type":"module","main":"evil.cjs","scripts":{"prepare":"./evil.cjs"}}',
    'tsconfig.json': '{"extends":"./evil.json"}',
    'bunfig.toml': 'preload = ["./evil.cjs"]\n',
    '.npmrc': 'node-options=--require=./evil.cjs\n',
    'node.config.json': '{"nodeOptions":{"require":["./evil.cjs"]}}',
    'index.js': code,
    'node_modules/yargs/index.js': code,
    'node_modules/yargs/package.json': '{"name":"yargs","main":"index.js"}',
    'tsrun.node': 'no library',
    'build/Release/tsrun.node': 'no library',
    'dist/tsrun.cjs': code,
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(directory, path, '..'), { recursive: true });
    writeFileSync(join(directory, path), text);
  }
}

t.test(
  'files planted in the bundle, the image and the working directory have no effect',
  { skip: skipTsrun },
  async (t) => {
    const box = sandbox(t);
    const bird = canary(box);
    const mark = join(box.directory, 'mark');
    const bundle = box.bundle(['sh', '-c', 'env; echo program ran']);
    const other = join(box.directory, 'cwd');
    mkdirSync(other);
    for (const directory of [bundle.path, bundle.rootfs, join(bundle.rootfs, 'root'), other]) plant(directory, mark);
    const id = box.start(box.bundle());
    for (const cwd of [bundle.path, bundle.rootfs, other]) {
      const run = box.run(['run', '--bundle', bundle.path, box.id()], { cwd });
      const exec = box.run(['exec', id, 'sh', '-c', 'env; echo program ran'], { cwd });
      for (const { stdout, stderr } of [run, exec]) {
        t.match(stdout, /program ran/, stderr);
        t.notMatch(stdout, /SECRET|NODE_OPTIONS/);
        t.equal(stderr, '');
      }
      must(box.run(['list'], { cwd }));
      must(box.run(['state', id], { cwd }));
    }
    t.notOk(existsSync(mark));
    bird.untouched(t);
  },
);

t.test(
  'of the bundle and the working directory only config.json is opened',
  { skip: skipUnless(skipTsrun, needCommand('strace')) },
  async (t) => {
    const box = sandbox(t);
    const bundle = box.bundle(['true']);
    plant(bundle.path, join(box.directory, 'mark'));
    const log = join(box.directory, 'strace.log');
    const strace = [
      '-f',
      '-qq',
      '-o',
      log,
      '-e',
      'trace=open,openat,openat2,execve,readlink,stat,newfstatat,statx,access',
      RUNTIME,
    ];
    const args = [...strace, '--root', box.root, 'run', '--bundle', bundle.path, box.id()];
    must(runProgram('strace', args, box.directory, { cwd: bundle.path }));
    const calls = readFileSync(log, 'latin1').split('\n');
    t.ok(
      calls.some((line) => line.includes(`${bundle.path}/config.json`)),
      'it is seen when something is opened',
    );
    const planted =
      /(\/|")(\.env|evil\.cjs|tsconfig\.json|bunfig\.toml|\.npmrc|node\.config\.json|package\.json|index\.js)"/;
    t.same(
      calls.filter((line) => planted.test(line)),
      [],
    );
    const below = calls.filter(
      (line) => line.includes(`"${bundle.path}/`) && !/\/(config\.json|rootfs[^"]*)"/.test(line),
    );
    t.same(below, []);
  },
);

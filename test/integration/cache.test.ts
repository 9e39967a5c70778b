// The plan cache: a second create of a bundle, or of one that differs in slots alone, runs without Node and does the same;
// whatever is unusual, damaged or hostile is compiled anew (docs/adr/0007).

import { spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { hits, kept } from '../helpers/cache.js';
import {
  type Bundle,
  eventually,
  IS_TSRUN,
  must,
  needRuntime,
  type Result,
  RUNTIME,
  type RunOptions,
  runProgram,
  type Sandbox,
  sandbox,
} from '../helpers/runtime.js';

const skip = IS_TSRUN ? needRuntime() : 'the plan cache is of tsrun';

/** Runs the bundle in the foreground; says whether its plan came from the cache. */
function runs(box: Sandbox, bundle: Bundle, options?: RunOptions): Result & { readonly cached: boolean } {
  const before = hits(box);
  const result = box.run(['run', '--bundle', bundle.path, box.id()], options);
  return { ...result, cached: hits(box) > before };
}

const SHOW = ['sh', '-c', 'hostname; echo $WORD $0; exit 7', 'one'];

t.test('a bundle is compiled once, then run from the cache', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(SHOW);
  t.strictSame(kept(box), [], 'nothing is kept at first');
  const first = runs(box, bundle);
  const second = runs(box, bundle);
  t.notOk(first.cached);
  t.ok(second.cached);
  t.match(first, { status: 7, stdout: 'test\none\n', stderr: '' });
  t.match(second, { status: 7, stdout: 'test\none\n', stderr: '' });
  t.equal(kept(box).length, 1);
  t.match(must(box.run(['plan', '--cache'])).stdout, new RegExp(`\\b1 +\\d+s ago .* ${bundle.path}\\n`));
  must(box.run(['plan', '--clear-cache']));
  t.strictSame(kept(box), []);
});

t.test('a bundle that differs in slots alone is run from the cache, with its own values', { skip }, async (t) => {
  const box = sandbox(t);
  const give = (word: string) => (config: Bundle['config']) => {
    config['hostname'] = word;
    config['process'].env.push(`WORD=${word}`);
    config['process'].args[3] = `${word} with = signs, and more`;
    config['annotations'] = { 'org.example/word': word };
    config['linux'].cgroupsPath = `/${word}-${box.directory.split('/').at(-1)}`;
  };
  runs(box, box.bundle(SHOW, give('first')));
  const other = runs(box, box.bundle(SHOW, give('second')));
  t.ok(other.cached);
  t.match(other, { status: 7, stdout: 'second\nsecond second with = signs, and more\n', stderr: '' });

  const third = box.bundle(['sh', '-c', 'sleep 1000', 'one'], give('third'));
  const id = box.start(third);
  t.equal(hits(box), 2);
  t.match(box.state(id), { bundle: third.path, annotations: { 'org.example/word': 'third' } });
  const record = JSON.parse(readFileSync(join(box.root, id, 'state.json'), 'utf8'));
  t.strictSame(record.config.process.env, third.config['process'].env);
  t.match(must(box.run(['exec', id, 'sh', '-c', 'echo $WORD'])).stdout, 'third\n', 'exec reads the same record');
  t.notOk(readFileSync(join(box.root, id, 'plan')).includes('second'), 'nothing of another container is in the plan');
});

t.test('exec --process is compiled once for containers of a kind, then taken from the cache', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['sleep', '1000']);
  const alike = box.bundle(['sleep', '1001'], (config) => Object.assign(config, { hostname: 'alike' }));
  const limited = box.bundle(['sleep', '1000'], (config) => {
    config['process'].rlimits = [{ type: 'RLIMIT_NOFILE', hard: 77, soft: 77 }];
  });
  const [one, other, unlike] = [box.start(bundle), box.start(alike), box.start(limited)];
  let files = 0;
  /** Like the files of engines: a new name each time. */
  const exec = (id: string, changes: object, args: readonly string[] = ['exec']) => {
    const file = join(box.directory, `process-${files++}.json`);
    writeFileSync(file, JSON.stringify({ ...bundle.config['process'], ...changes }));
    const before = hits(box);
    const result = box.run([...args, '--process', file, id]);
    return { ...result, cached: hits(box) > before };
  };
  const show = (word: string) => ({ args: ['sh', '-c', 'echo $0 $WORD; exit 7', word], env: [`WORD=${word}`, 'A=b'] });
  t.match(exec(one, show('first')), { status: 7, stdout: 'first first\n', stderr: '', cached: false });
  t.match(exec(one, show('second')), { status: 7, stdout: 'second second\n', stderr: '', cached: true });
  const pidFile = join(box.directory, 'pid');
  const detached = exec(one, { ...show('x'), args: ['sh', '-c', 'sleep 1000', 'x'] }, [
    'exec',
    '-d',
    '--pid-file',
    pidFile,
  ]);
  t.match(detached, { status: 0, cached: true });
  t.match(readFileSync(`/proc/${readFileSync(pidFile, 'utf8')}/cmdline`, 'utf8'), 'sleep');
  const asked = exec(one, show('first'), ['--rootless=auto', 'exec']);
  t.match(asked, { status: 7, cached: false }, 'so is one whose facts of the host are given');
  const where = { ...show('x'), args: ['sh', '-c', 'hostname; ulimit -n', '-'], rlimits: undefined };
  t.match(exec(one, where), { stdout: /^test\n/, cached: false });
  t.match(exec(other, where), { stdout: /^alike\n/, cached: true }, 'another container of the kind, the first time');
  t.match(exec(unlike, where), { stdout: 'test\n77\n', cached: false }, 'but not one that has another limit');
  t.match(exec(unlike, where), { stdout: 'test\n77\n', cached: true });
  t.match(exec(other, where), { stdout: /^alike\n(?!77)/, cached: true });
  t.match(exec(one, { ...show('one'), user: { uid: 1, gid: 1 } }), { status: 7, cached: false }, 'so is another user');
  t.match(exec(one, { ...show('no'), args: ['', '-c', 'x', 'y'] }), { status: 255, cached: false }, 'or no program');
  t.match(exec(one, { ...show('no'), args: ['missing', '-c', 'x', 'y'] }), { status: 255, stderr: /executable file/ });
  must(box.run(['pause', one]));
  t.match(exec(one, show('no')), { status: 255, stderr: /cannot exec in a paused container/ });
  must(box.run(['resume', one]));
  t.match(box.state(one), { status: 'running' });
});

/** Both ways: through Node alone, and through the launcher with a warm cache. */
function bothWays(box: Sandbox, bundle: Bundle): readonly [Result, Result & { readonly cached: boolean }] {
  const id = box.id();
  const cold = box.run(['run', '--bundle', bundle.path, id], { env: { TSRUN_LAUNCHER: 'node' } });
  return [cold, runs(box, bundle)];
}

t.test('values that a slot does not take are compiled, and refused or run as ever', { skip }, async (t) => {
  const box = sandbox(t);
  runs(box, box.bundle(SHOW));
  const cases: { readonly [what: string]: (config: Bundle['config']) => void } = {
    'a host name with a quote': (config) => Object.assign(config, { hostname: 'te"st' }),
    'a host name with a backslash': (config) => Object.assign(config, { hostname: 'te\\st' }),
    'a host name with a NUL': (config) => Object.assign(config, { hostname: 'te\0st' }),
    'a host name too long': (config) => Object.assign(config, { hostname: 'x'.repeat(65) }),
    'a host name outside of ASCII': (config) => Object.assign(config, { hostname: 'tést' }),
    'no program': (config) => Object.assign(config['process'], { args: ['', '-c', 'x', 'y'] }),
    'a variable without a name': (config) => Object.assign(config['process'].env, { 0: '=x' }),
    'a variable without a value': (config) => Object.assign(config['process'].env, { 1: 'HOME=' }),
    "a root that is the host's": (config) => Object.assign(config['root'], { path: '/' }),
    'a root with dots': (config) => Object.assign(config['root'], { path: './rootfs/../rootfs' }),
    'another literal': (config) => Object.assign(config['process'], { cwd: '/tmp' }),
    'a number': (config) => Object.assign(config['process'].user, { uid: 1 }),
  };
  for (const [what, edit] of Object.entries(cases)) {
    const [cold, warm] = bothWays(box, box.bundle(SHOW, edit));
    t.equal(warm.status, cold.status, what);
    t.equal(warm.stdout, cold.stdout, what);
    t.equal(warm.stderr, cold.stderr, what);
    t.notOk(warm.cached, `${what} is not taken from the cache`);
  }
});

t.test('a bind source that moves below the root file system is compiled anew', { skip }, async (t) => {
  const box = sandbox(t);
  const bind = (source: string) => (config: Bundle['config']) =>
    config['mounts'].push({ destination: '/mnt', source, options: ['bind'] });
  const first = box.bundle(['sh', '-c', 'ls -d /mnt'], bind('/usr'));
  runs(box, first);
  const outside = box.bundle(['sh', '-c', 'ls -d /mnt'], bind('/etc'));
  t.ok(runs(box, outside).cached, 'outside it is the same plan with another path');
  const inside = box.bundle(['sh', '-c', 'ls -d /mnt'], (config) => bind('/x')(config));
  inside.config['mounts'].at(-1).source = join(inside.rootfs, 'bin');
  inside.save();
  const [cold, warm] = bothWays(box, inside);
  t.notOk(warm.cached);
  t.strictSame([warm.status, warm.stdout, warm.stderr], [cold.status, cold.stdout, cold.stderr]);
});

t.test('a failure of a cached plan is told in the words of a compiled one', { skip }, async (t) => {
  const box = sandbox(t);
  runs(box, box.bundle(SHOW));
  const missing = box.bundle(['nosuchprogram', '-c', 'x', 'y']);
  const [cold, warm] = bothWays(box, missing);
  t.ok(warm.cached, 'the program is a slot');
  t.match(warm, { status: cold.status, stderr: cold.stderr });
  t.match(warm.stderr, /process\/args\/0.*executable file not found/);
  const created = box.run(['create', '--bundle', missing.path, box.id()]);
  t.match(created.stderr, /^tsrun: create: .*executable file not found/);
  const id = box.start(box.bundle(['sh', '-c', 'sleep 1000', 'one']));
  const again = box.run(['create', '--bundle', missing.path, id]);
  t.match(again, { status: 1, stderr: /exists/ });
});

t.test('another host is another question', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(SHOW);
  runs(box, bundle);
  const limited = (command: string): number => {
    const before = hits(box);
    must(
      runProgram(
        'sh',
        ['-c', `${command}; exec ${RUNTIME} --root ${box.root} create --bundle ${bundle.path} ${box.id()}`],
        box.directory,
        { env: box.env },
      ),
    );
    return hits(box) - before;
  };
  t.equal(limited('true'), 1, 'the same host');
  t.equal(limited('ulimit -Hc 4096'), 0, 'another hard limit');
  t.equal(limited('ulimit -Hc 4096'), 1, 'which has its own entry now');
});

/** The one file of the cache. */
function entryFile(box: Sandbox): string {
  const [name = ''] = readdirSync(box.cache);
  return join(box.cache, name);
}

t.test('a damaged entry is not used, and written anew', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(SHOW);
  runs(box, bundle);
  const sound = readFileSync(entryFile(box));
  const places = Array.from({ length: 10 }, (_, index) => Math.floor((sound.length * index) / 10));
  for (const at of [8, 12, 28, 36, ...places.filter((place) => place < 16 || place >= 24)]) {
    const bytes = Buffer.from(sound);
    bytes[at] = (bytes[at] ?? 0) ^ 0x41;
    writeFileSync(entryFile(box), bytes);
    const before = sound.readBigUInt64LE(16);
    const result = box.run(['run', '--bundle', bundle.path, box.id()]);
    t.match(result, { status: 7, stdout: 'test\none\n', stderr: '' }, `byte ${at}`);
    const after = readFileSync(entryFile(box));
    t.equal(after.readBigUInt64LE(16), before, `byte ${at}: no hit`);
    t.notOk(after.equals(bytes), `byte ${at}: written anew`);
  }
  writeFileSync(entryFile(box), sound.subarray(0, 100));
  t.equal(box.run(['run', '--bundle', bundle.path, box.id()]).status, 7, 'cut short');
  t.ok(runs(box, bundle).cached, 'and what was written is sound');
});

t.test('an entry that others could have written is not used', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(SHOW);
  runs(box, bundle);
  const file = entryFile(box);
  const spoil: { readonly [what: string]: () => void } = {
    'owned by somebody else': () => chownSync(file, 1000, 1000),
    'readable for others': () => chmodSync(file, 0o644),
    'a symbolic link': () => {
      renameSync(file, `${box.directory}/entry`);
      symlinkSync(`${box.directory}/entry`, file);
    },
  };
  for (const [what, change] of Object.entries(spoil)) {
    change();
    t.notOk(runs(box, bundle).cached, what);
    t.match(lstatSync(file), { uid: 0, mode: 0o100600 }, `${what}: replaced`);
    t.ok(runs(box, bundle).cached, `${what}: and used again`);
  }
  chmodSync(box.cache, 0o755);
  t.notOk(runs(box, bundle).cached, 'the directory is open to others');
  chmodSync(box.cache, 0o700);
  t.ok(runs(box, bundle).cached);
  renameSync(box.cache, `${box.directory}/moved`);
  symlinkSync(`${box.directory}/moved`, box.cache);
  t.equal(box.run(['run', '--bundle', bundle.path, box.id()]).status, 7, 'the directory is a symbolic link');
});

t.test('what warns is compiled each time', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(SHOW, (config) => config['mounts'].push({ destination: 'relative', type: 'tmpfs' }));
  for (const _ of [1, 2]) t.match(runs(box, bundle), { status: 7, cached: false, stderr: /is not absolute/ });
  t.strictSame(kept(box), []);
});

t.test('TSRUN_CACHE=off, --debug and --no-pivot have their say', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(SHOW);
  const off = { env: { TSRUN_CACHE: 'off' } };
  t.equal(box.run(['run', '--bundle', bundle.path, box.id()], off).status, 7);
  t.notOk(existsSync(box.cache), 'nothing was written');
  t.match(box.run(['plan', '--cache'], off), { status: 1, stderr: /cache is off/ });
  runs(box, bundle);
  box.run(['run', '--no-new-keyring', '--bundle', bundle.path, box.id()]);
  t.equal(hits(box), 0, 'other options are another question');
  box.run(['run', '--no-new-keyring', '--bundle', bundle.path, box.id()]);
  t.equal(hits(box), 1);
  t.match(box.run(['--debug', 'run', '--bundle', bundle.path, box.id()]).stderr, /executor create/, 'told by Node');
  t.equal(hits(box), 1);
});

t.test('a detached run, a pid file and preserved descriptors, from the cache', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['sh', '-c', 'cat <&3 >&1; sleep 1000']);
  const pidFile = join(box.directory, 'pid');
  const script = (id: string) =>
    `exec ${RUNTIME} --root ${box.root} run --detach --preserve-fds 1 --pid-file ${pidFile} --bundle ${bundle.path} ${id} 3</etc/hostname`;
  for (const expected of [0, 1]) {
    const id = box.id();
    const result = must(runProgram('sh', ['-c', script(id)], box.directory, { env: box.env }));
    t.equal(hits(box), expected);
    t.equal(readFileSync(pidFile, 'utf8'), String(box.state(id).pid));
    t.ok(eventually(() => box.state(id).status === 'running'));
    t.equal(result.stderr, '');
  }
});

t.test('twenty at once share the cache', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['sh', '-c', 'exit 3']);
  const ids = Array.from({ length: 20 }, () => box.id());
  const ends = ids.map(
    (id) =>
      new Promise<number | null>((resolve) => {
        const args = ['--root', box.root, 'run', '--bundle', bundle.path, id];
        spawn(RUNTIME, args, { stdio: 'ignore', env: { PATH: process.env['PATH'], ...box.env } }).on('exit', resolve);
      }),
  );
  t.strictSame(
    await Promise.all(ends),
    ids.map(() => 3),
  );
  t.ok(runs(box, bundle).cached);
  t.equal(kept(box).length, 1);
});

// The verbs that the launcher carries out without Node, and the same through Node: they do, print and end alike.
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { TestConfig } from '../helpers/config.js';
import { needReadableBy } from '../helpers/host.js';
import {
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

const skip = needRuntime() || (IS_TSRUN ? false : 'about the launcher of tsrun');
t.setTimeout(300_000);

const NODE = { env: { TSRUN_LAUNCHER: 'node' } };

/** A launcher with no Node program beside it: what it leaves to Node fails. */
function loneLauncher(box: Sandbox): string {
  const path = join(box.directory, 'lone/bin/tsrun');
  mkdirSync(join(path, '..'), { recursive: true });
  copyFileSync(RUNTIME, path);
  return path;
}

t.test('start, state, list, ps of pids, pause, resume, exec, kill and delete need no Node', { skip }, async (t) => {
  const box = sandbox(t);
  const program = loneLauncher(box);
  const id = box.id();
  const pidFile = join(box.directory, 'pid');
  must(box.run(['create', '--bundle', box.bundle(['sleep', '1000']).path, id]));
  const alone = (...args: string[]) => {
    const global = ['--root', box.root, '--log', join(box.directory, 'log'), '--log-format', 'json'];
    return runProgram(program, [...global, '--systemd-cgroup', '--rootless=auto', ...args], box.directory);
  };
  t.match(JSON.parse(must(alone('state', id)).stdout), { status: 'created' });
  for (const args of [['start'], ['pause'], ['resume']]) must(alone(...args, id));
  t.match(JSON.parse(must(alone('list', '-f', 'json')).stdout), [{ id, status: 'running', owner: 'root' }]);
  t.equal(must(alone('list', '-q')).stdout, `${id}\n`);
  t.same(JSON.parse(must(alone('ps', '--format', 'json', id)).stdout), [
    JSON.parse(must(alone('state', id)).stdout).pid,
  ]);
  t.same(alone('exec', id, 'sh', '-c', 'echo out; echo err >&2; exit 7'), {
    status: 7,
    stdout: 'out\n',
    stderr: 'err\n',
  });
  must(alone('exec', '-d', '--pid-file', pidFile, id, 'sleep', '500'));
  t.match(readFileSync(`/proc/${readFileSync(pidFile, 'utf8')}/cmdline`, 'utf8'), /^sleep\x00500\x00$/);
  must(alone('kill', '-a', id, 'SIGKILL'));
  t.ok(eventually(() => JSON.parse(must(alone('state', id)).stdout).status === 'stopped'));
  must(alone('delete', id));
  must(alone('delete', '-f', id));
  t.equal(readFileSync(join(box.directory, 'log'), 'utf8'), '');
  const failed = alone('state', id);
  t.equal(failed.status, 1);
  t.match(
    failed.stderr,
    /^tsrun: not built: run 'npm ci && npm run build' in .*\/lone$/m,
    'a failure is for Node to tell',
  );
});

/** The reason, without the marks of a log's line. */
const damage = (stderr: string) => /cannot be read: [^)]*\)/.exec(stderr)?.[0].replaceAll('\\', '');

t.test('list is the same through the launcher and Node, a damaged container being a warning', { skip }, async (t) => {
  const box = sandbox(t);
  const both = (...args: string[]) => {
    const answer = (how: RunOptions) => neutral(box.run(['list', ...args], how), 'none');
    const launcher = answer({});
    t.same(launcher, answer(NODE), args.join(' '));
    return launcher;
  };
  t.match(both().stderr, /no such directory/, 'a root that was named must be there');
  mkdirSync(box.root, { mode: 0o700 });
  t.equal(both().stdout, 'ID          PID         STATUS      BUNDLE      CREATED     OWNER\n');
  t.equal(both('--format=json').stdout, 'null\n');
  const annotations = { 'org.x': 'a "b"\n  \u00e4 \\' };
  const good = box.start(box.bundle(undefined, (config) => Object.assign(config, { annotations })));
  const bad = box.start(box.bundle());
  writeFileSync(join(box.root, bad, 'plan'), 'cut');
  const reason = damage(box.run(['state', bad]).stderr);
  t.type(reason, 'string');
  for (const args of [[], ['-f', 'json'], ['-q'], ['--quiet', '--format', 'table']]) {
    const { status, stdout, stderr } = both(...args);
    t.equal(status, 0);
    t.ok(stdout.includes(good) && !stdout.includes(bad) && stderr.includes(bad), args.join(' '));
    t.equal(damage(stderr), reason, 'in the words of state');
  }
  const state = JSON.parse(must(box.run(['state', good])).stdout);
  t.same(JSON.parse(box.run(['list', '-f', 'json']).stdout), [{ ...state, owner: 'root' }]);
  for (const args of [['more'], ['--format', 'xml'], ['--nosuch']]) t.not(both(...args).status, 0);
});

/** Linked with glibc it is three times as large. */
const needSmall = () => (statSync(RUNTIME).size < 512 * 1024 ? false : 'the executor is not linked with musl');

function residentKilobytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

function childrenOf(pid: number): string[] {
  const pids = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
  return pids.map((child) => readFileSync(`/proc/${child}/comm`, 'utf8').trim());
}

/** Two containers with the same past; one is asked through the launcher, the other through Node. "ID" stands for each. */
interface Pair {
  both(args: readonly string[], options?: RunOptions): Result;
}

function neutral({ status, stdout, stderr }: Result, id: string): Result {
  const plain = (text: string) =>
    text
      .replaceAll(id, 'ID')
      .replace(/"pid": [1-9]\d*/, '"pid": PID')
      .replace(/"created": "[^"]*"/, '"created": TIME')
      .replace(/time="[^"]*"/g, 'time=TIME')
      .replace(/after [\d.]+ s/, 'after TIME');
  return { status, stdout: plain(stdout), stderr: plain(stderr) };
}

/** Asserts that both answers are the same, and gives it. */
function pair(t: Test, box: Sandbox, args?: readonly string[], edit?: (config: TestConfig) => void): Pair {
  const ids = [box.id(), box.id()] as const;
  const bundle = box.bundle(args, edit);
  for (const id of ids) must(box.run(['create', '--bundle', bundle.path, id]));
  const run = (words: readonly string[], id: string, options: RunOptions) => {
    const result = box.run(
      words.map((word) => word.replaceAll('ID', id)),
      options,
    );
    return neutral(result, id);
  };
  return {
    both: (words, options = {}) => {
      const launcher = run(words, ids[0], options);
      const node = run(words, ids[1], { ...options, env: { ...options.env, ...NODE.env } });
      t.same(launcher, node, words.join(' '));
      return launcher;
    },
  };
}

t.test('what succeeds and what is refused is the same through the launcher and Node', { skip }, async (t) => {
  const box = sandbox(t);
  const { both } = pair(t, box, ['sleep', '1000']);
  const ok = (...args: string[]) => t.equal(both(args).status, 0, args.join(' '));
  const refused = (...args: string[]) => t.not(both(args).status, 0, args.join(' '));
  ok('state', 'ID');
  refused('resume', 'ID');
  ok('exec', 'ID', 'true');
  ok('start', 'ID');
  refused('start', 'ID');
  ok('state', 'ID');
  ok('pause', 'ID');
  ok('state', 'ID');
  refused('pause', 'ID');
  refused('exec', 'ID', 'true');
  refused('delete', 'ID');
  ok('resume', 'ID');
  ok('kill', 'ID', '0');
  refused('kill', 'ID', 'NOSUCH');
  refused('kill', 'ID', 'TERM', 'more');
  refused('start', '--nosuch', 'ID');
  refused('state', '../ID');
  refused('state', 'ID', 'more');
  ok('kill', '--all', 'ID', 'KILL');
  t.ok(eventually(() => both(['state', 'ID']).stdout.includes('"stopped"')));
  refused('kill', 'ID', 'sigterm');
  ok('kill', '-a', 'ID', '9');
  refused('exec', 'ID', 'true');
  ok('delete', 'ID');
  refused('delete', 'ID');
  ok('delete', '--force', 'ID');
  for (const verb of ['state', 'start', 'kill', 'pause', 'resume']) refused(verb, 'ID');
  refused('exec', 'ID', 'true');
});

t.test('exec gives the program the same process through the launcher and Node', { skip }, async (t) => {
  const box = sandbox(t);
  const { both } = pair(t, box, ['sleep', '1000'], (config) => {
    config['process'].terminal = false;
    config['process'].cwd = '/tmp';
    config['process'].user = { uid: 7, gid: 8, additionalGids: [9], umask: 0o27 };
    config['process'].rlimits = [{ type: 'RLIMIT_NOFILE', soft: 99, hard: 100 }];
    config['process'].noNewPrivileges = true;
  });
  both(['start', 'ID']);
  const look =
    'id; pwd; env; umask; ulimit -n; ls /proc/self/fd; grep -E "Cap|Sig[BIC]|Shd|NoNew|Secc" /proc/self/status';
  t.match(both(['exec', 'ID', 'sh', '-c', `${look}; cut -d: -f2 /proc/self/cgroup`]).stdout, /uid=7 gid=8/);
  t.equal(both(['exec', 'ID', 'sh', '-c', 'cat; exit 9'], { input: 'text\n' }).status, 9);
  t.equal(both(['exec', 'ID', 'sh', '-c', 'kill -SEGV $$']).status, 128 + 11);
  t.equal(both(['exec', 'ID', 'nosuch']).status, 255);
  for (const program of ['/nosuch', '/tmp', '/proc/version', './x', '']) both(['exec', 'ID', program]);
  both(['exec', 'ID', 'sh', '-c', 'echo "$@"', '-', '--root', '-d', '', 'a b']);
  both(['exec', '--tty', 'ID', 'true']);
  both(['exec', '--env', 'A=b', '--cwd', '/', 'ID', 'sh', '-c', 'echo $A; pwd']);
});

t.test('--log gets the same lines through the launcher and Node', { skip }, async (t) => {
  const box = sandbox(t);
  const { both } = pair(t, box);
  const lines = (log: string) => {
    const text = readFileSync(log, 'utf8').replaceAll(/"time":"[^"]*"/g, '');
    writeFileSync(log, '');
    return text;
  };
  const log = join(box.directory, 'log.json');
  for (const args of [
    ['resume', 'ID'],
    ['exec', 'ID', 'nosuch'],
    ['delete', 'no-such-container'],
  ]) {
    both(['--log', log, '--log-format', 'json', ...args]);
    const [first, second, rest] = lines(log).replaceAll(/-\d+/g, '').split('\n');
    t.ok(first?.startsWith('{"level":"error","msg":"'));
    t.equal(first, second);
    t.equal(rest, '');
  }
  both(['--log', '/proc/nosuch/log', 'state', 'ID']);
  both(['--log', 'relative', '--log-format', 'xml', 'state', 'ID']);
});

t.test(
  'a hook that fails is told with its field, also by the launcher, whose delete has removed the plan',
  { skip },
  async (t) => {
    const box = sandbox(t);
    const hook = (text: string) => [{ path: '/bin/sh', args: ['sh', '-c', `echo ${text}; exit 4`] }];
    const started = pair(t, box, ['sleep', '1000'], (config) => {
      config['hooks'] = { poststart: hook('of start') };
    });
    t.match(started.both(['start', 'ID']).stderr, /\/hooks\/poststart\/0.*of start/s);
    started.both(['delete', '--force', 'ID']);
    const deleted = pair(t, box, ['true'], (config) => {
      config['hooks'] = { poststop: hook('of delete') };
    });
    const { status, stderr } = deleted.both(['delete', '--force', 'ID']);
    t.equal(status, 0);
    t.match(stderr, /warning.*\/hooks\/poststop\/0.*of delete/s);
    t.match(deleted.both(['state', 'ID']).stderr, /does not exist/);
  },
);

t.test(
  'delete --force removes a container whose plan is damaged, through the launcher and Node',
  { skip },
  async (t) => {
    const box = sandbox(t);
    for (const options of [{}, NODE]) {
      const id = box.id();
      must(box.run(['create', '--bundle', box.bundle().path, id]));
      writeFileSync(join(box.root, id, 'plan'), 'no plan');
      t.match(box.run(['state', id], options).stderr, /cannot be read.*\nhint: tsrun delete --force/);
      t.not(box.run(['delete', id], options).status, 0);
      must(box.run(['delete', '--force', id], options));
      t.notOk(existsSync(join(box.root, id)));
    }
  },
);

t.test('a waiting first process and a supervisor take little memory', { skip: skip || needSmall() }, async (t) => {
  const box = sandbox(t);
  const id = box.id();
  const bundle = box.bundle(['sleep', '1000']);
  must(box.run(['create', '--bundle', bundle.path, id]));
  t.ok(residentKilobytes(box.state(id).pid) <= 512, 'init of a created container');
  must(box.run(['start', id]));
  for (const args of [
    ['run', '--bundle', bundle.path, box.id()],
    ['exec', id, 'sleep', '1000'],
  ]) {
    const child = spawn(RUNTIME, ['--root', box.root, ...args], { stdio: 'ignore' });
    const pid = child.pid ?? 0;
    t.teardown(() => child.kill('SIGKILL'));
    const supervises = () => /^SigBlk:\s+f/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
    t.ok(eventually(() => childrenOf(pid).some((name) => name === 'sleep') && supervises(), 10_000));
    t.ok(residentKilobytes(pid) <= 1536, `what stays of ${args[0]}`);
  }
});

t.test('exec of a container without a plan for it is compiled by Node', { skip }, async (t) => {
  const box = sandbox(t);
  const id = box.start(
    box.bundle(['sleep', '1000'], (config) => {
      config['linux'].seccomp = { defaultAction: 'SCMP_ACT_ALLOW' };
    }),
  );
  const plan = join(box.root, id, 'plan');
  const bytes = readFileSync(plan);
  bytes.fill(0, 84, 112);
  for (let at = 80; at < 112; at += 8) bytes.writeUInt32LE(128, at);
  writeFileSync(plan, bytes);
  t.same(box.run(['exec', id, 'echo', 'hello']), { status: 0, stdout: 'hello\n', stderr: '' });
});

t.test('limits that leave no room for Node are told before it is started', { skip }, async (t) => {
  const box = sandbox(t);
  const limited = (limit: string, ...before: string[]) => {
    const [program = '', ...args] = [...before, 'prlimit', limit, '--', RUNTIME, 'features'];
    return runProgram(program, args, box.directory);
  };
  const files = limited('--nofile=16');
  t.equal(files.status, 1);
  t.match(files.stderr, 'tsrun: the limit of open files is 16, and tsrun needs 32\nhint: raise it: ulimit -n 32\n');
  must(limited('--nofile=32'));
  const uid = 54_321;
  if (needReadableBy(uid, RUNTIME) !== false) return;
  const user = ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups'];
  const processes = limited('--nproc=5', ...user);
  t.equal(processes.status, 1);
  t.match(processes.stderr, /no room for \d+ more processes and threads: EAGAIN[^\n]*\nhint: raise pids\.max/);
  must(limited('--nproc=100', ...user));
});

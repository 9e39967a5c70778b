/** cli: the built program from argv to exit status, without root and without containers. */
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const PROGRAM = fileURLToPath(new URL('../../dist/tsrun.cjs', import.meta.url));

interface Result {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

function tsrun(
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: { readonly [name: string]: string } } = {},
): Result {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], {
    encoding: 'utf8',
    env: { PATH: '/usr/bin:/bin', ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  return { status, out: stdout, err: stderr };
}

const built = existsSync(PROGRAM) ? false : 'dist/ is not built: npm run build';

t.test('tsrun --version has the lines that docker and podman read', { skip: built }, async (t) => {
  const { status, out } = tsrun(['--version']);
  t.equal(status, 0);
  const lines = out.split('\n');
  t.match(lines[0], /^tsrun version \d+\.\d+\.\d+/);
  t.match(lines[1], /^commit: \S+$/);
  t.match(lines[2], /^spec: \d+\.\d+\.\d+$/);
  t.equal(tsrun(['version']).out, out);
  t.equal(tsrun(['-v']).out, out);
});

t.test('tsrun answers a wrong command line on stderr with status 1 and the usage', { skip: built }, async (t) => {
  const cases: readonly (readonly [args: string[], message: RegExp])[] = [
    [[], /^tsrun: a command is missing\n/],
    [['--hlep'], /^tsrun: unknown flag "--hlep"\nhint: did you mean "--help"\?\nusage: /],
    [['creat', 'x'], /^tsrun: unknown command "creat"\nhint: did you mean "create"\?\n/],
    [['foo', '-h'], /^tsrun: No help topic for 'foo'\n/],
    [['create'], /^tsrun: "create" requires exactly 1 argument\(s\)\nusage: tsrun create /],
    [['kill'], /"kill" requires a minimum of 1 argument\(s\)/],
    [['kill', 'a', 'b', 'c'], /"kill" requires a maximum of 2 argument\(s\)/],
    [['list', 'x'], /"list" requires exactly 0 argument\(s\)/],
    [['create', '--bundle'], /flag needs an argument: --bundle\nusage: /],
    [['state', '../x'], /^tsrun: state: container id "\.\.\/x": invalid container ID format\n/],
    [['state', ''], /^tsrun: state: container id cannot be empty\n/],
    [['--log-format', 'yaml', 'list'], /unknown log-format "yaml"/],
    [['list', '-f', 'x'], /--format: invalid format option "x"/],
    [['kill', 'c', 'SIGFOO'], /unknown signal "SIGFOO"/],
    [['--criu', '/x/criu', 'list'], /--criu: the program is taken from PATH/],
    [['--root', '/', 'list'], /Option --root argument should not be set to \//],
  ];
  for (const [args, message] of cases) {
    const { status, out, err } = tsrun(args);
    t.equal(status, 1, args.join(' '));
    t.equal(out, '', 'nothing on stdout');
    t.match(err, message);
  }
});

t.test('tsrun help is on stdout with status 0', { skip: built }, async (t) => {
  for (const args of [
    ['--help'],
    ['-h'],
    ['help'],
    ['create', '--help'],
    ['exec', '-h'],
    ['help', 'run'],
    ['create', 'x', 'y', '-h'].slice(0, 1).concat('-h'),
  ]) {
    const { status, out, err } = tsrun(args);
    t.equal(status, 0, args.join(' '));
    t.match(out, /^NAME:\n {3}tsrun /);
    t.equal(err, '');
  }
});

t.test('tsrun exec fails with 255, other commands with 1', { skip: built }, async (t) => {
  const root = t.testdir({});
  for (const args of [
    ['state', 'none'],
    ['kill', 'none'],
    ['start', 'none'],
    ['delete', 'none'],
  ]) {
    const { status, err } = tsrun(['--root', root, ...args]);
    t.equal(status, 1);
    t.match(err, /container does not exist: "none"/, args.join(' '));
  }
  t.match(tsrun(['--root', root, 'exec', 'none', 'ls']), { status: 255, err: /container does not exist: "none"/ });
  t.match(tsrun(['--root', root, 'delete', '--force', 'none']), { status: 0, err: '' });
});

t.test(
  'tsrun --log FILE --log-format json writes one line per error, and the error on stderr too',
  { skip: built },
  async (t) => {
    const dir = t.testdir({
      'config.json': '{"ociVersion":"1.0.2","root":{"path":""},"process":{"cwd":"x","args":[]}}',
    });
    const { status, err } = tsrun(['--log', 'log.json', '--log-format', 'json', 'create', 'c'], { cwd: dir });
    t.equal(status, 1);
    t.match(err, /^tsrun: create: \/process\/cwd \(config\.json:1:\d+\): must be an absolute path \(got "x"\)$/m);
    const lines = readFileSync(join(dir, 'log.json'), 'utf8').trimEnd().split('\n');
    t.equal(lines.length, 1);
    const { level, msg } = JSON.parse(lines[0] ?? '{}');
    t.equal(level, 'error');
    t.match(msg, /\/process\/cwd .*; .*\/process\/args|\/process\/args .*; .*\/process\/cwd/);
  },
);

t.test(
  'tsrun --error-format json makes one object of an error, before the options are read too',
  { skip: built },
  async (t) => {
    const dir = t.testdir({
      'config.json': '{"ociVersion":"1.0.2","root":{"path":"r"},"process":{"cwd":"x","args":[]}}',
    });
    const { status, out, err } = tsrun(['--error-format', 'json', 'plan', dir]);
    t.equal(status, 1);
    t.equal(out, '');
    t.match(JSON.parse(err), {
      level: 'error',
      code: 'SPEC_INVALID',
      command: 'plan',
      path: '/process/cwd',
      issues: [
        { level: 'error', code: 'NOT_ABSOLUTE', path: '/process/cwd', line: 1, column: /^\d+$/, value: '"x"' },
        { code: 'EMPTY', path: '/process/args' },
      ],
    });
    t.match(JSON.parse(tsrun(['--error-format=json', '--foo']).err), { code: 'USAGE', message: /unknown flag/ });
    const state = tsrun(['--error-format', 'json', '--log', join(dir, 'log'), '--log-format', 'json', 'state', 'none']);
    t.match(JSON.parse(state.err), { code: 'CONTAINER_NOT_FOUND', id: 'none', problem: 'NOT_FOUND' });
    t.match(JSON.parse(readFileSync(join(dir, 'log'), 'utf8')), {
      level: 'error',
      msg: /none/,
      code: 'CONTAINER_NOT_FOUND',
    });
    t.match(tsrun(['--error-format', 'xml', 'list']), { status: 1, err: /--error-format: unknown error-format "xml"/ });
  },
);

t.test('tsrun help explains commands and codes, and suggests', { skip: built }, async (t) => {
  t.match(tsrun(['help', 'NEEDS_NAMESPACE']), {
    status: 0,
    out: /^CODE:\n {3}NEEDS_NAMESPACE.*\n\nCAUSE:\n.*REMEDY:\n {3}\S/s,
  });
  t.match(tsrun(['help', 'hook_failed']).out, /HOOK_FAILED - problem of the executor/);
  t.match(tsrun(['help', 'HOOK_FALED']), {
    status: 1,
    err: /No help topic for 'HOOK_FALED'\nhint: did you mean "HOOK_FAILED"\?/,
  });
  t.match(tsrun(['help', 'creat']), { status: 1, err: /did you mean "create"\?/ });
});

t.test('tsrun refuses a TSRUN_NOFILE that is no number', { skip: built }, async (t) => {
  const { status, err } = tsrun(['list'], { env: { TSRUN_NOFILE: '1k' } });
  t.equal(status, 1);
  t.match(err, /TSRUN_NOFILE: "1k" is not a number/);
});

t.test('tsrun spec and plan work on a bundle without touching anything else', { skip: built }, async (t) => {
  const dir = t.testdir({ rootfs: {} });
  t.match(tsrun(['spec'], { cwd: dir }), { status: 0, out: '', err: '' });
  t.match(readFileSync(join(dir, 'config.json'), 'utf8'), /^\{\n\t"ociVersion": "1\.\d+\.\d+"/);
  t.match(tsrun(['spec', '-b', dir]), { status: 1, err: /File config\.json exists\. Remove it first/ });
  const { status, out } = tsrun(['plan', dir]);
  t.equal(status, 0);
  t.match(out, /^1\. \S/);
  t.match(out, /← \/mounts\/0$/m);
  t.match(tsrun(['plan', '--list', dir]).out, /^setup: /);
  t.type(JSON.parse(tsrun(['plan', '--json', '-b', dir]).out).lists.init, Array);
});

t.test('tsrun plan --diff shows what another config makes different, and nothing else', { skip: built }, async (t) => {
  const dir = t.testdir({ a: { rootfs: {} }, b: { rootfs: {} } });
  for (const name of ['a', 'b']) tsrun(['spec', '-b', join(dir, name)]);
  const [a, b] = [join(dir, 'a'), join(dir, 'b')];
  t.match(tsrun(['plan', '--diff', a, b]), { status: 0, out: 'no differences\n' });
  const config = JSON.parse(readFileSync(join(b, 'config.json'), 'utf8'));
  config.hostname = 'other';
  config.mounts.splice(1, 0, { destination: '/mnt', type: 'tmpfs', source: 'tmpfs' });
  writeFileSync(join(a, 'changed.json'), JSON.stringify(config));
  const { out } = tsrun(['plan', '--diff', a, join(a, 'changed.json')]);
  t.equal(
    out,
    [
      'init: the new process, on its way into the container',
      '+ mount tmpfs on /mnt (mode of the directory below)  ← /mounts/1',
      '- set the host name tsrun  ← /hostname',
      '+ set the host name other  ← /hostname',
      '',
    ].join('\n'),
  );
  const changes = JSON.parse(tsrun(['plan', '--json', '--diff', a, join(a, 'changed.json')]).out);
  t.match(changes, [
    { change: 'added', list: 'init', after: { op: 'MOUNT_FS', origin: '/mounts/1' } },
    { change: 'changed', list: 'init', before: { name: 'tsrun' }, after: { name: 'other' } },
  ]);
  t.match(tsrun(['plan', '--diff', a]), { status: 1, err: /--diff takes two bundles/ });
  t.match(tsrun(['plan', a, b]), { status: 1, err: /two bundles are compared with --diff/ });
});

t.test('tsrun list knows a missing default root from a missing --root', { skip: built }, async (t) => {
  const dir = t.testdir({});
  t.match(tsrun(['--root', join(dir, 'none'), 'list']), { status: 1, err: /no such directory/ });
  t.match(tsrun(['--root', dir, 'list', '-f', 'json']), { status: 0, out: 'null' });
  t.match(tsrun(['--root', dir, 'list', '-q']), { status: 0, out: '' });
});

t.test('tsrun fails cleanly when stdout is full or the arguments are not UTF-8', { skip: built }, async (t) => {
  const full = openSync('/dev/full', 'w');
  const { status, stderr } = spawnSync(process.execPath, [PROGRAM, '--version'], {
    stdio: ['ignore', full, 'pipe'],
    encoding: 'utf8',
  });
  closeSync(full);
  t.equal(status, 1);
  t.match(stderr, /stdout: ENOSPC/);
  const command = `exec "$0" "$1" exec c "$(printf '\\377')"`;
  t.match(
    spawnSync('/bin/sh', ['-c', command, process.execPath, PROGRAM], { encoding: 'utf8' }).stderr,
    /not valid UTF-8/,
  );
});

t.test('exec warns of flags that have no effect beside --process', { skip: built }, async (t) => {
  const args = ['exec', '--process', '/none', '--env', 'A=1', '--no-new-privs', '--tty', 'nope'];
  const { status, err } = tsrun(args);
  t.equal(status, 255);
  t.match(err, /level=warning msg="--env has no effect beside --process/);
  t.match(err, /level=warning msg="--no-new-privs has no effect/);
  t.notMatch(err, /--tty|--cwd/);
});

t.test('a log file that takes nothing more does not fail the command', { skip: built }, async (t) => {
  const { status, out, err } = tsrun(['--debug', '--log', '/dev/full', 'spec', '--help']);
  t.equal(status, 0);
  t.match(out, /NAME:/);
  t.equal(err, '');
  const failed = tsrun(['--log', '/dev/full', 'state', 'no/id']);
  t.equal(failed.status, 1);
  t.match(failed.err, /level=error.*invalid container ID format/);
});

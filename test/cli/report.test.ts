/** cli: what is printed and logged for an error, and where the state lies. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { formatLine, openLog, parseFormat } from '../../src/cli/log.js';
import { reportOf, warningFields } from '../../src/cli/report.js';
import { checkRoot, resolveRoot } from '../../src/cli/root.js';
import { SpecError, StateError, TsrunError, UsageError } from '../../src/errors.js';
import { pointer } from '../../src/util/pointer.js';

const TIME = new Date(Date.UTC(2026, 0, 2, 3, 4, 5));
const USAGE = 'tsrun create [command options] <container-id>';

t.test('formatLine writes lines as logrus does', async (t) => {
  t.equal(
    formatLine('text', 'error', 'tsrun: create: exec: "x": no', TIME),
    'time="2026-01-02T03:04:05Z" level=error msg="tsrun: create: exec: \\"x\\": no"\n',
  );
  t.equal(formatLine('text', 'warning', 'word', TIME), 'time="2026-01-02T03:04:05Z" level=warning msg=word\n');
  t.equal(
    formatLine('json', 'error', 'two\nlines "quoted"', TIME),
    '{"level":"error","msg":"two\\nlines \\"quoted\\"","time":"2026-01-02T03:04:05Z"}\n',
  );
  t.equal(formatLine('text', 'error', 'a\nb', TIME).split('\n').length, 2, 'always one line');
});

t.test('openLog appends to the file and keeps what was there', async (t) => {
  const dir = t.testdir({ log: 'before\n' });
  const path = join(dir, 'log');
  const log = openLog({ path, format: 'json', errorFormat: 'text', debug: false });
  log.warning('w');
  log.debug('not shown');
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  t.equal(lines.length, 2);
  t.match(JSON.parse(lines[1] ?? ''), { level: 'warning', msg: 'w', time: /Z$/ });
  openLog({ path: join(dir, 'new'), format: 'text', errorFormat: 'text', debug: true }).debug('shown');
  t.match(readFileSync(join(dir, 'new'), 'utf8'), /level=debug msg=shown/);
  t.equal(statSync(join(dir, 'new')).mode & 0o111, 0);
  t.throws(() => openLog({ path: join(dir, 'none/log'), format: 'text', errorFormat: 'text', debug: false }), {
    code: 'USAGE',
    message: /--log: .*ENOENT/,
  });
});

t.test('parseFormat knows text and json', async (t) => {
  t.equal(parseFormat(undefined, '--log-format'), 'text');
  t.equal(parseFormat('json', '--log-format'), 'json');
  t.throws(() => parseFormat('yaml', '--log-format'), { message: /unknown log-format "yaml"/ });
});

t.test('reportOf gives each problem of a SpecError its own line and joins them for the log', async (t) => {
  const error = new SpecError([
    {
      code: 'NOT_ABSOLUTE',
      path: pointer('mounts', 3, 'destination'),
      message: 'must be an absolute path',
      value: '"proc"',
      line: 12,
      column: 7,
      hint: 'write "/proc"',
    },
    { code: 'REQUIRED', path: pointer('process', 'cwd'), message: 'is missing' },
  ]);
  const { lines, summary } = reportOf(error, 'create', USAGE);
  t.strictSame(lines, [
    'tsrun: create: /mounts/3/destination (config.json:12:7): must be an absolute path (got "proc")',
    'hint: write "/proc"',
    'tsrun: create: /process/cwd (config.json): is missing',
  ]);
  t.equal(
    summary,
    'tsrun: create: /mounts/3/destination (config.json:12:7): must be an absolute path (got "proc") (hint: write "/proc"); ' +
      'tsrun: create: /process/cwd (config.json): is missing',
  );
});

t.test('reportOf gives programs code, path, operation and each issue', async (t) => {
  const path = pointer('mounts', 1, 'type');
  const spec = new SpecError([{ code: 'BIND_WITHOUT_OPTION', path, message: 'no', value: '"x"', line: 2, column: 3 }]);
  t.strictSame(reportOf(spec, 'create', USAGE).fields, {
    code: 'SPEC_INVALID',
    message: 'tsrun: create: /mounts/1/type (config.json:2:3): no (got "x")',
    command: 'create',
    document: 'config.json',
    path: '/mounts/1/type',
    issues: [{ level: 'error', code: 'BIND_WITHOUT_OPTION', path, line: 2, column: 3, value: '"x"', reason: 'no' }],
  });
  const failed = new TsrunError('EXEC_FAILED', 'x', { hint: 'h' });
  failed.operation = { problem: 'SYSCALL', op: 'RLIMIT', syscall: 'prlimit64', errno: 1, path: '/process/rlimits/0' };
  t.strictSame(reportOf(failed, 'run', USAGE).fields, {
    code: 'EXEC_FAILED',
    message: 'tsrun: run: x',
    command: 'run',
    hint: 'h',
    path: '/process/rlimits/0',
    problem: 'SYSCALL',
    op: 'RLIMIT',
    syscall: 'prlimit64',
    errno: 1,
    errnoName: 'EPERM',
  });
  t.match(reportOf(new TypeError('x'), undefined, USAGE).fields, { code: 'BUG' });
  t.match(reportOf(new UsageError('--user: bad', '--user'), 'exec', USAGE).fields, { code: 'USAGE', flag: '--user' });
  t.strictSame(warningFields(spec.issues[0]), { code: 'BIND_WITHOUT_OPTION', path, line: 2, column: 3 });
  t.match(warningFields(failed), { code: 'EXEC_FAILED', problem: 'SYSCALL' });
});

t.test('reportOf shows the usage line only where the grammar was not kept', async (t) => {
  t.strictSame(
    reportOf(new UsageError('unknown flag "--x"', undefined, 'did you mean "--y"?'), 'create', USAGE).lines,
    ['tsrun: unknown flag "--x"', 'hint: did you mean "--y"?', `usage: ${USAGE}`],
  );
  t.strictSame(reportOf(new UsageError('--user: bad uid "x"', '--user'), 'exec', USAGE).lines, [
    'tsrun: exec: --user: bad uid "x"',
  ]);
});

t.test('reportOf names states, unexpected errors and never breaks a line', async (t) => {
  t.strictSame(
    reportOf(new StateError('CONTAINER_NOT_FOUND', 'c', 'container does not exist: "c"'), 'state', USAGE).lines,
    ['tsrun: state: container does not exist: "c"'],
  );
  t.match(reportOf(new TypeError('x is not a function'), 'run', USAGE).lines, [
    /^tsrun: run: x is not a function$/,
    /bug of tsrun/,
  ]);
  t.match(reportOf('text', undefined, USAGE).lines[0], 'tsrun: text');
  for (const text of ['a\nb', '\u001b[2J', 'a\r']) {
    const { lines, summary } = reportOf(new TsrunError('IO', text), 'run', USAGE);
    t.equal(lines.length, 1);
    t.notMatch(summary + lines.join(''), /[\n\r\u001b]/);
  }
});

t.test('resolveRoot takes --root, else /run/tsrun, else XDG_RUNTIME_DIR for a user', async (t) => {
  const request = { given: undefined, cwd: () => '/here', euid: 0, xdgRuntimeDir: '/run/user/0' };
  t.equal(resolveRoot(request), '/run/tsrun');
  t.equal(resolveRoot({ ...request, euid: 1000 }), '/run/user/0/tsrun');
  t.equal(resolveRoot({ ...request, euid: 1000, xdgRuntimeDir: '' }), '/run/tsrun', 'empty means unset');
  const nested = { ...request, inUserNamespace: () => true };
  t.equal(resolveRoot({ ...nested, user: 'somebody' }), '/run/user/0/tsrun', 'root of a user namespace only');
  t.equal(resolveRoot({ ...nested, user: 'root' }), '/run/tsrun', 'root in a container');
  t.equal(resolveRoot({ ...request, given: 'state' }), '/here/state');
  t.equal(resolveRoot({ ...request, given: '/a/../b/' }), '/b');
  for (const given of ['/', '//', '/a/..', '/.']) {
    t.throws(
      () => resolveRoot({ ...request, given }),
      { message: 'Option --root argument should not be set to /' },
      given,
    );
  }
});

t.test('checkRoot refuses a file and a directory in which others can plant state', async (t) => {
  const dir = t.testdir({ file: '' });
  t.doesNotThrow(() => checkRoot(join(dir, 'missing'), 0));
  t.doesNotThrow(() => checkRoot(dir, process.geteuid?.() ?? 0));
  t.throws(() => checkRoot(join(dir, 'file'), 0), { message: /is not a directory/ });
  t.throws(() => checkRoot(join(dir, 'file/x'), 0), { message: /ENOTDIR/ });
  const owner = statSync('/tmp').uid;
  if ((statSync('/tmp').mode & 0o002) !== 0)
    t.throws(() => checkRoot('/tmp', owner + 1), { message: /anybody can write/ });
});

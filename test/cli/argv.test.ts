/** The command line's grammar: parseOptions on the call shapes of engines and on what must be refused. */
import t from 'tap';
import { parseOptions } from '../../src/cli/argv.js';
import { allCommands } from '../../src/cli/commands.js';
import { commandHelp, globalHelp } from '../../src/cli/help.js';
import { GLOBAL_OPTIONS, type OptionTable } from '../../src/cli/options.js';
import { UsageError } from '../../src/errors.js';

const COMMANDS = await allCommands();

/** Both stages; options that were not given are left out, so that a row shows only what matters. */
function parse(line: readonly string[]) {
  const globals = parseOptions(line, GLOBAL_OPTIONS);
  const [name = '', ...argv] = globals.rest;
  const found = COMMANDS.find((command) => command.name === name);
  const command = parseOptions(argv, found?.options ?? {}, found?.programArgs ? 'first' : 'anywhere');
  return { globals: given(globals.values), name, options: given(command.values), args: [...command.rest] };
}

function given(values: { readonly [name: string]: unknown }) {
  const set = Object.entries(values).filter(
    ([, value]) =>
      value !== undefined && value !== false && value !== 0 && !(Array.isArray(value) && value.length === 0),
  );
  return Object.fromEntries(set);
}

const words = (line: string) => line.split(' ');

t.test('parseOptions reads the call shapes that engines use', async (t) => {
  t.strictSame(
    parse(
      words(
        '--root /run/containerd/runc/default --log /d/log.json --log-format json create --bundle /b --pid-file /b/init.pid c1',
      ),
    ),
    {
      globals: { root: '/run/containerd/runc/default', log: '/d/log.json', 'log-format': 'json' },
      name: 'create',
      options: { bundle: '/b', 'pid-file': '/b/init.pid' },
      args: ['c1'],
    },
    'containerd',
  );
  t.strictSame(
    parse(words('exec --process /tmp/runc-process1 --detach --pid-file /d/e.pid --console-socket /tmp/s c1')),
    {
      globals: {},
      name: 'exec',
      options: { process: '/tmp/runc-process1', detach: true, 'pid-file': '/d/e.pid', 'console-socket': '/tmp/s' },
      args: ['c1'],
    },
    'containerd exec',
  );
  t.strictSame(parse(words('--log-format=json --log /l create --bundle /u --pid-file /p c1')).globals, {
    'log-format': 'json',
    log: '/l',
  });
  t.strictSame(parse(words('kill c1 9')).args, ['c1', '9']);
  t.strictSame(parse(words('delete --force c1')).options, { force: true });
});

t.test('parseOptions finds options behind the arguments, up to a "--"', async (t) => {
  t.strictSame(parse(words('update c1 --cpu-period 900000 --memory 1M')), {
    globals: {},
    name: 'update',
    options: { 'cpu-period': '900000', memory: '1M' },
    args: ['c1'],
  });
  t.strictSame(parse(words('delete c1 --force')), {
    globals: {},
    name: 'delete',
    options: { force: true },
    args: ['c1'],
  });
  t.strictSame(parse(words('kill c1 --all KILL')).args, ['c1', 'KILL']);
  t.strictSame(parse(words('delete c1 -- --force')).args, ['c1', '--force']);
  t.throws(() => parse(words('delete c1 --frce')), { message: 'unknown flag "--frce"', hint: /--force/ });
});

t.test('parseOptions ends at the first argument where the rest is a program', async (t) => {
  t.strictSame(parse(words('--root /r exec -d --pid-file p c1 ls -la --foo')), {
    globals: { root: '/r' },
    name: 'exec',
    options: { detach: true, 'pid-file': 'p' },
    args: ['c1', 'ls', '-la', '--foo'],
  });
  t.strictSame(parse(words('exec c1 -- sh')).args, ['c1', '--', 'sh']);
  t.strictSame(parse(words('exec -- c1 sh -c x')).args, ['c1', 'sh', '-c', 'x']);
  t.strictSame(parse(words('kill 0123 -9')).args, ['0123', '-9']);
  t.strictSame(parse(words('kill -a 1e3 KILL')), {
    globals: {},
    name: 'kill',
    options: { all: true },
    args: ['1e3', 'KILL'],
  });
  t.strictSame(parse(words('state 007')).args, ['007']);
  t.strictSame(parse(['delete', '-f', 'true']).args, ['true'], 'a flag does not take the next word for its value');
  t.strictSame(parse(['exec', 'c1', '-']).args, ['c1', '-']);
});

t.test('parseOptions accepts one dash, two dashes, "=" and groups of letters alike', async (t) => {
  for (const line of ['--root /r', '-root /r', '--root=/r', '-root=/r']) {
    t.strictSame(parse([...words(line), 'list']).globals, { root: '/r' }, line);
  }
  for (const line of ['-b /b', '--bundle /b', '-bundle /b', '-b=/b', '-b/b', '--b /b']) {
    t.strictSame(parse(['create', ...words(line), 'c']).options, { bundle: '/b' }, line);
  }
  for (const line of ['-td', '-t -d', '--tty --detach', '-tty -detach=true', '-dt=1']) {
    const parsed = line === '-dt=1' ? undefined : parse(['exec', ...words(line), 'c', 'sh']).options;
    if (parsed !== undefined) t.strictSame(parsed, { tty: true, detach: true }, line);
  }
  t.strictSame(parse(['exec', '-tu', '0', 'c', 'sh']).options, { tty: true, user: '0' });
  t.strictSame(parse(['exec', '-tu0:0', 'c', 'sh']).options, { tty: true, user: '0:0' });
  t.strictSame(parse(['exec', '--detach=false', '-t=F', 'c', 'sh']).options, {});
});

t.test('parseOptions leaves help and version to us', async (t) => {
  for (const line of ['--help', '-h', '-help']) t.strictSame(parse([line, 'create']).globals, { help: true }, line);
  for (const line of ['--version', '-v', '-version']) t.strictSame(parse([line]).globals, { version: true }, line);
  t.strictSame(parse(['create', '-h']).options, { help: true });
});

t.test('parseOptions keeps values byte for byte', async (t) => {
  const values = [
    'A=1',
    '"quoted"',
    "'single'",
    '',
    '-x',
    '--detach',
    'a=b=c',
    '0x10',
    '1e3',
    'a,b',
    'true',
    'line\nfeed',
    '{}',
  ];
  const argv = values.flatMap((value) => ['-e', value]);
  t.strictSame(parse(['exec', ...argv, 'c', 'sh']).options, { env: values });
  t.strictSame(parse(['exec', ...values.map((value) => `--env=${value}`), 'c', 'sh']).options, { env: values });
  t.strictSame(parse(['create', '--bundle', '__proto__', 'c']).options, { bundle: '__proto__' });
});

t.test('parseOptions takes the last of a repeated option and lists all of a list', async (t) => {
  t.strictSame(parse(words('create --bundle /a -b /b c')).options, { bundle: '/b' });
  t.strictSame(parse(words('exec -d --detach=false c sh')).options, {});
  t.strictSame(parse(words('exec -e A=1 --env B=2 -c CAP_KILL --cap NET_RAW c sh')).options, {
    env: ['A=1', 'B=2'],
    cap: ['CAP_KILL', 'NET_RAW'],
  });
});

function refusalOf(line: readonly string[]): UsageError | undefined {
  try {
    parse(line);
    return undefined;
  } catch (error) {
    return error instanceof UsageError ? error : undefined;
  }
}

t.test('parseOptions refuses what it does not know', async (t) => {
  const refused: readonly (readonly [line: string[], message: RegExp, hint?: RegExp])[] = [
    [['--hlep'], /^unknown flag "--hlep"$/, /--help/],
    [['--Root', '/r'], /unknown flag "--Root"/, /--root/],
    [['create', '--bundel', '/b', 'c'], /unknown flag "--bundel"/, /--bundle/],
    [['create', '-x', 'c'], /unknown flag "-x"/],
    [['exec', '-tx', 'c'], /unknown flag "-tx"/],
    [['kill', '-9', 'c'], /unknown flag "-9"/],
    [['create', '--__proto__', 'c'], /unknown flag "--__proto__"/],
    [['create', '--constructor=x', 'c'], /unknown flag "--constructor"/],
    [['create', '--bundle'], /^flag needs an argument: --bundle$/],
    [['--root'], /^flag needs an argument: --root$/],
    [['--root='], /^--root: must not be empty$/],
    [['--root', ''], /^--root: must not be empty$/],
    [['create', '--pid-file=', 'c'], /^--pid-file: must not be empty$/],
    [['create', '--preserve-fds', '-1', 'c'], /--preserve-fds: "-1" is not a number from 0 to/],
    [['create', '--preserve-fds', '1e9', 'c'], /--preserve-fds: "1e9"/],
    [['create', '--preserve-fds', '99999999999', 'c'], /--preserve-fds/],
    [['exec', '--detach=maybe', 'c'], /--detach: "maybe" is neither true nor false/],
    [['--debug\nx'], /unknown flag "--debug\\nx"/],
  ];
  for (const [line, message, hint] of refused) {
    const error = refusalOf(line);
    t.ok(error instanceof UsageError, line.join(' '));
    t.match(error?.message, message, line.join(' '));
    if (hint !== undefined) t.match(error?.hint, hint, line.join(' '));
  }
});

t.test('an empty label means the same as none, as engines pass it', async (t) => {
  t.strictSame(parse(['exec', '--apparmor', '', '--process-label=', 'c', 'sh']).options, {});
});

t.test('every option table has distinct letters and help for each option', async (t) => {
  const tables: (readonly [string, OptionTable])[] = COMMANDS.map((command) => [command.name, command.options]);
  for (const [name, table] of [['global', GLOBAL_OPTIONS] as const, ...tables]) {
    const letters = Object.values(table).flatMap((option) => option.short ?? []);
    t.equal(new Set(letters).size, letters.length, name);
    t.ok(
      Object.values(table).every((option) => option.help.length > 0),
      name,
    );
  }
});

t.test('help texts have the layout of runc', async (t) => {
  const global = globalHelp(COMMANDS, 'tsrun version 1\n').split('\n');
  t.strictSame(global.slice(0, 2), ['NAME:', '   tsrun - Open Container Initiative runtime']);
  for (const title of ['USAGE:', 'VERSION:', 'COMMANDS:', 'GLOBAL OPTIONS:']) t.ok(global.includes(title), title);
  for (const command of COMMANDS) {
    const lines = commandHelp(command).split('\n');
    t.strictSame(lines.slice(0, 2), ['NAME:', `   tsrun ${command.name} - ${command.summary}`]);
    t.ok(
      lines.every((line) => line.length <= 130),
      `${command.name}: no line is too long`,
    );
    t.notMatch(commandHelp(command), /--kernel-memory/, 'hidden options stay hidden');
  }
});

/** cli: completions in real shells, and the manual pages: both are made from the tables of --help. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { allCommands } from '../../src/cli/commands.js';
import { completionScript, SHELLS } from '../../src/cli/completion.js';
import { manPages } from '../../src/cli/man.js';
import { GLOBAL_OPTIONS } from '../../src/cli/options.js';
import { needCommand, skipUnless } from '../helpers/host.js';

const COMMANDS = await allCommands();

const PROGRAM = fileURLToPath(new URL('../../dist/tsrun.cjs', import.meta.url));
const built = existsSync(PROGRAM) ? (false as const) : 'dist/ is not built: npm run build';

/** A directory with a tsrun for PATH: "list -q" answers with ids, all else is the real one. */
function programs(t: Test): string {
  const directory = t.testdir({});
  const script = `#!/bin/sh
case "$*" in
*"--root /other list -q") echo elsewhere ;;
*"list -q") echo one; echo two ;;
*) exec '${process.execPath}' '${PROGRAM}' "$@" ;;
esac
`;
  writeFileSync(join(directory, 'tsrun'), script);
  chmodSync(join(directory, 'tsrun'), 0o755);
  return directory;
}

function shell(t: Test, name: string, args: readonly string[]): string {
  const env = { PATH: `${programs(t)}:/usr/sbin:/usr/bin:/sbin:/bin`, HOME: t.testdirName, LC_ALL: 'C.UTF-8' };
  const { status, stdout, stderr } = spawnSync(name, args, { encoding: 'utf8', env });
  t.equal(status, 0, stderr);
  return stdout;
}

t.test('every script names every command and option, whatever is added', async (t) => {
  for (const name of SHELLS) {
    const script = completionScript(name, COMMANDS);
    const options = [GLOBAL_OPTIONS, ...COMMANDS.map((command) => command.options)];
    const words = options.flatMap((table) =>
      Object.entries(table).flatMap(([word, { hidden }]) => (hidden ? [] : [word])),
    );
    t.same(
      [...COMMANDS.flatMap((command) => command.name.split(' ')), ...words].filter((word) => !script.includes(word)),
      [],
      name,
    );
  }
});

t.test(
  'bash completes commands, options, their words, and ids of containers',
  { skip: skipUnless(built, needCommand('bash')) },
  async (t) => {
    const cases: readonly (readonly [line: string, expected: string])[] = [
      ['cre', 'create'],
      ['create --bu', '--bundle'],
      ["--log-format ''", 'text json'],
      ["list --format ''", 'table json'],
      ['help che', 'check checkpoint'],
      ["completion ''", 'bash zsh fish'],
      ["start ''", 'one two'],
      ["--root /other start ''", 'elsewhere'],
      ['--debug delete --force t', 'two'],
      ['create --bundle /usr/shar', '/usr/share'],
      ["version ''", ''],
      ['imag', 'image'],
      ['image l', 'load ls'],
      ['image ls --no-t', '--no-trunc'],
    ];
    const lines = cases.map(([line]) => `comp ${line}`).join('\n');
    const out = shell(t, 'bash', [
      '-c',
      `source <(tsrun completion bash)
comp() { COMP_WORDS=(tsrun "$@"); COMP_CWORD=$#; COMPREPLY=(); _tsrun; echo "\${COMPREPLY[*]}"; }
${lines}`,
    ]);
    t.same(
      out.trimEnd().split('\n'),
      cases
        .map(([, expected]) => expected)
        .join('\n')
        .trimEnd()
        .split('\n'),
    );
  },
);

t.test(
  'fish completes commands, options and ids of containers',
  { skip: skipUnless(built, needCommand('fish')) },
  async (t) => {
    const complete = (line: string): string[] =>
      shell(t, 'fish', ['--no-config', '-c', `tsrun completion fish | source; complete -C '${line}'`])
        .trimEnd()
        .split('\n')
        .map((found) => found.split('\t', 1)[0] ?? '');
    t.same(complete('tsrun crea'), ['create']);
    t.ok(complete('tsrun create --no').includes('--no-pivot'));
    t.same(complete('tsrun start '), ['one', 'two']);
    t.same(complete('tsrun list --format '), ['json', 'table']);
    t.same(complete('tsrun image l'), ['load', 'ls']);
    t.same(complete('tsrun image ls --no-t'), ['--no-trunc']);
  },
);

t.test(
  'zsh takes the script and completes tsrun with it',
  { skip: skipUnless(built, needCommand('zsh')) },
  async (t) => {
    const out = shell(t, 'zsh', [
      '-f',
      '-c',
      `autoload -Uz compinit; compinit -D -u
source <(tsrun completion zsh)
print -r -- "$_comps[tsrun]"
_describe() { print -r -- "\${(@P)@[-1]}"; }
_tsrun_commands
_tsrun_image
compadd() { print -r -- "\${(@P)@[-1]}"; }
_call_program() { shift; "$@"; }
typeset -A opt_args
_tsrun_containers`,
    ]);
    const [registered, commands, ofImages, ids] = out.trimEnd().split('\n');
    t.equal(registered, '_tsrun');
    t.match(commands, /^check:find everything .* create:create a container /);
    t.match(ofImages, / ls:list the images of the store /);
    t.equal(ids, 'one two');
  },
);

t.test('tsrun completion refuses other shells', { skip: built }, async (t) => {
  const { status, stderr } = spawnSync(process.execPath, [PROGRAM, 'completion', 'tcsh'], { encoding: 'utf8' });
  t.equal(status, 1);
  t.match(stderr, /"tcsh" is no shell that tsrun knows\nhint: it is bash, zsh, fish/);
});

const pageOf = ({ name }: { readonly name: string }): string => `tsrun-${name.replace(' ', '-')}.1`;

t.test('there is a manual page of tsrun and of every command, with all options', async (t) => {
  const pages = manPages(COMMANDS, '1.2.3');
  t.same(
    pages.map(({ file }) => file),
    ['tsrun.1', ...COMMANDS.map(pageOf)],
  );
  for (const command of COMMANDS) {
    const { text = '' } = pages.find(({ file }) => file === pageOf(command)) ?? {};
    const shown = Object.entries(command.options).filter(([, { hidden }]) => hidden !== true);
    t.same(
      shown.filter(([name]) => !text.includes(`--${name}`.replaceAll('-', '\\-'))),
      [],
      command.name,
    );
  }
});

t.test(
  'tsrun help --man writes pages that man(1) formats without a warning',
  { skip: skipUnless(built, needCommand('man', 'man-db'), needCommand('groff')) },
  async (t) => {
    const directory = join(t.testdir({}), 'man');
    const { status, stderr } = spawnSync(process.execPath, [PROGRAM, 'help', '--man', directory], { encoding: 'utf8' });
    t.equal(status, 0, stderr);
    for (const name of readdirSync(directory)) {
      const path = join(directory, name);
      const shown = spawnSync('man', ['-l', '--warnings', '-E', 'UTF-8', path], { encoding: 'utf8' });
      t.equal(shown.stderr, '', name);
      t.match(shown.stdout, /NAME\n/, name);
      t.notMatch(
        readFileSync(path, 'utf8'),
        /^\.(?!TH|SH|TP|BR|I |nf|fi)/m,
        `${name}: no line of a text is taken for a request`,
      );
    }
  },
);

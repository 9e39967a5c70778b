// Terminals: foreground through the caller's own, and --console-socket for engines (runc's docs/terminals.md).
import { join } from 'node:path';
import t from 'tap';
import { read, withConsoleSocket } from '../helpers/console.js';
import { needCommand, skipUnless } from '../helpers/host.js';
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

const skip = skipUnless(needRuntime(), needCommand('script', 'bsdutils'), needCommand('python3'));

function terminalBundle(box: Sandbox, script: string): Bundle {
  return box.bundle(['sh', '-c', script], (config) => {
    config['process'].terminal = true;
  });
}

/** Runs under a pty of its own, as a user at a terminal. */
function underScript(box: Sandbox, args: readonly string[], input = '') {
  const command = [RUNTIME, '--root', box.root, ...args].map((arg) => `'${arg}'`).join(' ');
  return runProgram('script', ['-qec', command, '/dev/null'], box.directory, { input, timeout: 30_000 });
}

t.test('run with a terminal in the foreground: a tty inside, output and exit status outside', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = terminalBundle(box, 'tty; test -t 0 && test -t 1 && test -t 2 && echo is-tty; exit 3');
  const result = underScript(box, ['run', '--bundle', bundle.path, box.id()]);
  t.match(result.stdout, /\/dev\/(console|pts\/0)/);
  t.match(result.stdout, /is-tty/);
  t.equal(result.status, 3);
});

const onlyTsrun = skip || (IS_TSRUN ? false : 'no other runtime has it');

t.test(
  'top draws a screen again and again, and leaves it as it was when q is typed',
  { skip: onlyTsrun },
  async (t) => {
    const box = sandbox(t);
    const id = box.start(box.bundle(['sleep', '1000']));
    const top = `script -qec '${RUNTIME} --root ${box.root} top --interval 300ms' /dev/null`;
    // Only what is typed when the screen is there is a key, not the terminal's line editing.
    const { status, stdout } = runProgram('sh', ['-c', `{ sleep 4; printf q; sleep 2; } | ${top}`], box.directory);
    t.equal(status, 0);
    const [before, ...screens] = stdout.split('\x1b[H');
    t.equal(before, '\x1b[?1049h\x1b[?25l', 'the other screen, without a cursor');
    t.ok(screens.length >= 3, `${screens.length} screens`);
    for (const screen of screens) {
      t.match(screen, /^1 container, \d\d:\d\d:\d\d; q quits/);
      t.match(screen, new RegExp(`${id} +running `));
    }
    t.ok(stdout.trimEnd().endsWith('\x1b[?25h\x1b[?1049l'), 'and back');
  },
);

t.test('what is typed reaches the program', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = terminalBundle(box, 'read line; echo "got $line"');
  const result = underScript(box, ['run', '--bundle', bundle.path, box.id()], 'typed\n');
  t.match(result.stdout, /got typed/);
});

t.test('the terminal has the size of the caller’s', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = terminalBundle(box, 'sleep 0.3; stty size');
  const inner = `stty rows 33 cols 101; '${RUNTIME}' --root '${box.root}' run --bundle '${bundle.path}' ${box.id()}`;
  const result = runProgram('script', ['-qec', inner, '/dev/null'], box.directory);
  t.match(result.stdout, /33 101/);
});

t.test('process.consoleSize sets the size', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = terminalBundle(box, 'stty size >/tmp/size; sleep 1000');
  bundle.config['process'].consoleSize = { height: 21, width: 77 };
  bundle.save();
  await withConsoleSocket(box, async (socket) => {
    const id = box.id();
    must(box.run(['create', '--bundle', bundle.path, '--console-socket', socket, id]));
    must(box.run(['start', id]));
    t.ok(eventually(() => read(join(bundle.rootfs, 'tmp/size')) === '21 77\n'));
  });
});

t.test('create --console-socket sends the master and nothing of it stays in the container', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = terminalBundle(box, 'echo hello from the tty; ls -l /proc/self/fd; sleep 1000');
  await withConsoleSocket(box, async (socket, output) => {
    const id = box.id();
    must(box.run(['create', '--bundle', bundle.path, '--console-socket', socket, id]));
    must(box.run(['start', id]));
    t.ok(eventually(() => read(output).includes('hello from the tty')));
    t.ok(eventually(() => read(output).includes('0 -> /dev/')));
    t.notMatch(read(output), /ptmx/);
  });
});

t.test('exec with a terminal', { skip }, async (t) => {
  const box = sandbox(t);
  const id = box.start(box.bundle());
  const result = underScript(box, ['exec', '--tty', id, 'sh', '-c', 'test -t 1 && echo is-tty; exit 4']);
  t.match(result.stdout, /is-tty/);
  t.equal(result.status, 4);
});

t.test(
  'a terminal without a console socket is refused when detached, and a socket without a terminal too',
  { skip },
  async (t) => {
    const box = sandbox(t);
    const bundle = terminalBundle(box, 'true');
    const refused = box.run(['create', '--bundle', bundle.path, box.id()]);
    t.not(refused.status, 0);
    t.match(refused.stderr, /console.socket/);
    await withConsoleSocket(box, async (socket) => {
      const plain = box.run(['create', '--bundle', box.bundle(['true']).path, '--console-socket', socket, box.id()]);
      t.not(plain.status, 0);
      t.match(plain.stderr, /console.socket/);
    });
    t.not(
      box.run(['create', '--bundle', bundle.path, '--console-socket', join(box.directory, 'none'), box.id()]).status,
      0,
    );
  },
);

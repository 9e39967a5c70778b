// Terminals: the one of the caller is not typed into from a container, and the one made for a container is made in its
// devpts and nowhere else. CVE-2017-5226, CVE-2025-52565.
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import t from 'tap';
import { CANARY_TEXT, canary } from '../helpers/canary.js';
import type { TestConfig } from '../helpers/config.js';
import { needCommand, skipUnless } from '../helpers/host.js';
import { beside, install, needCompiler, program } from '../helpers/programs.js';
import {
  type Bundle,
  needRuntime,
  type Result,
  RUNTIME,
  runProgram,
  type Sandbox,
  sandbox,
} from '../helpers/runtime.js';

t.setTimeout(300_000);
const skip = skipUnless(needRuntime(), needCompiler(), needCommand('script', 'bsdutils'), needCommand('bash'));

/** Runs a line of bash under a pty of its own, as a user at a terminal. */
function atTerminal(box: Sandbox, line: string): Result {
  const env = { TSRUN_TEST: basename(box.directory), SHELL: '/bin/bash' };
  return runProgram('script', ['-qec', line, '/dev/null'], box.directory, { env, timeout: 30_000 });
}

const quoted = (words: readonly string[]): string => words.map((word) => `'${word}'`).join(' ');
const runtime = (box: Sandbox, ...args: string[]): string => quoted([RUNTIME, '--root', box.root, ...args]);

// V28: what is typed for the user would be run by the shell that waits for the container.
const TYPED = 'echo typed by the container';
const typing = (probe: string): string[] => [probe, 'type', `${TYPED}\n`];
const THEN_READ = 'read -r -t 1 line; echo "read:[$line]"';

function typeBundle(box: Sandbox, terminal: boolean): Bundle {
  const bundle = box.bundle(typing('/bin/probe'), ({ process }) => {
    process.terminal = terminal;
    process.noNewPrivileges = false;
  });
  install(bundle.rootfs, 'probe');
  return bundle;
}

/** Whether the kernel lets anybody type into his own terminal: else nothing here could fail. */
function canType(box: Sandbox): boolean {
  const { stdout } = atTerminal(box, `'${program('probe')}' type '${TYPED}\n'; ${THEN_READ}`);
  return stdout.includes(`read:[${TYPED}]`);
}

const WAYS: { readonly [name: string]: (box: Sandbox) => string } = {
  run: (box) => runtime(box, 'run', '--bundle', typeBundle(box, false).path, box.id()),
  'run with a terminal': (box) => runtime(box, 'run', '--bundle', typeBundle(box, true).path, box.id()),
  'run --detach': (box) => `${runtime(box, 'run', '-d', '--bundle', typeBundle(box, false).path, box.id())}; sleep 0.5`,
  'create and start': (box) => {
    const id = box.id();
    return `${runtime(box, 'create', '--bundle', typeBundle(box, false).path, id)}; ${runtime(box, 'start', id)}; sleep 0.5`;
  },
  exec: (box) => runtime(box, 'exec', box.start(sleeping(box)), ...typing('/bin/probe')),
  'exec with a terminal': (box) => runtime(box, 'exec', '--tty', box.start(sleeping(box)), ...typing('/bin/probe')),
  'exec --detach': (box) =>
    `${runtime(box, 'exec', '-d', box.start(sleeping(box)), ...typing('/bin/probe'))}; sleep 0.5`,
};

function sleeping(box: Sandbox): Bundle {
  const bundle = box.bundle(['sleep', '1000']);
  install(bundle.rootfs, 'probe');
  return bundle;
}

for (const [name, command] of Object.entries(WAYS)) {
  t.test(`${name}: the container cannot type into the terminal of the caller`, { skip }, async (t) => {
    const box = sandbox(t);
    if (!canType(box))
      t.comment('this kernel lets nobody type (dev.tty.legacy_tiocsti): only the session is looked at');
    const { stdout } = atTerminal(box, `${command(box)}; ${THEN_READ}`);
    t.match(stdout, /read:\[\]/, 'the shell reads nothing');
    t.match(stdout, /0 TIOCSTI \w+/, 'it was tried');
    if (name.endsWith('terminal')) return;
    t.match(stdout, /controlling ENXIO/, 'the terminal is not its own');
    t.match(
      stdout.match(/TIOC\w+ \w+/g),
      Array.from({ length: 9 }, () => /^TIOC\w+ (EPERM|EIO|ENOTTY|EINVAL)$/),
    );
  });
}

// V13: the ends of the pty come from the container's own devpts, whatever lies on the way.
const SHOW = 'tty; /bin/probe stat /dev/console /proc/self/fd/0; cat /dev/pts/victim; echo ended';

function consoleBundle(box: Sandbox, edit: (config: TestConfig) => void = () => {}): Bundle {
  const bundle = box.bundle(['sh', '-c', SHOW], (config) => {
    config['process'].terminal = true;
    edit(config);
  });
  install(bundle.rootfs, 'probe');
  return bundle;
}

const runAtTerminal = (box: Sandbox, bundle: Bundle): Result =>
  atTerminal(box, runtime(box, 'run', '--bundle', bundle.path, basename(box.directory)));

const isConsole = /\/dev\/console char 136:\d+ [^\n]*\n[^\n]*\/fd\/0 char 136:\d+ /;

t.test('+ the console is a pty of the container, also on a read-only root file system', { skip }, async (t) => {
  const box = sandbox(t);
  for (const readonly of [false, true]) {
    const bundle = consoleBundle(box, ({ root }) => {
      root.readonly = readonly;
    });
    t.match(runAtTerminal(box, bundle).stdout, isConsole);
  }
});

const notInDev = ({ destination }: TestConfig): boolean => !String(destination).startsWith('/dev');
const inPts = ({ destination }: TestConfig): boolean => destination === '/dev/pts' || notInDev({ destination });

for (const [name, keep, prepare] of [
  [
    '/dev/console is a symlink to the host',
    inPts,
    (dev: string, bird: string) => symlinkSync(join(bird, 'victim'), join(dev, 'console')),
  ],
  ['/dev/ptmx is a file', inPts, (dev: string) => writeFileSync(join(dev, 'ptmx'), 'of the image\n')],
  [
    '/dev/ptmx is a symlink to the host',
    inPts,
    (dev: string, bird: string) => symlinkSync(join(bird, 'ptmx'), join(dev, 'ptmx')),
  ],
  ['/dev/pts is a symlink to the host', inPts, (dev: string, bird: string) => symlinkSync(bird, join(dev, 'pts'))],
  ['/dev/pts is of the image', notInDev, (dev: string) => mkdirSync(join(dev, 'pts/ptmx'), { recursive: true })],
  [
    '/dev is a symlink to the host',
    inPts,
    (dev: string, bird: string) => {
      rmSync(dev, { recursive: true });
      symlinkSync(bird, dev);
    },
  ],
] as const) {
  t.test(`${name}: the console is a pty of the container or refused`, { skip }, async (t) => {
    const box = sandbox(t);
    const bird = canary(box);
    const bundle = consoleBundle(box, (config) => {
      config['mounts'] = config['mounts'].filter(keep);
    });
    prepare(join(bundle.rootfs, 'dev'), bird.path);
    const { stdout, status } = runAtTerminal(box, bundle);
    if (stdout.includes('ended')) t.match(stdout, isConsole);
    else t.not(status, 0);
    t.notMatch(stdout, CANARY_TEXT);
    bird.untouched(t);
  });
}

for (const [name, attacked] of [
  ['/dev/pts', 'pts'],
  ['/dev/console', 'console'],
] as const) {
  t.test(`${name} of a shared volume is exchanged for a symlink all the time`, { skip }, async (t) => {
    const box = sandbox(t);
    const bird = canary(box);
    const dev = join(box.directory, 'dev');
    mkdirSync(join(dev, 'pts'), { recursive: true });
    writeFileSync(join(dev, 'console'), '');
    symlinkSync(attacked === 'pts' ? join(bird.path, 'pts') : join(bird.path, 'victim'), join(dev, 'link'));
    const bundle = consoleBundle(box, (config) => {
      config['mounts'] = config['mounts'].filter(inPts);
      config['mounts'].unshift({ destination: '/dev', type: 'bind', source: dev, options: ['bind', 'rw'] });
    });
    const { result, count } = await beside('swap', [join(dev, attacked), join(dev, 'link'), '20'], () => {
      const outputs: string[] = [];
      for (const end = Date.now() + 3000; Date.now() < end && outputs.length < 30; )
        outputs.push(runAtTerminal(box, bundle).stdout);
      return outputs;
    });
    t.comment(`${result.length} rounds, ${count} exchanges`);
    t.ok(count > result.length, 'the attacker was at work');
    for (const text of result) {
      if (text.includes('ended')) t.match(text, /\/fd\/0 char 136:\d+ /);
      t.notMatch(text, CANARY_TEXT);
    }
    bird.untouched(t);
  });
}

// npm run demo: from a bare clone to a running container. Installs what is missing, builds, makes a root file system of
// one busybox, and takes a container through its life with the plain commands, showing each.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { demoDaemon } from './lib/demo-daemon.mjs';
import { ensureDependencies } from './lib/dependencies.mjs';
import { bold, capture, dim, fail, green, ROOT, run } from './lib/run.mjs';

const TSRUN = join(ROOT, 'bin/tsrun');
const APPLETS = ['sh', 'echo', 'ls', 'ps', 'cat', 'sleep', 'hostname', 'id', 'mount', 'head'];

if (process.getuid() !== 0) fail('demo: containers with namespaces of their own need root here: sudo npm run demo');

title(
  '1',
  'Build',
  'packages that are missing, npm ci when node_modules is missing or old, the native parts and the bundle',
);
if (run('sh', ['scripts/bootstrap.sh', 'build', 'rootfs']) !== 0) process.exit(1);
ensureDependencies();
if (run(process.execPath, ['scripts/build.mjs']) !== 0) process.exit(1);

const work = mkdtempSync(join(tmpdir(), 'tsrun-demo-'));
const root = join(work, 'state');
const id = 'demo';
process.on('exit', cleanUp);
process.on('SIGINT', () => process.exit(130));

title('2', 'Make a bundle', 'a root file system of one static busybox, and the config.json that tsrun spec writes');
makeRootfs(join(work, 'rootfs'));
step(['spec', '--bundle', work], 'wrote config.json; its program is changed to a loop without a terminal');
editConfig(join(work, 'config.json'));

title(
  '3',
  'Look before it runs',
  'config.json is compiled into a plan: every operation, with the field that asked for it',
);
step(['plan', '--bundle', work], 'nothing has been done yet: this is what create is going to do', { lines: 14 });

title('4', 'Run', 'the life of a container, as engines drive it');
step(
  ['create', '--bundle', work, '--pid-file', join(work, 'pid'), id],
  'namespaces, mounts and limits are there; the program waits',
);
step(['state', id], 'created');
step(['start', id], 'the program runs');
step(['state', id], 'running');
step(['list'], 'every container below this state directory');
step(['exec', id, 'sh', '-c', 'echo "I am $(id -un) on $(hostname)"; ps'], 'another program, in the same namespaces');
step(['kill', id, 'KILL'], 'signal sent');
waitUntilStopped();
step(['state', id], 'stopped: its exit is known, its record still there');
step(['delete', id], 'its record, its cgroup and its mounts are gone');
step(['list', '--quiet'], 'none left');

title('5', 'The daemon', 'the same runtime behind the docker command, on a socket of its own');
const rootfs = join(work, 'rootfs');
const leftOut = await demoDaemon({ tsrun: TSRUN, work, rootfs, show });
if (leftOut !== undefined) process.stdout.write(dim(`   left out: ${leftOut}\n`));
process.stdout.write(`\n${green('Done.')} Next: tsrun --help, README.md, npm test\n`);

function title(number, what, why) {
  process.stdout.write(`\n${bold(`${number}. ${what}`)}\n${dim(`   ${why}`)}\n`);
}

/** Shows the command as a user types it, runs it, shows its output and what it means. */
function step(args, meaning, { lines = Infinity } = {}) {
  const { status, output } = tsrun(args);
  show(['tsrun', ...args], status, output, lines);
  process.stdout.write(`   ${green('✓')} ${dim(meaning)}\n`);
}

function show(words, status, output, lines = Infinity) {
  const shown = words.map((word) => (/^[\w./:=-]+$/.test(word) ? word : `'${word}'`)).join(' ');
  process.stdout.write(`\n   ${bold(`$ ${shown}`)}\n`);
  const rows = output.trimEnd() === '' ? [] : output.trimEnd().split('\n');
  for (const row of rows.slice(0, lines)) process.stdout.write(`   ${row}\n`);
  if (rows.length > lines) process.stdout.write(dim(`   … ${rows.length - lines} more lines\n`));
  if (status !== 0) fail(`demo: ${words.slice(0, 2).join(' ')} ended with status ${status}`);
}

/** Output goes to a file: a created container keeps it open, and a pipe would wait for its end. */
function tsrun(args) {
  const log = join(work, 'output');
  const done = spawnSync('sh', [
    '-c',
    'out=$1; shift; exec "$@" >"$out" 2>&1 </dev/null',
    'sh',
    log,
    TSRUN,
    '--root',
    root,
    ...args,
  ]);
  return { status: done.status ?? 128, output: readFileSync(log, 'utf8') };
}

function waitUntilStopped() {
  for (let i = 0; i < 50; i++) {
    if (tsrun(['state', id]).output.includes('"stopped"')) return;
    spawnSync('sleep', ['0.05']);
  }
}

function makeRootfs(rootfs) {
  for (const directory of ['bin', 'dev', 'etc', 'proc', 'root', 'sys', 'tmp'])
    mkdirSync(join(rootfs, directory), { recursive: true });
  const busybox = capture('sh', ['-c', 'command -v busybox']).stdout.trim();
  if (busybox === '') fail('demo: busybox is missing: apt-get install busybox-static');
  copyFileSync(busybox, join(rootfs, 'bin/busybox'));
  for (const applet of APPLETS) symlinkSync('busybox', join(rootfs, 'bin', applet));
  writeFileSync(join(rootfs, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
}

function editConfig(path) {
  const config = JSON.parse(readFileSync(path, 'utf8'));
  config.process.terminal = false;
  config.process.args = ['sh', '-c', 'while :; do sleep 1; done'];
  writeFileSync(path, JSON.stringify(config, null, 2));
}

function cleanUp() {
  spawnSync(TSRUN, ['--root', root, 'delete', '--force', id], { stdio: 'ignore' });
  rmSync(work, { recursive: true, force: true });
}

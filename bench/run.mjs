// npm run bench: tsrun beside the runtimes that are installed, in one run, because only ratios within a run mean
// something. Needs hyperfine and root. Options: -n RUNS (default 30), names of cases.
//
// The runtimes run in a mount namespace where /sys/fs/cgroup is cgroup v2 alone, so that all take the same way.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { capture, cleanEnv, fail, hasCommand, ROOT } from '../scripts/lib/run.mjs';

const CASES = {
  run: (call) => `${call} run --bundle $BUNDLE b$$`,
  life: (call) =>
    `${call} create --bundle $BUNDLE l$$ && ${call} start l$$ && ${call} state l$$ >/dev/null && ${call} delete --force l$$`,
  create: (call) => `${call} create --bundle $BUNDLE c$$ && ${call} delete --force c$$`,
  exec: (call) => `${call} exec held true`,
  state: (call) => `${call} state held`,
};

const { runs, names } = parse(process.argv.slice(2));
if (process.getuid() !== 0) fail('bench: needs root');
if (!hasCommand('hyperfine')) fail('bench: hyperfine is not installed (Debian package hyperfine)');
const runtimes = [
  { name: 'tsrun', path: join(ROOT, 'bin/tsrun') },
  ...['runc', 'crun', 'youki']
    .filter(hasCommand)
    .map((name) => ({ name, path: capture('sh', ['-c', `command -v ${name}`]).stdout.trim() })),
];

const work = mkdtempSync(join(tmpdir(), 'tsrun-bench-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));
makeBundle(join(work, 'short'), ['true']);
makeBundle(join(work, 'long'), ['sleep', '1000']);

process.stdout.write(`${'case'.padEnd(10)}${runtimes.map(({ name }) => name.padStart(22)).join('')}\n`);
for (const name of names) {
  const results = runtimes.map((runtime) => measure(name, runtime));
  const base = results[0]?.median;
  const cells = results.map((result) => cell(result, base).padStart(22));
  process.stdout.write(`${name.padEnd(10)}${cells.join('')}\n`);
}
process.stdout.write('median of wall time in ms (smallest), and as a multiple of tsrun\n');

function cell(result, base) {
  if (!result) return 'failed';
  const factor = base ? ` ${(result.median / base).toFixed(2)}x` : '';
  return `${(result.median * 1000).toFixed(1)} (${(result.min * 1000).toFixed(1)})${factor}`;
}

/** All of one case in one shell: the container that exec and state ask for is made first and deleted last. */
function measure(name, { name: runtime, path }) {
  const call = `${path} --root ${join(work, runtime)}`;
  const json = join(work, `${runtime}-${name}.json`);
  const command = CASES[name](call).replaceAll('$BUNDLE', join(work, name === 'run' ? 'short' : 'long'));
  const script = `
mount --make-rprivate / && umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup || exit 1
${call} create --bundle ${join(work, 'long')} held && ${call} start held || exit 1
hyperfine --style none --shell=sh --warmup 3 --runs ${runs} --export-json ${json} '${command}'
status=$?
${call} delete --force held
exit $status`;
  const done = spawnSync('unshare', ['-m', 'sh', '-c', script], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: cleanEnv(),
    encoding: 'utf8',
  });
  if (done.status !== 0) {
    process.stderr.write(`${runtime} ${name}: ${done.stderr.trim().split('\n').slice(-3).join(' | ')}\n`);
    return undefined;
  }
  return JSON.parse(readFileSync(json, 'utf8')).results[0];
}

/** What `tsrun spec` writes, without terminal and without device rules (crun 1.8 cannot load any here). */
function makeBundle(path, args) {
  const rootfs = join(path, 'rootfs');
  for (const directory of ['bin', 'dev', 'etc', 'proc', 'sys', 'tmp'])
    mkdirSync(join(rootfs, directory), { recursive: true });
  copyFileSync(capture('sh', ['-c', 'command -v busybox']).stdout.trim(), join(rootfs, 'bin/busybox'));
  for (const applet of ['sh', 'true', 'sleep']) symlinkSync('busybox', join(rootfs, 'bin', applet));
  const made = capture(join(ROOT, 'bin/tsrun'), ['spec', '--bundle', path]);
  if (made.status !== 0) fail(`bench: tsrun spec: ${made.stderr}`);
  const config = JSON.parse(readFileSync(join(path, 'config.json'), 'utf8'));
  config.process.terminal = false;
  config.process.args = args;
  delete config.linux.resources;
  config.ociVersion = '1.0.2'; // crun 1.8 knows no later one
  writeFileSync(join(path, 'config.json'), JSON.stringify(config));
}

function parse(args) {
  let count = 30;
  const chosen = [];
  for (let i = 0; i < args.length; i++) {
    if (args[i] === '-n') count = Number(args[++i]);
    else if (args[i] in CASES) chosen.push(args[i]);
    else fail(`bench: unknown case '${args[i]}': ${Object.keys(CASES).join(', ')}`, 2);
  }
  return { runs: count, names: chosen.length > 0 ? chosen : Object.keys(CASES) };
}

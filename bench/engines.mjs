// npm run bench:engines: `ctr run`, `podman run` and `docker run`, whole commands, with tsrun and the installed runtimes as
// the engine's runtime, in turns; only ratios within a run mean something. Each engine has sockets and roots of its own,
// all of which is gone in the end. Needs root and busybox; an engine or a runtime that is not installed is left out.
//   -n ROUNDS   (default 20)
//   --print     print the table only; else it goes into bench/ENGINES.md
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { capture, cleanEnv, fail, hasCommand, ROOT } from '../scripts/lib/run.mjs';
import { pathOf } from './lib/bundles.mjs';
import { packImage } from './lib/daemons.mjs';
import { machine, table } from './lib/report.mjs';

const IMAGE = 'localhost/bench:latest';
const READY_MS = 30_000;

const { rounds, print } = parse();
if (process.getuid() !== 0) fail('bench: needs root');
if (!hasCommand('busybox')) fail('bench: busybox is not installed');

const runtimes = [
  { name: 'tsrun', path: join(ROOT, 'bin/tsrun') },
  ...['crun', 'runc'].filter(hasCommand).map((name) => ({ name, path: pathOf(name) })),
];
const names = runtimes.map(({ name }) => name);

const work = mkdtempSync('/run/tsrun-bench-');
const daemons = [];
const times = {};
let serial = 0;
let failure;
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => (failure ??= new Error(`ended by ${signal}`)));

/** needs: commands. start: gives the words that run `true` in a new container and in one that runs, and what begins and ends that one. */
const ENGINES = [
  { name: 'ctr', needs: ['ctr', 'containerd'], start: startContainerd },
  { name: 'podman', needs: ['podman', 'conmon'], start: startPodman },
  { name: 'docker', needs: ['docker', 'dockerd'], start: startDocker },
];

try {
  writeFileSync(join(work, 'config.json'), '{}'); // for clients that insist on one where DOCKER_CONFIG says
  const archive = packImage(work, IMAGE);
  for (const { name, needs, start } of ENGINES) {
    const missing = needs.filter((command) => !hasCommand(command));
    if (missing.length === 0) measure(name, await start(archive));
    else process.stderr.write(`bench: no ${name}: ${missing.join(', ')} not installed\n`);
  }
} catch (error) {
  failure = error;
} finally {
  for (const daemon of daemons.reverse()) await stop(daemon);
  endMarked();
  spawnSync('sh', ['-c', 'grep -F "$1/" /proc/self/mounts | cut -d" " -f2 | sort -r | xargs -r umount -l', 'sh', work]);
  rmSync(work, { recursive: true, force: true });
}
if (failure !== undefined) fail(`bench: ${failure.stack ?? failure}`);
report();

function measure(engine, { run, begin, exec, end }) {
  const running = beginAll(engine, begin);
  for (let i = -2; i < rounds; i++) {
    for (const [runtime, name] of running) {
      const at = (row, words) => {
        const ms = call(words);
        if (i >= 0) push(`${engine} ${row}`, runtime.name, ms);
      };
      at('run', run(runtime, newName()));
      at('exec', exec(name, runtime));
    }
  }
  for (const [runtime, name] of running) end(name, runtime);
}

/** Runtime → a container that it runs. A runtime that the machine does not let work is left out: crun on some. */
function beginAll(engine, begin) {
  const running = new Map();
  for (const runtime of runtimes) {
    const name = newName();
    try {
      begin(runtime, name);
      running.set(runtime, name);
    } catch (error) {
      process.stderr.write(`bench: no ${engine} with ${runtime.name}: ${error.message.trim()}\n`);
    }
  }
  return running;
}

/** Milliseconds of the whole command. */
function call(words) {
  if (failure !== undefined) throw failure;
  const [program, ...args] = words;
  const begin = performance.now();
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8', env: environment() });
  const ms = performance.now() - begin;
  if (status !== 0) throw new Error(`${words.join(' ')}: ${error ?? stderr}`);
  return ms;
}

function newName() {
  return `bench-${process.pid}-${++serial}`;
}

/** What the runtimes keep is below the directory of this run as well. */
function environment() {
  return {
    ...cleanEnv(),
    TSRUN_CACHE: join(work, 'cache'),
    DOCKER_CONFIG: work,
    CONTAINERS_CONF: join(work, 'podman.conf'),
  };
}

async function startContainerd(archive) {
  const directory = join(work, 'containerd');
  for (const name of ['root', 'state']) mkdirSync(join(directory, name), { recursive: true });
  const socket = join(directory, 'socket');
  const config = join(directory, 'config.toml');
  const disabled = '["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]';
  writeFileSync(
    config,
    `version = 2\nroot = "${directory}/root"\nstate = "${directory}/state"\ndisabled_plugins = ${disabled}\n` +
      `[grpc]\naddress = "${socket}"\n[ttrpc]\naddress = "${socket}.ttrpc"\n`,
  );
  const ctr = (...args) => ['ctr', '--address', socket, ...args];
  await startDaemon(['containerd', '--config', config], ctr('version'));
  call(ctr('image', 'import', '--snapshotter', 'native', archive));
  const flags = ({ path }) => ['--runc-binary', path, '--snapshotter', 'native'];
  return {
    run: (runtime, name) => ctr('run', '--rm', ...flags(runtime), IMAGE, name, 'true'),
    begin: (runtime, name) => call(ctr('run', '--detach', ...flags(runtime), IMAGE, name, 'sleep', '100000')),
    exec: (name) => ctr('task', 'exec', '--exec-id', newName(), name, 'true'),
    end: (name) => call(ctr('task', 'delete', '--force', name)),
  };
}

/** No daemon: each command says where everything is. */
async function startPodman(archive) {
  const at = (name) => join(work, 'podman', name);
  mkdirSync(join(work, 'podman'));
  writeFileSync(join(work, 'podman.conf'), '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]\n');
  const places = ['--root', at('root'), '--runroot', at('runroot'), '--tmpdir', at('tmp'), '--storage-driver', 'vfs'];
  const podman = ({ path }, ...args) => {
    const how = ['--cgroup-manager', 'cgroupfs', '--events-backend', 'file', '--runtime', path];
    return ['podman', ...places, ...how, ...args];
  };
  call(podman(runtimes[0], 'load', '--input', archive));
  return {
    run: (runtime, name) => podman(runtime, 'run', '--rm', '--network', 'none', '--name', name, IMAGE, 'true'),
    begin: (runtime, name) =>
      call(podman(runtime, 'run', '--detach', '--network', 'none', '--name', name, IMAGE, 'sleep', '100000')),
    exec: (name, runtime) => podman(runtime, 'exec', name, 'true'),
    end: (name, runtime) => call(podman(runtime, 'rm', '--force', '--time', '0', name)),
  };
}

/** In a network namespace of its own, whatever rules it makes. */
async function startDocker(archive) {
  const at = (name) => join(work, 'docker', name);
  mkdirSync(join(work, 'docker'));
  writeFileSync(at('none.json'), '{}');
  const docker = (...args) => ['docker', '--host', `unix://${at('socket')}`, ...args];
  const places = ['--data-root', at('data'), '--exec-root', at('exec'), '--pidfile', at('pid')];
  const network = ['--bridge', 'none', '--iptables=false', '--ip6tables=false', '--ip-forward=false'];
  const known = runtimes.flatMap(({ name, path }) => ['--add-runtime', `bench-${name}=${path}`]);
  const words = [
    'dockerd',
    '--host',
    `unix://${at('socket')}`,
    '--config-file',
    at('none.json'),
    ...places,
    ...network,
  ];
  const script = 'ip link set lo up; exec "$@"';
  const program = ['unshare', '--net', 'sh', '-c', script, 'sh', ...words, '--storage-driver', 'vfs', ...known];
  await startDaemon(program, docker('version'));
  call(docker('load', '--input', archive));
  const flags = ({ name }) => ['--runtime', `bench-${name}`, '--network', 'none'];
  return {
    run: (runtime, name) => docker('run', '--rm', '--name', name, ...flags(runtime), IMAGE, 'true'),
    begin: (runtime, name) =>
      call(docker('run', '--detach', '--name', name, ...flags(runtime), IMAGE, 'sleep', '100000')),
    exec: (name) => docker('exec', name, 'true'),
    end: (name) => call(docker('rm', '--force', name)),
  };
}

/** Resolves when the words of ready work. */
async function startDaemon(words, ready) {
  const [program, ...args] = words;
  const log = openSync(join(work, 'log'), 'a');
  const child = spawn(program, args, { stdio: ['ignore', log, log], env: environment() });
  daemons.push(child);
  const until = Date.now() + READY_MS;
  while (capture(ready[0], ready.slice(1)).status !== 0) {
    const said = () => readFileSync(join(work, 'log'), 'utf8').slice(-2000);
    if (Date.now() > until) throw new Error(`${words.join(' ')} does not answer: ${said()}`);
    await sleep(50);
  }
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function stop(child) {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), READY_MS);
  await ended;
  clearTimeout(late);
}

/** Shims and monitors outlive their daemon by design: those with the directory of this run in their arguments. */
function endMarked() {
  const { stdout } = capture('pgrep', ['-f', `${work}/`]);
  for (const pid of stdout.split('\n').map(Number)) if (pid > 0 && pid !== process.pid) kill(pid);
}

function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it has ended
  }
}

function push(row, name, value) {
  times[row] ??= {};
  times[row][name] ??= [];
  times[row][name].push(value);
}

function report() {
  const tables = table('time', times, names, 'ms');
  process.stdout.write(tables);
  if (print) return;
  const versions = ['containerd --version', 'podman --version', 'dockerd --version']
    .map((words) => capture(...split(words)).stdout.trim())
    .filter((text) => text !== '');
  const how = `${rounds} rounds on ${machine()}; ${versions.join('; ')}.`;
  const title = '# Results of npm run bench:engines';
  const note = 'Whole commands of the clients; medians (middle half), and as a multiple of tsrun.';
  writeFileSync(join(ROOT, 'bench/ENGINES.md'), `${title}\n\n${how} ${note}\n\n${tables}`);
}

function split(words) {
  const [program, ...args] = words.split(' ');
  return [program, args];
}

function parse() {
  const options = {
    rounds: { type: 'string', short: 'n', default: '20' },
    print: { type: 'boolean', default: false },
  };
  try {
    const { values } = parseArgs({ options });
    if (Number(values.rounds) > 0) return { rounds: Number(values.rounds), print: values.print };
  } catch {
    // the same answer
  }
  return fail('bench: the only options are -n ROUNDS and --print', 2);
}

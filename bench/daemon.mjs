// npm run bench:daemon: `tsrun daemon` beside the dockerd that is installed, on one image, each thing in turns; only ratios
// within a run mean something. Needs root, docker, dockerd, busybox, tar, curl.
//   -n ROUNDS      (default 20)
//   --many COUNT   the most containers of a row (default 500)
//   --print        print the tables only; else they go into bench/DAEMON.md
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { capture, fail, hasCommand, ROOT } from '../scripts/lib/run.mjs';
import {
  api,
  create,
  docker,
  inTurns,
  makeImage,
  memoryOf,
  removeAll,
  startDaemon,
  stopDaemon,
} from './lib/daemons.mjs';
import { machine, table } from './lib/report.mjs';

const IMAGE = 'busybox';
const MiB = 1024 * 1024;

const LOG_BYTES = 16 * MiB;
const SERVED_BYTES = 64 * MiB;
const PORT = '18080';

const { rounds, many, print } = parse();
const AT_ONCE = Math.min(100, many);
if (process.getuid() !== 0) fail('bench: needs root');
for (const name of ['docker', 'dockerd', 'busybox', 'tar', 'curl', 'nsenter'])
  if (!hasCommand(name)) fail(`bench: ${name} is not installed`);

/** Row → daemon → values. */
const times = {};
const rates = {};
const memory = {};

// Not below /tmp, which may be a tmpfs: what a daemon writes to a disk is part of its time.
const work = mkdtempSync('/var/lib/tsrun-bench-');
const daemons = [];
let failure;
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => (failure ??= new Error(`ended by ${signal}`)));
try {
  for (const name of ['tsrun', 'dockerd']) daemons.push(await startDaemon(work, name));
  makeImage(work, daemons, IMAGE);
  await measureAll();
} catch (error) {
  failure = error;
} finally {
  for (const daemon of daemons) await stopDaemon(daemon).catch((error) => (failure ??= error));
  spawnSync('sh', ['-c', 'grep -F "$1/" /proc/self/mounts | cut -d" " -f2 | sort -r | xargs -r umount -l', 'sh', work]);
  rmSync(work, { recursive: true, force: true });
}
if (failure !== undefined) fail(`bench: ${failure.stack ?? failure}`);
report();

async function measureAll() {
  remember('no container');
  for (let i = -1; i < rounds; i++) for (const daemon of daemons) life(daemon, i >= 0);
  for (let i = 0; i < few(); i++) for (const daemon of daemons) await together(daemon);
  for (let i = 0; i < few(); i++) for (const daemon of daemons) output(daemon);
  for (const daemon of daemons) served(daemon);
  await beside(Math.min(100, many));
  if (many > 100) await beside(many);
}

function few() {
  return Math.max(2, Math.ceil(rounds / 5));
}

/** What a user waits for. */
function life(daemon, counts) {
  const at = (row, args) => {
    const { ms, stdout } = docker(daemon, args);
    if (counts) push(times, row, daemon, ms);
    return { ms, id: stdout.trim() };
  };
  at('run --rm IMAGE echo', ['run', '--rm', IMAGE, 'echo', 'hi']);
  const begun = at('run -d', ['run', '-d', IMAGE, 'sleep', '1000']);
  at('exec', ['exec', begun.id, 'true']);
  const ended = at('rm -f', ['rm', '-f', begun.id]);
  if (counts) push(times, 'run -d and rm -f', daemon, begun.ms + ended.ms);
}

/** As many clients at once, each of which makes a container and starts it. */
async function together(daemon) {
  const begin = performance.now();
  const start = async () => {
    const id = await create(daemon, IMAGE, ['sleep', '1000']);
    await api(daemon, 'POST', `/v1.41/containers/${id}/start`);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, start));
  push(rates, `${AT_ONCE} at once: containers`, daemon, (AT_ONCE * 1000) / (performance.now() - begin));
  await removeAll(daemon);
}

/** From the program to the log, and from the log to a client. */
function output(daemon) {
  const script = `yes 0123456789012345678901234567890123456789012345678901234567890 | head -c ${LOG_BYTES}`;
  const name = 'writer';
  const log = ['--log-driver', 'json-file', '--log-opt', 'max-size=1g'];
  const written = docker(daemon, ['run', '--name', name, ...log, IMAGE, 'sh', '-c', script]);
  push(rates, 'output through run into a log: MiB', daemon, LOG_BYTES / MiB / (written.ms / 1000));
  const read = docker(daemon, ['logs', name]);
  if (read.stdout.length !== LOG_BYTES) throw new Error(`${daemon.name}: the log has ${read.stdout.length} bytes`);
  push(rates, 'logs: MiB', daemon, LOG_BYTES / MiB / (read.ms / 1000));
  docker(daemon, ['rm', name]);
}

/** Through a published port, from the daemon's own host. */
function served(daemon) {
  const script = `head -c ${SERVED_BYTES} /dev/zero > /tmp/file; exec httpd -f -p 80 -h /tmp`;
  const { stdout } = docker(daemon, ['run', '-d', '-p', `${PORT}:80`, IMAGE, 'sh', '-c', script]);
  const [, address] = /inet ([0-9.]+)/.exec(inNetwork(daemon, ['ip', '-4', 'addr', 'show', 'docker0']).stdout) ?? [];
  const url = `http://${address}:${PORT}/file`;
  const retry = ['--retry', '60', '--retry-delay', '1', '--retry-all-errors'];
  inNetwork(daemon, ['curl', '-sf', ...retry, '-o', '/dev/null', '-r', '0-0', url]);
  for (let i = 0; i < few(); i++) {
    const { stdout: speed } = inNetwork(daemon, ['curl', '-sf', '-o', '/dev/null', '-w', '%{speed_download}', url]);
    push(rates, 'published port: MiB', daemon, Number(speed) / MiB);
  }
  docker(daemon, ['rm', '-f', stdout.trim()]);
}

function inNetwork(daemon, argv) {
  const done = capture('nsenter', ['--net', '--target', String(daemon.pid), ...argv]);
  if (done.status !== 0) throw new Error(`${daemon.name}: ${argv.join(' ')}: ${done.stderr}`);
  return done;
}

/** With that many running containers. One daemon after the other: the machine has to hold them only once. */
async function beside(count) {
  for (const daemon of daemons) {
    await inTurns(
      Array.from({ length: count }, (_, i) => i + 1),
      8,
      async () => {
        const id = await create(daemon, IMAGE, ['sleep', '100000']);
        await api(daemon, 'POST', `/v1.41/containers/${id}/start`);
      },
    );
    push(memory, `${count} containers`, daemon, memoryOf(daemon));
    for (let i = 0; i < few(); i++) push(times, `ps, ${count} containers`, daemon, docker(daemon, ['ps']).ms);
    await removeAll(daemon);
  }
}

function remember(row) {
  for (const daemon of daemons) push(memory, row, daemon, memoryOf(daemon));
}

function push(results, row, { name }, value) {
  if (failure !== undefined) throw failure;
  process.stderr.write(`${row}: ${name} ${value.toFixed(1)}\n`);
  results[row] ??= {};
  results[row][name] ??= [];
  results[row][name].push(value);
}

function report() {
  const columns = daemons.map(({ name }) => name);
  const tables = [
    table('time', times, columns, 'ms'),
    table('rate', rates, columns, 'per second'),
    table('memory of the daemon and its helpers', memory, columns, 'kB'),
  ].join('\n');
  process.stdout.write(tables);
  if (print) return;
  const version = capture('dockerd', ['--version']).stdout.trim();
  const how = `${rounds} rounds on ${machine()}; ${version}. Medians (middle half), and as a multiple of tsrun's.`;
  writeFileSync(join(ROOT, 'bench/DAEMON.md'), `# Results of npm run bench:daemon\n\n${how}\n\n${tables}`);
}

function parse() {
  const options = {
    rounds: { type: 'string', short: 'n', default: '20' },
    many: { type: 'string', default: '500' },
    print: { type: 'boolean', default: false },
  };
  try {
    const { values } = parseArgs({ options });
    const [count, most] = [Number(values.rounds), Number(values.many)];
    if (count > 0 && most > 0) return { rounds: count, many: most, print: values.print };
  } catch {
    // the same answer
  }
  return fail('bench: the only options are -n ROUNDS, --many COUNT and --print', 2);
}

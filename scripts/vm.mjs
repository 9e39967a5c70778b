// Runs a command as root in user-mode Linux: a kernel with cgroup v2 alone (cpu, io, memory, pids) and every capability,
// in about one second. The host's tree is its root, read-only; /tmp, /run and /var/tmp are its own.
//   npm run vm -- [--timeout SECONDS] [--memory MB] [--share DIR] [--module NAME]... COMMAND [ARG...]
// --share DIR (writable, also on the host) is /mnt in there; the command's exit status is passed on.
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { capture, fail, hasCommand, ROOT } from './lib/run.mjs';

const BOOT_MS = 20_000;
const BOOT_TRIES = 3;
const POLL_MS = 50;

/** Why it cannot run here, or undefined. */
export function vmMissing() {
  if (!hasCommand('linux.uml')) return 'user-mode Linux is not installed (Debian package user-mode-linux)';
  if (!hasCommand('busybox')) return 'busybox is not installed (Debian package busybox-static)';
  return undefined;
}

/**
 * Runs argv in there. Returns { status, stdout, stderr, console }; status 124 means the time was up.
 * onOutput sees the command's output as it comes.
 */
export async function runVm(argv, options = {}) {
  const missing = vmMissing();
  if (missing) throw new Error(missing);
  const work = mkdtempSync(join(tmpdir(), 'tsrun-vm-'));
  const preload = buildPreload(work);
  try {
    for (let attempt = 1; ; attempt++) {
      const result = await boot(argv, work, { ...options, preload });
      if (result) return result;
      if (attempt === BOOT_TRIES)
        throw new Error(`user-mode Linux did not boot ${BOOT_TRIES} times: ${consoleOf(work)}`);
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function boot(
  argv,
  work,
  { timeout = 600, memory = 2048, share, modules = [], env = {}, cwd, onOutput, preload },
) {
  const exchange = join(work, 'exchange');
  rmSync(exchange, { recursive: true, force: true });
  mkdirSync(exchange);
  writeFileSync(join(work, 'init'), initScript({ argv, exchange, share, modules, env, cwd: cwd ?? process.cwd() }), {
    mode: 0o755,
  });
  const consoleFile = openSync(join(work, 'console'), 'w');
  const child = spawn('linux.uml', kernelArguments(work, memory), {
    stdio: ['ignore', consoleFile, consoleFile],
    env: preload ? { ...process.env, LD_PRELOAD: preload } : process.env,
    detached: true, // a process group of its own, so that all its helper processes can be stopped together
  });
  closeSync(consoleFile);
  const exited = new Promise((resolve) => {
    child.on('exit', resolve);
    child.on('error', resolve);
  });
  const stop = stopOnExit(child);
  const started = await watch(child, exited, exchange, { timeout, onOutput });
  stop();
  if (started === 'no-boot') return undefined;
  return {
    status: started === 'timeout' ? 124 : Number(read(join(exchange, 'status'), '125')),
    stdout: read(join(exchange, 'stdout'), ''),
    stderr: read(join(exchange, 'stderr'), ''),
    console: consoleOf(work),
  };
}

/** See uml-xstate.c: needed on processors with AMX, harmless on others; undefined without a compiler. */
function buildPreload(work) {
  const library = join(work, 'xstate.so');
  const source = join(ROOT, 'scripts/lib/uml-xstate.c');
  const built = capture('cc', ['-O2', '-shared', '-fPIC', '-o', library, source]);
  return built.status === 0 ? library : undefined;
}

function kernelArguments(work, memory) {
  const init = join(work, 'init');
  return [
    `mem=${memory}M`,
    'root=/dev/root',
    'rootfstype=hostfs',
    'rootflags=/',
    'con=null',
    'con0=null,fd:1',
    'quiet',
    'panic=-1',
    `uml_dir=${work}`,
    'umid=vm',
    `init=${init}`,
  ];
}

/** Follows the command's output files until the kernel ends, the time is up, or it turns out not to boot. */
async function watch(child, exited, exchange, { timeout, onOutput }) {
  const begin = Date.now();
  let startedAt;
  const follow = [follower(join(exchange, 'stdout'), onOutput), follower(join(exchange, 'stderr'), onOutput)];
  let ended = false;
  exited.then(() => {
    ended = true;
  });
  for (;;) {
    await Promise.race([exited, new Promise((resolve) => setTimeout(resolve, POLL_MS))]);
    for (const step of follow) step();
    if (read(join(exchange, 'started')) !== undefined) startedAt ??= Date.now();
    if (ended) return startedAt ? 'ended' : 'no-boot';
    if (!startedAt && Date.now() - begin > BOOT_MS) return killGroup(child, exited, 'no-boot');
    if (startedAt && Date.now() - startedAt > timeout * 1000) return killGroup(child, exited, 'timeout');
  }
}

async function killGroup(child, exited, outcome) {
  signalGroup(child);
  await exited;
  return outcome;
}

function signalGroup(child) {
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // already gone
  }
}

/** The kernel must not outlive this process; returns what takes the handlers away again. */
function stopOnExit(child) {
  const onExit = () => signalGroup(child);
  const onSignal = () => process.exit(130);
  process.on('exit', onExit);
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return () => {
    process.off('exit', onExit);
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  };
}

function follower(path, onOutput = () => {}) {
  let position = 0;
  const chunk = Buffer.alloc(65536);
  return () => {
    let file;
    try {
      file = openSync(path, 'r');
    } catch {
      return; // not there yet
    }
    for (let size = 1; size > 0; ) {
      size = readSync(file, chunk, 0, chunk.length, position);
      position += size;
      if (size > 0) onOutput(chunk.toString('utf8', 0, size), path.endsWith('stderr') ? 'stderr' : 'stdout');
    }
    closeSync(file);
  };
}

/** PID 1 in there. Powers off by force: there is nothing to shut down. */
function initScript({ argv, exchange, share, modules, env, cwd }) {
  const exports = { PATH: process.env.PATH, HOME: '/root', TERM: 'xterm', LANG: 'C.UTF-8', ...env };
  const lines = Object.entries(exports).map(([name, value]) => `export ${name}=${quote(value)}`);
  const hidden = /^\/(tmp|run|var\/tmp)\//.test(ROOT); // this repository, by what is mounted over it
  return `#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm /dev/mqueue
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t mqueue mqueue /dev/mqueue
ln -sf /proc/self/fd /dev/fd
ln -sf pts/ptmx /dev/ptmx
mount -t cgroup2 cgroup /sys/fs/cgroup
mkdir -p /dev/shm/.exchange
mount -t hostfs -o ${exchange} none /dev/shm/.exchange
${hidden ? `mkdir /dev/shm/.repository && mount --bind ${quote(ROOT)} /dev/shm/.repository` : ''}
mount -t tmpfs run /run
mount -t tmpfs tmp /var/tmp
mount -t tmpfs tmp /tmp
${hidden ? `mkdir -p ${quote(ROOT)} && mount --move /dev/shm/.repository ${quote(ROOT)}` : ''}
ip link set lo up 2>/dev/null
${share ? `mount -t hostfs -o ${quote(share)} none /mnt` : ''}
mkdir -p /run/modules/lib && ln -s /usr/lib/uml/modules /run/modules/lib/modules
${modules.map((name) => `modprobe -d /run/modules ${quote(name)}`).join('\n')}
${lines.join('\n')}
export TSRUN_VM=1
: >/dev/shm/.exchange/started
cd ${quote(cwd)} 2>/dev/null || cd /
${argv.map(quote).join(' ')} </dev/null >/dev/shm/.exchange/stdout 2>/dev/shm/.exchange/stderr
echo $? >/dev/shm/.exchange/status
sync
exec busybox poweroff -f
`;
}

function quote(text) {
  return `'${String(text).replaceAll("'", "'\\''")}'`;
}

function read(path, missing = undefined) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return missing;
  }
}

function consoleOf(work) {
  return read(join(work, 'console'), '').replaceAll('\r', '').trim();
}

function parseArguments(args) {
  const options = { modules: [] };
  let i = 0;
  for (; i < args.length && args[i].startsWith('--'); i++) {
    if (args[i] === '--') {
      i++;
      break;
    }
    const value = args[++i];
    const name = args[i - 1].slice(2);
    if (name === 'timeout' || name === 'memory') options[name] = Number(value);
    else if (name === 'share') options.share = value;
    else if (name === 'module') options.modules.push(value);
    else fail(`vm: unknown option --${name}`, 2);
  }
  return { argv: args.slice(i), options };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { argv, options } = parseArguments(process.argv.slice(2));
  if (argv.length === 0)
    fail('vm: no command given: npm run vm -- [--timeout S] [--memory MB] [--share DIR] COMMAND', 2);
  const missing = vmMissing();
  if (missing) fail(`vm: ${missing}`);
  const result = await runVm(argv, { ...options, onOutput: (text, stream) => process[stream].write(text) });
  if (result.status === 124) process.stderr.write('vm: time is up\n');
  if (result.status === 125) process.stderr.write(`vm: ended without a status: ${result.console}\n`);
  process.exitCode = result.status;
}

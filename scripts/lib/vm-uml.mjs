// User-mode Linux: a kernel as a process, with cgroup v2 alone (cpu, io, memory, pids) and every capability, in about one
// second. The host's tree is its root, read-only; /tmp, /run and /var/tmp are its own. One processor, no systemd.
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { capture, hasCommand, ROOT } from './run.mjs';
import { commandScript, outcomeOf, quote, read, stopOnExit, watch } from './vm-guest.mjs';

const BOOT_MS = 20_000;

/** Why it cannot run here, or undefined. */
export function umlMissing() {
  if (!hasCommand('linux.uml')) return 'user-mode Linux is not installed (Debian package user-mode-linux)';
  if (!hasCommand('busybox')) return 'busybox is not installed (Debian package busybox-static)';
  return undefined;
}

/** One try; undefined when it did not boot. */
export async function bootUml(argv, work, { timeout, memory, share, modules, env, cwd, onOutput }) {
  const preload = buildPreload(work);
  const exchange = join(work, 'exchange');
  rmSync(exchange, { recursive: true, force: true });
  mkdirSync(exchange);
  writeFileSync(join(work, 'init'), initScript({ argv, exchange, share, modules, env, cwd }), { mode: 0o755 });
  const consoleFile = openSync(join(work, 'console'), 'w');
  const child = spawn('linux.uml', kernelArguments(work, memory), {
    stdio: ['ignore', consoleFile, consoleFile],
    env: preload ? { ...process.env, LD_PRELOAD: preload } : process.env,
    detached: true, // a process group of its own, so that all its helper processes can be stopped together
  });
  closeSync(consoleFile);
  const stop = stopOnExit([child]);
  const ended = await watch(child, exchange, { timeout, onOutput, bootMs: BOOT_MS });
  stop();
  return ended === 'no-boot' ? undefined : outcomeOf(exchange, ended, read(join(work, 'console'), ''));
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

/** PID 1 in there. Powers off by force: there is nothing to shut down. */
function initScript({ argv, exchange, share, modules, env, cwd }) {
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
${commandScript({ argv, env, cwd, kernel: 'uml' }, '/dev/shm/.exchange')}
exec busybox poweroff -f
`;
}

// Real engines for tests: a daemon with its sockets and directories below the test's own, an image made from the busybox
// root file system, and a clean-up that ends exactly what was started here.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Test } from 'tap';
import type { Skip } from './host.js';
import { findLeaks } from './leaks.js';
import { sharedRootfs } from './rootfs.js';
import { eventually, must, type Result, RUNTIME, type RunOptions, runProgram } from './runtime.js';

export const IMAGE = 'localhost/tsrun-test:latest';

/** In the container: "memory 67108864", "pids 100", "cpu 50000 100000", of either version of cgroups. */
export const READ_LIMITS = `cd /sys/fs/cgroup
echo memory $(cat memory/memory.limit_in_bytes || cat memory.max)
echo pids $(cat pids/pids.max || cat pids.max)
echo cpu $(cat cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us || cat cpu.max)`;

/** A cgroup2 without the controllers, and nothing else, has no limits to read. */
export function needLimits(): Skip {
  const found = existsSync('/sys/fs/cgroup/pids/cgroup.procs') || hasPids('/sys/fs/cgroup');
  return found ? false : 'no hierarchy of this machine has a pids controller';
}

function hasPids(mount: string): boolean {
  const file = `${mount}/cgroup.controllers`;
  return existsSync(file) && readFileSync(file, 'utf8').split(/\s/).includes('pids');
}

export interface Place {
  readonly directory: string;
  /** Runs a client; output in files, so that what it leaves in the background does not keep it. */
  run(program: string, args: readonly string[], options?: RunOptions): Result;
  /**
   * Runs a client on a terminal at which nobody types. An end of standard input would become a ^D there, and a client
   * that reads it before it has the terminal in raw mode stops to listen (seen with Podman, whatever its runtime).
   */
  onTerminal(command: string, options?: RunOptions): Result;
  /** Starts a daemon and waits until ready() holds. */
  daemon(program: string, args: readonly string[], ready: () => boolean): ChildProcess;
  log(): string;
}

/** Below /run would be nearer to life, but paths of Unix sockets are short: 108 bytes. */
export function place(t: Test): Place {
  const directory = mkdtempSync(join(tmpdir(), 'tsrun-test-'));
  const daemons: ChildProcess[] = [];
  const logFile = join(directory, 'daemon.log');
  const run = (program: string, args: readonly string[], options: RunOptions = {}): Result =>
    runProgram(program, args, directory, { timeout: 60_000, ...options });
  t.teardown(() => {
    for (const daemon of daemons.reverse()) stopDaemon(daemon);
    endMarked(basename(directory));
    unmountBelow(directory);
    const leaks = findLeaks(basename(directory), []);
    if (leaks.length > 0) throw new Error(`left on the host:\n${leaks.join('\n')}`);
    rmSync(directory, { recursive: true, force: true });
  });
  return {
    directory,
    run,
    onTerminal: (command, options) =>
      run(
        'sh',
        ['-c', '[ -p quiet ] || mkfifo quiet; exec script -qec "$1" /dev/null <>quiet', 'sh', command],
        options,
      ),
    log: () => (existsSync(logFile) ? readFileSync(logFile, 'utf8').split('\n').slice(-30).join('\n') : ''),
    daemon: (program, args, ready) => {
      const log = openSync(logFile, 'a');
      const env = { ...process.env, TSRUN_TEST: basename(directory) };
      const child = spawn(program, args, { stdio: ['ignore', log, log], detached: true, env });
      closeSync(log);
      daemons.push(child);
      if (!eventually(ready, 30_000))
        throw new Error(`${program} is not ready: ${readFileSync(logFile, 'utf8').slice(-3000)}`);
      return child;
    },
  };
}

function stopDaemon(daemon: ChildProcess): void {
  if (daemon.pid === undefined) return;
  const pid = daemon.pid;
  signal(pid, 'SIGTERM');
  // A child that ended stays a zombie until node's event loop turns, which it does not in here.
  if (!eventually(() => !isRunning(pid), 20_000)) signal(-pid, 'SIGKILL');
}

function isRunning(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

/** Shims and monitors outlive their daemon by design: those with this test's directory in their arguments. */
function endMarked(mark: string): void {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    if (Number(pid) === process.pid) continue;
    if (read(`/proc/${pid}/cmdline`).includes(mark) || read(`/proc/${pid}/environ`).includes(`TSRUN_TEST=${mark}`)) {
      signal(Number(pid), 'SIGKILL');
    }
  }
  eventually(() => findLeaks(mark, []).every((leak) => !leak.startsWith('process:')));
}

/** Deepest first. */
function unmountBelow(directory: string): void {
  const points = read('/proc/self/mountinfo')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point.startsWith(directory));
  for (const point of points.reverse()) spawnSync('umount', ['-l', point]);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // already gone
  }
}

/** An image as `docker save` writes it, which ctr, podman and docker all load: one layer, the busybox root. */
export function imageArchive(directory: string): string {
  const work = join(directory, 'image');
  const archive = join(directory, 'image.tar');
  mkdirSync(work, { recursive: true });
  tar(['-C', sharedRootfs(), '-cf', join(work, 'layer.tar'), '.']);
  const layer = createHash('sha256')
    .update(readFileSync(join(work, 'layer.tar')))
    .digest('hex');
  const config = JSON.stringify({
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    created: '2024-01-01T00:00:00Z',
    config: { Cmd: ['sh'], Env: ['PATH=/bin:/usr/bin'], WorkingDir: '/' },
    rootfs: { type: 'layers', diff_ids: [`sha256:${layer}`] },
    history: [{ created: '2024-01-01T00:00:00Z', created_by: 'busybox' }],
  });
  const name = `${createHash('sha256').update(config).digest('hex')}.json`;
  writeFileSync(join(work, name), config);
  writeFileSync(
    join(work, 'manifest.json'),
    JSON.stringify([{ Config: name, RepoTags: [IMAGE], Layers: ['layer.tar'] }]),
  );
  tar(['-C', work, '-cf', archive, '.']);
  rmSync(work, { recursive: true });
  return archive;
}

function tar(args: readonly string[]): void {
  const done = spawnSync('tar', args, { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`tar: ${done.stderr}`);
}

export { must, RUNTIME };

/**
 * The runtime under test, by its command line only: create, start, state, kill, delete, and features where a case says so.
 * Output goes to files, not pipes: a container keeps them open.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CannotRun } from './model.js';

export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Runtime {
  readonly path: string;
  /** Before the command: "--root DIR" for most. */
  readonly globalArgs: readonly string[];
  /** What it gets as standard input: surroundings.ts. */
  readonly stdin: string;
}

/** Milliseconds; an emulated processor is some twenty times slower. */
export const DEADLINE = 1000 * Number(process.env['CONFORMANCE_DEADLINE'] ?? 30);

/** The first line of --version, which is no part of the specification: the name alone where there is none. */
export async function versionOf(path: string): Promise<string> {
  const child = spawn(path, ['--version'], { detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  await Promise.all([ended(child), new Promise((resolve) => child.stdout.once('close', resolve))]);
  return text.trim().split('\n')[0] || basename(path);
}

/** A variable of the runtime's own environment. */
export const OF_CALLER = 'CONFORMANCE_CALLER';

/** So many calls that hang, and none that ends, are enough to know a runtime. */
const PATIENCE = 4;
const seen = { ended: 0, hung: 0 };

const OOM_SCORE = '/proc/self/oom_score_adj';
let calls = 0;

/** What a case wants the runtime's caller to be, beside what surroundings.ts makes of it. */
export interface Caller {
  readonly umask?: number;
  readonly oomScore?: number;
  readonly nice?: number;
}

export interface CallOptions {
  readonly dir: string;
  /** The file that gets standard output. */
  readonly output?: string;
  readonly cwd?: string;
  readonly caller?: Caller;
}

/** The status of a runtime that did not end in time. */
const HUNG = 124;

export async function call(runtime: Runtime, args: readonly string[], where: CallOptions): Promise<Outcome> {
  const number = ++calls;
  const files = [where.output ?? join(where.dir, `call-${number}.out`), join(where.dir, `call-${number}.err`)] as const;
  const [input, out, err] = [openSync(runtime.stdin, 'r+'), openSync(files[0], 'a'), openSync(files[1], 'w')];
  const restore = become(where.caller ?? {});
  const child = spawn(runtime.path, [...runtime.globalArgs, ...args], {
    stdio: [input, out, err],
    cwd: where.cwd ?? where.dir,
    // A group of its own: one that hangs is killed with what it started, and a signal for us is not for it.
    detached: true,
    env: {
      PATH: process.env['PATH'],
      HOME: '/root',
      XDG_RUNTIME_DIR: process.env['XDG_RUNTIME_DIR'],
      [OF_CALLER]: '1',
    },
  });
  restore();
  for (const fd of [input, out, err]) closeSync(fd);
  const status = await ended(child);
  seen[status === HUNG ? 'hung' : 'ended']++;
  if (seen.ended === 0 && seen.hung >= PATIENCE)
    throw new CannotRun(
      `--runtime: ${runtime.path} does not end: ${seen.hung} calls, each killed after ${DEADLINE / 1000} s`,
    );
  return { status, stdout: readFileSync(files[0], 'utf8'), stderr: readFileSync(files[1], 'utf8') };
}

/** Until what it returns is called, before anything else runs: children have it from this process. */
function become({ umask, oomScore, nice }: Caller): () => void {
  const before = { umask: process.umask(), oomScore: readFileSync(OOM_SCORE, 'latin1'), nice: getPriority() };
  if (umask !== undefined) process.umask(umask);
  if (oomScore !== undefined) writeFileSync(OOM_SCORE, String(oomScore));
  if (nice !== undefined) setPriority(nice);
  return () => {
    process.umask(before.umask);
    if (oomScore !== undefined) writeFileSync(OOM_SCORE, before.oomScore);
    if (nice !== undefined) setPriority(before.nice);
  };
}

async function ended(child: ChildProcess): Promise<number> {
  const { pid = 0 } = child;
  const timer = setTimeout(() => pid > 1 && process.kill(-pid, 'SIGKILL'), DEADLINE);
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', ({ message }) => reject(new CannotRun(`--runtime: it cannot be run: ${message}`)));
      child.once('exit', (code) => resolve(code ?? HUNG));
    });
  } finally {
    clearTimeout(timer);
  }
}

/** False when the condition does not come true within the time. */
export async function eventually(condition: () => boolean, deadline = DEADLINE, pause = 4): Promise<boolean> {
  for (const end = Date.now() + deadline; Date.now() < end; await sleep(pause)) if (condition()) return true;
  return condition();
}

/** A zombie has ended: only nobody has asked for its status. */
export function isAlive(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

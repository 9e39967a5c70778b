/**
 * An adapter runs the suite of somebody else on a runtime, given where it lies on disk, and returns results as our own
 * cases have them: the id is the program or file and the name of the test, the requirement is left to that suite.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import type { Result } from '../harness/model.js';

export interface AdapterOptions {
  /** Where the suite is. */
  readonly place: string;
  /** Absolute path of the runtime. */
  readonly runtime: string;
  /** A directory for whatever the suite writes, removed afterwards. */
  readonly dir: string;
  /** Whether a program or file of the suite is to be run. */
  readonly wants: (name: string) => boolean;
  /** Seconds for each of them. */
  readonly timeout: number;
}

export interface Adapter {
  /** What lies at its place: for --help. */
  readonly place: string;
  /** What is missing to run it, or undefined. */
  readonly missing: (options: AdapterOptions) => string | undefined;
  readonly run: (options: AdapterOptions) => AsyncGenerator<Result>;
}

export interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
}

interface ProgramOptions extends SpawnOptions {
  readonly seconds: number;
  /** Standard input: none, or one that does not end before the program. */
  readonly input?: 'ignore' | 'pipe';
}

/** Runs a program in a process group of its own, all of which is killed when the time is up. */
export function runProgram(argv: readonly string[], options: ProgramOptions): Promise<Ended> {
  const { seconds, input = 'ignore', ...rest } = options;
  const [command = '', ...args] = argv;
  const child = spawn(command, args, { ...rest, detached: true, stdio: [input, 'pipe', 'pipe'] });
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name]?.on('data', (chunk: Buffer) => {
      texts[name] += chunk.toString();
    });
  let timedOut = false;
  const release = endWithUs(child);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      timedOut = true;
      killGroup(child.pid);
    }, seconds * 1000);
    child.once('error', reject);
    // Not "close": what the runtime left may keep the pipes open.
    child.once('exit', (code) => {
      clearTimeout(timer);
      release();
      setTimeout(() => {
        child.stdin?.destroy();
        child.stdout?.destroy();
        child.stderr?.destroy();
        resolve({ ...texts, timedOut, status: code ?? 124 });
      }, 50);
    });
  });
}

/** A run that is stopped takes what it started along: the group is not the terminal's. */
function endWithUs({ pid }: ChildProcess): () => void {
  const stop = (signal: NodeJS.Signals): void => {
    killGroup(pid);
    process.exit(128 + constants.signals[signal]);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of signals) process.once(name, stop);
  return () => {
    for (const name of signals) process.off(name, stop);
  };
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // it has ended meanwhile
  }
}

export const foreign = (id: string, status: Result['status'], detail = ''): Result => ({
  ...{ id, status, detail, requirement: '' },
});

/** The first of these that is not there, as a sentence. */
export function absent(paths: readonly string[], advice: string): string | undefined {
  const path = paths.find((one) => !existsSync(one));
  return path === undefined ? undefined : `${path} is not there: ${advice}`;
}

// Drives a runtime by the OCI command line, as engines do. RUNTIME=/usr/sbin/runc tests another one with the same tests.
// Everything a test makes lies below one directory whose name is the mark that leaks.ts looks for.
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { baseConfig, type TestConfig } from './config.js';
import { needQemu, needRoot, type Skip, skipUnless } from './host.js';
import { findLeaks } from './leaks.js';
import { copyRootfs, needBusybox } from './rootfs.js';

export const REPO = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const GIVEN = process.env['RUNTIME'] ?? join(REPO, 'bin/tsrun');
export const RUNTIME = existsSync(GIVEN) ? realpathSync(GIVEN) : GIVEN;
/** False when the tests run against somebody else's runtime: only what the OCI spec says is then asserted. */
export const IS_TSRUN = RUNTIME.startsWith(REPO);

export interface Result {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly timeout?: number;
  readonly cwd?: string;
  readonly env?: { readonly [name: string]: string };
}

/** Milliseconds. QEMU without hardware support is some twenty times slower. */
const DEADLINE = needQemu() ? 30_000 : 180_000;

export function needRuntime(): Skip {
  const built = existsSync(RUNTIME) ? false : `${RUNTIME} does not exist: npm run build`;
  return skipUnless(needRoot(), built, needBusybox());
}

/** With what each waits for in the kernel: only the one that was waited for is gone. */
function processTable(): string {
  const { stdout = '' } = spawnSync('ps', ['axfo', 'pid,ppid,stat,wchan:24,args'], { encoding: 'utf8' });
  return stdout.replace(/^.*\[[^\]]*\]\n/gm, '');
}

/**
 * The exit status, 128 after a signal. Throws when the program could not be started, or hung until spawnSync killed it: no
 * test may take that for a refusal.
 */
export function statusOf(
  done: SpawnSyncReturns<unknown>,
  command: readonly string[],
  printed: { readonly stdout: string; readonly stderr: string; readonly timeout: number },
): number {
  if (done.error === undefined) return done.status ?? 128;
  if (!('code' in done.error && done.error.code === 'ETIMEDOUT')) throw done.error;
  const { stdout, stderr, timeout } = printed;
  const killed = `killed after ${timeout / 1000} s: ${command.join(' ')}`;
  const lines = [killed, 'printed so far:', stderr + stdout, 'processes:', processTable()];
  throw new Error(lines.join('\n'), { cause: done.error });
}

/**
 * Runs a program with its output in files, not pipes: a detached container keeps them open, and whoever waits for the
 * end of a pipe waits for the container.
 */
export function runProgram(
  program: string,
  args: readonly string[],
  directory: string,
  options: RunOptions = {},
): Result {
  const work = mkdtempSync(join(directory, 'io-'));
  const [input, output, errors] = ['stdin', 'stdout', 'stderr'].map((name) => join(work, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(input, options.input ?? '');
  const timeout = options.timeout ?? DEADLINE;
  const files = [openSync(input, 'r'), openSync(output, 'w'), openSync(errors, 'w')];
  try {
    const done = spawnSync(program, args, {
      stdio: files,
      timeout,
      killSignal: 'SIGKILL',
      cwd: options.cwd,
      env: { PATH: process.env['PATH'], HOME: '/root', ...options.env },
    });
    const printed = { stdout: readFileSync(output, 'utf8'), stderr: readFileSync(errors, 'utf8') };
    return { status: statusOf(done, [program, ...args], { ...printed, timeout }), ...printed };
  } finally {
    for (const file of files) closeSync(file);
  }
}

export interface Bundle {
  readonly path: string;
  readonly rootfs: string;
  readonly config: TestConfig;
  /** Writes config.json again after config was changed. */
  save(): void;
}

export interface Sandbox {
  readonly directory: string;
  readonly root: string;
  /** Directory of the plan cache, and the environment that says so. */
  readonly cache: string;
  readonly env: { readonly [name: string]: string };
  /** An id that no other test has. */
  id(): string;
  /** Runs the runtime with --root ROOT before these arguments. */
  run(args: readonly string[], options?: RunOptions): Result;
  bundle(args?: readonly string[], edit?: (config: TestConfig) => void): Bundle;
  /** Creates and starts; returns the id. */
  start(bundle: Bundle, options?: RunOptions): string;
  state(id: string): { status: string; pid: number; [field: string]: unknown };
}

let counter = 0;

/** A directory, a state root and a clean-up that deletes every container and then looks for what was left behind. */
export function sandbox(t: Test): Sandbox {
  const directory = mkdtempSync(join(tmpdir(), 'tsrun-test-'));
  const root = join(directory, 'root');
  const ids: string[] = [];
  const cache = join(directory, 'cache');
  const env = { TSRUN_TEST: basename(directory), TSRUN_CACHE: cache };
  const run = (args: readonly string[], options: RunOptions = {}): Result =>
    runProgram(RUNTIME, ['--root', root, ...args], directory, { ...options, env: { ...env, ...options.env } });
  t.teardown(() => {
    for (const id of ids) run(['delete', '--force', id]);
    // What was killed may take a moment to go.
    if (!eventually(() => findLeaks(basename(directory), ids).length === 0)) {
      throw new Error(`left on the host:\n${findLeaks(basename(directory), ids).join('\n')}`);
    }
    rmSync(directory, { recursive: true, force: true });
  });
  const id = (): string => {
    const name = `${basename(directory)}-${++counter}`;
    ids.push(name);
    return name;
  };
  return {
    directory,
    root,
    cache,
    env,
    id,
    run,
    bundle: (args, edit) => makeBundle(directory, args, edit),
    start: (bundle, options) => {
      const name = id();
      must(run(['create', '--bundle', bundle.path, name], options));
      must(run(['start', name], options));
      return name;
    },
    state: (name) => JSON.parse(must(run(['state', name])).stdout),
  };
}

/** The result, or an error that shows all of it. */
export function must(result: Result): Result {
  if (result.status !== 0) throw new Error(`status ${result.status}: ${result.stderr}${result.stdout}`);
  return result;
}

function makeBundle(directory: string, args?: readonly string[], edit?: (config: TestConfig) => void): Bundle {
  const path = mkdtempSync(join(directory, 'bundle-'));
  const rootfs = join(path, 'rootfs');
  copyRootfs(rootfs);
  const config = baseConfig(args);
  config['process'].env.push(`TSRUN_TEST=${basename(directory)}`);
  edit?.(config);
  const save = (): void => writeFileSync(join(path, 'config.json'), JSON.stringify(config, null, 2));
  mkdirSync(path, { recursive: true });
  save();
  return { path, rootfs, config, save };
}

/** Polls until the condition holds; false when it does not within the time. */
export function eventually(condition: () => boolean, timeout = 20_000): boolean {
  for (const end = Date.now() + timeout; Date.now() < end; ) {
    if (condition()) return true;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
  }
  return condition();
}

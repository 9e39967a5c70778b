// One process, started by each way there is into a container: run, create and start, exec. Most security bugs were closed
// in one of them and came back in another, so each test goes through all.
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type Bundle, eventually, must, type Result, RUNTIME, type Sandbox, statusOf } from './runtime.js';

/** Milliseconds of one call. */
const TIMEOUT = 60_000;

export type EntryPoint = 'run' | 'create+start' | 'exec';

export const ENTRY_POINTS: readonly EntryPoint[] = ['run', 'create+start', 'exec'];

/** Those that set a container up, when what is attacked is the root file system. */
export const SETUPS: readonly EntryPoint[] = ['run', 'create+start'];

/** One for all launches of a sandbox: each deletes its container, and the sandbox deletes every id at its end. */
const names = new WeakMap<Sandbox, string>();

function nameIn(box: Sandbox): string {
  const name = names.get(box) ?? box.id();
  names.set(box, name);
  return name;
}

export interface LaunchOptions {
  /** Descriptors of this process that the runtime finds at 3 and up. */
  readonly fds?: readonly number[];
  /** Before the id. */
  readonly flags?: readonly string[];
  readonly env?: { readonly [name: string]: string };
  readonly runtime?: readonly string[];
}

/**
 * Runs the process of the bundle to its end, which deletes the container. For exec the container's first process sleeps,
 * and process is given in a file. The status of create+start is that of create or start: what the program ends with
 * nobody is told.
 */
export function launch(box: Sandbox, bundle: Bundle, entry: EntryPoint, options: LaunchOptions = {}): Result {
  if (entry === 'run')
    return call(box, ['run', ...(options.flags ?? []), '--bundle', bundle.path, nameIn(box)], options);
  if (entry === 'exec') return launchExec(box, bundle, options);
  const id = nameIn(box);
  const created = call(box, ['create', ...(options.flags ?? []), '--bundle', bundle.path, id], options);
  if (created.status !== 0) return created;
  const pid = box.state(id).pid;
  const started = call(box, ['start', id], { ...options, fds: [] });
  if (started.status === 0 && !eventually(() => hasEnded(pid), 20_000)) throw new Error(`${id} does not end`);
  const result = { ...started, stdout: created.output(), stderr: created.stderr + started.stderr };
  box.run(['delete', '--force', id]);
  return result;
}

function launchExec(box: Sandbox, bundle: Bundle, options: LaunchOptions): Result {
  const wanted = bundle.config['process'];
  const file = join(bundle.path, 'process.json');
  writeFileSync(file, JSON.stringify(wanted));
  bundle.config['process'] = {
    ...wanted,
    terminal: false,
    user: { uid: 0, gid: 0 },
    args: ['sleep', '1000'],
    cwd: '/',
  };
  bundle.save();
  try {
    const id = nameIn(box);
    must(box.run(['create', '--bundle', bundle.path, id]));
    must(box.run(['start', id]));
    const result = call(box, ['exec', ...(options.flags ?? []), '--process', file, id], options);
    box.run(['delete', '--force', id]);
    return result;
  } finally {
    bundle.config['process'] = wanted;
    bundle.save();
  }
}

interface Called extends Result {
  /** What it and what it left running have printed by now. */
  output(): string;
}

/** As Sandbox.run, but with descriptors, and with the output of what stays in the background. */
export function call(box: Sandbox, args: readonly string[], options: LaunchOptions = {}): Called {
  const work = mkdtempSync(join(box.directory, 'io-'));
  const [output, errors] = [join(work, 'stdout'), join(work, 'stderr')];
  writeFileSync(join(work, 'stdin'), '');
  const stdio = [openSync(join(work, 'stdin'), 'r'), openSync(output, 'w'), openSync(errors, 'w')];
  const [program = '', ...first] = options.runtime ?? [RUNTIME];
  try {
    const done = spawnSync(program, [...first, '--root', box.root, ...args], {
      stdio: [...stdio, ...(options.fds ?? [])],
      timeout: TIMEOUT,
      killSignal: 'SIGKILL',
      env: { PATH: process.env['PATH'], HOME: '/root', TSRUN_TEST: basename(box.directory), ...options.env },
    });
    const read = (): string => readFileSync(output, 'utf8');
    const printed = { stdout: read(), stderr: readFileSync(errors, 'utf8') };
    return { status: statusOf(done, [program, ...args], { ...printed, timeout: TIMEOUT }), ...printed, output: read };
  } finally {
    for (const fd of stdio) closeSync(fd);
  }
}

export function hasEnded(pid: number): boolean {
  try {
    return /\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return true;
  }
}

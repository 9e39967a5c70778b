/** The directory of a run and the probe in it. */
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import type { Bench } from './lab.js';
import { CannotRun } from './model.js';
import { makeInput, placeProblem, settleSurroundings, watchNodes } from './surroundings.js';

export interface BenchOptions {
  readonly runtime: string;
  readonly probe: string;
  /** Before the command, with {root} for a directory of ours. */
  readonly globalArgs: string;
}

/** Containers of a user namespace walk this path, so everybody may. */
export function openBench({ runtime, probe, globalArgs }: BenchOptions): Bench {
  const path = findRuntime(runtime);
  settleSurroundings();
  const dir = mkdtempSync(join(tmpdir(), 'conform-'));
  chmodSync(dir, 0o755);
  mkdirSync(join(dir, 'state'), { mode: 0o700 });
  copyFileSync(probe, join(dir, 'probe'));
  chmodSync(join(dir, 'probe'), 0o755);
  const problem = placeProblem(dir, join(dir, 'probe'));
  if (problem !== undefined) {
    rmSync(dir, { recursive: true, force: true });
    throw new CannotRun(problem);
  }
  const args = globalArgs.split(' ').filter((arg) => arg !== '');
  return {
    runtime: {
      path,
      globalArgs: args.map((arg) => arg.replace('{root}', join(dir, 'state'))),
      stdin: makeInput(dir),
    },
    probe: join(dir, 'probe'),
    dir,
    mark: basename(dir),
    left: [],
    changedNodes: watchNodes(),
  };
}

export function closeBench({ dir }: Bench): void {
  rmSync(dir, { recursive: true, force: true });
}

/** Its absolute path; throws with the reason. */
export function findRuntime(name: string): string {
  if (name.includes('/')) {
    if (!existsSync(name)) throw new CannotRun(`--runtime: ${name} does not exist`);
    if (!statSync(name).isFile()) throw new CannotRun(`--runtime: ${name} is no program`);
    if ((statSync(name).mode & 0o111) === 0) throw new CannotRun(`--runtime: ${name} may not be executed: chmod +x`);
    return resolve(name);
  }
  const found = spawnSync('sh', ['-c', 'command -v "$1"', 'sh', name], { encoding: 'utf8' }).stdout.trim();
  if (found === '') throw new CannotRun(`--runtime: ${name} is not on PATH`);
  return found;
}

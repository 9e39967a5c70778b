/** The suites of others, by the names of --suite. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { mounts } from '../harness/leaks.js';
import { CannotRun, type Result } from '../harness/model.js';
import type { Adapter } from './adapter.js';
import { bats } from './bats.js';
import { critest } from './critest.js';
import { crun } from './crun.js';
import { ctr } from './ctr.js';
import { podman } from './podman.js';
import { runtimeTools } from './runtime-tools.js';

export const ADAPTERS: { readonly [name: string]: Adapter } = {
  'runtime-tools': runtimeTools,
  'runc-bats': bats,
  'podman-bats': podman,
  'crun-python': crun,
  critest,
  ctr,
};

export interface SuiteRequest {
  readonly adapter: Adapter;
  readonly place: string;
}

/** "NAME=PATH"; a string says what is wrong with it. */
export function parseSuite(text: string): SuiteRequest | string {
  const [name = '', ...rest] = text.split('=');
  const adapter = Object.hasOwn(ADAPTERS, name) ? ADAPTERS[name] : undefined;
  if (adapter === undefined) return `'${name}' is none of ${Object.keys(ADAPTERS).join(', ')}`;
  const place = rest.join('=');
  if (place === '') return `${name} needs its path: --suite ${name}=PATH (${adapter.place})`;
  if (!existsSync(place)) return `${place} does not exist: ${name} wants ${adapter.place}`;
  return { adapter, place: resolve(place) };
}

/** runc without a mount namespace leaves mounts in the host's tree: they must not keep the report from being written. */
function clear(dir: string): void {
  const points = mounts([basename(dir)]).map((mount) => mount.split(' ')[5] ?? '');
  for (const point of points.reverse()) spawnSync('umount', ['--lazy', point], { stdio: 'ignore' });
  try {
    rmSync(dir, { recursive: true, force: true });
  } catch (error) {
    process.stderr.write(`conformance: ${dir} stays: ${error instanceof Error ? error.message : error}\n`);
  }
}

/** Throws when something is missing to run it. */
export async function runSuiteOfOthers(
  { adapter, place }: SuiteRequest,
  options: { readonly runtime: string; readonly wants: (name: string) => boolean; readonly timeout: number },
): Promise<readonly Result[]> {
  const dir = mkdtempSync(join(tmpdir(), 'conform-suite-'));
  chmodSync(dir, 0o755);
  const results: Result[] = [];
  const clean = (): void => clear(dir);
  process.once('exit', clean); // a signal ends the run where it is
  try {
    const missing = adapter.missing({ ...options, place, dir });
    if (missing !== undefined) throw new CannotRun(`--suite: ${missing}`);
    for await (const result of adapter.run({ ...options, place, dir })) results.push(result);
  } finally {
    process.off('exit', clean);
    clean();
  }
  return results;
}

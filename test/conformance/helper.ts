/** The suite on a runtime, against the deviations that are recorded of it in conformance/expected. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { needCommand, type Skip, skipUnless } from '../helpers/host.js';
import { REPO } from '../helpers/runtime.js';

export const MINUTES = 30;

/** Debian's runtimes, in the versions whose deviations are known. */
export function needRuntime(name: string, version: string): Skip {
  const { stdout = '' } = spawnSync(name, ['--version'], { encoding: 'utf8' });
  return skipUnless(needCommand(name), stdout?.includes(`version ${version}`) ? false : `no ${name} ${version}`);
}

/** expected: the name of its list. Status 0: what fails is what the list has. */
export function suite(runtime: string, expected: string, more: readonly string[] = []) {
  const directory = mkdtempSync(join(tmpdir(), 'tsrun-conformance-'));
  const list = join(REPO, 'conformance/expected', `${expected}.json`);
  const output = ['--expected', list, '--output', join(directory, 'tap')];
  try {
    return spawnSync(process.execPath, ['scripts/conformance.mjs', '--runtime', runtime, ...output, ...more], {
      ...{ cwd: REPO, encoding: 'utf8', timeout: MINUTES * 60_000 },
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

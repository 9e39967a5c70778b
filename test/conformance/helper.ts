/** Debian's runtimes, in the versions whose deviations are recorded in conformance/expected. */
import { spawnSync } from 'node:child_process';
import { needCommand, type Skip, skipUnless } from '../helpers/host.js';

export function needRuntime(name: string, version: string): Skip {
  const { stdout = '' } = spawnSync(name, ['--version'], { encoding: 'utf8' });
  return skipUnless(needCommand(name), stdout?.includes(`version ${version}`) ? false : `no ${name} ${version}`);
}

/**
 * Where a daemon has its things unless it is told: root's, or those of a user (XDG base directory specification).
 *
 * Pure.
 */
import { join } from 'node:path';
import { UsageError } from '../../errors.js';
import { resolveDataRoot } from '../../image/data-root.js';

/** Each is asked for only where nothing is given; they throw UsageError where the environment does not say. */
export interface Places {
  configFile(): string;
  dataRoot(): string;
  execRoot(): string;
  host(): string;
}

export const EXEC_ROOT = '/run/tsrun-daemon';

export const PLACES_OF_ROOT: Places = {
  configFile: () => '/etc/tsrun/daemon.json',
  dataRoot: () => '/var/lib/tsrun',
  execRoot: () => EXEC_ROOT,
  host: () => 'unix:///var/run/docker.sock',
};

export function placesOfUser(environment: { readonly [name: string]: string | undefined }): Places {
  const absolute = (name: string) => (environment[name]?.startsWith('/') ? environment[name] : undefined);
  const runtime = (flag: string, name: string): string => {
    const directory = absolute('XDG_RUNTIME_DIR');
    if (directory !== undefined) return join(directory, name);
    const hint = `log in by a session (loginctl enable-linger keeps it), or give ${flag}`;
    throw new UsageError(`${flag}: XDG_RUNTIME_DIR does not say where a user has it`, flag, hint);
  };
  return {
    // Without a home there is none to read, and a path below / would be root's.
    configFile: () =>
      join(absolute('XDG_CONFIG_HOME') ?? join(absolute('HOME') ?? '/nonexistent', '.config'), 'tsrun/daemon.json'),
    dataRoot: () => resolveDataRoot({ given: undefined, environment, rootless: true }),
    execRoot: () => runtime('--exec-root', 'tsrun-daemon'),
    host: () => `unix://${runtime('--host', 'docker.sock')}`,
  };
}

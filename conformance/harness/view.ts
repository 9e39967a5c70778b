/**
 * --cgroup2-only: the whole run in a mount namespace of its own, where /sys/fs/cgroup is cgroup v2 alone, for runtimes that
 * want it so and a host that has v1 beside it. The host's own mounts stay; controllers that are bound to v1 are not there.
 */
import { spawnSync } from 'node:child_process';
import { constants } from 'node:os';

const SCRIPT = 'umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && exec "$@"';
const INSIDE = 'CONFORMANCE_CGROUP2_ONLY';

/** Runs this same command there and returns its exit status; undefined when it already is there. */
export function rerunWithCgroup2Only(): number | undefined {
  if (process.env[INSIDE] !== undefined) return undefined;
  const self = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const { status, signal, error } = spawnSync('unshare', ['--mount', 'sh', '-c', SCRIPT, 'sh', ...self], {
    stdio: 'inherit',
    env: { ...process.env, [INSIDE]: '1' },
  });
  if (error !== undefined) throw error;
  return status ?? 128 + (signal === null ? 0 : constants.signals[signal]);
}

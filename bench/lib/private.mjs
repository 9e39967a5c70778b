// A mount namespace where /sys/fs/cgroup is cgroup v2 alone, so that all runtimes take the same way, and /run is a tmpfs, as
// it is on a host with an init.
import { spawnSync } from 'node:child_process';
import { cleanEnv } from '../../scripts/lib/run.mjs';

const PRIVATE =
  'mount --make-rprivate / && umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && ' +
  'mount -t tmpfs -o mode=755 none /run && exec "$@"';

/** Starts the script anew in one, and ends with its status; returns there. */
export function becomePrivate(script) {
  if (process.env.BENCH_PRIVATE === '1') return;
  const self = [process.execPath, script, ...process.argv.slice(2)];
  const env = cleanEnv({ BENCH_PRIVATE: '1' });
  const { status } = spawnSync('unshare', ['-m', 'sh', '-c', PRIVATE, 'sh', ...self], { stdio: 'inherit', env });
  process.exit(status ?? 1);
}

// Rootless with a systemd user session: the cgroup that the user's manager delegates is used, limits bite and are seen
// from inside, with the cgroupfs driver and with systemd's. What needs no systemd: test/integration/rootless.test.ts.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { needQemu, skipUnless } from '../helpers/host.js';
import { copyRootfs } from '../helpers/rootfs.js';
import { eventually, RUNTIME } from '../helpers/runtime.js';

const skip = skipUnless(needQemu());

function tester(...argv: string[]) {
  eventually(() => existsSync('/run/user/1000/bus'), 120_000);
  const done = spawnSync('as-tester', argv, { encoding: 'utf8', timeout: 120_000 });
  return { status: done.status, stdout: done.stdout, stderr: done.stderr };
}

function bundle(t: Test, script: string, resources: object): string {
  const path = mkdtempSync(join(tmpdir(), 'tsrun-test-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  copyRootfs(join(path, 'rootfs'));
  spawnSync('chown', ['-R', '1000:1000', path]);
  t.equal(tester(RUNTIME, 'spec', '--rootless', '--bundle', path).status, 0);
  const config = JSON.parse(readFileSync(join(path, 'config.json'), 'utf8'));
  config.process.terminal = false;
  config.process.args = ['sh', '-c', script];
  config.linux.resources = resources;
  writeFileSync(join(path, 'config.json'), JSON.stringify(config));
  return path;
}

for (const driver of [[], ['--systemd-cgroup']]) {
  t.test(`limits of a user's container are applied ${driver[0] ?? 'with cgroupfs'}`, { skip }, async (t) => {
    const script = 'cat /proc/self/cgroup /sys/fs/cgroup/pids.max /sys/fs/cgroup/memory.max';
    const path = bundle(t, script, { pids: { limit: 33 }, memory: { limit: 50 << 20 } });
    t.same(tester(RUNTIME, ...driver, 'run', '--bundle', path, 'limited'), {
      status: 0,
      stdout: '0::/\n33\n52428800\n',
      stderr: '',
    });
  });
}

t.test('a user without a delegated cgroup is told how to get one', { skip }, async (t) => {
  const path = bundle(t, 'true', { pids: { limit: 33 } });
  const ids = ['--reuid=1000', '--regid=1000', '--clear-groups'];
  const env = { PATH: process.env['PATH'], XDG_RUNTIME_DIR: '/run/user/1000' };
  const args = [...ids, RUNTIME, 'run', '--bundle', path, 'refused'];
  const done = spawnSync('setpriv', args, { encoding: 'utf8', env });
  t.equal(done.status, 1);
  t.match(done.stderr, /\/linux\/resources\/pids\/limit .*needs a cgroup.*\nhint: .*systemd-run --user/);
});

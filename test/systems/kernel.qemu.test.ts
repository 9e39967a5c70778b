// What tests may count on in the QEMU kernel (`npm run vm -- --kernel qemu`): systemd, every cgroup v2 controller, a user
// session with a delegated cgroup, AppArmor, and a repository that cannot be written.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { cgroupLayout, needQemu, skipUnless } from '../helpers/host.js';
import { REPO } from '../helpers/runtime.js';

const skip = skipUnless(needQemu());

const output = (command: string, ...args: string[]): string => {
  const done = spawnSync(command, args, { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`${command}: ${done.stderr}`);
  return done.stdout;
};

t.test('systemd is process 1 and answers', { skip }, async (t) => {
  t.equal(readFileSync('/proc/1/comm', 'utf8'), 'systemd\n');
  t.equal(output('systemctl', 'show', '--property=Version', '--value').split('.')[0], '252');
});

t.test('cgroup v2 alone, with every controller', { skip }, async (t) => {
  t.equal(cgroupLayout(), 'unified');
  const controllers = readFileSync('/sys/fs/cgroup/cgroup.controllers', 'utf8').trim().split(' ');
  for (const name of ['cpuset', 'cpu', 'io', 'memory', 'hugetlb', 'pids']) t.ok(controllers.includes(name), name);
});

t.test('as-tester runs as uid 1000 with a cgroup of its own', { skip }, async (t) => {
  t.equal(output('as-tester', 'id', '-u'), '1000\n');
  t.equal(output('as-tester', 'sh', '-c', 'echo $XDG_RUNTIME_DIR'), '/run/user/1000\n');
  const script = 'cd /sys/fs/cgroup$(sed s/0::// /proc/self/cgroup) && mkdir inner && cat cgroup.controllers';
  const controllers = output('as-tester', 'sh', '-c', script).trim().split(' ');
  for (const name of ['cpu', 'io', 'memory', 'pids']) t.ok(controllers.includes(name), name);
});

t.test('AppArmor is on', { skip }, async (t) => {
  t.equal(readFileSync('/sys/module/apparmor/parameters/enabled', 'utf8'), 'Y\n');
});

t.test('the repository is there and cannot be written', { skip }, async (t) => {
  t.ok(existsSync(`${REPO}/package.json`));
  t.throws(() => writeFileSync(`${REPO}/build/written`, ''), { code: 'EROFS' });
});

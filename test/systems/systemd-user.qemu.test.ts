// The systemd cgroup driver where root is not root: delegation to a user namespace, and the manager of a user's session.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { needQemu, skipUnless } from '../helpers/host.js';
import {
  type Bundle,
  IS_TSRUN,
  must,
  needRuntime,
  RUNTIME,
  runProgram,
  type Sandbox,
  sandbox,
} from '../helpers/runtime.js';
import { CGROUPS, cgroupFile, FLAG, SLOW, scopedBundle } from '../helpers/systemd.js';

const skip = skipUnless(needQemu(), needRuntime());

t.test('in a user namespace a writable cgroup mount is for its root to divide', { skip }, async (t) => {
  const box = sandbox(t);
  const script =
    'mkdir /sys/fs/cgroup/sub && echo 0 >/sys/fs/cgroup/sub/cgroup.procs && cat /proc/self/cgroup; echo 1 >/sys/fs/cgroup/pids.max';
  const of = scopedBundle(box, ['sh', '-c', script], (config) => {
    config['linux'].namespaces.push({ type: 'user' });
    const map = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
    Object.assign(config['linux'], { uidMappings: map, gidMappings: map });
    config['mounts'].at(-1).options = ['rw', 'nosuid'];
  });
  must(runProgram('chown', ['-R', '100000:100000', of.rootfs], box.directory));
  must(runProgram('chmod', ['-R', 'a+rX', box.directory], box.directory));
  for (const flags of IS_TSRUN ? [[FLAG], []] : [[FLAG]]) {
    const result = box.run([...flags, 'run', '--bundle', of.path, box.id()], SLOW);
    t.equal(result.stdout, '0::/sub\n', `it may make cgroups ${flags.join('')}`);
    t.match(result.stderr, /pids\.max: Permission denied/, 'and may not change its limits');
  }
});

/** A user without root: his manager makes the scope. */
function userBundle(box: Sandbox): Bundle {
  const of = box.bundle(['sleep', '1000'], (config) => {
    const { linux, mounts, process } = config;
    const types = ['pid', 'ipc', 'uts', 'mount', 'cgroup', 'user'];
    const map = [{ containerID: 0, hostID: 1000, size: 1 }];
    const resources = { memory: { limit: 50_000_000 }, pids: { limit: 20 } };
    config['linux'] = {
      ...linux,
      namespaces: types.map((type) => ({ type })),
      uidMappings: map,
      gidMappings: map,
      resources,
    };
    config['mounts'] = mounts.filter(({ type }: { type: string }) => ['proc', 'tmpfs'].includes(type));
    config['mounts'].push({ destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['nosuid'] });
    for (const set of Object.keys(process.capabilities)) process.capabilities[set] = [];
    delete process.rlimits;
  });
  must(runProgram('chown', ['-R', 'tester:tester', box.directory], box.directory));
  must(runProgram('chmod', ['a+rx', box.directory], box.directory));
  return of;
}

t.test("a user's container is a scope of his manager, from whichever cgroup he comes", { skip }, async (t) => {
  const box = sandbox(t);
  const of = userBundle(box);
  const environment = ['XDG_RUNTIME_DIR=/run/user/1000', 'DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus'];
  // From a service of the system, and from one of his own.
  const ways: readonly (readonly [string, string[]])[] = [
    ['setpriv', ['--reuid=1000', '--regid=1000', '--init-groups', 'env', ...environment]],
    ['as-tester', []],
  ];
  for (const [program, before] of ways) {
    const id = box.id();
    const at = (...args: string[]) => {
      const root = ['--root', `${of.path}/root`];
      return runProgram(program, [...before, RUNTIME, ...root, ...args], box.directory, SLOW);
    };
    must(at(FLAG, 'run', '--detach', '--bundle', of.path, id));
    const unit = `${IS_TSRUN ? 'tsrun' : 'runc'}-${id}.scope`;
    const place = `user.slice/user-1000.slice/user@1000.service/user.slice/${unit}`;
    t.equal(cgroupFile(place, 'pids.max'), '20', `${program}: limits`);
    t.equal(cgroupFile(place, 'cgroup.procs').split('\n').length, 1);
    const inside = must(at('exec', id, 'sh', '-c', 'cat /proc/self/cgroup; mkdir /sys/fs/cgroup/own && echo made'));
    t.equal(inside.stdout, '0::/\nmade\n', `${program}: exec is in it, and it is delegated`);
    must(at('delete', '--force', id));
    t.notOk(existsSync(join(CGROUPS, place)));
  }
});

t.test(
  'without a manager the flag is refused',
  { skip: skipUnless(skip, IS_TSRUN ? false : 'the words of tsrun') },
  async (t) => {
    const box = sandbox(t);
    const of = userBundle(box);
    const args = ['--reuid=1000', '--regid=1000', '--clear-groups', RUNTIME, '--root', `${of.path}/root`, FLAG];
    const result = runProgram('setpriv', [...args, 'create', '--bundle', of.path, box.id()], box.directory, SLOW);
    t.equal(result.status, 1);
    t.match(
      result.stderr,
      /--systemd-cgroup: systemd does not run on this host, or has no manager for this user\nhint: leave --systemd-cgroup out/,
    );
  },
);

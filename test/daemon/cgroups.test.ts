// Which cgroups the daemon's containers have, by the facts of the host.
import t from 'tap';
import { cgroupDriver, cgroupsOfContainers, cgroupsPath } from '../../src/daemon/cgroups.js';
import { HYBRID, UNIFIED, USER_SYSTEMD as USER } from '../helpers/facts.js';

type Facts = Parameters<typeof cgroupDriver>[0];
const root: Facts = { rootless: false, systemd: null, cgroup: UNIFIED };

t.test('root makes cgroups by itself; for a user his systemd does, where it has any to give', async (t) => {
  t.equal(cgroupDriver(root), 'cgroupfs');
  const closed = { ...HYBRID, v1: HYBRID.v1.map((one) => ({ ...one, writable: false })) };
  t.equal(cgroupDriver({ ...root, rootless: true, systemd: USER }), 'systemd');
  t.equal(cgroupDriver({ rootless: true, systemd: USER, cgroup: closed }), 'none', 'cgroup v1 is not delegated');
  t.equal(cgroupDriver({ ...root, rootless: true, cgroup: { ...UNIFIED, own: '/a/b', writable: true } }), 'none');
  const machine = { ...UNIFIED, own: '/', writable: true };
  t.equal(cgroupDriver({ ...root, rootless: true, cgroup: machine }), 'cgroupfs', 'root of a machine in a container');
});

t.test('limits are those of the controllers that containers can have', async (t) => {
  t.equal(cgroupsOfContainers(root), UNIFIED);
  t.match(cgroupsOfContainers({ ...root, rootless: true, systemd: USER }).controllers, ['cpu', 'memory', 'pids']);
  t.match(cgroupsOfContainers({ rootless: true, systemd: null, cgroup: { ...UNIFIED, writable: false } }), {
    mount: null,
    controllers: [],
    v1: [],
  });
});

t.test('cgroupsPath is in the language of the driver', async (t) => {
  t.equal(cgroupsPath('cgroupfs', '', 'id'), '/tsrun/id');
  t.equal(cgroupsPath('cgroupfs', 'mine', 'id'), '/mine/id');
  t.equal(cgroupsPath('systemd', '', 'id'), 'user.slice:tsrun:id');
  t.equal(cgroupsPath('systemd', 'mine.slice', 'id'), 'mine.slice:tsrun:id');
  t.equal(cgroupsPath('none', 'mine', 'id'), undefined);
});

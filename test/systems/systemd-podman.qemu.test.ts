// Podman with --cgroup-manager systemd: the scope of a container from run to rm; checkpoint and restore.
import { readdirSync } from 'node:fs';
import t, { type Test } from 'tap';
import { needCommand, needQemu, skipUnless } from '../helpers/host.js';
import {
  eventually,
  must,
  needRuntime,
  RUNTIME,
  type RunOptions,
  runProgram,
  type Sandbox,
  sandbox,
} from '../helpers/runtime.js';
import { CGROUPS, cgroupFile, isActive, SLOW, show } from '../helpers/systemd.js';

const skip = skipUnless(needQemu(), needRuntime(), needCommand('podman'));

const podman = (box: Sandbox, args: string[], options: RunOptions = {}) => {
  const at = (name: string) => `${box.directory}/${name}`;
  const own = ['--root', at('storage'), '--runroot', at('run'), '--tmpdir', at('tmp'), '--storage-driver', 'vfs'];
  const engine = ['--cgroup-manager', 'systemd', '--events-backend', 'file', '--runtime', RUNTIME];
  return runProgram('podman', [...own, ...engine, ...args], box.directory, { ...SLOW, ...options });
};

/** Podman's storage with one image. */
function withImage(t: Test): Sandbox {
  const box = sandbox(t);
  const image = box.bundle();
  must(runProgram('tar', ['-C', image.rootfs, '-cf', `${box.directory}/image.tar`, '.'], box.directory));
  must(podman(box, ['import', `${box.directory}/image.tar`, 'image']));
  t.teardown(() => podman(box, ['rm', '--all', '--force', '--time', '0']));
  return box;
}

t.test('podman --cgroup-manager systemd', { skip }, async (t) => {
  const box = withImage(t);
  const limits = ['--memory', '64m', '--pids-limit', '50', '--cpus', '0.5'];
  const create = ['--network', 'none', '--name', 'one', ...limits, 'image'];
  must(podman(box, ['run', '--detach', ...create, 'sleep', '1000']));
  const id = must(podman(box, ['inspect', '--format', '{{.Id}}', 'one'])).stdout.trim();
  const unit = `libpod-${id}.scope`;
  t.match(show(box, unit, 'ControlGroup', 'MemoryMax', 'TasksMax', 'CPUQuotaPerSecUSec'), {
    ControlGroup: `/machine.slice/${unit}`,
    MemoryMax: '67108864',
    TasksMax: '50',
    CPUQuotaPerSecUSec: '500ms',
  });
  t.equal(must(podman(box, ['exec', 'one', 'cat', '/proc/self/cgroup'])).stdout, '0::/\n');
  must(podman(box, ['pause', 'one']));
  t.equal(cgroupFile(`machine.slice/${unit}`, 'cgroup.freeze'), '1');
  must(podman(box, ['unpause', 'one']));
  must(podman(box, ['stop', '--time', '1', 'one']));
  t.notOk(isActive(box, unit));
  must(podman(box, ['start', 'one']));
  t.ok(isActive(box, unit), 'the same unit again');
  must(podman(box, ['rm', '--force', '--time', '0', 'one']));
  t.notOk(isActive(box, unit));
  // conmon's own scope goes when conmon has ended.
  const left = () => readdirSync(`${CGROUPS}/machine.slice`).filter((name) => name.includes(id));
  t.ok(
    eventually(() => left().length === 0, 60_000),
    left().join(' '),
  );
});

t.test('podman container checkpoint and restore', { skip: skipUnless(skip, needCommand('criu')) }, async (t) => {
  const box = withImage(t);
  const count = 'i=0; while true; do i=$((i+1)); echo $i >/tmp/count; sleep 0.1; done';
  must(podman(box, ['run', '--detach', '--network', 'none', '--name', 'one', 'image', 'sh', '-c', count]));
  const status = () => must(podman(box, ['inspect', '--format', '{{.State.Status}}', 'one'])).stdout.trim();
  const counter = () => Number(must(podman(box, ['exec', 'one', 'cat', '/tmp/count'])).stdout);
  t.ok(eventually(() => counter() > 3, 60_000));
  const saved = counter();
  must(podman(box, ['container', 'checkpoint', 'one']));
  t.equal(status(), 'exited');
  must(podman(box, ['container', 'restore', 'one']));
  t.equal(status(), 'running');
  t.ok(
    eventually(() => counter() > saved, 60_000),
    'it goes on where it was',
  );
});

// The systemd cgroup driver on a host with cgroup v1: the same tests for a hybrid and a legacy one, which are two boots.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { cgroupsOf } from './cgroup-v1.js';
import { eventually, must, runProgram, sandbox } from './runtime.js';
import { FLAG, isActive, SLOW, show } from './systemd.js';

/** What every kernel has that tests of it boot; cpuset only most. */
const RESOURCES = {
  devices: [
    { allow: false, access: 'rwm' },
    { allow: true, type: 'c', major: 10, minor: 229, access: 'rw' },
  ],
  memory: { limit: 104_857_600, swap: 209_715_200 },
  cpu: { shares: 512, quota: 25_000, period: 50_000 },
  pids: { limit: 77 },
};

const FILES: readonly (readonly [controller: string, file: string, value: string])[] = [
  ['memory', 'memory.limit_in_bytes', '104857600'],
  ['memory', 'memory.memsw.limit_in_bytes', '209715200'],
  ['cpu', 'cpu.shares', '512'],
  ['cpu', 'cpu.cfs_quota_us', '25000'],
  ['cpu', 'cpu.cfs_period_us', '50000'],
  ['pids', 'pids.max', '77'],
];

const read = (cgroups: ReadonlyMap<string, string>, controller: string, file: string): string =>
  readFileSync(join(cgroups.get(controller) ?? '/nonexistent', file), 'utf8').trim();

/** From create to delete: the unit, its cgroup in every hierarchy, limits in files and properties, and nothing left. */
export async function lifecycleOnV1(t: Test): Promise<void> {
  const box = sandbox(t);
  const id = box.id();
  const unit = `test-${id}.scope`;
  const of = box.bundle(['sleep', '1000'], (config) => {
    config['linux'].cgroupsPath = `tsrun-test.slice:test:${id}`;
    config['linux'].resources = RESOURCES;
  });
  must(box.run([FLAG, 'run', '--detach', '--bundle', of.path, id], SLOW));
  const cgroups = cgroupsOf(box.state(id).pid);
  const path = `/tsrun.slice/tsrun-test.slice/${unit}`;
  for (const [controller, directory] of cgroups) {
    if (controller !== '' || existsSync(directory)) t.ok(directory.endsWith(path), `${controller}: ${directory}`);
  }
  for (const [controller, file, value] of FILES) t.equal(read(cgroups, controller, file), value, file);
  t.match(
    show(box, unit, 'ControlGroup', 'MemoryLimit', 'CPUShares', 'CPUQuotaPerSecUSec', 'TasksMax', 'DevicePolicy'),
    {
      ControlGroup: path,
      MemoryLimit: '104857600',
      CPUShares: '512',
      CPUQuotaPerSecUSec: '500ms',
      TasksMax: '77',
      DevicePolicy: 'strict',
    },
  );
  const own = readFileSync(`/proc/${box.state(id).pid}/cgroup`, 'utf8');
  t.equal(must(box.run(['exec', id, 'cat', '/proc/self/cgroup'], SLOW)).stdout, own, 'exec joins all of them');
  const denied = box.run(['exec', id, 'sh', '-c', 'mknod /tmp/m c 1 1 && cat /tmp/m'], SLOW);
  t.match(denied.stderr, /not permitted/, 'the device rules hold');
  must(box.run(['update', '--memory', '120M', '--memory-swap', '240M', '--cpu-quota', '30000', id], SLOW));
  must(runProgram('systemctl', ['daemon-reload'], box.directory, SLOW));
  t.equal(
    read(cgroups, 'memory', 'memory.limit_in_bytes'),
    '125829120',
    'a reload of systemd leaves what update wrote',
  );
  t.equal(read(cgroups, 'cpu', 'cpu.cfs_quota_us'), '30000');
  t.match(show(box, unit, 'CPUQuotaPerSecUSec'), { CPUQuotaPerSecUSec: '600ms' }, 'by the period that was there');
  must(box.run(['pause', id], SLOW));
  t.equal(box.state(id).status, 'paused');
  must(box.run(['resume', id], SLOW));
  must(box.run(['delete', '--force', id], SLOW));
  t.notOk(isActive(box, unit));
  const left = () => [...cgroups.values()].filter((directory) => directory.endsWith(unit) && existsSync(directory));
  t.ok(
    eventually(() => left().length === 0),
    left().join(' '),
  );
}

/** A create that fails, a name that is taken, a container killed from outside. */
export async function failuresOnV1(t: Test): Promise<void> {
  const box = sandbox(t);
  const id = box.id();
  const missing = box.run([FLAG, 'run', '--bundle', box.bundle(['/no/such/program']).path, id], SLOW);
  t.not(missing.status, 0);
  t.notOk(isActive(box, `tsrun-${id}.scope`));
  t.notOk(existsSync(join(box.root, id)), 'nor a state directory');
  const good = box.bundle(['sleep', '1000']);
  must(box.run([FLAG, 'run', '--detach', '--bundle', good.path, id], SLOW));
  const other = ['--root', `${box.directory}/other`, FLAG, 'run', '--detach', '--bundle', good.path, id];
  t.not(box.run(other, SLOW).status, 0, 'a unit of that name has processes');
  t.equal(box.state(id).status, 'running', 'and is not touched');
  must(runProgram('systemctl', ['kill', '--signal=KILL', `tsrun-${id}.scope`], box.directory, SLOW));
  t.ok(eventually(() => box.state(id).status === 'stopped'));
  must(box.run(['delete', id], SLOW));
}

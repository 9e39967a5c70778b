// The systemd cgroup driver on a real systemd: what `systemctl show` says of a container's scope, what the files say, and
// that nothing is left. RUNTIME=/usr/sbin/runc runs the same on runc, but for what only tsrun does.
import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { hits } from '../helpers/cache.js';
import { needQemu, skipUnless } from '../helpers/host.js';
import {
  type Bundle,
  eventually,
  IS_TSRUN,
  must,
  needRuntime,
  RUNTIME,
  runProgram,
  type Sandbox,
  sandbox,
} from '../helpers/runtime.js';

import { CGROUPS, cgroupFile, FLAG, isActive, SLOW, scopedBundle, show } from '../helpers/systemd.js';

const skip = skipUnless(needQemu(), needRuntime());

/** A quota of whole percents: a reload of systemd writes what it knows, which is rounded to them. */
const LIMITS = {
  devices: [
    { allow: false, access: 'rwm' },
    { allow: true, type: 'c', major: 10, minor: 229, access: 'rw' },
  ],
  memory: { limit: 104_857_600, reservation: 52_428_800, swap: 209_715_200 },
  cpu: { quota: 25_000, period: 50_000, cpus: '0-1' },
  pids: { limit: 77 },
  unified: { 'memory.high': '80000000' },
};

function start(box: Sandbox, of: Bundle, id = box.id()): string {
  must(box.run([FLAG, 'run', '--detach', '--bundle', of.path, id], SLOW));
  return id;
}

t.test(
  'a container is a scope: limits as properties and in the files, exec in it, delete ends it',
  { skip },
  async (t) => {
    const box = sandbox(t);
    const id = box.id();
    const unit = `test-${id}.scope`;
    const of = scopedBundle(box, ['sleep', '1000'], (config) => {
      config['linux'].cgroupsPath = `tsrun-test.slice:test:${id}`;
      config['linux'].resources = LIMITS;
      config['annotations'] = { 'org.systemd.property.TimeoutStopSec': '7' };
    });
    must(box.run([FLAG, 'create', '--bundle', of.path, id], SLOW));
    const place = `tsrun.slice/tsrun-test.slice/${unit}`;
    t.match(
    show(box, unit, 'ControlGroup', 'Slice', 'Delegate', 'MemoryMax', 'MemoryLow', 'MemoryHigh', 'MemorySwapMax', 'TasksMax',
      'CPUQuotaPerSecUSec', 'CPUQuotaPeriodUSec', 'AllowedCPUs', 'TimeoutStopUSec', 'DevicePolicy', 'DeviceAllow'),
    {
      ControlGroup: `/${place}`, Slice: 'tsrun-test.slice', Delegate: 'yes', MemoryMax: '104857600', MemoryLow: '52428800',
      MemoryHigh: '80000000', MemorySwapMax: '104857600', TasksMax: '77', CPUQuotaPerSecUSec: '500ms',
      CPUQuotaPeriodUSec: '50ms', AllowedCPUs: '0-1', TimeoutStopUSec: '7s', DevicePolicy: 'strict',
      DeviceAllow: /^\/dev\/char\/10:229 rw$/m,
    },
  ); // biome-ignore format: lists
    const files = {
      'memory.max': '104857600',
      'memory.low': '52428800',
      'cpu.max': '25000 50000',
      'pids.max': '77',
      'cpuset.cpus': '0-1',
    };
    for (const [name, value] of Object.entries(files)) t.equal(cgroupFile(place, name), value, name);
    must(box.run(['start', id], SLOW));
    t.equal(
      must(box.run(['exec', id, 'cat', '/proc/self/cgroup'], SLOW)).stdout,
      '0::/\n',
      'its cgroup is the root it sees',
    );
    t.equal(must(box.run(['exec', id, 'cat', '/sys/fs/cgroup/pids.max'], SLOW)).stdout, '77\n');
    must(runProgram('systemctl', ['daemon-reload'], box.directory, SLOW));
    for (const [name, value] of Object.entries(files))
      t.equal(cgroupFile(place, name), value, `${name} after a reload of systemd`);
    t.match(
      box.run(['exec', id, 'sh', '-c', 'mknod /tmp/m c 1 1 && cat /tmp/m'], SLOW).stderr,
      /not permitted/,
      'the device filter too',
    );
    must(box.run(['pause', id], SLOW));
    t.match(show(box, unit, 'ActiveState'), { ActiveState: 'active' });
    t.equal(box.state(id).status, 'paused');
    must(box.run(['resume', id], SLOW));
    must(box.run(['delete', '--force', id], SLOW));
    t.notOk(isActive(box, unit));
    t.notOk(existsSync(join(CGROUPS, place)));
  },
);

t.test(
  'the properties are those that runc sets',
  { skip: skipUnless(skip, IS_TSRUN ? false : 'runc is what is compared') },
  async (t) => {
    const box = sandbox(t);
    const names =
      'Slice,Delegate,MemoryMax,MemoryLow,MemoryHigh,MemorySwapMax,TasksMax,CPUQuotaPerSecUSec,CPUQuotaPeriodUSec,' +
      'AllowedCPUs,DevicePolicy,MemoryAccounting,CPUAccounting,IOAccounting,TasksAccounting,DefaultDependencies,CollectMode,Wants';
    const shown = [RUNTIME, '/usr/sbin/runc'].map((runtime) => {
      const id = box.id();
      const of = scopedBundle(box, ['sleep', '1000'], (config) => {
        config['linux'].cgroupsPath = `:same:${id}`;
        config['linux'].resources = LIMITS;
      });
      const root = ['--root', `${box.directory}/side`];
      must(runProgram(runtime, [...root, FLAG, 'run', '--detach', '--bundle', of.path, id], box.directory, SLOW));
      const all = show(box, `same-${id}.scope`, ...names.split(','));
      must(runProgram(runtime, [...root, 'delete', '--force', id], box.directory, SLOW));
      return all;
    });
    t.same(shown[0], shown[1]);
    t.equal(shown[0]?.['MemoryMax'], '104857600');
  },
);

t.test(
  'the second container of a kind comes from the plan cache, in a slice and a unit of its own',
  { skip: skipUnless(skip, IS_TSRUN ? false : 'the plan cache is of tsrun') },
  async (t) => {
    const box = sandbox(t);
    for (const [before, pod] of ['pod_a1', 'pod_b22'].entries()) {
      const id = box.id();
      const of = scopedBundle(box, ['sleep', '1000'], (config) => {
        config['linux'].cgroupsPath = `tsrun-test-${pod}.slice:test:name_of_${pod}`;
        config['linux'].resources = LIMITS;
      });
      start(box, of, id);
      t.equal(hits(box), before);
      const unit = `test-name_of_${pod}.scope`;
      const place = `tsrun.slice/tsrun-test.slice/tsrun-test-${pod}.slice/${unit}`;
      t.match(show(box, unit, 'ControlGroup', 'Slice', 'Description', 'MemoryMax', 'AllowedCPUs', 'DevicePolicy'), {
        ControlGroup: `/${place}`,
        Slice: `tsrun-test-${pod}.slice`,
        Description: `tsrun container name_of_${pod}`,
        MemoryMax: '104857600',
        AllowedCPUs: '0-1',
        DevicePolicy: 'strict',
      });
      t.equal(cgroupFile(place, 'pids.max'), '77');
      must(box.run(['delete', '--force', id], SLOW));
      t.notOk(isActive(box, unit), 'and is gone');
    }
  },
);

t.test('update tells systemd, so that a reload does not bring the old limits back', { skip }, async (t) => {
  const box = sandbox(t);
  const id = box.id();
  const of = scopedBundle(box, ['sleep', '1000'], (config) => {
    config['linux'].cgroupsPath = `:test:${id}`;
    config['linux'].resources = LIMITS;
  });
  start(box, of, id);
  const unit = `test-${id}.scope`;
  must(box.run(['update', '--memory', '120M', '--memory-swap', '240M', '--pids-limit', '55', id], SLOW));
  must(runProgram('systemctl', ['daemon-reload'], box.directory, SLOW));
  t.match(show(box, unit, 'MemoryMax', 'TasksMax'), { MemoryMax: '125829120', TasksMax: '55' });
  t.equal(cgroupFile(`system.slice/${unit}`, 'memory.max'), '125829120');
  t.equal(cgroupFile(`system.slice/${unit}`, 'pids.max'), '55');
});

t.test('run in the foreground, and a create that fails, leave no unit', { skip }, async (t) => {
  const box = sandbox(t);
  const id = box.id();
  const units = () =>
    must(runProgram('systemctl', ['list-units', '--all', '--no-legend', `*${id}*`], box.directory, SLOW)).stdout;
  const good = scopedBundle(box, ['sh', '-c', 'cat /proc/self/cgroup; exit 3']);
  const result = box.run([FLAG, 'run', '--bundle', good.path, id], SLOW);
  t.same([result.status, result.stdout], [3, '0::/\n']);
  t.equal(units(), '');
  const missing = scopedBundle(box, ['/no/such/program']);
  t.not(box.run([FLAG, 'run', '--bundle', missing.path, id], SLOW).status, 0);
  t.equal(units(), '');
  t.notOk(existsSync(join(box.root, id)), 'nor a state directory');
});

t.test(
  'what systemd refuses is told with its words',
  { skip: skipUnless(skip, IS_TSRUN ? false : 'the words of tsrun') },
  async (t) => {
    const box = sandbox(t);
    const id = box.id();
    const refused = (edit: (config: Bundle['config']) => void): string => {
      const result = box.run([FLAG, 'create', '--bundle', scopedBundle(box, ['true'], edit).path, id], SLOW);
      t.equal(result.status, 1);
      return result.stderr;
    };
    const annotated = (name: string, value: string) =>
      refused((config) => {
        config['annotations'] = { [`org.systemd.property.${name}`]: value };
      });
    const place = '/annotations/org.systemd.property.';
    t.match(
      annotated('NoSuchThing', 'true'),
      `${place}NoSuchThing: have systemd start 'tsrun-${id}.scope': "Cannot set property NoSuchThing`,
    );
    t.match(annotated('CollectMode', "'foo'"), `${place}CollectMode: have systemd start`);
    t.match(
      annotated('CollectMode', '5'),
      /Unexpected message contents[\s\S]*hint: a value has the wrong type: org\.systemd\.property\.CollectMode/,
    );
    const path = refused((config) => {
      config['linux'].cgroupsPath = '/foo/bar';
    });
    t.match(
      path,
      'expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got "/foo/bar" instead',
    );
  },
);

t.test('a unit of the same name is in the way only while it has processes', { skip }, async (t) => {
  const box = sandbox(t);
  const of = scopedBundle(box, ['sleep', '1000']);
  const id = box.id();
  const unit = `${IS_TSRUN ? 'tsrun' : 'runc'}-${id}.scope`;
  const scope = [
    '--quiet',
    `--unit=${unit}`,
    '--scope',
    '-p',
    'RuntimeMaxSec=1',
    '-p',
    'TimeoutStopSec=1',
    'sleep',
    '60',
  ];
  runProgram('systemd-run', scope, box.directory, SLOW);
  t.ok(
    eventually(() => show(box, unit, 'ActiveState')['ActiveState'] === 'failed', 30_000),
    'a failed unit lies there',
  );
  start(box, of, id);
  t.ok(isActive(box, unit));
  const other = ['--root', `${box.directory}/other`, FLAG, 'run', '--detach', '--bundle', of.path, id];
  const second = runProgram(RUNTIME, other, box.directory, SLOW);
  t.not(second.status, 0);
  if (IS_TSRUN) t.match(second.stderr, /a unit of that name has processes/);
  t.equal(box.state(id).status, 'running', 'the first one is not touched');
  must(runProgram('systemctl', ['kill', '--signal=KILL', unit], box.directory, SLOW));
  t.ok(eventually(() => box.state(id).status === 'stopped'));
  must(box.run(['delete', id], SLOW));
});

t.test(
  'without the private socket the system bus will do',
  { skip: skipUnless(skip, IS_TSRUN ? false : 'tsrun has both') },
  async (t) => {
    const box = sandbox(t);
    const hidden = '/run/systemd/private.hidden';
    renameSync('/run/systemd/private', hidden);
    try {
      const id = start(box, scopedBundle(box, ['sleep', '1000']));
      t.ok(isActive(box, `tsrun-${id}.scope`));
      must(box.run(['delete', '--force', id], SLOW));
      t.notOk(isActive(box, `tsrun-${id}.scope`));
    } finally {
      renameSync(hidden, '/run/systemd/private');
    }
  },
);

// update on whatever cgroups the host has: device rules of a running container change at once, limits go where their
// controller is, and the texts of refusals.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { needHybrid, skipUnless } from '../helpers/host.js';
import { IS_TSRUN, must, needRuntime, sandbox } from '../helpers/runtime.js';

const skip = needRuntime();
const onlyTsrun = skip || (IS_TSRUN ? false : 'other runtimes do otherwise');
const MIB = 1 << 20;

const FUSE = { path: '/dev/fuse', type: 'c', major: 10, minor: 229, fileMode: 0o666, uid: 0, gid: 0 };
const DENY = { allow: false, access: 'rwm' };
const ALLOW = { allow: true, type: 'c', major: 10, minor: 229, access: 'r' };

t.test(
  'update -r with devices: the rules of the running container change, without devices they stay',
  { skip: onlyTsrun },
  async (t) => {
    const box = sandbox(t);
    const id = box.start(
      box.bundle(['sleep', '1000'], (config) => {
        config['linux'].resources = { devices: [DENY] };
        config['linux'].devices = [FUSE];
      }),
    );
    const reads = () => box.run(['exec', id, 'sh', '-c', 'exec </dev/fuse']).status === 0;
    const update = (resources: object) =>
      must(box.run(['update', '-r', '-', id], { input: JSON.stringify(resources) }));
    t.notOk(reads(), 'as created');
    update({ devices: [DENY, ALLOW] });
    t.ok(reads(), 'allowed now');
    update({ cpu: {} });
    t.ok(reads(), 'no rules named, none changed');
    update({ devices: [DENY] });
    t.notOk(reads(), 'and denied again');
    update({ devices: [{ allow: true, access: 'rwm' }] });
    t.ok(reads(), 'everything is allowed');
    update({ devices: [DENY] });
    t.notOk(reads());
    t.equal(box.run(['exec', id, 'head', '-c', '1', '/dev/zero']).status, 0, 'the standard devices stay');
    const { config } = JSON.parse(readFileSync(join(box.root, id, 'state.json'), 'utf8'));
    t.same(config.linux.resources.devices, [DENY], 'the record follows');
  },
);

t.test('update where the controllers are bound to cgroup v1', { skip: skipUnless(skip, needHybrid()) }, async (t) => {
  const box = sandbox(t);
  const id = box.start(
    box.bundle(['sleep', '1000'], (config) => {
      config['linux'].resources = { memory: { limit: 32 * MIB }, pids: { limit: 30 } };
    }),
  );
  const value = (controller: string, file: string): string => {
    const line = readFileSync(`/proc/${box.state(id).pid}/cgroup`, 'utf8')
      .split('\n')
      .find((one) => one.split(':')[1]?.split(',').includes(controller));
    const [, names = '', path = ''] = line?.split(':') ?? [];
    return readFileSync(join('/sys/fs/cgroup', names, path, file), 'utf8').trim();
  };
  must(box.run(['update', '--memory', '64M', '--pids-limit', '40', '--cpu-share', '512', '--cpu-quota', '50000', id]));
  t.equal(value('memory', 'memory.limit_in_bytes'), String(64 * MIB));
  t.equal(value('pids', 'pids.max'), '40');
  t.equal(value('cpu', 'cpu.shares'), '512');
  t.equal(value('cpu', 'cpu.cfs_quota_us'), '50000');
  must(box.run(['update', '--cpu-period', '50000', id]));
  t.equal(value('cpu', 'cpu.cfs_quota_us'), '50000', 'only what is named changes');
  must(box.run(['update', '--memory', '16M', '--memory-swap', '32M', id]));
  t.equal(value('memory', 'memory.limit_in_bytes'), String(16 * MIB));
  must(box.run(['update', '--memory', '128M', '--memory-swap', '-1', id]));
  t.equal(value('memory', 'memory.limit_in_bytes'), String(128 * MIB));
  const refused = box.run(['update', '--pids-limit', '50', '--cpuset-cpus', '500', id]);
  t.not(refused.status, 0);
  if (!IS_TSRUN) return;
  t.match(refused.stderr, /--cpuset-cpus: .*ERANGE|--cpuset-cpus: .*EINVAL/);
  t.equal(value('pids', 'pids.max'), '40', 'set back');
});

t.test('update refuses by the name of the flag', { skip: onlyTsrun }, async (t) => {
  const box = sandbox(t);
  const id = box.start(box.bundle());
  const refused = (args: string[], text: RegExp) => {
    const result = box.run(['update', ...args, id]);
    t.not(result.status, 0, args.join(' '));
    t.match(result.stderr, text);
  };
  refused(['--memory', 'much'], /--memory: invalid value "much"/);
  refused(['--pids-limit', 'many'], /--pids-limit: invalid value "many"/);
  refused(['--cpu-period', '5'], /--cpu-period: out of range/);
  refused(['--memory-swap', '5M'], /--memory-swap: unable to set swap limit without memory limit/);
  refused(['--l3-cache-schema', 'L3:0=f'], /--l3-cache-schema: the container was created without linux.intelRdt/);
  refused(['--mem-bw-schema', 'L3:0=f'], /--mem-bw-schema: invalid value "L3:0=f"/);
  refused(['--resources', '/no/such/file'], /--resources: .*no such file or directory/);
  t.match(box.run(['update', '--pids-limit', '5', box.id()]).stderr, /container does not exist/);
  t.match(
    must(box.run(['update', '-r', '-', '--memory', '1G', id], { input: '{}' })).stderr,
    /--memory has no effect beside --resources/,
  );
});

t.test('exec --cgroup starts in a cgroup below that of the container', { skip: onlyTsrun }, async (t) => {
  const box = sandbox(t);
  const id = box.start(box.bundle(['sleep', '1000']));
  const own = readFileSync(`/proc/${box.state(id).pid}/cgroup`, 'utf8');
  for (const line of own.trim().split('\n')) {
    const [, names = '', path = ''] = line.split(':');
    const mount = mountOf(names);
    if (mount === undefined) continue;
    mkdirSync(join(mount, path, 'below'), { recursive: true });
    // In cgroup v1 a new one has none, and takes no process so.
    for (const file of names === 'cpuset' ? ['cpuset.cpus', 'cpuset.mems'] : [])
      writeFileSync(join(mount, path, 'below', file), readFileSync(join(mount, path, file)));
  }
  const inside = must(box.run(['exec', '--cgroup', 'below', id, 'cat', '/proc/self/cgroup'])).stdout;
  t.match(inside, /^0::.*\/below$/m);
  t.match(
    must(box.run(['exec', '--cgroup', '/', id, 'cat', '/proc/self/cgroup'])).stdout,
    own.trim().split('\n').at(-1) ?? '',
  );
  t.match(box.run(['exec', '--cgroup', '..', id, 'true']).stderr, /bad sub cgroup path/);
  t.match(box.run(['exec', '--cgroup', 'missing', id, 'true']).stderr, / cgroup .*no such file or directory/);
  t.match(box.run(['exec', '--cgroup', 'nosuch:below', id, 'true']).stderr, /unknown controller "nosuch"/);
});

/** Of the hierarchy with these controllers; "" is cgroup2. */
function mountOf(names: string): string | undefined {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  const found = lines.find((line) =>
    names === ''
      ? line.includes(' - cgroup2 ')
      : line.includes(' - cgroup ') &&
        names.split(',').every((name) => line.split(' - ')[1]?.split(/[ ,]/).includes(name)),
  );
  return found?.split(' ')[4];
}

// tsrun mounts: mounts of a container that runs. All or nothing, attached where the container's paths lead inside its root.
import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { TestConfig } from '../helpers/config.js';
import { needUserNamespace, type Skip, skipUnless } from '../helpers/host.js';
import { eventually, IS_TSRUN, must, needRuntime, type Result, type Sandbox, sandbox } from '../helpers/runtime.js';

const skip = skipUnless(needRuntime(), IS_TSRUN ? false : 'what other runtimes do not have');
const skipUserns: Skip = skip || needUserNamespace();

interface Row {
  readonly destination: string;
  readonly origin: string;
  readonly options: readonly string[];
}

function source(box: Sandbox, name = 'data'): string {
  const path = join(box.directory, name);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'file'), 'text\n');
  return path;
}

const add = (box: Sandbox, id: string, mounts: unknown): Result =>
  box.run(['mounts', 'add', id, '-'], { input: JSON.stringify(mounts) });

const remove = (box: Sandbox, id: string, ...paths: string[]): Result =>
  box.run(['mounts', ...paths.flatMap((path) => ['-d', path]), 'remove', id]);

const list = (box: Sandbox, id: string): Row[] =>
  JSON.parse(must(box.run(['mounts', '--format', 'json', 'list', id])).stdout);

const origins = (box: Sandbox, id: string, origin: string) =>
  list(box, id)
    .filter((row) => row.origin === origin)
    .map(({ destination }) => destination)
    .sort();

const sh = (box: Sandbox, id: string, script: string): Result => box.run(['exec', id, 'sh', '-c', script]);

t.test(
  'mounts add mounts binds and new file systems, list tells them from those of the config, remove takes them away',
  { skip },
  async (t) => {
    const box = sandbox(t);
    const data = source(box);
    const id = box.start(box.bundle());
    must(
      add(box, id, [
        { destination: '/data', source: data, options: ['rbind', 'ro', 'rnosuid'] },
        { destination: '/mnt/one', source: join(data, 'file'), options: ['bind'] },
        { destination: '/srv/new/tmp', type: 'tmpfs', source: 'tmpfs', options: ['size=64k', 'mode=700'] },
      ]),
    );
    t.same(origins(box, id, 'live'), ['/data', '/mnt/one', '/srv/new/tmp']);
    t.ok(origins(box, id, 'config').includes('/dev/shm'));
    const seen = sh(box, id, 'cat /data/file /mnt/one; stat -c %a /srv/new/tmp; touch /srv/new/tmp/x; touch /data/x');
    t.equal(seen.stdout, 'text\ntext\n700\n');
    t.match(seen.stderr, /Read-only file system/);
    const options = list(box, id).find(({ destination }) => destination === '/data')?.options;
    t.ok(options?.includes('ro') && options.includes('nosuid'));
    must(remove(box, id, '/data', '/mnt/one'));
    t.same(origins(box, id, 'live'), ['/srv/new/tmp']);
    t.not(sh(box, id, 'cat /data/file').status, 0);
    must(box.run(['mounts', 'remove', id, '-'], { input: JSON.stringify([{ destination: '/srv/new/tmp' }]) }));
    t.same(origins(box, id, 'live'), []);
    t.notOk(existsSync(join(data, 'x')));
  },
);

t.test('mounts add refuses with all problems at once, and mounts nothing', { skip }, async (t) => {
  const box = sandbox(t);
  const data = source(box);
  const id = box.start(box.bundle());
  const before = list(box, id);
  const bind = { source: data, options: ['bind'] };
  const { status, stderr } = add(box, id, [
    { ...bind, destination: '/proc/sys' },
    { ...bind, destination: '/' },
    { destination: '/sys2', type: 'sysfs', source: 'sysfs' },
    { destination: '/tmp', options: ['remount', 'ro'] },
    { ...bind, destination: '/ok', options: ['bind', 'size=1m'] },
  ]);
  t.equal(status, 1);
  for (const path of ['0/destination', '1/destination', '4/options/1']) t.match(stderr, `/mounts/${path}`);
  const late = add(box, id, [
    { ...bind, destination: '/a' },
    { ...bind, destination: '/a' },
    { destination: '/sys2', type: 'sysfs', source: 'sysfs' },
    { destination: '/tmp', options: ['remount', 'ro'] },
  ]);
  for (const path of ['1/destination', '2/type', '3/options']) t.match(late.stderr, `/mounts/${path}`);
  t.same(list(box, id), before);
});

t.test('mounts add takes back what it has attached when a later mount fails', { skip }, async (t) => {
  const box = sandbox(t);
  const data = source(box);
  const bundle = box.bundle();
  const id = box.start(bundle);
  const before = list(box, id);
  const bind = { source: data, options: ['bind'] };
  const wrong = add(box, id, [
    { ...bind, destination: '/data' },
    { destination: '/bad', type: 'tmpfs', source: 'tmpfs', options: ['size=none'] },
  ]);
  t.match(wrong.stderr, /mounts\/1: mount 'tmpfs'.*EINVAL/);
  t.same(
    readdirSync(bundle.rootfs).filter((name) => name === 'data' || name === 'bad'),
    [],
    'nor are mount points made',
  );
  const file = add(box, id, [
    { ...bind, destination: '/data' },
    { ...bind, destination: '/mnt', source: join(data, 'file') },
  ]);
  t.equal(file.status, 1);
  t.match(file.stderr, /source and destination must both be directories/);
  t.same(list(box, id), before);
  t.equal(readFileSync(join(box.root, id, 'mounts.json'), 'utf8'), '', 'the record is as before');
  must(add(box, id, [{ ...bind, destination: '/data' }]));
});

t.test('mounts remove takes only live mounts, and those of the config with --force', { skip }, async (t) => {
  const box = sandbox(t);
  const id = box.start(box.bundle());
  must(add(box, id, [{ destination: '/mnt', type: 'tmpfs', source: 'tmpfs' }]));
  const refused = remove(box, id, '/mnt', '/dev/shm', '/proc/keys', '/etc');
  t.equal(refused.status, 1);
  t.equal(refused.stderr.match(/has no live mount/g)?.length, 3);
  t.same(origins(box, id, 'live'), ['/mnt'], 'nothing is removed then');
  const masked = box.run(['mounts', '--force', '-d', '/proc/keys', 'remove', id]);
  t.equal(masked.status, 1, 'a mask is no mount of the config');
  must(box.run(['mounts', '--force', '-d', '/dev/shm', 'remove', id]));
  t.notOk(origins(box, id, 'config').includes('/dev/shm'));
});

t.test(
  'mounts work in a user namespace: owners, sources behind a closed directory, removal',
  { skip: skipUserns },
  async (t) => {
    const box = sandbox(t);
    const data = source(box, 'closed/data');
    const bundle = box.bundle(undefined, (config: TestConfig) => {
      const maps = [{ containerID: 0, hostID: 100_000, size: 65536 }];
      config['linux'].namespaces.push({ type: 'user' });
      config['linux'].uidMappings = maps;
      config['linux'].gidMappings = maps;
    });
    spawnSync('chown', ['-Rh', '100000:100000', bundle.rootfs]);
    spawnSync('chmod', ['700', join(box.directory, 'closed')]);
    const id = box.start(bundle);
    must(
      add(box, id, [
        { destination: '/new/data', source: data, options: ['bind', 'idmap'] },
        { destination: '/tmpfs', type: 'tmpfs', source: 'tmpfs' },
      ]),
    );
    const seen = sh(
      box,
      id,
      'stat -c "%u %n" /new /new/data/file /tmpfs; touch /tmpfs/x && echo written; umount /tmpfs',
    );
    t.equal(seen.stdout, '0 /new\n0 /new/data/file\n0 /tmpfs\nwritten\n');
    t.equal(lstatSync(join(bundle.rootfs, 'new')).uid, 100_000, 'mount points belong to root of the container');
    must(remove(box, id, '/new/data', '/tmpfs'));
    t.same(origins(box, id, 'live'), []);
  },
);

t.test('mounts add works on a created container, and says so for one that has stopped', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['sh', '-c', 'cat /data/file >/mnt/seen; exit 0']);
  const data = source(box);
  const id = box.id();
  must(box.run(['create', '--bundle', bundle.path, id]));
  must(add(box, id, [{ destination: '/data', source: data, options: ['bind'] }]));
  must(box.run(['start', id]));
  t.ok(eventually(() => box.state(id).status === 'stopped'));
  t.equal(readFileSync(join(bundle.rootfs, 'mnt/seen'), 'utf8'), 'text\n');
  const { status, stderr } = add(box, id, [{ destination: '/data', source: data, options: ['bind'] }]);
  t.equal(status, 1);
  t.match(stderr, /container not running/);
});

t.test('two mounts add at once both succeed and are both on record', { skip }, async (t) => {
  const box = sandbox(t);
  const data = source(box);
  const id = box.start(box.bundle());
  const file = (n: number) => {
    const path = join(box.directory, `mounts-${n}.json`);
    writeFileSync(path, JSON.stringify([{ destination: `/m${n}`, source: data, options: ['bind'] }]));
    return path;
  };
  const command = (n: number) => `"$0" --root ${box.root} mounts add ${id} ${file(n)} &`;
  const script = `${[1, 2, 3].map(command).join(' ')} wait`;
  spawnSync('sh', ['-c', script, join(process.cwd(), 'bin/tsrun')], { encoding: 'utf8' });
  t.same(origins(box, id, 'live'), ['/m1', '/m2', '/m3']);
});

// Id-mapped mounts (runtime-spec config.md, "Mounts"): who owns what, seen from inside and on the disk.
import { spawnSync } from 'node:child_process';
import { chownSync, lstatSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { TestConfig } from '../helpers/config.js';
import { needUserNamespace, type Skip, skipUnless } from '../helpers/host.js';
import { type Bundle, IS_TSRUN, must, needRuntime, type Sandbox, sandbox } from '../helpers/runtime.js';

const skip = skipUnless(needRuntime(), needUserNamespace());
const ownOnly: Skip = skip || (IS_TSRUN ? false : 'what other runtimes do not have');

const FIRST = 100_000;
const map = (containerID: number, hostID: number, size: number) => [{ containerID, hostID, size }];

/** A directory that root owns, with a file of uid 5 and gid 6. */
function source(box: Sandbox, name: string): string {
  const path = join(box.directory, name);
  mkdirSync(join(path, 'below'), { recursive: true });
  writeFileSync(join(path, 'file'), 'text');
  chownSync(join(path, 'file'), 5, 6);
  return path;
}

/** With a user namespace that the root file system is owned in. */
function mapped(
  box: Sandbox,
  script: string,
  mounts: readonly TestConfig[],
  edit?: (config: TestConfig) => void,
): Bundle {
  const bundle = box.bundle(['sh', '-c', script], (config) => {
    config['linux'].namespaces.push({ type: 'user' });
    config['linux'].uidMappings = map(0, FIRST, 65536);
    config['linux'].gidMappings = map(0, FIRST, 65536);
    config['mounts'].push(...mounts);
    edit?.(config);
  });
  spawnSync('chown', ['-Rh', `${FIRST}:${FIRST}`, bundle.rootfs]);
  return bundle;
}

const run = (box: Sandbox, bundle: Bundle) => must(box.run(['run', '--bundle', bundle.path, box.id()])).stdout;

t.test(
  'an id-mapped bind shows files with the ids they have on the disk, and gives new ones those',
  { skip },
  async (t) => {
    const box = sandbox(t);
    const data = source(box, 'data');
    const script = "stat -c '%u:%g' /data /data/file /plain/file; touch /data/new";
    const bundle = mapped(box, script, [
      { destination: '/data', type: 'bind', source: data, options: ['bind', 'idmap'] },
      { destination: '/plain', type: 'bind', source: data, options: ['bind'] },
    ]);
    t.equal(run(box, bundle), '0:0\n5:6\n65534:65534\n', 'the plain bind is the twin');
    t.equal(lstatSync(join(data, 'new')).uid, 0);
  },
);

t.test('uidMappings and gidMappings of the mount count, without a user namespace too', { skip: ownOnly }, async (t) => {
  const box = sandbox(t);
  const data = source(box, 'data');
  const bundle = box.bundle(['sh', '-c', "stat -c '%u:%g' /data/file /run"], (config) => {
    const maps = { uidMappings: map(0, 1000, 100), gidMappings: map(0, 2000, 100) };
    config['mounts'].push({ destination: '/data', type: 'bind', source: data, options: ['bind'], ...maps });
    config['mounts'].push({
      destination: '/run',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['idmap', 'uid=7'],
      ...maps,
    });
  });
  t.equal(run(box, bundle), '1005:2006\n1007:2000\n');
});

t.test('ridmap maps the mounts below, idmap only the mount itself', { skip: ownOnly }, async (t) => {
  const box = sandbox(t);
  const data = source(box, 'data');
  const script = "stat -c '%u' /all /all/below /top /top/below";
  const bundle = mapped(box, script, [
    { destination: '/all', type: 'bind', source: data, options: ['rbind', 'ridmap'] },
    { destination: '/top', type: 'bind', source: data, options: ['rbind', 'idmap'] },
  ]);
  must({
    status: spawnSync('mount', ['-t', 'tmpfs', 'tmpfs', join(data, 'below')]).status ?? 1,
    stdout: '',
    stderr: 'mount',
  });
  try {
    t.equal(run(box, bundle), '0\n0\n0\n65534\n');
  } finally {
    spawnSync('umount', [join(data, 'below')]);
  }
});

t.test(
  'a new tmpfs can be id-mapped in a user namespace, with what it covers copied up',
  { skip: ownOnly },
  async (t) => {
    const box = sandbox(t);
    const script = "stat -c '%n %u:%g %a' /etc /etc/passwd; echo x >/etc/x && grep ' /etc ' /proc/self/mountinfo";
    const bundle = mapped(box, script, [
      { destination: '/etc', type: 'tmpfs', source: 'tmpfs', options: ['idmap', 'tmpcopyup', 'nosuid'] },
    ]);
    t.match(run(box, bundle), /^\/etc 0:0 755\n\/etc\/passwd 0:0 644\n.* rw,nosuid,relatime,idmapped/);
  },
);

t.test("the option's own mapping is taken, relative to the container's with @", { skip: ownOnly }, async (t) => {
  const box = sandbox(t);
  const data = source(box, 'data');
  const option = (destination: string, text: string) => ({
    destination,
    type: 'bind',
    source: data,
    options: ['bind', text],
  });
  const bundle = mapped(box, "stat -c '%u:%g' /a/file /b/file", [
    option('/a', 'idmap=uids=@0-1000-10;gids=@6-50-1'),
    option('/b', `idmap=uids=5-${FIRST + 33}-1`),
  ]);
  t.equal(run(box, bundle), '1005:50\n33:6\n');
});

t.test('with user namespaces of several ranges and a mount of each', { skip: ownOnly }, async (t) => {
  const box = sandbox(t);
  const data = source(box, 'data');
  const idmap = { destination: '/data', type: 'bind', source: data, options: ['bind', 'idmap'] };
  const bundle = mapped(box, "stat -c '%u:%g' /data/file", [idmap], (config) => {
    const ranges = [...map(0, FIRST, 5), ...map(5, 300_000, 10)];
    config['linux'].uidMappings = ranges;
    config['linux'].gidMappings = ranges;
  });
  t.equal(run(box, bundle), '5:6\n');
});

t.test('a file system that takes no mapping is named', { skip: ownOnly }, async (t) => {
  const box = sandbox(t);
  const bundle = mapped(box, 'true', [{ destination: '/mnt', type: 'ramfs', source: 'ramfs', options: ['idmap'] }]);
  const { status, stderr } = box.run(['run', '--bundle', bundle.path, box.id()]);
  t.equal(status, 1);
  t.match(
    stderr,
    /\/mounts\/6: map the ids of the mount: EINVAL[\s\S]*hint: ramfs, or what is mounted below it, takes no id mapping/,
  );
});

// What every driver of snapshots promises; each runs all of it.
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { Driver } from '../../src/snapshot/driver.js';
import { unpackLayers } from '../../src/snapshot/layers.js';
import type { Mount } from '../../src/snapshot/mount.js';
import { Snapshotter } from '../../src/snapshot/snapshotter.js';
import { SnapshotStore } from '../../src/snapshot/store.js';
import { exportTree } from '../../src/snapshot/trees.js';
import { inUserNamespace } from '../../src/util/user-namespace.js';
import type { Skip } from '../helpers/host.js';
import { blobOf, describeTree, itemsTar, scratch, sh, treeTar, ZOO } from '../helpers/layers.js';

/** overlayfs of a user shows the names of a file of a layer below as two files once it was changed; what is stored is one. */
const LINK_AND_NODE = inUserNamespace()
  ? 'printf x > n/first; ln n/first n/second; mkfifo n/pipe'
  : 'ln usr/file usr/second; mknod n/dev c 1 3';

/** Mounts as mount(8) would; the test's directory is unmounted at its end. */
export function mountAt(directory: string, name: string, mounts: readonly Mount[]): string {
  const target = join(directory, name);
  mkdirSync(target);
  for (const { type, source, options } of mounts) {
    const list = options.join(',').replace('rbind', 'bind');
    sh(`mount -t ${type} -o '${list}' ${source} ${target}`, directory);
  }
  return target;
}

export async function collect(parts: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const part of parts) all.push(part);
  return Buffer.concat(all);
}

const BASE = [
  { name: 'etc/', kind: 'directory' as const, mode: 0o750, uid: 7 },
  { name: 'etc/passwd', data: 'root\n' },
  { name: 'etc/gone', data: 'x' },
  { name: 'var/', kind: 'directory' as const },
  { name: 'var/a', data: 'a' },
  { name: 'var/sub/', kind: 'directory' as const },
  { name: 'var/sub/b', data: 'b' },
  { name: 'usr/', kind: 'directory' as const, mode: 0o711, uid: 3, gid: 4 },
  { name: 'usr/file', data: 'shared', mode: 0o4755, uid: 5 },
];

function made(t: Test, driver: Driver) {
  const directory = scratch(t);
  const store = new SnapshotStore(directory);
  return { directory, store, snapshots: new Snapshotter(store, driver) };
}

export function contract(t: Test, driver: Driver, skip: Skip): void {
  layersLookRight(t, driver, skip);
  layersTakeFromBelow(t, driver, skip);
  changesAreLayers(t, driver, skip);
  marksAreNoChanges(t, driver, skip);
}

function layersLookRight(t: Test, driver: Driver, skip: Skip): void {
  t.test('a snapshot of a layer with every kind of file looks as GNU tar unpacks it', { skip }, async (t) => {
    const { directory, store, snapshots } = made(t, driver);
    const tar = treeTar(directory, ZOO);
    const parent = await unpackLayers(store, [blobOf(directory, tar, 'gzip')]);
    const target = mountAt(directory, 'mnt', await snapshots.view({ key: 'one', parent }));
    mkdirSync(join(directory, 'tar'));
    sh(
      `tar --numeric-owner --xattrs --xattrs-include='*' -xpf - < ${blobOf(directory, tar).blob}`,
      join(directory, 'tar'),
    );
    t.same(describeTree(target), describeTree(join(directory, 'tar')));
    t.ok(statSync(join(target, 'sparse')).blocks < 1000, 'holes stay holes');
  });

  t.test('layers hide, replace and open what is below them', { skip }, async (t) => {
    const { directory, store, snapshots } = made(t, driver);
    const over = [
      { name: 'etc/.wh.gone' },
      { name: 'var/', kind: 'directory' as const },
      { name: 'var/new', data: 'n' },
      { name: 'var/.wh..wh..opq' },
      { name: 'etc/passwd', kind: 'directory' as const },
    ];
    const layers = [blobOf(directory, itemsTar(BASE)), blobOf(directory, itemsTar(over), 'zstd')];
    const parent = await unpackLayers(store, layers);
    const target = mountAt(directory, 'mnt', await snapshots.prepare({ key: 'one', parent }));
    t.same(readdirSync(join(target, 'etc')), ['passwd']);
    t.ok(statSync(join(target, 'etc/passwd')).isDirectory());
    t.same(
      readdirSync(join(target, 'var')),
      ['new'],
      'the opaque mark counts for what came before it in the layer, too',
    );
  });
}

function layersTakeFromBelow(t: Test, driver: Driver, skip: Skip): void {
  t.test('directories without an entry of their own keep the attributes they have below', { skip }, async (t) => {
    const { directory, store, snapshots } = made(t, driver);
    const layers = [BASE, [{ name: 'usr/new', data: 'n' }]].map((items) => blobOf(directory, itemsTar(items)));
    const parent = await unpackLayers(store, layers);
    const target = mountAt(directory, 'mnt', await snapshots.prepare({ key: 'one', parent }));
    const { mode, uid, gid, mtimeMs } = statSync(join(target, 'usr'));
    t.same([mode & 0o7777, uid, gid, mtimeMs], [0o711, 3, 4, 1e12]);
  });

  t.test(
    'a layer without an entry for its root has the root of the next one below that has one',
    { skip },
    async (t) => {
      const { directory, store, snapshots } = made(t, driver);
      const root = (mode: number) => ({ name: './', kind: 'directory' as const, mode, uid: 7 });
      const file = (name: string) => ({ name, data: name });
      const images = [[root(0o711), file('a')], [file('b')], [file('c'), root(0o750)], [file('d')], [file('e')]];
      const layers = images.map((items) => blobOf(directory, itemsTar(items)));
      const modes: number[] = [];
      // Some in one go and some apart: a root comes from a layer of the same go or from one that was there before.
      for (const count of [1, 2, 4, 5]) {
        const parent = await unpackLayers(store, layers.slice(0, count));
        const target = mountAt(directory, `mnt${count}`, await snapshots.view({ key: `v${count}`, parent }));
        const { mode, uid, mtimeMs } = statSync(target);
        modes.push(mode & 0o7777);
        t.same([uid, mtimeMs], [7, 1e12]);
      }
      t.same(modes, [0o711, 0o711, 0o750, 0o750]);
    },
  );

  t.test('a hard link to a file of a layer below has its content and attributes', { skip }, async (t) => {
    const { directory, store, snapshots } = made(t, driver);
    const link = { name: 'etc/link', kind: 'hardlink' as const, link: 'usr/file' };
    const layers = [BASE, [link]].map((items) => blobOf(directory, itemsTar(items)));
    const parent = await unpackLayers(store, layers);
    const target = mountAt(directory, 'mnt', await snapshots.prepare({ key: 'one', parent }));
    t.equal(readFileSync(join(target, 'etc/link'), 'utf8'), 'shared');
    t.equal(statSync(join(target, 'etc/link')).mode & 0o7777, 0o4755);
    t.equal(statSync(join(target, 'etc/link')).ino, statSync(join(target, 'usr/file')).ino, 'one file');
    t.equal(statSync(join(target, 'etc')).mode & 0o7777, 0o750);
  });
}

function marksAreNoChanges(t: Test, driver: Driver, skip: Skip): void {
  t.test('a mark is there, and is no change; one of the image stays', { skip }, async (t) => {
    const { directory, store, snapshots } = made(t, driver);
    const parent = await unpackLayers(store, [blobOf(directory, itemsTar([{ name: '.own', data: 'x' }]))]);
    const target = mountAt(directory, 'one', await snapshots.prepare({ key: 'one', parent, marks: ['.mark', '.own'] }));
    t.match(statSync(join(target, '.mark')), { size: 0, mode: 0o100755 });
    t.equal(readFileSync(join(target, '.own'), 'utf8'), 'x');
    const namesOf = async () =>
      sh(`tar -tf ${blobOf(directory, await collect(snapshots.diff('one'))).blob}`, directory).match(/[.]?\w+/g) ?? [];
    sh('touch file', target);
    t.same(await namesOf(), ['file']);
    sh('echo more > .mark', target);
    t.same(await namesOf(), ['.mark', 'file'], 'but what somebody wrote into it is');
  });
}

function changesAreLayers(t: Test, driver: Driver, skip: Skip): void {
  t.test('what was changed is a layer, and the same changes are the same bytes', { skip }, async (t) => {
    const { directory, store, snapshots } = made(t, driver);
    const base = blobOf(directory, itemsTar(BASE));
    const parent = await unpackLayers(store, [base]);
    const change = `rm etc/gone; rm -r var/sub; printf more >> etc/passwd; mkdir n; ln -s x n/l; ${LINK_AND_NODE}
      setfattr -n user.k -v v etc/passwd; rm var/a; mkdir var/a
      touch -h -d @1 n/* n etc/passwd usr/file var/a etc usr var .`;
    const tars: Buffer[] = [];
    for (const key of ['one', 'two']) {
      const target = mountAt(directory, key, await snapshots.prepare({ key, parent }));
      sh(change, target);
      tars.push(await collect(snapshots.diff(key)));
    }
    const [first, second] = tars.map((tar) => sh(`tar --full-time -tvf ${blobOf(directory, tar).blob}`, directory));
    t.equal(first, second);
    t.ok(tars[0]?.equals(tars[1] ?? Buffer.alloc(0)), 'deterministic');
    const again = await unpackLayers(store, [base, blobOf(directory, tars[0] ?? Buffer.alloc(0))]);
    const target = mountAt(directory, 'again', await snapshots.view({ key: 'again', parent: again }));
    t.same(describeTree(target), describeTree(join(directory, 'one')));
    t.notOk(existsSync(join(target, 'etc/gone')));
    const exported = await collect(exportTree(snapshots.directories('one'), 'one'));
    const flat = await unpackLayers(store, [blobOf(directory, exported)]);
    const whole = mountAt(directory, 'whole', await snapshots.view({ key: 'whole', parent: flat }));
    t.same(describeTree(whole), describeTree(target), 'export and import');
  });

  t.test('a view is read-only, usage counts what is there, remove leaves nothing', { skip }, async (t) => {
    const { directory, store, snapshots } = made(t, driver);
    const parent = await unpackLayers(store, [blobOf(directory, itemsTar(BASE))]);
    const view = mountAt(directory, 'view', await snapshots.view({ key: 'view', parent }));
    t.throws(() => sh('touch new', view), /Read-only/);
    const target = mountAt(directory, 'mnt', await snapshots.prepare({ key: 'one', parent }));
    const before = await snapshots.usage('one');
    sh('head -c 100000 /dev/zero > big', target);
    const after = await snapshots.usage('one');
    t.equal(after.inodes - before.inodes, 1);
    t.ok(after.bytes - before.bytes >= 100_000);
    await t.rejects(snapshots.prepare({ key: 'one', parent }), { code: 'SNAPSHOT_EXISTS' });
    sh(`umount ${view} ${target}`, directory);
    await snapshots.remove('one');
    await snapshots.remove('view');
    t.same(readdirSync(join(store.root, 'active')), []);
    await t.rejects(snapshots.remove('one'), { code: 'SNAPSHOT_NOT_FOUND' });
    t.throws(() => snapshots.mounts('one'), { code: 'SNAPSHOT_NOT_FOUND' });
  });

  t.test('a snapshot of nothing is an empty directory', { skip }, async (t) => {
    const { directory, snapshots } = made(t, driver);
    const target = mountAt(directory, 'mnt', await snapshots.prepare({ key: 'scratch', parent: null }));
    t.same(readdirSync(target), []);
    sh('printf x > file', target);
    const tar = await collect(snapshots.diff('scratch'));
    const names = sh(`tar -t < ${blobOf(directory, tar).blob}`, directory);
    t.equal(names, './\nfile\n');
  });
}

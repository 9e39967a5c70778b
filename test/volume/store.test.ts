/** Volumes on disk, and the options of the driver local. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { volumeMount } from '../../src/volume/options.js';
import { VolumeStore } from '../../src/volume/store.js';

const root = mkdtempSync(join(tmpdir(), 'tsrun-volumes-'));
t.teardown(() => rmSync(root, { recursive: true, force: true }));

const REQUEST = { name: 'data', driver: 'local', options: {}, labels: { a: 'b' }, anonymous: false };

t.test('VolumeStore.create makes a volume once, and another store finds it', async (t) => {
  const store = new VolumeStore(root);
  t.equal(store.create(REQUEST).made, true);
  t.equal(store.create({ ...REQUEST, labels: {} }).made, false, 'it is there');
  t.same(store.get('data').labels, { a: 'b' });
  t.equal(statSync(store.pathOf('data')).mode & 0o7777, 0o755);
  t.equal(statSync(join(root, 'volumes', 'data')).mode & 0o7777, 0o701);
  t.match(new VolumeStore(root).list(), [{ name: 'data', labels: { a: 'b' } }]);
});

t.test('VolumeStore: what a killed daemon was making is no volume, and can be made again', async (t) => {
  mkdirSync(join(root, 'volumes', 'half', '_data'), { recursive: true });
  writeFileSync(join(root, 'volumes', 'half', '_data', 'left'), '');
  const store = new VolumeStore(root);
  t.equal(store.has('half'), false);
  t.throws(() => store.get('half'), { code: 'VOLUME_NOT_FOUND', message: 'get half: no such volume' });
  t.equal(store.create({ ...REQUEST, name: 'half' }).made, true);
  t.ok(existsSync(join(store.pathOf('half'), 'left')), 'nothing is thrown away');
});

t.test('VolumeStore.create refuses names, drivers and options that cannot be', async (t) => {
  const store = new VolumeStore(root);
  for (const name of ['', '../x', 'a/b', '.x', '-x', 'x y', 'x'.repeat(256)])
    t.throws(() => store.create({ ...REQUEST, name }), { code: 'VOLUME_INVALID' }, JSON.stringify(name));
  t.throws(() => store.create({ ...REQUEST, name: 'p', driver: 'vieux/sshfs' }), {
    code: 'VOLUME_NOT_FOUND',
    message: /plugin "vieux\/sshfs" not found/,
  });
  t.throws(() => store.create({ ...REQUEST, name: 'o', options: { magic: '1' } }), {
    code: 'VOLUME_INVALID',
    message: 'create o: invalid option: "magic"',
  });
  t.throws(() => store.create({ ...REQUEST, options: { type: 'tmpfs', device: 'x' } }), { code: 'VOLUME_CONFLICT' });
  t.equal(store.has('p') || store.has('o'), false);
});

const OPTIONS: readonly (readonly [{ [name: string]: string }, object | undefined | RegExp])[] = [
  [{}, undefined],
  [
    { type: 'tmpfs', device: 'tmpfs', o: 'size=1m,uid=5,ro,rw,noexec' },
    { type: 'tmpfs', device: 'tmpfs', flags: 8, data: 'size=1m,uid=5' },
  ],
  [
    { type: 'none', device: '/srv/../a', o: 'bind' },
    { type: 'none', device: '/a', flags: 4096, data: '' },
  ],
  [
    { type: 'nfs', device: ':/e', o: 'addr=1.2.3.4,nosuid' },
    { type: 'nfs', device: ':/e', flags: 2, data: 'addr=1.2.3.4' },
  ],
  [{ type: 'tmpfs' }, /missing device/],
  [{ device: '/x' }, /missing type/],
  [{ type: 'none', device: 'x', o: 'bind' }, /must be an absolute path/],
  [{ type: 'tmpfs', device: 'tmpfs', size: '1' }, /quota/],
];

for (const [options, expected] of OPTIONS) {
  t.test(`volumeMount: ${JSON.stringify(options)}`, async (t) => {
    if (expected instanceof RegExp) t.throws(() => volumeMount(options), { code: 'VOLUME_INVALID', message: expected });
    else t.same(volumeMount(options), expected);
  });
}

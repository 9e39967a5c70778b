// Layers that want out of their root, or more than they should have. Each is refused with the
// entry's name, or does what it says inside; a directory beside the root is as it was.
import { lstatSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { DEFAULT_LIMITS, type LayerLimits } from '../../src/snapshot/layer.js';
import { unpackLayers } from '../../src/snapshot/layers.js';
import { SnapshotStore } from '../../src/snapshot/store.js';
import { canary } from '../helpers/canary.js';
import { needCommand, needRoot, skipUnless } from '../helpers/host.js';
import { blobOf, type Item, itemsTar, type Packing, scratch, sh } from '../helpers/layers.js';
import { sandbox } from '../helpers/runtime.js';

const skip = skipUnless(needRoot(), needCommand('setfattr', 'attr'), needCommand('zstd', 'zstd'));

interface Case {
  readonly name: string;
  readonly items: readonly Item[];
  /** Text of the refusal; undefined: it is unpacked, and look() says whether well. */
  readonly refused?: RegExp;
  readonly look?: (root: string, t: Test) => void;
}

const dir = (name: string): Item => ({ name, kind: 'directory' });
const symlink = (name: string, link: string): Item => ({ name, kind: 'symlink', link });
const hardlink = (name: string, link: string): Item => ({ name, kind: 'hardlink', link });

const upTo = (outside: string): string => `${'../'.repeat(12)}${outside.slice(1)}`;

const cases = (outside: string): Case[] => [
  ...names(outside),
  ...links(outside),
  ...hardlinks(outside),
  ...others(outside),
];

function names(outside: string): Case[] {
  const up = upTo(outside);
  return [
    ...['../x', 'a/../../x', `${up}/x`, '..', 'a/..'].map((name) => ({
      name: `a name ${name.slice(0, 9)}`,
      items: [{ name, data: 'x' }],
      refused: /".*": escapes the layer's root/,
    })),
    {
      name: 'an absolute name',
      items: [{ name: `${outside}/victim`, data: 'x' }],
      look: (root, t) => t.equal(readFileSync(join(root, outside, 'victim'), 'utf8'), 'x'),
    },
    { name: 'no name', items: [{ name: './.', data: 'x' }], refused: /root must be a directory/ },
  ];
}

function links(outside: string): Case[] {
  const up = upTo(outside);
  return [
    {
      name: 'a file through a symlink out',
      items: [symlink('out', outside), { name: 'out/victim', data: 'x' }],
      look: (root, t) => t.ok(lstatSync(join(root, 'out')).isSymbolicLink()),
    },
    {
      name: 'a file through a relative symlink out',
      items: [symlink('out', up), { name: 'out/victim', data: 'x' }],
      look: (root, t) => t.equal(readlinkSync(join(root, 'out')), up),
    },
    {
      name: 'a chain of symlinks',
      items: [symlink('a', 'b'), symlink('b', `${up}/sub`), { name: 'a/victim', data: 'x' }],
      look: () => undefined,
    },
    {
      name: 'a directory over a symlink',
      items: [symlink('out', outside), dir('out'), { name: 'out/victim', data: 'x' }],
      look: (root, t) => t.ok(lstatSync(join(root, 'out')).isDirectory()),
    },
    {
      name: 'a file over a symlink',
      items: [symlink('out', `${outside}/victim`), { name: 'out', data: 'x', mode: 0o777 }],
      look: (root, t) => t.equal(readFileSync(join(root, 'out'), 'utf8'), 'x'),
    },
    { name: 'a trailing slash on a symlink', items: [symlink('out/', outside), dir('out/sub')], look: () => undefined },
    { name: 'a symlink loop', items: [symlink('loop', 'loop'), { name: 'loop/x', data: 'x' }], refused: /ELOOP/ },
  ];
}

function hardlinks(outside: string): Case[] {
  const up = upTo(outside);
  return [
    { name: 'a hard link out', items: [hardlink('h', `${up}/secret`)], refused: /escapes the layer's root/ },
    {
      name: 'an absolute hard link',
      items: [hardlink('h', `${outside}/secret`)],
      refused: /is a hard link to ".*secret", which is not in the image/,
    },
    {
      name: 'a hard link through a symlink',
      items: [symlink('out', outside), hardlink('h', 'out/secret')],
      refused: /which is not in the image/,
    },
    {
      name: 'a hard link to a symlink, then a file of its name',
      items: [symlink('s', `${outside}/victim`), hardlink('h', 's'), { name: 'h', data: 'x' }],
      look: (root, t) => t.ok(lstatSync(join(root, 's')).isSymbolicLink()),
    },
    {
      name: 'a hard link to itself',
      items: [{ name: 'f', data: 'kept' }, hardlink('f', 'f')],
      look: (root, t) => t.equal(readFileSync(join(root, 'f'), 'utf8'), 'kept'),
    },
    { name: 'a hard link to a directory', items: [dir('d'), hardlink('h', 'd')], refused: /"h": linkat: EPERM/ },
    {
      name: 'owner and times through a symlink',
      items: [symlink('s', `${outside}/victim`), { ...symlink('s', `${outside}/victim`), uid: 1234, mode: 0o777 }],
      look: (root, t) => t.equal(lstatSync(join(root, 's')).uid, 1234),
    },
  ];
}

function others(outside: string): Case[] {
  return [
    ...['.wh.', '.wh..', '.wh...'].map((base) => ({
      name: `a whiteout ${base}`,
      items: [dir('d'), { name: `d/${base}` }],
      refused: /not a name to remove/,
    })),
    {
      name: 'a whiteout through a symlink',
      items: [symlink('out', outside), { name: 'out/.wh.victim' }],
      look: (root, t) => t.ok(lstatSync(join(root, outside, 'victim')).isCharacterDevice()),
    },
    {
      name: 'an opaque mark through a symlink',
      items: [symlink('out', outside), { name: 'out/.wh..wh..opq' }],
      look: () => undefined,
    },
    { name: 'a device 0/0', items: [{ name: 'dev', kind: 'character' }], refused: /would be a whiteout/ },
    {
      name: 'a file below a file',
      items: [
        { name: 'f', data: 'x' },
        { name: 'f/g', data: 'x' },
      ],
      refused: /"f\/g": openat2: ENOTDIR/,
    },
    { name: 'a NUL in a name', items: [{ name: `é${'n'.repeat(100)}\0x`, data: '' }], refused: /NUL/ },
    { name: 'a name of 300 bytes', items: [{ name: 'n'.repeat(300), data: '' }], refused: /too long/ },
    { name: 'a path of 5000 bytes', items: [{ name: 'n/'.repeat(2500), data: '' }], refused: /longer than 4095 bytes/ },
    { name: 'the owner that means no change', items: [{ name: 'f', uid: 0xffffffff }], refused: /no such owner/ },
  ];
}

async function unpack(t: Test, items: readonly Item[]) {
  const directory = scratch(t);
  const store = new SnapshotStore(directory);
  const id = await unpackLayers(store, [blobOf(directory, itemsTar(items))]);
  return { directory, store, root: store.trees(id)[0] ?? '' };
}

t.test('what wants out of the layer is refused by name or stays inside', { skip }, async (t) => {
  const guard = canary(sandbox(t));
  for (const { name, items, refused, look } of cases(guard.path)) {
    await t.test(name, async (t) => {
      if (refused !== undefined) {
        const directory = scratch(t);
        const store = new SnapshotStore(directory);
        const layer = blobOf(directory, itemsTar(items));
        await t.rejects(unpackLayers(store, [layer]), { message: refused });
        t.same(readdirSync(join(store.root, 'trees')), [], 'nothing is left');
        t.same(readdirSync(join(store.root, 'layers')), []);
      } else look?.((await unpack(t, items)).root, t);
      guard.untouched(t);
    });
  }
});

t.test(
  'attributes that mean something to overlayfs or the kernel are left out, others are kept',
  { skip },
  async (t) => {
    const namespaced = Buffer.alloc(24);
    namespaced.writeUInt32LE(0x03000000);
    const xattrs = {
      'trusted.overlay.redirect': '/../../etc',
      'trusted.overlay.metacopy': '',
      'trusted.overlay.opaque': 'y',
      'user.overlay.opaque': 'y',
      'trusted.other': 'x',
      'security.selinux': 'x',
      'security.capability': namespaced,
      'user.kept': 'yes',
    };
    const { root } = await unpack(t, [
      { ...dir('d'), xattrs },
      { name: 'f', data: 'x', xattrs },
    ]);
    for (const name of ['d', 'f'])
      t.equal(sh(`getfattr --absolute-names -d -m - ${name} | grep =`, root), 'user.kept="yes"\n');
  },
);

t.test('the data root is closed to everybody but root', { skip }, async (t) => {
  const { store } = await unpack(t, [{ name: 'su', mode: 0o4755, data: 'x' }]);
  t.equal(statSync(store.root).mode & 0o7777, 0o700);
});

const limited = (limits: Partial<LayerLimits>) => ({ limits: { ...DEFAULT_LIMITS, ...limits } });

t.test('a layer that holds more than the limits say is refused, and leaves nothing', { skip }, async (t) => {
  const zeros = itemsTar([{ name: 'zeros', data: '\0'.repeat(4 << 20) }]);
  const many = itemsTar(Array.from({ length: 50 }, (_, i) => ({ name: `f${i}` })));
  const pax = itemsTar([{ name: 'x', xattrs: { 'user.big': 'x'.repeat(2000) } }]);
  const tries: [string, Buffer, Packing, Partial<LayerLimits>][] = [
    ['ratio', zeros, 'gzip', { ratio: 100, ratioFrom: 1 << 20 }],
    ['ratio', zeros, 'zstd', { ratio: 100, ratioFrom: 1 << 20 }],
    ['bytes', zeros, 'none', { bytes: 1 << 20 }],
    ['entries', many, 'none', { entries: 40 }],
    ['headerBytes', pax, 'none', { headerBytes: 1 << 10 }],
  ];
  for (const [limit, tar, packing, limits] of tries) {
    const directory = scratch(t);
    const store = new SnapshotStore(directory);
    const layer = blobOf(directory, tar, packing);
    await t.rejects(unpackLayers(store, [layer], limited(limits)), {
      code: 'LAYER_LIMIT',
      message: new RegExp(`limit ${limit}`),
    });
    t.same(readdirSync(join(store.root, 'trees')), []);
    t.ok(await unpackLayers(store, [layer]), 'and the same within the limits is fine');
  }
});

t.test('what is no layer is told by its digest', { skip }, async (t) => {
  const good = itemsTar([{ name: 'f', data: 'x'.repeat(100_000) }]);
  const random = Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 7919) % 251));
  const tries: [RegExp, Buffer, Packing][] = [
    [/not a tar header/, random, 'none'],
    [/ends in the middle of an entry/, good.subarray(0, 50_000), 'none'],
    [/something behind the end/, Buffer.concat([good, random]), 'none'],
    [/compressed with bzip2/, Buffer.from('BZh91AY&SY'), 'none'],
    [/compressed with xz/, Buffer.from('\xfd7zXZ\0', 'latin1'), 'none'],
  ];
  for (const [message, bytes, packing] of tries) {
    const directory = scratch(t);
    const layer = blobOf(directory, bytes, packing);
    await t.rejects(unpackLayers(new SnapshotStore(directory), [layer]), { code: 'LAYER_INVALID', message });
    await t.rejects(unpackLayers(new SnapshotStore(directory), [layer]), {
      message: new RegExp(`^layer ${layer.digest}: `),
    });
  }
  for (const packing of ['gzip', 'zstd'] as const) {
    const directory = scratch(t);
    const whole = blobOf(directory, good, packing);
    const bytes = readFileSync(whole.blob);
    const cut = blobOf(directory, bytes.subarray(0, bytes.length - 6));
    await t.rejects(unpackLayers(new SnapshotStore(directory), [{ ...cut, diffId: whole.diffId }]), {
      code: 'LAYER_INVALID',
      message: /cannot be decompressed/,
    });
  }
  const directory = scratch(t);
  const wrong = { ...blobOf(directory, good), diffId: blobOf(directory, random).diffId };
  await t.rejects(unpackLayers(new SnapshotStore(directory), [wrong]), {
    code: 'LAYER_INVALID',
    message: /its diff ID is/,
  });
});

t.test('one bad layer among several leaves none of them', { skip }, async (t) => {
  const directory = scratch(t);
  const store = new SnapshotStore(directory);
  const good = Array.from({ length: 5 }, (_, i) => blobOf(directory, itemsTar([{ name: `f${i}`, data: `${i}` }])));
  const bad = blobOf(directory, itemsTar([{ name: '../x' }]));
  await t.rejects(unpackLayers(store, [...good, bad]), { code: 'LAYER_INVALID' });
  t.same(readdirSync(join(store.root, 'trees')), []);
  const [one, two] = await Promise.all([unpackLayers(store, good), unpackLayers(store, good)]);
  t.equal(one, two, 'two at once unpack each layer once');
  t.equal(readdirSync(join(store.root, 'trees')).length, 5);
});

t.test('what an interrupted unpack left is collected, what is being made is not', { skip }, async (t) => {
  const directory = scratch(t);
  const store = new SnapshotStore(directory);
  const layer = blobOf(directory, itemsTar([dir('a'), { name: 'a/b', data: 'x' }]));
  const id = await unpackLayers(store, [layer]);
  const dead = store.newTree();
  dead.close();
  const living = store.newTree();
  t.equal(await store.collect(() => false), 1);
  t.same(readdirSync(join(store.root, 'trees')).sort(), [living.name, store.layer(id ?? layer.diffId)?.tree].sort());
  living.close();
  t.equal(await store.collect(() => true), 2);
  t.same(readdirSync(join(store.root, 'trees')), []);
});

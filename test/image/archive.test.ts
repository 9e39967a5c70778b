/** image/save and image/load: what one writes the other reads; archives that lie leave nothing. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { openStore } from '../../src/image/disk-store.js';
import { loadImages } from '../../src/image/load.js';
import { removeImage } from '../../src/image/remove.js';
import { saveImages } from '../../src/image/save.js';
import type { ContentStore } from '../../src/image/store.js';
import { verifyImage } from '../../src/image/verify.js';
import { TAR_END, tarHeader, tarPadding } from '../../src/util/tar/writer.js';
import { json, makeImage, tarOf } from './making.js';

const BLANK = {
  link: '',
  uid: 0,
  gid: 0,
  major: 0,
  minor: 0,
  mode: 0o644,
  mtime: { seconds: 0, nanoseconds: 0 },
  xattrs: new Map(),
};

function tar(files: { readonly [name: string]: Buffer }): Buffer {
  const parts = Object.entries(files).flatMap(([name, bytes]) => [
    tarHeader({ ...BLANK, kind: 'file', name, size: bytes.length }),
    bytes,
    tarPadding(bytes.length),
  ]);
  return Buffer.concat([...parts, TAR_END]);
}

/** testdir() would empty what it made before. */
function fresh(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'tsrun-archive-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function file(t: Test, bytes: Buffer): string {
  const path = join(fresh(t), 'archive.tar');
  writeFileSync(path, bytes);
  return path;
}

const blobs = (store: ContentStore) => readdirSync(join(store.dataRoot, 'images/blobs/sha256')).sort();

async function withImage(t: Test) {
  const store = openStore(join(fresh(t), 'a'));
  const made = makeImage({ layers: [tarOf('1'), tarOf('2')] });
  for (const bytes of made.blobs.values()) store.put(bytes);
  store.setName('docker.io/library/box:1', { manifest: made.manifest, source: undefined });
  return { store, made };
}

async function bytesOf(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

t.test('what is saved is loaded again with the same digests and names, compressed too', async (t) => {
  const { store, made } = await withImage(t);
  const archive = await bytesOf(saveImages(store, [store.resolve('box:1')]));
  t.same(await bytesOf(saveImages(store, [store.resolve('box:1')])), archive, 'the same bytes each time');
  for (const bytes of [archive, gzipSync(archive)]) {
    const other = openStore(join(fresh(t), 'b'));
    const loaded = await loadImages(other, file(t, bytes));
    t.same(
      loaded.map(({ name, manifest }) => [name, manifest.digest]),
      [['docker.io/library/box:1', made.manifest.digest]],
    );
    t.same(blobs(other), blobs(store), 'and nothing else is kept');
    t.same(await verifyImage(other, other.resolve('box:1')), []);
  }
});

t.test('a docker-archive of plain layers is loaded, and its layers are checked against the config', async (t) => {
  const layer = tarOf('layer');
  const { blobs: parts, config } = makeImage({ layers: [layer] });
  const files = {
    'config.json': parts.get(config) ?? Buffer.alloc(0),
    'l/layer.tar': layer,
    'manifest.json': json([{ Config: 'config.json', RepoTags: ['box:1', 'reg.example/x:2'], Layers: ['l/layer.tar'] }]),
  };
  const store = openStore(join(fresh(t), 'a'));
  const loaded = await loadImages(store, file(t, tar(files)));
  t.same(
    loaded.map(({ name }) => name),
    ['docker.io/library/box:1', 'reg.example/x:2'],
  );
  const other = openStore(join(fresh(t), 'b'));
  const wrong = file(t, tar({ ...files, 'l/layer.tar': tarOf('other') }));
  await t.rejects(loadImages(other, wrong), { code: 'DIGEST_MISMATCH', message: /layer 0: .* but the config says/ });
  t.same([blobs(other), other.list()], [[], []]);
});

t.test('archives that are none, lack something or lie are refused, and the store stays as it was', async (t) => {
  const { store, made } = await withImage(t);
  const saved = Object.fromEntries(
    [...made.blobs].map(([digest, bytes]) => [`blobs/sha256/${digest.slice(7)}`, bytes]),
  );
  const layout = {
    'oci-layout': Buffer.from('{"imageLayoutVersion":"1.0.0"}'),
    'index.json': json({ schemaVersion: 2, manifests: [made.manifest] }),
  };
  const [layer = ''] = made.layers.map((digest) => `blobs/sha256/${digest.slice(7)}`);
  const { [layer]: _, ...lacking } = saved;
  const cases: readonly (readonly [name: string, bytes: Buffer, expected: { code: string; message: RegExp }])[] = [
    ['no tar', Buffer.from('hello'.repeat(300)), { code: 'IMAGE_INVALID', message: /is no archive of images/ }],
    ['an empty tar', TAR_END, { code: 'IMAGE_INVALID', message: /neither index.json nor manifest.json/ }],
    [
      'a cut tar',
      tar({ ...layout, ...saved }).subarray(0, 2000),
      { code: 'IMAGE_INVALID', message: /ends in the middle/ },
    ],
    ['a missing layer', tar({ ...layout, ...lacking }), { code: 'BLOB_MISSING', message: /is not in it/ }],
    [
      'a changed layer',
      tar({ ...layout, ...saved, [layer]: Buffer.from('x') }),
      { code: 'DIGEST_MISMATCH', message: /not those of the digest/ },
    ],
    ['xz', Buffer.from('fd377a585a00', 'hex'), { code: 'IMAGE_INVALID', message: /xz/ }],
  ];
  const other = openStore(join(fresh(t), 'c'));
  for (const [name, bytes, expected] of cases) {
    await t.rejects(loadImages(other, file(t, bytes)), expected, name);
    t.same([blobs(other), other.list()], [[], []], name);
  }
  removeImage(store, 'box:1', false);
  t.same(blobs(store), []);
});

t.test('verify names the layer that changed', async (t) => {
  const { store, made } = await withImage(t);
  writeFileSync(store.path(made.layers[1] ?? made.config), 'changed');
  const problems = await verifyImage(store, store.resolve('box:1'));
  t.equal(problems.length, 1);
  t.match(problems[0], /^layer 1: blob sha256:\w+: the stored bytes are sha256:/);
});

/** image/save and image/load: what one writes the other reads; archives that lie leave nothing. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { openStore } from '../../src/image/disk-store.js';
import { readImage } from '../../src/image/image.js';
import { loadImages } from '../../src/image/load.js';
import { removeImage } from '../../src/image/remove.js';
import { saveImages } from '../../src/image/save.js';
import type { ContentStore } from '../../src/image/store.js';
import { verifyImage } from '../../src/image/verify.js';
import { digestOf } from '../../src/util/digest.js';
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
    ['an empty tar', TAR_END, { code: 'IMAGE_INVALID', message: /none of index.json, manifest.json and repositories/ }],
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

const [LOWER, UPPER] = ['a'.repeat(64), 'b'.repeat(64)];

/** As docker 1.9 wrote it. */
function legacy(change: { readonly [name: string]: Buffer | undefined } = {}): { [name: string]: Buffer } {
  const config = { Env: ['A=b'], Cmd: ['sh'], Volumes: null };
  const lower = { id: LOWER, created: '2015-01-01T00:00:00Z', comment: 'first', docker_version: '1.9.1', Size: 3 };
  const command = { Cmd: ['sh', '-c', 'echo > /two'] };
  const upper = { id: UPPER, parent: LOWER, author: 'a <b>', container_config: command, config, os: 'linux' };
  const files: { [name: string]: Buffer | undefined } = {
    [`${LOWER}/VERSION`]: Buffer.from('1.0'),
    [`${LOWER}/json`]: json(lower),
    [`${LOWER}/layer.tar`]: tarOf('1'),
    [`${UPPER}/json`]: json({ ...upper, created: '2015-01-02T00:00:00Z', architecture: 'amd64' }),
    [`${UPPER}/layer.tar`]: tarOf('2'),
    repositories: json({ box: { '1': UPPER, latest: UPPER }, 'reg.example:5000/x/y': { base: LOWER } }),
    ...change,
  };
  return Object.fromEntries(
    Object.entries(files).flatMap(([name, bytes]) => (bytes === undefined ? [] : [[name, bytes]])),
  );
}

t.test('an archive of docker before 1.10 is loaded: the layers of its parents, a config of today', async (t) => {
  const store = openStore(join(fresh(t), 'a'));
  const loaded = await loadImages(store, file(t, tar(legacy())));
  t.same(
    loaded.map(({ name }) => name),
    ['docker.io/library/box:1', 'docker.io/library/box:latest', 'reg.example:5000/x/y:base'],
  );
  const { manifest, config } = readImage(store, store.resolve('box:1'));
  t.same(
    manifest.layers.map(({ digest }) => digest),
    [digestOf(tarOf('1')), digestOf(tarOf('2'))],
  );
  t.match(config, { config: { env: ['A=b'], cmd: ['sh'] }, diffIds: manifest.layers.map(({ digest }) => digest) });
  const text = store.read(manifest.config.digest, 1e6).toString();
  t.match(text, /^{"architecture":"amd64","author":"a \\u003cb\\u003e","config":/, 'as encoding/json of Go writes it');
  t.notMatch(text, /"(id|parent|Size)":/);
  t.same(JSON.parse(text).history, [
    { created: '2015-01-01T00:00:00Z', comment: 'first' },
    { created: '2015-01-02T00:00:00Z', author: 'a <b>', created_by: 'sh -c echo > /two' },
  ]);
  t.equal(readImage(store, store.resolve('reg.example:5000/x/y:base')).config.os, 'linux', 'where it says none');
});

t.test('an archive of docker before 1.10 that lies leaves nothing', async (t) => {
  const cases: [{ [name: string]: Buffer | undefined }, RegExp][] = [
    [{ repositories: undefined }, /has none of index\.json, manifest\.json and repositories/],
    [{ repositories: json({}) }, /repositories: names no image/],
    [
      { repositories: json({ box: { '1': '../../etc' } }) },
      /repositories: box\.1: "\.\.\/\.\.\/etc" is not the id of an image/,
    ],
    [{ repositories: json({ box: { '1': 'c'.repeat(64) } }) }, /c{64}\/json of "box:1" is not in it/],
    [{ [`${LOWER}/layer.tar`]: undefined }, /a{64}\/layer\.tar of "box:1" is not in it/],
    [{ [`${LOWER}/layer.tar`]: gzipSync(tarOf('1')) }, /a{64}\/layer\.tar is compressed/],
    [{ [`${LOWER}/json`]: json({ parent: UPPER }) }, /b{64}\/json: the image is its own parent/],
    [{ [`${LOWER}/json`]: json({ parent: 'x' }) }, /a{64}\/json: parent: "x" is not the id of an image/],
    [{ [`${LOWER}/json`]: Buffer.from('{') }, /a{64}\/json: is not JSON/],
  ];
  for (const [change, message] of cases) {
    const store = openStore(join(fresh(t), 'a'));
    await t.rejects(loadImages(store, file(t, tar(legacy(change)))), { code: 'IMAGE_INVALID', message });
    t.same(blobs(store), [], 'nothing is kept');
  }
});

t.test('a saved archive has the names in the file repositories too', async (t) => {
  const { store, made } = await withImage(t);
  store.setName('reg.example:5000/box:b', { manifest: made.manifest, source: undefined });
  const images = ['reg.example:5000/box:b', 'box:1'].map((name) => store.resolve(name));
  const archive = await bytesOf(saveImages(store, images));
  const id = digestOf(tarOf('2')).slice('sha256:'.length);
  t.ok(archive.includes(`{"box":{"1":"${id}"},"reg.example:5000/box":{"b":"${id}"}}`));
  const unnamed = await bytesOf(saveImages(store, [{ ...store.resolve('box:1'), name: undefined }]));
  t.notOk(unnamed.includes('repositories'));
});

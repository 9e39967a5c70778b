/** image/disk-store: blobs that are whole or not there, names, leases, garbage. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openStore } from '../../src/image/disk-store.js';
import { readImage } from '../../src/image/image.js';
import type { ContentStore } from '../../src/image/store.js';
import { digestOf } from '../../src/util/digest.js';
import { type Made, makeImage, tarOf } from './making.js';

async function* chunks(bytes: Uint8Array, size = 7): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function* breaksOff(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield* chunks(bytes);
  throw new Error('gone');
}

async function add(store: ContentStore, made: Made): Promise<void> {
  for (const [digest, bytes] of made.blobs)
    await store.ingest({ digest, size: bytes.length }, (from) => chunks(bytes.subarray(from), 1000));
}

const unfinished = (store: ContentStore) => readdirSync(join(store.dataRoot, 'images/ingest'));

t.test('a blob is stored under its digest, and only its bytes are', async (t) => {
  const store = openStore(t.testdir());
  const bytes = Buffer.from('hello, world');
  const blob = { digest: digestOf(bytes), size: bytes.length };
  await store.ingest(blob, (from) => chunks(bytes.subarray(from)));
  t.same(store.read(blob.digest, 100), bytes);
  t.equal(store.size(blob.digest), bytes.length);
  await store.ingest(blob, () => t.fail('is there already') as never);
  for (const [wrong, size] of [
    ['hello, w0rld', 12],
    ['hello', 5],
    ['hello, world and more', 21],
  ] as const) {
    const other = { digest: digestOf(Buffer.from(`not ${wrong}`)), size: 12 };
    await t.rejects(
      store.ingest(other, () => chunks(Buffer.from(wrong))),
      {
        code: 'DIGEST_MISMATCH',
        message: new RegExp(`${other.digest}: .*${size === 12 ? 'they are' : 'instead of 12'}`),
      },
    );
    t.equal(store.size(other.digest), undefined);
  }
  t.same(unfinished(store), [], 'nothing is left');
});

t.test('an attempt that broke off is gone on with, and a wrong beginning is thrown away', async (t) => {
  const store = openStore(t.testdir());
  const bytes = Buffer.from('x'.repeat(1000) + 'y'.repeat(1000));
  const blob = { digest: digestOf(bytes), size: bytes.length };
  await t.rejects(
    store.ingest(blob, () => breaksOff(bytes.subarray(0, 700))),
    { message: 'gone' },
  );
  t.equal(store.size(blob.digest), undefined, 'it is not visible');
  const starts: number[] = [];
  await store.ingest(blob, (from) => {
    starts.push(from);
    return chunks(bytes.subarray(from));
  });
  t.same(starts, [700]);
  const other = Buffer.from('z'.repeat(2000));
  const wrong = { digest: digestOf(other), size: other.length };
  await t.rejects(store.ingest(wrong, () => breaksOff(Buffer.from('not z'))));
  await store.ingest(wrong, (from) => {
    starts.push(from);
    return chunks(other.subarray(from));
  });
  t.same(starts, [700, 5, 0]);
  t.same(store.read(wrong.digest, 5000), other);
  t.same(unfinished(store), []);
});

t.test('two writers of one blob: one fetches', async (t) => {
  const directory = t.testdir();
  const bytes = Buffer.from('once');
  const blob = { digest: digestOf(bytes), size: bytes.length };
  let fetched = 0;
  const fetch = () => {
    fetched++;
    return chunks(bytes);
  };
  await Promise.all([openStore(directory).ingest(blob, fetch), openStore(directory).ingest(blob, fetch)]);
  t.equal(fetched, 1);
});

t.test('ingestNew and put name what they store by its digest', async (t) => {
  const store = openStore(t.testdir());
  const bytes = Buffer.from('some layer');
  t.same(await store.ingestNew(chunks(bytes)), { digest: digestOf(bytes), size: bytes.length });
  await t.rejects(store.ingestNew(breaksOff(bytes)), { message: 'gone' });
  t.equal(store.put(bytes), digestOf(bytes));
  t.same(unfinished(store), []);
});

t.test('names, ids and digests find an image', async (t) => {
  const store = openStore(t.testdir());
  const made = makeImage();
  await add(store, made);
  const source = `docker.io/library/box@${made.manifest.digest}`;
  store.setName('docker.io/library/box:latest', { manifest: made.manifest, source });
  store.setName('docker.io/library/box:1', { manifest: made.manifest, source });
  const hex = made.config.slice('sha256:'.length);
  for (const text of [
    'box',
    'box:1',
    'docker.io/library/box',
    `box@${made.manifest.digest}`,
    hex,
    hex.slice(0, 12),
    made.config,
  ])
    t.equal(store.resolve(text).manifest.digest, made.manifest.digest, text);
  t.equal(readImage(store, store.resolve('box')).id, made.config);
  t.throws(() => store.resolve('bok'), { code: 'IMAGE_NOT_FOUND', message: /"bok"/ });
  t.throws(() => store.resolve('box@sha256:' + '0'.repeat(64)), { code: 'IMAGE_NOT_FOUND' });
});

t.test('a name that goes to another image leaves the first without one, until it is collected', async (t) => {
  const store = openStore(t.testdir());
  const [first, second] = [makeImage({ layers: [tarOf('1')] }), makeImage({ layers: [tarOf('2')] })];
  await add(store, first);
  await add(store, second);
  store.setName('docker.io/library/box:latest', { manifest: first.manifest, source: undefined });
  store.setName('docker.io/library/box:latest', { manifest: second.manifest, source: undefined });
  t.same(
    store.list().map(({ name, manifest }) => [name, manifest.digest]),
    [
      [undefined, first.manifest.digest],
      ['docker.io/library/box:latest', second.manifest.digest],
    ],
  );
  t.same(store.collectGarbage().digests, []);
  store.update((images) => images.filter(({ name }) => name !== undefined));
  t.same([...store.collectGarbage().digests].sort(), [...first.blobs.keys()].sort());
  t.equal(readImage(store, store.resolve('box')).id, second.config, 'the other is whole');
});

t.test('a lease keeps what has no name yet, and a dead owner keeps nothing', async (t) => {
  const store = openStore(t.testdir());
  const made = makeImage();
  await store.withLease(async (lease) => {
    lease.protect(made.manifest.digest);
    await add(store, made);
    t.same(openStore(store.dataRoot).collectGarbage().digests, [], 'the manifest keeps its layers');
  });
  writeFileSync(join(store.dataRoot, 'images/leases/dead'), `${made.manifest.digest}\n`);
  t.equal(store.collectGarbage().digests.length, made.blobs.size);
  t.same(readdirSync(join(store.dataRoot, 'images/leases')), []);
});

t.test('a stored blob that changed is noticed when it is read', async (t) => {
  const store = openStore(t.testdir());
  const digest = store.put(Buffer.from('{"a":1}'));
  writeFileSync(store.path(digest), '{"a":2}');
  t.throws(() => store.read(digest, 100), { code: 'DIGEST_MISMATCH', message: new RegExp(digest) });
  t.throws(() => store.read(digest, 3), { code: 'IMAGE_INVALID', message: /at most 3/ });
});

t.test('the layout is one of image-spec', async (t) => {
  const store = openStore(t.testdir());
  const layout = join(store.dataRoot, 'images');
  t.same(JSON.parse(readFileSync(join(layout, 'oci-layout'), 'utf8')), { imageLayoutVersion: '1.0.0' });
  t.ok(existsSync(join(layout, 'blobs/sha256')));
  writeFileSync(join(layout, 'index.json'), '{"schemaVersion":2,"manifests":[{"digest":"sha256:../x"}]}');
  t.throws(() => store.list(), {
    code: 'IMAGE_INVALID',
    message: /manifests\[0\]\.digest: "sha256:\.\.\/x" is not a digest/,
  });
});

t.test('what writers that were killed have left goes, what is being written stays', async (t) => {
  const store = openStore(t.testdir());
  const at = (path: string) => join(store.dataRoot, 'images', path);
  const { pid } = spawnSync('true');
  const hex = 'ab'.repeat(32);
  const left = [`.index.json.${pid}`, `blobs/sha256/.${hex}.${pid}`, 'ingest/new-1'];
  const kept = [`.index.json.${process.pid}`, `blobs/sha256/.${hex}.${process.pid}`, `ingest/sha256-${hex}`];
  for (const path of [...left, ...kept]) writeFileSync(at(path), 'begun');
  const writing = store.ingestNew(
    (async function* () {
      yield Buffer.from('a');
      store.collectGarbage();
      yield Buffer.from('b');
    })(),
  );
  t.match(await writing, { digest: digestOf(Buffer.from('ab')) });
  for (const path of left) t.notOk(existsSync(at(path)), path);
  for (const path of kept) t.ok(existsSync(at(path)), path);
});

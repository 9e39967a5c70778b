// image/prune-repositories: what goes of a repository, what stays, and what a push beside it may rely on.
import t from 'tap';
import { openStore } from '../../src/image/disk-store.js';
import { OCI_INDEX } from '../../src/image/media-types.js';
import { pruneRepositories } from '../../src/image/prune-repositories.js';
import { digestOf } from '../../src/util/digest.js';
import { artifact, bytesOf, descriptor, EMPTY, serving } from '../distribution/serving.js';
import { json } from './making.js';

const later = () => new Date(Date.now() + 1000);
const hourAgo = () => new Date(Date.now() - 3_600_000);

t.test('blobs of no manifest go when they are old enough, for each repository by itself', async (t) => {
  const { call, pushBlob, pushManifest, store } = await serving(t);
  const used = bytesOf('used', 10);
  for (const name of ['one', 'two']) {
    await pushBlob(name, EMPTY);
    await pushBlob(name, used);
  }
  const spare = await pushBlob('one', bytesOf('spare', 10));
  await pushManifest('one', 'v1', artifact({ layers: [descriptor(used)] }));
  t.match(pruneRepositories(store, { untagged: true, before: hourAgo() }), { removed: 0, collected: { digests: [] } });
  t.same(pruneRepositories(store, { untagged: true, before: later() }), {
    removed: 3,
    collected: { digests: [spare], size: 10 },
  });
  t.equal((await call('GET', `/v2/one/blobs/${digestOf(used)}`)).status, 200);
  t.equal((await call('GET', `/v2/two/blobs/${digestOf(used)}`)).status, 404);
});

t.test('untagged manifests go only when asked, and not those in an index or that refer to what stays', async (t) => {
  const { call, pushBlob, pushManifest, store } = await serving(t);
  await pushBlob('app', EMPTY);
  const push = async (reference: string, document: object, type?: string) => {
    const digest = digestOf(json(document));
    t.equal((await pushManifest('app', reference === '' ? digest : reference, document, type)).status, 201);
    return digest;
  };
  const child = artifact({ annotations: { is: 'child' } });
  const inIndex = await push('', child);
  await push(
    'list',
    { schemaVersion: 2, manifests: [{ ...descriptor(json(child)), mediaType: artifact().mediaType }] },
    OCI_INDEX,
  );
  const subject = { ...descriptor(json(child)), mediaType: artifact().mediaType };
  const signature = await push('', artifact({ subject, annotations: { is: 'signature' } }));
  const orphan = await push('', artifact({ annotations: { is: 'orphan' } }));
  const ofOrphan = await push(
    '',
    artifact({ subject: { ...subject, digest: orphan }, annotations: { is: 'of orphan' } }),
  );
  const status = async (digest: string) => (await call('HEAD', `/v2/app/manifests/${digest}`)).status;
  pruneRepositories(store, { untagged: false, before: later() });
  for (const digest of [inIndex, signature, orphan, ofOrphan]) t.equal(await status(digest), 200);
  pruneRepositories(store, { untagged: true, before: later() });
  t.strictSame(await Promise.all([inIndex, signature, orphan, ofOrphan].map(status)), [200, 200, 404, 404]);
});

t.test('what images and repositories share stays for the other one', async (t) => {
  const store = openStore(t.testdir({}));
  const { call, pushBlob } = await serving(t, { store });
  const digest = await pushBlob('app', bytesOf('shared', 10));
  t.strictSame(store.collectGarbage().digests, [], 'image prune leaves what is pushed');
  await call('DELETE', `/v2/app/blobs/${digest}`);
  await store.withLease(async (lease) => {
    lease.protect(digest);
    t.strictSame(store.collectGarbage().digests, []);
  });
  t.strictSame(store.collectGarbage().digests, [digest]);
});

t.test(
  'pushes beside a collector that takes everything it may never lose a blob that they were told is there',
  async (t) => {
    const { pushBlob, pushManifest, call, store } = await serving(t);
    let running = true;
    const collector = (async () => {
      let rounds = 0;
      for (; running; rounds++) {
        pruneRepositories(store, { untagged: true, before: hourAgo() });
        await new Promise(setImmediate);
      }
      return rounds;
    })();
    for (let index = 0; index < 30; index++) {
      await pushBlob('app', EMPTY);
      const layer = bytesOf(`layer ${index}`, 1000);
      await pushBlob('app', layer);
      t.equal((await pushManifest('app', `v${index}`, artifact({ layers: [descriptor(layer)] }))).status, 201);
    }
    running = false;
    t.ok((await collector) > 0);
    t.equal((await call('GET', '/v2/app/manifests/v0')).status, 200);
  },
);

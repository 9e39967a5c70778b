// A registry whose disk is full, on a tmpfs of its own: it says so, nothing of the push is seen, and it goes on when there
// is room again.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openStore } from '../../src/image/disk-store.js';
import { OCI_MANIFEST } from '../../src/image/media-types.js';
import { digestOf } from '../../src/util/digest.js';
import { artifact, bytesOf, EMPTY, serving } from '../distribution/serving.js';
import { needRoot } from '../helpers/host.js';
import { scratch } from '../helpers/layers.js';
import { json } from '../image/making.js';

const MiB = 1024 * 1024;
const UPLOADS = '/v2/app/blobs/uploads/';

t.test('a full disk is answered with 507, and leaves nothing half-visible', { skip: needRoot() }, async (t) => {
  const disk = join(scratch(t), 'disk');
  mkdirSync(disk);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m,mode=700', 'tmpfs', disk], { encoding: 'utf8' });
  t.equal(mounted.status, 0, mounted.stderr);
  const store = openStore(disk);
  const { call, pushBlob, pushManifest, close } = await serving(t, { store });
  const free = () => statfsSync(disk).bfree;
  const inWork = () => readdirSync(join(disk, 'images/ingest'));
  const before = free();

  const large = bytesOf('large', 6 * MiB);
  const query = `?digest=${digestOf(large)}`;
  const begin = async () => (await call('POST', UPLOADS)).headers.location ?? '';
  for (const [method, path] of [
    ['POST', UPLOADS + query],
    ['PATCH', await begin()],
    ['PUT', (await begin()) + query],
  ] as const) {
    const { status, codes, body } = await call(method, path, { body: large });
    t.strictSame([status, codes], [507, ['UNKNOWN']], method);
    t.match(body.toString(), 'no space left on device');
    t.equal(free(), before, 'what had come is gone');
  }
  t.strictSame(inWork(), [], 'nor is there an upload to go on with');
  t.equal((await call('HEAD', `/v2/app/blobs/${digestOf(large)}`)).status, 404);

  await pushBlob('app', EMPTY);
  const subject = { mediaType: OCI_MANIFEST, digest: digestOf(EMPTY), size: 2 };
  const document = artifact({ subject, annotations: { long: 'x'.repeat(5000) } });
  const fill = join(disk, 'fill');
  // Each time there is room for one file more of those that a push makes.
  for (let room = 0; room < 5; room++) {
    writeFileSync(fill, Buffer.alloc((free() - room) * statfsSync(disk).bsize));
    const { status } = await pushManifest('app', 'v1', document);
    if (status === 201) break;
    t.equal(status, 507, `${room} pages`);
    t.equal((await call('GET', '/v2/app/manifests/v1')).status, 404);
    t.equal((await call('GET', `/v2/app/manifests/${digestOf(json(document))}`)).status, 404);
    t.match((await call('GET', `/v2/app/referrers/${subject.digest}`)).body.toString(), '"manifests":[]');
    rmSync(fill);
  }
  rmSync(fill, { force: true });
  t.equal((await pushManifest('app', 'v1', document)).status, 201, 'with room it goes on');
  t.equal(await pushBlob('app', large.subarray(0, MiB)), digestOf(large.subarray(0, MiB)));
  await close();

  const blob = { digest: digestOf(large), size: large.length };
  const beforePull = free();
  await t.rejects(
    store.ingest(blob, async function* () {
      yield large;
    }),
    { code: 'IO', message: /ENOSPC \(no space left on device\)/ },
    'a pull',
  );
  t.equal(free(), beforePull, 'leaves nothing');
});

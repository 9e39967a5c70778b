// A registry that is a cache of another one: what it asks for, keeps, and serves when the other one is away.
import t from 'tap';
import { openStore } from '../../src/image/disk-store.js';
import { OCI_MANIFEST } from '../../src/image/media-types.js';
import { makeImage, tarOf } from '../image/making.js';
import { clientOf, fakeRegistry, publish, refuse } from '../registry/fake.js';
import { bytesOf, callAt, serving } from './serving.js';

async function cacheOf(t: Parameters<typeof serving>[0]) {
  const fake = await fakeRegistry(t);
  const image = makeImage({ layers: [tarOf('one'), bytesOf('layer', 500_000)] });
  publish(fake, 'v1', { blobs: image.blobs, top: image.manifest });
  const served = await serving(t, { cacheOf: clientOf(t, fake.host, { attempts: 1, stallMs: 20_000 }) });
  const asked = () => fake.asked.splice(0).map(({ method, url }) => `${method} ${url.replace(/sha256:.*/, 'D')}`);
  return { fake, image, served, asked };
}

t.test('an image is fetched once, and a tag is asked for each time without fetching it', async (t) => {
  const { fake, image, served, asked } = await cacheOf(t);
  const pull = async () => {
    const manifest = await served.call('GET', '/v2/app/manifests/v1');
    t.match(manifest, {
      status: 200,
      headers: { 'content-type': OCI_MANIFEST, 'docker-content-digest': image.manifest.digest },
    });
    for (const digest of [image.config, ...image.layers]) {
      const { status, body } = await served.call('GET', `/v2/app/blobs/${digest}`);
      t.equal(status, 200);
      t.ok(body.equals(image.blobs.get(digest) ?? Buffer.alloc(0)));
    }
  };
  await pull();
  t.ok(asked().includes('GET /v2/app/blobs/D'));
  fake.handler = (request, response) => {
    if (request.method !== 'HEAD') return undefined;
    response.setHeader('docker-content-digest', image.manifest.digest);
    response.end();
    return true;
  };
  await pull();
  t.strictSame(asked(), ['HEAD /v2/app/manifests/v1']);
  t.equal((await served.call('GET', `/v2/app/manifests/${image.manifest.digest}`)).status, 200);
  t.strictSame(asked(), [], 'a digest never changes');
  const next = makeImage({ layers: [tarOf('two')] });
  publish(fake, 'v1', { blobs: next.blobs, top: next.manifest });
  fake.handler = () => undefined;
  const moved = await served.call('GET', '/v2/app/manifests/v1');
  t.equal(moved.headers['docker-content-digest'], next.manifest.digest);
});

t.test('many clients at once make one request; HEAD and ranges are answered too', async (t) => {
  const { image, served, asked } = await cacheOf(t);
  const [, layer = image.config] = image.layers;
  const bytes = image.blobs.get(layer) ?? Buffer.alloc(0);
  const path = `/v2/app/blobs/${layer}`;
  const head = await served.call('HEAD', path);
  t.equal(head.headers['content-length'], String(bytes.length));
  const all = await Promise.all(Array.from({ length: 8 }, () => served.call('GET', path)));
  for (const { status, body } of all) t.ok(status === 200 && body.equals(bytes));
  t.equal(asked().filter((text) => text.startsWith('GET')).length, 1);
  const part = await served.call('GET', path, { headers: { range: 'bytes=5-9' } });
  t.match(part, { status: 206, body: bytes.subarray(5, 10) });
});

t.test('without the other registry what was fetched is served, and the rest is a clear failure', async (t) => {
  const { fake, image, served } = await cacheOf(t);
  await served.call('GET', '/v2/app/manifests/v1');
  await served.call('GET', `/v2/app/blobs/${image.config}`);
  fake.handler = (_, response) => refuse(response, 503, 'UNAVAILABLE', 'down for the night');
  t.equal((await served.call('GET', '/v2/app/manifests/v1')).status, 200);
  t.match(served.warnings.join(), /503.*serving what was fetched before/);
  t.equal((await served.call('GET', `/v2/app/blobs/${image.config}`)).status, 200);
  const [layer] = image.layers;
  for (const path of ['/v2/app/manifests/v2', `/v2/app/blobs/${layer}`]) {
    const { status, body } = await served.call('GET', path);
    t.equal(status, 502);
    t.match(body.toString(), '503');
  }
});

t.test('wrong bytes of the other registry are not kept, and not handed on as if they were right', async (t) => {
  const { fake, image, served } = await cacheOf(t);
  const [, layer = image.config] = image.layers;
  const right = image.blobs.get(layer) ?? Buffer.alloc(0);
  fake.blobs.set(layer, Buffer.concat([right.subarray(1), Buffer.from('!')]));
  await t.rejects(callAt(served.url, 'GET', `/v2/app/blobs/${layer}`), { code: /ECONNRESET|HPE_/ });
  t.equal(served.store.size(layer), undefined);
  fake.blobs.set(layer, right);
  t.ok((await served.call('GET', `/v2/app/blobs/${layer}`)).body.equals(right));
});

t.test('a cache takes no pushes and knows what the other registry does not have', async (t) => {
  const { image, served } = await cacheOf(t);
  for (const [method, path] of [
    ['POST', '/v2/app/blobs/uploads/'],
    ['PUT', '/v2/app/manifests/v1'],
    ['DELETE', `/v2/app/blobs/${image.config}`],
  ] as const) {
    const { status, codes } = await served.call(method, path);
    t.strictSame([status, codes], [405, ['UNSUPPORTED']]);
  }
  t.strictSame((await served.call('GET', '/v2/app/manifests/none')).codes, ['MANIFEST_UNKNOWN']);
  t.strictSame((await served.call('GET', '/v2/app/tags/list')).codes, ['NAME_UNKNOWN']);
});

t.test('an image of a cache stays when garbage is collected', async (t) => {
  const store = openStore(t.testdir({}));
  const fake = await fakeRegistry(t);
  const image = makeImage();
  publish(fake, 'v1', { blobs: image.blobs, top: image.manifest });
  const served = await serving(t, { store, cacheOf: clientOf(t, fake.host) });
  await served.call('GET', '/v2/app/manifests/v1');
  await served.call('GET', `/v2/app/blobs/${image.config}`);
  t.strictSame(store.collectGarbage().digests, []);
});

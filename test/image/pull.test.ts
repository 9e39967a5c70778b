/** image/pull against registries that lie, hang, break off: a clear error with reference and digest, the store as before. */
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openStore } from '../../src/image/disk-store.js';
import { readImage } from '../../src/image/image.js';
import { DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from '../../src/image/media-types.js';
import { hostPlatform, parsePlatform } from '../../src/image/platform.js';
import { type Pulled, type PullRequest, pullImage } from '../../src/image/pull.js';
import type { ContentStore } from '../../src/image/store.js';
import { parseReference, withDefaultTag } from '../../src/registry/reference.js';
import { type Digest, digestOf } from '../../src/util/digest.js';
import { clientOf, type Fake, fakeRegistry, type Handler, publish, refuse, send } from '../registry/fake.js';
import { json, type Made, makeImage, makeIndex, tarOf } from './making.js';

/** Not to be compressed away: several writes of a connection. */
const big = (seed: number): Buffer => Buffer.concat([Buffer.from([seed]), randomBytes(300_000)]);

interface Setup {
  readonly fake: Fake;
  readonly store: ContentStore;
  readonly pull: (text?: string, more?: Partial<PullRequest>) => Promise<Pulled>;
}

async function setup(t: Test): Promise<Setup> {
  const fake = await fakeRegistry(t);
  const store = openStore(t.testdir());
  const client = clientOf(t, fake.host);
  const pull = (text = 'app:1', more: Partial<PullRequest> = {}) =>
    pullImage(store, {
      reference: withDefaultTag(parseReference(`${fake.host}/${text}`)),
      ...{ platform: hostPlatform('x64'), platformGiven: false, clients: [client] },
      ...{ warn: (message) => t.comment(message), progress: () => undefined, ...more },
    });
  return { fake, store, pull };
}

const serve = (fake: Fake, made: Made, tag = '1') => publish(fake, tag, { blobs: made.blobs, top: made.manifest });

/** Names and visible blobs; what an attempt left in ingest/ is not visible. */
const contents = (store: ContentStore) => [store.list(), readdirSync(join(store.dataRoot, 'images/blobs/sha256'))];

t.test('an image of either kind is pulled, and a second pull fetches nothing', async (t) => {
  for (const docker of [false, true]) {
    const { fake, store, pull } = await setup(t);
    const made = makeImage({ layers: [big(1), tarOf('a'), tarOf('a')], docker });
    serve(fake, made);
    const { upToDate, digest } = await pull();
    t.equal(upToDate, false);
    t.equal(digest, made.manifest.digest);
    t.equal(readImage(store, store.resolve(`${fake.host}/app:1`)).id, made.config);
    const before = fake.asked.length;
    t.equal((await pull()).upToDate, true);
    t.equal(fake.asked.length - before, 1, 'only the manifest');
    t.equal((await pull(`app@${made.manifest.digest}`)).stored.name, `${fake.host}/app@${made.manifest.digest}`);
  }
});

t.test('of an index the image for the platform is chosen, variants too, attestations never', async (t) => {
  const { fake, store, pull } = await setup(t);
  const of = (architecture: string, variant?: string) => {
    const platform = { os: 'linux', architecture, ...(variant === undefined ? {} : { variant }) };
    return {
      ...makeImage({ architecture, ...(variant ? { variant } : {}), layers: [tarOf(`${architecture}${variant}`)] }),
      platform,
    };
  };
  const images = {
    amd64: of('amd64'),
    v3: of('amd64', 'v3'),
    v6: of('arm', 'v6'),
    v7: of('arm', 'v7'),
    arm64: of('arm64', 'v8'),
  };
  const { index, blobs } = makeIndex([
    { ...images.amd64, platform: { os: 'unknown', architecture: 'unknown' } },
    ...Object.values(images),
  ]);
  publish(fake, '1', { blobs, top: index });
  const cases: readonly (readonly [platform: string, made: Made])[] = [
    ['linux/amd64', images.amd64],
    ['linux/amd64/v2', images.amd64],
    ['linux/amd64/v4', images.v3],
    ['linux/arm/v7', images.v7],
    ['arm/v8', images.v7],
    ['linux/arm/v6', images.v6],
    ['linux/arm64', images.arm64],
    ['aarch64', images.arm64],
  ];
  for (const [text, made] of cases) {
    const { digest } = await pull('app:1', { platform: parsePlatform(text), platformGiven: true });
    t.equal(digest, index.digest, 'the digest is that of the index');
    t.equal(store.resolve(`${fake.host}/app:1`).manifest.digest, made.manifest.digest, text);
  }
  for (const text of ['linux/riscv64', 'windows/amd64', 'linux/arm/v5'])
    await t.rejects(pull('app:1', { platform: parsePlatform(text), platformGiven: true }), {
      code: 'IMAGE_PLATFORM',
      message: new RegExp(`/app:1": there is none for ${text}`),
      hint: /amd64.*arm64/,
    });
});

t.test('a blob that breaks off, or whose connection says nothing, is gone on with', async (t) => {
  const { fake, store, pull } = await setup(t);
  const made = makeImage({ layers: [big(2)] });
  serve(fake, made);
  const [layer = '' as Digest] = made.layers;
  const bytes = made.blobs.get(layer) ?? Buffer.alloc(0);
  const ranges: (string | undefined)[] = [];
  fake.handler = (request, response) => {
    if (!request.url?.endsWith(layer)) return false;
    ranges.push(request.headers.range);
    if (ranges.length > 2) return false;
    const from = Number(/\d+/.exec(request.headers.range ?? '0')?.[0]);
    response.writeHead(from > 0 ? 206 : 200, {
      'content-length': bytes.length - from,
      ...(from > 0 ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}),
    });
    response.write(bytes.subarray(from, from + 100_000), () => ranges.length === 1 && response.destroy()); // the second one hangs
    return true;
  };
  await pull();
  t.equal(ranges.length, 3);
  t.match(ranges[2], /^bytes=\d+-$/);
  t.equal(store.size(layer), bytes.length);
});

t.test('a registry that hangs fails after the time that was set, and another pull is not in its way', async (t) => {
  const { fake, store, pull } = await setup(t);
  const made = makeImage({ layers: [big(3)] });
  serve(fake, made);
  const before = contents(store);
  fake.handler = (request) => request.url?.includes(made.layers[0] ?? '') === true;
  await t.rejects(pull(), {
    code: 'REGISTRY_FAILED',
    message: new RegExp(`app:1": blob ${made.layers[0]}: .*nothing came .*5 attempts`),
  });
  t.same(contents(store)[0], before[0], 'no name');
  fake.handler = () => undefined;
  await pull();
});

t.test('two pulls at once of one image both succeed, and collecting garbage meanwhile does no harm', async (t) => {
  const { fake, store, pull } = await setup(t);
  const made = makeImage({ layers: [big(4), big(5), tarOf('x')] });
  serve(fake, made);
  fake.handler = () => {
    openStore(store.dataRoot).collectGarbage();
    return undefined;
  };
  await Promise.all([pull(), pull('app:1'), pull(`app@${made.manifest.digest}`)]);
  store.collectGarbage();
  t.equal(readImage(store, store.resolve(`${fake.host}/app:1`)).id, made.config);
  for (const digest of made.layers) t.ok(store.size(digest));
});

const lying: readonly (readonly [
  name: string,
  handler: (made: Made) => Handler,
  expected: Parameters<Test['rejects']>[1] & object,
])[] = [
  [
    'a layer of other bytes',
    ({ layers, blobs }) =>
      (request, response) => {
        const bytes = Buffer.from(blobs.get(layers[0] as Digest) ?? []);
        bytes[5] = 1 + (bytes[5] ?? 0);
        return request.url?.endsWith(layers[0] ?? '') && send(response, 200, bytes);
      },
    {
      code: 'DIGEST_MISMATCH',
      message: /app:1": blob sha256:\w+: the bytes are not those of the digest: they are sha256:/,
    },
  ],
  [
    'a layer that is longer than the manifest says',
    ({ layers }) =>
      (request, response) =>
        request.url?.endsWith(layers[0] ?? '') && send(response, 200, Buffer.alloc(999_999)),
    { code: 'REGISTRY_FAILED', message: /blob sha256:\w+: .*bytes 0 to 999999, but the manifest says \d+/ },
  ],
  [
    'a layer without end',
    ({ layers }) =>
      (request, response) => {
        if (!request.url?.endsWith(layers[0] ?? '')) return false;
        response.writeHead(200);
        const more = (): void =>
          void (response.destroyed || response.write(Buffer.alloc(65536), () => setImmediate(more)));
        more();
        return true;
      },
    { code: 'DIGEST_MISMATCH', message: /more bytes came instead of \d+/ },
  ],
  [
    'a missing layer',
    ({ layers }) =>
      (request, response) =>
        request.url?.endsWith(layers[0] ?? '') && refuse(response, 404, 'BLOB_UNKNOWN', 'blob unknown'),
    { code: 'REGISTRY_NOT_FOUND', message: /app:1": blob sha256:\w+: registry .* 404: "BLOB_UNKNOWN: blob unknown"/ },
  ],
  [
    'a server error for ever',
    ({ layers }) =>
      (request, response) =>
        request.url?.endsWith(layers[0] ?? '') && refuse(response, 503, 'UNAVAILABLE', 'later'),
    { code: 'REGISTRY_FAILED', message: /503.*\(5 attempts\)/, status: 503 },
  ],
  [
    'a manifest without end',
    () => (request, response) => {
      if (!request.url?.includes('/manifests/')) return false;
      response.writeHead(200, { 'content-type': OCI_MANIFEST });
      const more = (): void =>
        void (response.destroyed || response.write(Buffer.alloc(65536, 32), () => setImmediate(more)));
      more();
      return true;
    },
    { code: 'REGISTRY_FAILED', message: /the manifest is larger than 4194304 bytes/ },
  ],
  [
    'a manifest that says it is huge',
    () => (request, response) => {
      if (!request.url?.includes('/manifests/')) return false;
      response.writeHead(200, { 'content-type': OCI_MANIFEST, 'content-length': '1073741824' }).write('{');
      return true;
    },
    { code: 'REGISTRY_FAILED', message: /the manifest has 1073741824 bytes/ },
  ],
  [
    '401 for ever',
    () => (_, response) => refuse(response, 401, 'UNAUTHORIZED', 'no', { 'www-authenticate': 'Basic realm="x"' }),
    { code: 'REGISTRY_DENIED', message: /it wants a user name and a password/, hint: /^tsrun login 127/ },
  ],
  [
    'redirects in a circle',
    () => (request, response) =>
      request.url?.includes('/manifests/') && send(response, 307, Buffer.alloc(0), { location: request.url }),
    { code: 'REGISTRY_FAILED', message: /more than 5 redirects/ },
  ],
  [
    'a redirect to what is no URL',
    () => (request, response) =>
      request.url?.includes('/manifests/') && send(response, 307, Buffer.alloc(0), { location: 'ftp://x/' }),
    { code: 'REGISTRY_FAILED', message: /it sends us to "ftp:\/\/x", which is not https/ },
  ],
  [
    'a redirect to a host that does not answer',
    ({ layers }) =>
      (request, response) =>
        request.url?.endsWith(layers[0] ?? '') &&
        send(response, 307, Buffer.alloc(0), { location: 'http://127.0.0.1:1/blob' }),
    { code: 'REGISTRY_FAILED', message: /blob sha256:\w+: .*it sends us to 127\.0\.0\.1:1: ECONNREFUSED/ },
  ],
  [
    'a token that is not taken',
    () => (request, response) =>
      request.url?.startsWith('/token')
        ? send(response, 200, Buffer.from('{"token":"abc"}'))
        : refuse(response, 401, 'UNAUTHORIZED', 'no', {
            'www-authenticate': `Bearer realm="http://${request.headers.host}/token",service="s"`,
          }),
    { code: 'REGISTRY_DENIED', message: /status 401: "UNAUTHORIZED: no"/, hint: /^tsrun login 127/ },
  ],
  [
    'a digest that is not that of the manifest',
    ({ manifest, blobs }) =>
      (request, response) => {
        const bytes = blobs.get(manifest.digest) ?? Buffer.alloc(0);
        const headers = { 'content-type': OCI_MANIFEST, 'docker-content-digest': digestOf(Buffer.from('other')) };
        return request.url?.includes('/manifests/') && send(response, 200, bytes, headers);
      },
    { code: 'DIGEST_MISMATCH', message: /app:1": registry .*: manifest sha256:\w+: the bytes are sha256:\w+/ },
  ],
] as const;

for (const [name, handler, expected] of lying) {
  t.test(`${name} is an error with the reference, and the store stays as it was`, async (t) => {
    const { fake, store, pull } = await setup(t);
    const made = makeImage({ layers: [big(6)] });
    serve(fake, made);
    const [names] = contents(store);
    fake.handler = handler(made);
    await t.rejects(pull(), expected);
    t.same(contents(store)[0], names);
    store.collectGarbage();
    store.removeUnfinished();
    t.same(contents(store)[1], []);
    fake.handler = () => undefined;
    t.equal((await pull()).digest, made.manifest.digest, 'the next pull succeeds');
  });
}

t.test('documents that are not what they should be are refused with every place', async (t) => {
  const made = makeImage();
  const good = JSON.parse(made.blobs.get(made.manifest.digest)?.toString('utf8') ?? '');
  const layer = good.layers[0];
  const cases: readonly (readonly [name: string, document: unknown, mediaType: string, message: RegExp])[] = [
    ['both kinds at once', { ...good, manifests: [] }, OCI_MANIFEST, /manifests: must not be in a manifest/],
    [
      'an index with layers',
      { schemaVersion: 2, manifests: [], layers: [] },
      OCI_INDEX,
      /layers: must not be in an index/,
    ],
    ['another media type', good, DOCKER_MANIFEST, /mediaType: .* is not application\/vnd\.docker/],
    ['a type nobody knows', good, 'text/html', /"text\/html" is neither manifest nor index/],
    ['schema 1', { schemaVersion: 1 }, 'application/vnd.docker.distribution.manifest.v1+json', /image format 1/],
    ['no config', { ...good, config: undefined }, OCI_MANIFEST, /config: is missing/],
    ['no layers', { ...good, layers: null }, OCI_MANIFEST, /layers: is missing/],
    ['a negative size', { ...good, layers: [{ ...layer, size: -1 }] }, OCI_MANIFEST, /layers\[0\]\.size: -1 is not/],
    ['a size beyond 2^53', { ...good, layers: [{ ...layer, size: 2 ** 63 }] }, OCI_MANIFEST, /layers\[0\]\.size/],
    [
      'a digest with a path',
      { ...good, config: { ...good.config, digest: 'sha256:../../x' } },
      OCI_MANIFEST,
      /config\.digest: "sha256:\.\.\/\.\.\/x"/,
    ],
    ['too many layers', { ...good, layers: Array(2000).fill(layer) }, OCI_MANIFEST, /layers: has 2000 items/],
    [
      'an artifact',
      { ...good, config: { ...good.config, mediaType: 'application/vnd.x+json' } },
      OCI_MANIFEST,
      /no image of a container but an artifact/,
    ],
    [
      'a layer of no known type',
      { ...good, layers: [{ ...layer, mediaType: 'image/png' }] },
      OCI_MANIFEST,
      /media type "image\/png" is not known/,
    ],
    ['no object', [], OCI_MANIFEST, /is \[\], not an object/],
  ];
  for (const [name, document, mediaType, message] of cases) {
    const { fake, store, pull } = await setup(t);
    serve(fake, made);
    fake.manifests.set('1', { bytes: json(document), mediaType });
    await t.rejects(pull(), { code: 'IMAGE_INVALID', message }, name);
    await t.rejects(pull(), { message: /^image "127\.0\.0\.1:\d+\/app:1": / }, 'names the reference');
    t.same(contents(store), [[], []]);
  }
  const { fake, pull } = await setup(t);
  fake.manifests.set('1', { bytes: Buffer.from('{"schemaVersion":2,'), mediaType: OCI_MANIFEST });
  await t.rejects(pull(), { code: 'IMAGE_INVALID', message: /is not JSON/ });
  fake.manifests.set('1', { bytes: Buffer.from('['.repeat(1000)), mediaType: OCI_MANIFEST });
  await t.rejects(pull(), { code: 'IMAGE_INVALID', message: /nested deeper/ });
  const other = digestOf(Buffer.from('x'));
  fake.manifests.set(other, { bytes: json(good), mediaType: OCI_MANIFEST });
  await t.rejects(pull(`app@${other}`), {
    code: 'DIGEST_MISMATCH',
    message: new RegExp(`manifest ${other}: the bytes are`),
  });
});

t.test('a config that does not fit its manifest is refused before a layer is fetched', async (t) => {
  const { fake, pull } = await setup(t);
  const made = makeImage({ config: { Env: ['SECRET', 'A=1'], Labels: { a: 1 } }, layers: [tarOf('1'), tarOf('2')] });
  serve(fake, made);
  await t.rejects(pull(), {
    code: 'IMAGE_INVALID',
    message: /config sha256:\w+: config\.Env\[0\]: must be NAME=value; config\.Labels\.a: 1 is not a text/,
  });
  t.notOk(fake.asked.some(({ url }) => made.layers.some((digest) => url.includes(digest))));
});

t.test('a mirror is asked first, and the registry when the mirror fails', async (t) => {
  const { fake, pull } = await setup(t);
  const mirror = await fakeRegistry(t);
  const made = makeImage();
  serve(fake, made);
  const warnings: string[] = [];
  const clients = [clientOf(t, mirror.host, { url: new URL(`http://${mirror.host}`) }), clientOf(t, fake.host)];
  const warn = (message: string) => void warnings.push(message);
  mirror.handler = (_, response) => refuse(response, 403, 'DENIED', 'not you');
  await pull('app:1', { clients, warn });
  t.equal(warnings.length, 1);
  t.match(warnings[0], /^mirror: .*403/);
  mirror.handler = () => undefined;
  serve(mirror, makeImage({ layers: [tarOf('of the mirror')] }));
  const before = fake.asked.length;
  await pull('app:1', { clients, warn });
  t.equal(fake.asked.length, before, 'the registry was not asked');
});

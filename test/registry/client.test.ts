/** registry: tokens and credentials that stay where they belong, uploads, listings, proxies, retries. */
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import t from 'tap';
import { OCI_INDEX, OCI_MANIFEST } from '../../src/image/media-types.js';
import type { Credentials } from '../../src/registry/auth.js';
import { fetchBlob } from '../../src/registry/blobs.js';
import { parseChallenges, refuseRealm } from '../../src/registry/challenge.js';
import { deleteManifest, fetchManifest, listReferrers, listTags, pushManifest } from '../../src/registry/manifests.js';
import { NO_PROXIES, proxyFor, readProxies } from '../../src/registry/proxy.js';
import { uploadBlob } from '../../src/registry/upload.js';
import { digestOf } from '../../src/util/digest.js';
import { clientOf, digestText, type Fake, fakeRegistry, refuse, send } from './fake.js';

const LOGIN: Credentials = { kind: 'password', username: 'me', password: 'S3CR3T' };
const BASIC = `Basic ${Buffer.from('me:S3CR3T').toString('base64')}`;
const MANIFEST = { repository: 'app', reference: '1', accept: [OCI_MANIFEST], most: 1000, what: 'image "app"' };

const authorizations = (fake: Fake) => fake.asked.map(({ headers }) => headers.authorization);

function withManifest(fake: Fake): void {
  fake.manifests.set('1', { bytes: Buffer.from('{}'), mediaType: OCI_MANIFEST });
}

async function textOf(source: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

async function* bytesOf(bytes: Buffer): AsyncIterable<Buffer> {
  for (let at = 0; at < bytes.length; at += 1024 * 1024) yield bytes.subarray(at, at + 1024 * 1024);
}

t.test('a token is fetched for the scope and used until it ends; an anonymous one works too', async (t) => {
  const [fake, server] = [await fakeRegistry(t), await fakeRegistry(t)];
  withManifest(fake);
  let issued = 0;
  server.handler = (_, response) =>
    send(response, 200, Buffer.from(JSON.stringify({ token: `t${++issued}`, expires_in: 300 })));
  const challenge = {
    'www-authenticate': `Bearer realm="http://${server.host}/token",service="reg",scope="repository:app:pull"`,
  };
  fake.handler = ({ headers }, response) =>
    headers.authorization?.startsWith('Bearer t') !== true && refuse(response, 401, 'UNAUTHORIZED', 'token', challenge);
  for (const credentials of [LOGIN, undefined]) {
    const client = clientOf(t, fake.host, credentials === undefined ? {} : { credentials });
    server.asked.length = 0;
    await Promise.all([fetchManifest(client, MANIFEST, undefined), fetchManifest(client, MANIFEST, undefined)]);
    await fetchManifest(client, MANIFEST, undefined);
    t.equal(server.asked.length, 1, 'one token for all');
    const { url = '', headers = {} } = server.asked[0] ?? {};
    t.match(url, /service=reg&scope=repository%3Aapp%3Apull/);
    t.equal(headers.authorization, credentials === undefined ? undefined : BASIC);
  }
  t.notOk(authorizations(fake).includes(BASIC), 'the registry itself got tokens only');
});

t.test('an identity token is changed for an access token by OAuth', async (t) => {
  const [fake, server] = [await fakeRegistry(t), await fakeRegistry(t)];
  withManifest(fake);
  const forms: string[] = [];
  server.handler = (_, response, body) => {
    forms.push(body.toString());
    return send(response, 200, Buffer.from('{"access_token":"a"}'));
  };
  fake.handler = ({ headers }, response) =>
    headers.authorization !== 'Bearer a' &&
    refuse(response, 401, 'UNAUTHORIZED', '', {
      'www-authenticate': `Bearer realm="http://${server.host}/token",service="s"`,
    });
  const client = clientOf(t, fake.host, { credentials: { kind: 'identity-token', token: 'id-token' } });
  await fetchManifest(client, MANIFEST, undefined);
  t.match(forms[0], /grant_type=refresh_token&client_id=tsrun&refresh_token=id-token&service=s&scope=repository/);
});

t.test(
  'Basic credentials are sent when they are asked for; refused ones are a clear error without the secret',
  async (t) => {
    const fake = await fakeRegistry(t);
    withManifest(fake);
    const challenge = { 'www-authenticate': 'Basic realm="here"' };
    fake.handler = ({ headers }, response) =>
      headers.authorization !== BASIC && refuse(response, 401, 'UNAUTHORIZED', 'who?', challenge);
    const client = clientOf(t, fake.host, { credentials: LOGIN });
    await fetchManifest(client, MANIFEST, undefined);
    t.same(authorizations(fake), [undefined, BASIC]);
    const wrong = clientOf(t, fake.host, {
      credentials: { kind: 'password', username: 'me', password: 'wr0ng-S3CR3T' },
    });
    await t.rejects(fetchManifest(wrong, MANIFEST, undefined), {
      code: 'REGISTRY_DENIED',
      status: 401,
      message: /^image "app": registry 127\.\S+: GET answered with status 401: "UNAUTHORIZED: who\?"$/,
      hint: /tsrun login/,
    });
  },
);

t.test('parseChallenges reads several of one header, quotes and all', async (t) => {
  t.same(parseChallenges('Bearer realm="https://a/b?c,d",service="x \\"y\\"", Basic realm=z'), [
    { scheme: 'bearer', parameters: { realm: 'https://a/b?c,d', service: 'x "y"' } },
    { scheme: 'basic', parameters: { realm: 'z' } },
  ]);
  t.same(parseChallenges(''), []);
  t.same(parseChallenges('Negotiate'), [{ scheme: 'negotiate', parameters: {} }]);
  t.equal(parseChallenges('Bearer '.repeat(100_000)).length > 0, true, 'a long header ends');
});

t.test('refuseRealm: tokens are asked for over https and of hosts that belong to the registry', async (t) => {
  const cases: readonly (readonly [realm: string, registry: string, allowed: boolean])[] = [
    ['https://auth.docker.io/token', 'https://registry-1.docker.io', true],
    ['https://gitlab.example.com/jwt/auth', 'https://registry.example.com', true],
    ['https://reg.example:5001/token', 'https://reg.example:5000', true],
    ['http://127.0.0.1:5001/token', 'http://localhost:5000', true],
    ['http://reg.example/token', 'http://reg.example:5000', true],
    ['http://auth.docker.io/token', 'https://registry-1.docker.io', false],
    ['https://evil.example/token', 'https://registry-1.docker.io', false],
    ['https://docker.io.evil.example/token', 'https://registry-1.docker.io', false],
    ['https://evil.co.uk/token', 'https://reg.shop.co.uk', false],
    ['https://auth.shop.co.uk/token', 'https://reg.shop.co.uk', true],
    ['https://169.254.169.254/token', 'https://reg.example.com', false],
    ['https://127.0.0.1/token', 'https://reg.example.com', false],
    ['https://10.0.0.2/token', 'https://10.0.0.1', false],
    ['https://u:p@auth.docker.io/token', 'https://registry-1.docker.io', false],
  ];
  for (const [realm, registry, allowed] of cases)
    t.equal(refuseRealm(new URL(realm), new URL(registry), true) === undefined, allowed, `${realm} for ${registry}`);
  t.equal(
    refuseRealm(new URL('https://a.example/'), new URL('https://b.test'), false),
    undefined,
    'without credentials',
  );
});

t.test('no other origin ever sees credentials: redirects, upload locations, realms', async (t) => {
  const [fake, other] = [await fakeRegistry(t), await fakeRegistry(t)];
  const blob = Buffer.from('layer');
  const digest = digestOf(blob);
  other.blobs.set(digest, blob);
  const elsewhere = (path: string) => ({ location: `http://${other.host}${path}` });
  fake.handler = ({ method, url, headers }, response) => {
    if (headers.authorization !== BASIC)
      return refuse(response, 401, 'UNAUTHORIZED', '', { 'www-authenticate': 'Basic realm="x"' });
    if (method === 'HEAD') return send(response, 404, Buffer.alloc(0));
    if (method === 'POST') return send(response, 202, Buffer.alloc(0), elsewhere('/upload?state=1'));
    return url?.includes('/blobs/') && send(response, 307, Buffer.alloc(0), elsewhere(url));
  };
  other.handler = ({ method }, response) => method === 'PUT' && send(response, 201, Buffer.alloc(0));
  const client = clientOf(t, fake.host, { credentials: LOGIN });
  t.equal(await textOf(fetchBlob(client, { repository: 'app', digest, size: 5, what: 'x' })), 'layer');
  await uploadBlob(client, { repository: 'app', digest, size: 5, what: 'x', mountFrom: [], read: () => bytesOf(blob) });
  t.same(
    other.asked.map(({ method, url }) => `${method} ${url}`),
    [`GET /v2/app/blobs/${digest}`, `PUT /upload?state=1&digest=${encodeURIComponent(digest)}`],
  );
  t.same(authorizations(other), [undefined, undefined]);
  fake.handler = (_, response) =>
    refuse(response, 401, 'UNAUTHORIZED', '', { 'www-authenticate': 'Bearer realm="https://169.254.169.254/x"' });
  await t.rejects(fetchManifest(clientOf(t, fake.host, { credentials: LOGIN }), MANIFEST, undefined), {
    code: 'REGISTRY_DENIED',
    message: /wants a token from "https:\/\/169\.254\.169\.254", where none is asked for/,
  });
});

t.test('429 and its Retry-After are kept to; a 404 is not asked for again', async (t) => {
  const fake = await fakeRegistry(t);
  withManifest(fake);
  fake.handler = (_, response) =>
    fake.asked.length < 3 && refuse(response, 429, 'TOOMANYREQUESTS', 'slow down', { 'retry-after': '0' });
  await fetchManifest(clientOf(t, fake.host, { waitMs: 60_000 }), MANIFEST, undefined);
  t.equal(fake.asked.length, 3);
  fake.handler = () => undefined;
  await t.rejects(fetchManifest(clientOf(t, fake.host), { ...MANIFEST, reference: 'none' }, undefined), {
    code: 'REGISTRY_NOT_FOUND',
    status: 404,
  });
  t.equal(fake.asked.length, 4);
});

t.test('a blob is not sent when it is there, mounted when another repository has it, and otherwise sent', async (t) => {
  const fake = await fakeRegistry(t);
  const blob = Buffer.from('some layer');
  const digest = digestOf(blob);
  const client = clientOf(t, fake.host);
  const upload = {
    repository: 'app',
    digest,
    size: blob.length,
    what: 'x',
    mountFrom: ['base'],
    read: () => bytesOf(blob),
  };
  fake.blobs.set(digest, blob);
  t.equal(await uploadBlob(client, upload), 'exists');
  fake.blobs.clear();
  let got = '';
  fake.handler = ({ method, url }, response, body) => {
    if (method === 'POST' && url?.includes('mount=')) return send(response, 201, Buffer.alloc(0));
    if (method === 'POST') return send(response, 202, Buffer.alloc(0), { location: '/up' });
    if (method === 'PUT') got = `${url} ${body}`;
    return method === 'PUT' && send(response, 201, Buffer.alloc(0));
  };
  t.equal(await uploadBlob(client, upload), 'mounted');
  t.match(fake.asked.at(-1)?.url, /mount=sha256%3A\w+&from=base$/);
  t.equal(await uploadBlob(client, { ...upload, mountFrom: [] }), 'sent');
  t.equal(got, `/up?digest=${encodeURIComponent(digest)} some layer`);
});

t.test('a large blob is sent in chunks, and only the one that broke off is sent again', async (t) => {
  const fake = await fakeRegistry(t);
  const blob = Buffer.alloc(70 * 1024 * 1024, 'x');
  const digest = digestOf(blob);
  let stored = 0;
  let broken = false;
  const ranges: string[] = [];
  fake.handler = ({ method, headers }, response, body) => {
    if (method === 'HEAD') return send(response, 404, Buffer.alloc(0));
    if (method === 'POST') return send(response, 202, Buffer.alloc(0), { location: '/up/1' });
    if (method === 'PUT') return send(response, 201, Buffer.alloc(0));
    if (method === 'GET')
      return send(response, 204, Buffer.alloc(0), { location: '/up/again', range: `0-${stored - 1}` });
    ranges.push(String(headers['content-range']));
    if (ranges.length === 2 && !broken) {
      broken = true;
      response.destroy();
      return true;
    }
    stored += body.length;
    return send(response, 202, Buffer.alloc(0), { location: '/up/next', range: `0-${stored - 1}` });
  };
  const read = (from: number, to: number) => bytesOf(blob.subarray(from, to));
  const client = clientOf(t, fake.host, { stallMs: 5000 });
  t.equal(
    await uploadBlob(client, { repository: 'app', digest, size: blob.length, what: 'x', mountFrom: [], read }),
    'sent',
  );
  t.equal(stored, blob.length);
  t.same(ranges, ['0-33554431', '33554432-67108863', '33554432-67108863', '67108864-73400319']);
});

t.test('a manifest that the registry stored under another digest is noticed', async (t) => {
  const fake = await fakeRegistry(t);
  fake.handler = ({ method }, response) =>
    method === 'PUT' && send(response, 201, Buffer.alloc(0), { 'docker-content-digest': digestText('other') });
  const request = {
    repository: 'app',
    reference: '1',
    mediaType: OCI_MANIFEST,
    bytes: Buffer.from('{}'),
    what: 'image "app"',
  };
  await t.rejects(pushManifest(clientOf(t, fake.host), request), { code: 'DIGEST_MISMATCH' });
});

t.test('tags come page by page, and the next page only from the same registry', async (t) => {
  const fake = await fakeRegistry(t);
  fake.handler = ({ url }, response) => {
    const last = /last=(\w+)/.exec(url ?? '')?.[1];
    if (last === undefined)
      return send(response, 200, Buffer.from('{"tags":["a","b"]}'), {
        link: '<http://elsewhere.example/v2/app/tags/list?n=2&last=b>; rel="next"',
      });
    return send(response, 200, Buffer.from('{"tags":["c"]}'));
  };
  const tags: string[] = [];
  for await (const tag of listTags(clientOf(t, fake.host), 'app', 'x')) tags.push(tag);
  t.same(tags, ['a', 'b', 'c']);
});

t.test(
  'referrers are listed, from the tag where a registry has no API for them; manifests can be deleted',
  async (t) => {
    const fake = await fakeRegistry(t);
    const digest = digestText('image');
    const index = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [{ digest: digestText('signature') }] }));
    const client = clientOf(t, fake.host);
    const list = async () => {
      const found: unknown[] = [];
      for await (const one of listReferrers(client, { repository: 'app', digest, what: 'x' })) found.push(one);
      return found;
    };
    t.same(await list(), [], 'neither');
    fake.manifests.set(digest.replace(':', '-'), { bytes: index, mediaType: OCI_INDEX });
    t.same(await list(), [{ digest: digestText('signature') }]);
    fake.handler = ({ url, method }, response) =>
      url?.includes('/referrers/')
        ? send(response, 200, Buffer.from('{"manifests":[1]}'))
        : method === 'DELETE' && send(response, 202, Buffer.alloc(0));
    t.same(await list(), [1]);
    await deleteManifest(client, { repository: 'app', reference: digest, what: 'x' });
    t.equal(fake.asked.at(-1)?.url, `/v2/app/manifests/${digest}`);
  },
);

t.test('proxyFor keeps to NO_PROXY and never sends loopback to a proxy', async (t) => {
  const environment = {
    HTTPS_PROXY: 'proxy.example:3128',
    http_proxy: 'http://p:1',
    NO_PROXY: '.in.example,10.0.0.0/8,exact.test:8443,::1',
  };
  const proxies = readProxies(environment);
  const cases: readonly (readonly [url: string, proxy: string | undefined])[] = [
    ['https://reg.example', 'http://proxy.example:3128/'],
    ['http://reg.example', 'http://p:1/'],
    ['https://a.in.example', undefined],
    ['https://in.example', undefined],
    ['https://notin.example', 'http://proxy.example:3128/'],
    ['https://10.1.2.3', undefined],
    ['https://11.1.2.3', 'http://proxy.example:3128/'],
    ['https://exact.test:8443', undefined],
    ['https://exact.test', 'http://proxy.example:3128/'],
    ['http://localhost:5000', undefined],
    ['https://[::1]:5000', undefined],
  ];
  for (const [url, proxy] of cases) t.equal(proxyFor(new URL(url), proxies)?.href, proxy, url);
  t.equal(proxyFor(new URL('https://x.example'), { ...NO_PROXIES, https: 'p', except: '*' }), undefined);
});

t.test('plain HTTP goes through a proxy by whole URLs, with the credentials of the proxy', async (t) => {
  const fake = await fakeRegistry(t);
  withManifest(fake);
  const seen: string[] = [];
  const proxy = createServer((request, response) => {
    seen.push(`${request.url} ${request.headers['proxy-authorization']}`);
    const upstream = connect(Number(fake.host.split(':')[1]), '127.0.0.1');
    upstream.end(`GET ${new URL(request.url ?? '').pathname} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
    response.socket?.on('close', () => upstream.destroy());
    upstream.pipe(response.socket ?? upstream);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  t.teardown(() => void proxy.close());
  const { port } = proxy.address() as AddressInfo;
  const client = clientOf(t, 'registry.test:5000', {
    proxies: { ...NO_PROXIES, http: `http://u:p@127.0.0.1:${port}` },
  });
  t.equal((await fetchManifest(client, MANIFEST, undefined)).bytes.toString(), '{}');
  t.same(seen, [`http://registry.test:5000/v2/app/manifests/1 Basic ${Buffer.from('u:p').toString('base64')}`]);
});

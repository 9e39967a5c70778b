// Who gets in and how: passwords, TLS, and what a broken off or hostile client leaves behind.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { get } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { hashSync } from 'bcryptjs';
import t from 'tap';
import { Htpasswd } from '../../src/distribution/htpasswd.js';
import { checkKeyPair } from '../../src/distribution/key-pair.js';
import { digestOf } from '../../src/util/digest.js';
import { artifact, bytesOf, descriptor, EMPTY, serving } from './serving.js';

const basic = (name: string, password: string) => ({
  authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`,
});

t.test('with passwords nothing is told to whoever has none, and a changed file counts at once', async (t) => {
  const path = join(
    t.testdir({ users: `me:${hashSync('secret', 4)}\n# nobody\n\nüser:${hashSync('ge:heim', 4)}\n` }),
    'users',
  );
  const served = await serving(t, { htpasswd: new Htpasswd(path, () => undefined) });
  for (const [method, url] of [
    ['GET', '/v2/'],
    ['POST', '/v2/a/blobs/uploads/'],
    ['GET', '/v2/BAD NAME'.replace(' ', '%20')],
  ] as const) {
    for (const headers of [
      {},
      basic('me', 'wrong'),
      basic('you', 'secret'),
      basic('me', ''),
      { authorization: 'Bearer x' },
    ]) {
      const { status, codes, headers: answered } = await served.call(method, url, { headers });
      t.strictSame([status, codes], [401, ['UNAUTHORIZED']]);
      t.match(answered['www-authenticate'], /^Basic realm=/);
    }
  }
  for (const headers of [basic('me', 'secret'), basic('me', 'secret'), basic('üser', 'ge:heim')])
    t.equal((await served.call('GET', '/v2/', { headers })).status, 200);
  writeFileSync(path, `me:${hashSync('other', 4)}\n`);
  utimesSync(path, new Date(), new Date(Date.now() + 5000));
  t.equal((await served.call('GET', '/v2/', { headers: basic('me', 'secret') })).status, 401);
  t.equal((await served.call('GET', '/v2/', { headers: basic('me', 'other') })).status, 200);
});

t.test('too many passwords at once are not checked', async (t) => {
  const path = join(t.testdir({ users: `me:${hashSync('secret', 4)}\n` }), 'users');
  const htpasswd = new Htpasswd(path, () => undefined);
  const check = (password: string) => htpasswd.check(basic('me', password).authorization);
  const verdicts = await Promise.all(Array.from({ length: 12 }, (_, index) => check(String(index))));
  t.strictSame(verdicts, [...Array(8).fill('refused'), ...Array(4).fill('busy')]);
  t.equal(await check('secret'), 'welcome');
});

t.test('files of passwords that are none are refused with their line', async (t) => {
  const directory = t.testdir({
    sha: 'a:$2b$04$short\n',
    plain: `# x\nme:secret\n`,
    nameless: `:${hashSync('x', 4)}\n`,
  });
  for (const [name, line] of [
    ['sha', 1],
    ['plain', 2],
    ['nameless', 1],
  ] as const)
    t.throws(() => new Htpasswd(join(directory, name), () => undefined), {
      code: 'USAGE',
      message: new RegExp(`${name}":${line}`),
    });
  t.throws(() => new Htpasswd(join(directory, 'missing'), () => undefined), { code: 'IO' });
});

t.test('TLS is spoken with the certificate given, and a key of another one is refused', async (t) => {
  const directory = t.testdir({});
  const make = (name: string) => {
    const args = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'];
    const files = ['-keyout', join(directory, `${name}.key`), '-out', join(directory, `${name}.crt`)];
    spawnSync('openssl', [...args, ...files, '-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1']);
    const read = (type: string) => readFileSync(join(directory, `${name}.${type}`));
    return { cert: read('crt'), key: read('key') };
  };
  const one = make('one');
  const served = await serving(t, { tls: checkKeyPair(one) });
  t.match(served.url, /^https:/);
  const status = await new Promise((resolve, reject) => {
    get(`${served.url}/v2/`, { ca: one.cert, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).on('error', reject);
  });
  t.equal(status, 200);
  t.throws(() => checkKeyPair({ ...one, key: make('two').key }), { code: 'USAGE', message: /--tls-key/ });
  t.throws(() => checkKeyPair({ ...one, cert: Buffer.from('x') }), { code: 'USAGE', message: /--tls-cert/ });
});

t.test('a client that goes away in the middle leaves nothing that can be seen, and can go on', async (t) => {
  const { call, url, store, warnings } = await serving(t);
  const blob = bytesOf('killed', 300_000);
  const digest = digestOf(blob);
  const { location = '' } = (await call('POST', '/v2/a/blobs/uploads/')).headers;
  await new Promise<void>((resolve) => {
    const headers = { 'content-length': String(blob.length) };
    const put = request(`${url}${location}?digest=${digest}`, { method: 'PUT', headers, agent: false });
    put.on('error', () => resolve());
    put.write(blob.subarray(0, 200_000), () => put.destroy());
  });
  t.equal((await call('HEAD', `/v2/a/blobs/${digest}`)).status, 404);
  t.equal(store.size(digest), undefined);
  let next = 0;
  for (let tries = 0; next === 0 && tries < 100; tries++) {
    // 409 as long as the server has not seen that the other connection is gone.
    const { status, headers } = await call('PATCH', location, { body: Buffer.alloc(0) });
    if (status === 202) next = Number(String(headers.range).split('-')[1]) + 1;
  }
  const put = await call('PUT', `${location}?digest=${digest}`, { body: blob.subarray(next === 1 ? 0 : next) });
  t.equal(put.status, 201);
  t.strictSame(warnings, []);
});

t.test('what is no HTTP ends the connection, and the next client is served', async (t) => {
  const { call, host } = await serving(t);
  for (const text of [
    '\0\0\0\0\r\n\r\n',
    'GET /v2/ HTTP/1.1\r\nhost: x\r\ncontent-length: x\r\n\r\n',
    `GET /${'x'.repeat(100_000)} HTTP/1.1\r\n\r\n`,
  ]) {
    const said = await new Promise<string>((resolve) => {
      const socket = connect(Number(host.split(':')[1]), '127.0.0.1', () => socket.write(text));
      let all = '';
      socket.on('data', (chunk) => {
        all += chunk;
      });
      socket.on('error', () => undefined);
      socket.on('close', () => resolve(all));
    });
    t.match(said, /^(HTTP\/1.1 4|$)/);
  }
  t.equal((await call('GET', '/v2/')).status, 200);
});

t.test('many clients push at once: the same blobs, the same tag, the same upload', async (t) => {
  const { call, pushBlob, pushManifest, store } = await serving(t);
  const blobs = Array.from({ length: 4 }, (_, index) => bytesOf(`blob ${index}`, 100_000));
  await pushBlob('app', EMPTY);
  await Promise.all(
    Array.from({ length: 24 }, async (_, index) => {
      for (const blob of blobs) await pushBlob(`app${index % 3 || ''}`, blob);
      const config = await pushBlob(`app${index % 3 || ''}`, EMPTY);
      t.ok(config);
      const document = artifact({ layers: blobs.map((blob) => descriptor(blob)), annotations: { n: String(index) } });
      t.equal((await pushManifest(`app${index % 3 || ''}`, 'same', document)).status, 201);
    }),
  );
  for (const name of ['app', 'app1', 'app2']) t.equal((await call('GET', `/v2/${name}/manifests/same`)).status, 200);
  t.strictSame(readdirSync(join(store.dataRoot, 'images/ingest')), []);
  const { location = '' } = (await call('POST', '/v2/app/blobs/uploads/')).headers;
  const big = bytesOf('big', 3_000_000);
  const answers = await Promise.all([1, 2, 3].map(() => call('PATCH', location, { body: big })));
  const statuses = answers.map(({ status }) => status).sort();
  t.ok(statuses.includes(202));
  t.ok(statuses.every((status) => status === 202 || status === 409));
  const taken = statuses.filter((status) => status === 202).length;
  t.equal((await call('GET', location)).headers.range, `0-${taken * big.length - 1}`);
});

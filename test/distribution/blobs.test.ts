// distribution-spec 1.1: "Pulling blobs", "Pushing blobs", "Mounting a blob from another repository", "Deleting Blobs",
// sentence by sentence, with both algorithms of digests.
import t, { type Test } from 'tap';
import { digestOf } from '../../src/util/digest.js';
import { type Answer, bytesOf, serving } from './serving.js';

const REPOSITORY = 'team/app';
const UPLOADS = `/v2/${REPOSITORY}/blobs/uploads/`;

for (const algorithm of ['sha256', 'sha512']) {
  t.test(`a blob pushed in any way is pulled as it was, ${algorithm}`, async (t) => {
    const { call } = await serving(t);
    const bytes = (seed: string) => bytesOf(`${seed} ${algorithm}`, 3000);
    const check = async (t: Test, blob: Buffer, pushed: Answer) => {
      const digest = digestOf(blob, algorithm);
      t.equal(pushed.status, 201);
      t.match(pushed.headers, { location: `/v2/${REPOSITORY}/blobs/${digest}`, 'docker-content-digest': digest });
      const pulled = await call('GET', pushed.headers.location ?? '');
      t.equal(pulled.status, 200);
      t.ok(pulled.body.equals(blob));
      t.match(pulled.headers, { 'docker-content-digest': digest, 'content-length': String(blob.length) });
      const head = await call('HEAD', `/v2/${REPOSITORY}/blobs/${digest}`);
      t.equal(head.status, 200);
      t.equal(head.body.length, 0);
      t.equal(head.headers['content-length'], String(blob.length));
    };
    const begin = async () => (await call('POST', UPLOADS)).headers.location ?? '';
    const withDigest = (blob: Buffer) => `?digest=${digestOf(blob, algorithm)}`;

    await t.test('POST alone', async (t) => {
      const blob = bytes('post');
      await check(t, blob, await call('POST', UPLOADS + withDigest(blob), { body: blob }));
    });
    await t.test('POST and PUT', async (t) => {
      const blob = bytes('put');
      await check(t, blob, await call('PUT', (await begin()) + withDigest(blob), { body: blob }));
    });
    await t.test('a stream in one PATCH without a length', async (t) => {
      const blob = bytes('stream');
      const headers = { 'transfer-encoding': 'chunked' };
      const patched = await call('PATCH', await begin(), { body: blob, headers });
      t.equal(patched.status, 202);
      t.equal(patched.headers.range, '0-2999');
      await check(t, blob, await call('PUT', patched.headers.location + withDigest(blob)));
    });
    for (const last of ['PATCH', 'PUT']) {
      await t.test(`chunks, the last one by ${last}`, async (t) => {
        const blob = bytes(`chunks ${last}`);
        let location = await begin();
        for (const [first, end] of [
          [0, 1000],
          [1000, 2000],
          [2000, 3000],
        ] as const) {
          const isLast = end === 3000 && last === 'PUT';
          const headers = { 'content-range': `${first}-${end - 1}` };
          const body = blob.subarray(first, end);
          const answer = await call(isLast ? 'PUT' : 'PATCH', location + (isLast ? withDigest(blob) : ''), {
            headers,
            body,
          });
          if (isLast) return check(t, blob, answer);
          t.equal(answer.status, 202);
          t.equal(answer.headers.range, `0-${end - 1}`);
          location = answer.headers.location ?? '';
        }
        return check(t, blob, await call('PUT', location + withDigest(blob)));
      });
    }
    await t.test('with nothing in it', async (t) => {
      const blob = Buffer.alloc(0);
      await check(t, blob, await call('POST', UPLOADS + withDigest(blob), { body: blob }));
      await check(t, blob, await call('PUT', (await begin()) + withDigest(blob), { body: blob }));
    });
    await t.test('bytes of another digest are refused and not kept, however they come', async (t) => {
      const digest = digestOf(bytes('right'), algorithm);
      const query = `?digest=${digest}`;
      const wrong = { body: bytes('wrong') };
      const patched = await call('PATCH', await begin(), wrong);
      const answers = [
        await call('POST', UPLOADS + query, wrong),
        await call('PUT', (await begin()) + query, wrong),
        await call('PUT', patched.headers.location + query),
      ];
      for (const { status, codes } of answers) t.strictSame([status, codes], [400, ['DIGEST_INVALID']]);
      t.equal((await call('HEAD', `/v2/${REPOSITORY}/blobs/${digest}`)).status, 404);
      t.equal((await call('GET', patched.headers.location ?? '')).status, 404, 'the upload is over');
    });
  });
}

t.test('chunks out of order are answered with 416 and where to go on, and nothing of them is kept', async (t) => {
  const { call } = await serving(t);
  const blob = bytesOf('order', 300);
  const location = (await call('POST', UPLOADS)).headers.location ?? '';
  const send = (method: string, range: string, body: Buffer) =>
    call(method, method === 'PUT' ? `${location}?digest=${digestOf(blob)}` : location, {
      body,
      headers: { 'content-range': range },
    });
  t.equal((await send('PATCH', '100-199', blob.subarray(100, 200))).status, 416, 'the second one first');
  t.equal((await send('PATCH', '0-99', blob.subarray(0, 100))).status, 202);
  for (const [method, range, length] of [
    ['PATCH', '200-299', 100],
    ['PATCH', '0-99', 100],
    ['PUT', '200-299', 100],
    ['PATCH', 'no range', 100],
    ['PATCH', '199-100', 100],
  ] as const) {
    const refused = await send(method, range, blob.subarray(0, length));
    t.equal(refused.status, 416, range);
    t.match(refused.headers, { location, range: '0-99' });
  }
  const status = await call('GET', location);
  t.match(status, { status: 204, headers: { location, range: '0-99' } });
  t.equal((await send('PUT', '100-299', blob.subarray(100))).status, 201);
});

t.test('a chunk of another length than its headers say is refused', async (t) => {
  const { call } = await serving(t);
  const location = (await call('POST', UPLOADS)).headers.location ?? '';
  const headers = { 'content-range': '0-99' };
  const short = await call('PATCH', location, { headers, body: Buffer.alloc(50) });
  t.strictSame([short.status, short.codes], [400, ['SIZE_INVALID']]);
  t.equal((await call('GET', location)).headers.range, '0-0');
  const chunked = { ...headers, 'transfer-encoding': 'chunked' };
  const long = await call('PATCH', location, { headers: chunked, body: Buffer.alloc(200_000) });
  t.strictSame([long.status, long.codes], [400, ['SIZE_INVALID']]);
});

t.test('an upload can be asked for and cancelled, and is known in its repository only', async (t) => {
  const { call } = await serving(t);
  const begun = await call('POST', UPLOADS);
  t.equal(begun.status, 202);
  const location = begun.headers.location ?? '';
  const other = await call('POST', UPLOADS);
  t.not(other.headers.location, location, 'sessions are unique');
  t.equal((await call('GET', location)).status, 204);
  for (const method of ['GET', 'PATCH', 'PUT', 'DELETE']) {
    const elsewhere =
      location.replace(REPOSITORY, 'other') + (method === 'PUT' ? `?digest=${digestOf(Buffer.alloc(0))}` : '');
    const { status, codes } = await call(method, elsewhere);
    t.strictSame([status, method === 'HEAD' ? [] : codes], [404, ['BLOB_UPLOAD_UNKNOWN']], method);
  }
  t.equal((await call('DELETE', location)).status, 204);
  t.equal((await call('GET', location)).status, 404);
  t.equal((await call('GET', other.headers.location ?? '')).status, 204);
});

t.test('an upload is gone on with by the next server, and prune removes what nobody goes on with', async (t) => {
  const first = await serving(t);
  const blob = bytesOf('restart', 5000);
  const { location = '' } = (await first.call('POST', UPLOADS)).headers;
  await first.call('PATCH', location, { body: blob.subarray(0, 2000) });
  await first.close();
  const second = await serving(t, { store: first.store });
  const { headers } = await second.call('GET', location);
  t.equal(headers.range, '0-1999');
  await second.call('PATCH', location, { body: blob.subarray(2000) });
  t.equal((await second.call('PUT', `${location}?digest=${digestOf(blob)}`)).status, 201);
  const left = await second.call('POST', UPLOADS);
  await second.call('PATCH', left.headers.location ?? '', { body: blob });
  t.equal(second.store.removeUnfinished(), 0, 'it may still be gone on with');
  await second.close();
  t.equal(second.store.removeUnfinished(), 5000);
});

t.test('a blob is mounted from a repository that has it, or from any; others are uploaded', async (t) => {
  const { call, pushBlob } = await serving(t);
  const digest = await pushBlob('source', bytesOf('mount', 100));
  const mount = (repository: string, query: string) => call('POST', `/v2/${repository}/blobs/uploads/?mount=${query}`);
  for (const [target, query] of [
    ['one', `${digest}&from=source`],
    ['two', digest],
  ] as const) {
    const { status, headers } = await mount(target, query);
    t.equal(status, 201);
    t.equal(headers.location, `/v2/${target}/blobs/${digest}`);
    t.equal((await call('GET', headers.location ?? '')).status, 200);
  }
  const missing = digestOf(Buffer.from('missing'));
  for (const query of [
    `${digest}&from=empty`,
    `${missing}&from=source`,
    missing,
    'sha256:bad',
    `${digest}&from=..%2f..`,
  ]) {
    const { status, headers } = await mount('three', query);
    t.equal(status, 202, query);
    t.match(headers.location, /^\/v2\/three\/blobs\/uploads\/./);
  }
  t.equal((await call('HEAD', `/v2/three/blobs/${digest}`)).status, 404, 'a blob is seen only where it was pushed');
});

t.test('ranges of a blob', async (t) => {
  const { call, pushBlob } = await serving(t);
  const blob = bytesOf('range', 2048);
  const path = `/v2/${REPOSITORY}/blobs/${await pushBlob(REPOSITORY, blob)}`;
  const ask = (range: string, more = {}) => call('GET', path, { headers: { range, ...more } });
  for (const [range, first, end] of [
    ['bytes=500-1499', 500, 1500],
    ['bytes=500-', 500, 2048],
    ['bytes=-500', 1548, 2048],
    ['bytes=2000-5000', 2000, 2048],
    ['bytes=-5000', 0, 2048],
    ['bytes=0-0', 0, 1],
  ] as const) {
    const { status, headers, body } = await ask(range);
    t.equal(status, 206, range);
    t.ok(body.equals(blob.subarray(first, end)));
    t.equal(headers['content-range'], `bytes ${first}-${end - 1}/2048`);
  }
  for (const range of ['bytes=500-0', 'bytes=5000-10000', 'bytes=2048-', 'bytes=-0']) {
    const { status, headers } = await ask(range);
    t.equal(status, 416, range);
    t.equal(headers['content-range'], 'bytes */2048');
  }
  for (const range of ['bytes=0-1,5-6', 'lines=1-2', 'bytes=-', 'bytes=a-b'])
    t.equal((await ask(range)).status, 200, range);
  t.equal((await ask('bytes=0-1', { 'if-range': '"other"' })).status, 200);
  const { headers } = await call('HEAD', path);
  t.equal((await call('GET', path, { headers: { 'if-none-match': headers.etag ?? '' } })).status, 304);
});

t.test('a deleted blob is gone from its repository at once, and from no other', async (t) => {
  const { call, pushBlob } = await serving(t);
  const blob = bytesOf('delete', 100);
  const digest = await pushBlob('one', blob);
  await pushBlob('two', blob);
  t.equal((await call('DELETE', `/v2/one/blobs/${digest}`)).status, 202);
  t.equal((await call('HEAD', `/v2/one/blobs/${digest}`)).status, 404);
  const again = await call('DELETE', `/v2/one/blobs/${digest}`);
  t.strictSame([again.status, again.codes], [404, ['BLOB_UNKNOWN']]);
  t.equal((await call('HEAD', `/v2/two/blobs/${digest}`)).status, 200);
});

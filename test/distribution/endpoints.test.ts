// distribution-spec 1.1: "Determining Support", "Listing Tags", "Error Codes", names; and Docker's _catalog.
import t from 'tap';
import { digestOf } from '../../src/util/digest.js';
import { artifact, EMPTY, type Serving, serving } from './serving.js';

async function withTags(
  t: Parameters<typeof serving>[0],
  repository: string,
  tags: readonly string[],
): Promise<Serving> {
  const served = await serving(t);
  await served.pushBlob(repository, EMPTY);
  for (const tag of tags) await served.pushManifest(repository, tag, artifact());
  return served;
}

t.test('the base endpoint says that this is a registry', async (t) => {
  const { call } = await serving(t);
  for (const path of ['/v2/', '/v2', '/v2/?x=1']) {
    const { status, headers } = await call('GET', path);
    t.equal(status, 200);
    t.equal(headers['docker-distribution-api-version'], 'registry/2.0');
  }
});

t.test('tags come in the order of their bytes, n at most, behind last, with a link while there are more', async (t) => {
  const tags = ['v1', 'V2', '_x', 'a.b', 'v10', '0'];
  const { call } = await withTags(t, 'app', tags);
  const list = async (query: string) => {
    const { status, headers, body } = await call('GET', `/v2/app/tags/list${query}`);
    t.equal(status, 200, query);
    const { name, tags } = JSON.parse(body.toString()) as { name: string; tags: string[] };
    t.equal(name, 'app');
    return { tags, link: headers.link };
  };
  const sorted = ['0', 'V2', '_x', 'a.b', 'v1', 'v10'];
  t.strictSame(await list(''), { tags: sorted, link: undefined });
  t.strictSame(await list('?n=4'), { tags: sorted.slice(0, 4), link: '</v2/app/tags/list?n=4&last=a.b>; rel="next"' });
  t.strictSame(await list('?n=4&last=a.b'), { tags: ['v1', 'v10'], link: undefined });
  t.strictSame(await list('?n=6'), { tags: sorted, link: undefined });
  t.strictSame(await list('?n=100'), { tags: sorted, link: undefined });
  t.strictSame(await list('?last=a'), { tags: sorted.slice(3), link: undefined }, 'last need not be a tag');
  t.strictSame(await list('?n=0'), { tags: [], link: undefined });
  for (const n of ['-1', 'x', '1.5', ''])
    t.equal((await call('GET', `/v2/app/tags/list?n=${n}`)).status, 400, `n=${n}`);
  const unknown = await call('GET', '/v2/nobody/tags/list');
  t.strictSame([unknown.status, unknown.codes], [404, ['NAME_UNKNOWN']]);
});

t.test('the catalog has the repositories with manifests, page by page', async (t) => {
  const { call, pushBlob, pushManifest } = await serving(t);
  for (const name of ['b', 'a/b', 'a', 'a/b/c']) {
    await pushBlob(name, EMPTY);
    await pushManifest(name, 'v1', artifact());
  }
  await pushBlob('only/blobs', EMPTY);
  const list = async (query = '') => {
    const { body, headers } = await call('GET', `/v2/_catalog${query}`);
    return [(JSON.parse(body.toString()) as { repositories: string[] }).repositories, headers.link];
  };
  t.strictSame(await list(), [['a', 'a/b', 'a/b/c', 'b'], undefined]);
  t.strictSame(await list('?n=2'), [['a', 'a/b'], '</v2/_catalog?n=2&last=a%2Fb>; rel="next"']);
  t.strictSame(await list('?n=2&last=a%2Fb'), [['a/b/c', 'b'], undefined]);
});

t.test('names and references that are none are refused before anything is looked for', async (t) => {
  const { call } = await serving(t);
  const digest = digestOf(EMPTY);
  for (const name of [
    'UPPER',
    'a//b',
    '-a',
    'a-',
    'a..b',
    '_a',
    'a/_tags/b',
    '%2e%2e/a',
    'a/%2e%2e/b',
    'a%00b',
    'a'.repeat(256),
  ]) {
    for (const path of [`/v2/${name}/tags/list`, `/v2/${name}/blobs/${digest}`, `/v2/${name}/manifests/v1`]) {
      const { status, codes } = await call('GET', path);
      t.strictSame([status, codes], [400, ['NAME_INVALID']], path);
    }
  }
  for (const name of ['a', 'a/b/c', 'a.b_c__d-e---f', 'blobs/uploads', 'manifests/tags/list', 'a'.repeat(255)])
    t.strictSame((await call('GET', `/v2/${name}/tags/list`)).codes, ['NAME_UNKNOWN'], name);
  for (const tag of ['.a', '-a', 'a%20b', 'a'.repeat(129), '%2e%2e'])
    t.strictSame((await call('GET', `/v2/a/manifests/${tag}`)).codes, ['MANIFEST_INVALID'], tag);
  for (const bad of ['sha256:12', 'md5:d41d8cd98f00b204e9800998ecf8427e', digest.toUpperCase(), `${digest}0`, 'x'])
    t.strictSame((await call('GET', `/v2/a/blobs/${bad}`)).codes, ['DIGEST_INVALID'], bad);
  t.equal((await call('GET', '/v2/a/manifests/sha256:baddigeststring')).status, 400);
  t.equal((await call('GET', '/v2/%ff/tags/list')).status, 400);
});

t.test('what is not there, and methods that a path has not', async (t) => {
  const { call, pushBlob } = await serving(t);
  await pushBlob('app', EMPTY);
  const missing = digestOf(Buffer.from('missing'));
  for (const [method, path, status, code] of [
    ['GET', `/v2/app/blobs/${missing}`, 404, 'BLOB_UNKNOWN'],
    ['GET', `/v2/nobody/blobs/${missing}`, 404, 'BLOB_UNKNOWN'],
    ['GET', '/v2/app/manifests/v1', 404, 'MANIFEST_UNKNOWN'],
    ['GET', `/v2/app/manifests/${missing}`, 404, 'MANIFEST_UNKNOWN'],
    ['GET', '/v2/nobody/manifests/v1', 404, 'NAME_UNKNOWN'],
    ['PUT', '/v2/app/blobs/uploads/00000000-0000-0000-0000-000000000000?digest=x', 400, 'DIGEST_INVALID'],
    ['PUT', '/v2/app/blobs/uploads/00000000-0000-0000-0000-000000000000', 400, 'DIGEST_INVALID'],
    ['GET', '/v2/app/blobs/uploads/..%2f..%2findex.json', 404, 'UNSUPPORTED'],
    ['GET', '/v2/app/blobs/uploads/index.json', 404, 'BLOB_UPLOAD_UNKNOWN'],
    ['POST', '/v2/app/blobs/uploads/?digest=sha256:12', 400, 'DIGEST_INVALID'],
    ['POST', '/v2/app/manifests/v1', 405, 'UNSUPPORTED'],
    ['PATCH', `/v2/app/blobs/${missing}`, 405, 'UNSUPPORTED'],
    ['DELETE', '/v2/', 405, 'UNSUPPORTED'],
    ['GET', '/v1/search', 404, 'UNSUPPORTED'],
    ['GET', '/', 404, 'UNSUPPORTED'],
  ] as const) {
    const answer = await call(method, path);
    t.strictSame([answer.status, answer.codes], [status, [code]], `${method} ${path}`);
    t.equal(answer.headers['content-type'], 'application/json');
    if (status === 405) t.ok(answer.headers.allow);
  }
  t.match(await call('HEAD', '/v2/app/manifests/v1'), { status: 404, body: Buffer.alloc(0) });
});

// distribution-spec 1.1: "Pulling manifests", "Pushing Manifests", "Pushing Manifests with Subject", "Listing Referrers",
// "Deleting tags", "Deleting Manifests".
import t from 'tap';
import { DOCKER_MANIFEST, MANIFEST_TYPES, OCI_EMPTY, OCI_INDEX, OCI_MANIFEST } from '../../src/image/media-types.js';
import { type Digest, digestOf } from '../../src/util/digest.js';
import { json, makeImage, makeIndex } from '../image/making.js';
import { artifact, bytesOf, descriptor, EMPTY, type Serving, serving } from './serving.js';

const REPOSITORY = 'team/app';
const at = (reference: string) => `/v2/${REPOSITORY}/manifests/${reference}`;

async function withEmpty(t: Parameters<typeof serving>[0]): Promise<Serving> {
  const served = await serving(t);
  await served.pushBlob(REPOSITORY, EMPTY);
  return served;
}

/** Everything of an image or an index, manifests behind what they name. */
async function pushAll({ pushBlob, pushManifest }: Serving, blobs: ReadonlyMap<Digest, Buffer>): Promise<void> {
  const typeOf = (bytes: Buffer): string | undefined =>
    bytes[0] === 0x7b ? (JSON.parse(bytes.toString()) as { mediaType?: string }).mediaType : undefined;
  for (const bytes of blobs.values()) if (typeOf(bytes) === undefined) await pushBlob(REPOSITORY, bytes);
  for (const [digest, bytes] of blobs)
    if (typeOf(bytes) !== undefined) await pushManifest(REPOSITORY, digest, bytes, typeOf(bytes));
}

t.test('a manifest is pulled byte by byte as it was pushed, by tag and by digest', async (t) => {
  for (const [what, top, type] of [
    ['OCI image', makeImage(), OCI_MANIFEST],
    ['Docker image', makeImage({ docker: true }), DOCKER_MANIFEST],
    ['image without layers', makeImage({ layers: [] }), OCI_MANIFEST],
  ] as const) {
    const served = await serving(t);
    await pushAll(served, top.blobs);
    const { digest } = top.manifest;
    const bytes = top.blobs.get(digest) ?? Buffer.alloc(0);
    const pushed = await served.pushManifest(REPOSITORY, 'v1', bytes, `${type}; charset=utf-8`);
    t.equal(pushed.status, 201, what);
    t.match(pushed.headers, { location: at('v1'), 'docker-content-digest': digest });
    for (const reference of ['v1', digest]) {
      for (const method of ['GET', 'HEAD']) {
        const { status, headers, body } = await served.call(method, at(reference), {
          headers: { accept: MANIFEST_TYPES.join(', ') },
        });
        t.equal(status, 200);
        t.match(headers, {
          'content-type': type,
          'content-length': String(bytes.length),
          'docker-content-digest': digest,
        });
        t.ok(body.equals(method === 'GET' ? bytes : Buffer.alloc(0)));
      }
    }
  }
});

t.test('indexes, in indexes too and empty ones, and fields that nobody knows are stored as they come', async (t) => {
  const served = await serving(t);
  const one = { ...makeImage(), platform: { os: 'linux', architecture: 'amd64' } };
  const inner = makeIndex([one]);
  await pushAll(served, inner.blobs);
  for (const document of [
    { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [inner.index] },
    { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] },
    { schemaVersion: 2, manifests: [], 'org.example.unknown': { deep: [1] } },
    { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [{ ...one.manifest, data: 'e30=', unknown: 1 }] },
  ]) {
    const { status, headers } = await served.pushManifest(REPOSITORY, 'index', document, OCI_INDEX);
    t.equal(status, 201);
    const pulled = await served.call('GET', headers.location ?? '');
    t.ok(pulled.body.equals(json(document)));
    t.equal(pulled.headers['content-type'], OCI_INDEX);
  }
});

t.test('sha512: manifests and what they name, and tags beside a digest', async (t) => {
  const served = await serving(t);
  await served.pushBlob(REPOSITORY, EMPTY, 'sha512');
  const part = descriptor(EMPTY, OCI_EMPTY, 'sha512');
  const document = artifact({ config: part, layers: [part] });
  const digest = digestOf(json(document), 'sha512');
  const pushed = await served.pushManifest(REPOSITORY, `${digest}?tag=one&tag=two`, document);
  t.equal(pushed.status, 201);
  t.match(pushed.headers, { location: at(digest), 'docker-content-digest': digest, 'oci-tag': 'one, two' });
  for (const reference of [digest, 'one', 'two']) {
    const { status, headers } = await served.call('GET', at(reference));
    t.equal(status, 200);
    t.equal(headers['docker-content-digest'], digest);
  }
});

t.test('a manifest of 4 MiB is taken, a larger one is answered with 413', async (t) => {
  const served = await withEmpty(t);
  const padded = (size: number) => {
    const fill = size - json(artifact({ annotations: { fill: '' } })).length;
    const annotations: { [key: string]: string } = {};
    for (let left = fill, index = 0; left > 0; index++) {
      const room = Math.min(left, 20_000) - (index === 0 ? 0 : `,"${index}":""`.length);
      annotations[index === 0 ? 'fill' : String(index)] = 'x'.repeat(Math.max(0, room));
      left -= 20_000;
    }
    return Buffer.from(JSON.stringify(artifact({ annotations })).padEnd(size, ' '));
  };
  const MiB = 1024 * 1024;
  const large = padded(4 * MiB);
  t.equal(large.length, 4 * MiB);
  t.equal((await served.pushManifest(REPOSITORY, 'large', large)).status, 201);
  t.ok((await served.call('GET', at('large'))).body.equals(large));
  const chunked = { headers: { 'content-type': OCI_MANIFEST, 'transfer-encoding': 'chunked' } };
  const body = Buffer.concat([large, Buffer.from(' ')]);
  for (const answer of [
    await served.pushManifest(REPOSITORY, 'larger', body),
    await served.call('PUT', at('larger'), { ...chunked, body }),
  ])
    t.strictSame([answer.status, answer.codes], [413, ['SIZE_INVALID']]);
});

t.test('what a manifest names must be there, but its subject and layers that are not for distribution', async (t) => {
  const served = await withEmpty(t);
  const missing = ['one', 'two'].map((seed) => descriptor(bytesOf(seed, 10)));
  const refused = await served.pushManifest(REPOSITORY, 'v1', artifact({ layers: missing }));
  t.strictSame([refused.status, refused.codes], [400, ['MANIFEST_BLOB_UNKNOWN', 'MANIFEST_BLOB_UNKNOWN']]);
  for (const { digest } of missing) t.match(refused.body.toString(), digest);
  const sparse = { schemaVersion: 2, manifests: [{ ...missing[0], mediaType: OCI_MANIFEST }] };
  t.strictSame((await served.pushManifest(REPOSITORY, 'v1', sparse, OCI_INDEX)).codes, ['MANIFEST_BLOB_UNKNOWN']);
  t.equal((await served.call('GET', at('v1'))).status, 404);
  const foreign = { ...missing[0], mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip' };
  t.equal((await served.pushManifest(REPOSITORY, 'v1', artifact({ layers: [foreign] }))).status, 201);
  t.equal((await served.pushManifest('elsewhere', 'v1', artifact())).status, 400, 'another repository has it');
});

t.test('documents that are no manifest are refused, each with its reason', async (t) => {
  const served = await withEmpty(t);
  const put = (document: object, type?: string) => served.pushManifest(REPOSITORY, 'bad', document, type);
  for (const [reason, document, type] of [
    ['not JSON', Buffer.from('{"schemaVersion":'), OCI_MANIFEST],
    ['not an object', Buffer.from('[]'), OCI_MANIFEST],
    ['nothing', Buffer.alloc(0), OCI_MANIFEST],
    ['not UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), OCI_MANIFEST],
    ['schemaVersion', artifact({ schemaVersion: 1 }), OCI_MANIFEST],
    ['config', artifact({ config: undefined }), OCI_MANIFEST],
    ['layers', artifact({ layers: undefined }), OCI_MANIFEST],
    ['layers', artifact({ layers: 'none' }), OCI_MANIFEST],
    ['digest', artifact({ layers: [{ ...descriptor(EMPTY), digest: 'sha256:12' }] }), OCI_MANIFEST],
    ['size', artifact({ layers: [{ ...descriptor(EMPTY), size: -1 }] }), OCI_MANIFEST],
    ['mediaType', artifact({ layers: [{ ...descriptor(EMPTY), mediaType: 'no type' }] }), OCI_MANIFEST],
    ['subject', artifact({ subject: { digest: 'x' } }), OCI_MANIFEST],
    ['annotations', artifact({ annotations: { key: 1 } }), OCI_MANIFEST],
    ['mediaType', artifact({ mediaType: OCI_INDEX }), OCI_MANIFEST],
    ['manifests', artifact({ manifests: [] }), OCI_MANIFEST],
    ['manifests', { schemaVersion: 2 }, OCI_INDEX],
    ['Content-Type', artifact(), 'text/plain'],
    ['Content-Type', artifact(), ''],
  ] as const) {
    const { status, codes, body } = await put(document, type);
    t.strictSame([status, codes], [400, ['MANIFEST_INVALID']], reason);
    t.match(body.toString(), reason === 'nothing' ? 'JSON' : reason);
  }
  const wrong = await served.pushManifest(REPOSITORY, digestOf(EMPTY), artifact());
  t.strictSame([wrong.status, wrong.codes], [400, ['DIGEST_INVALID']]);
  t.strictSame(
    (await served.call('GET', `/v2/${REPOSITORY}/tags/list`)).body.toString(),
    `{"name":"${REPOSITORY}","tags":[]}`,
  );
});

t.test(
  'referrers: each manifest with a subject, with type and annotations, filtered when asked, page by page',
  async (t) => {
    const served = await withEmpty(t);
    const subject = { mediaType: OCI_MANIFEST, digest: digestOf(Buffer.from('not pushed yet')), size: 14 };
    const annotations = { 'org.example.note': 'hello' };
    const documents = [
      artifact({ subject, artifactType: 'application/vnd.example.sbom', annotations }),
      artifact({ subject, artifactType: 'application/vnd.example.signature' }),
      artifact({ subject, config: descriptor(EMPTY, 'application/vnd.example.config') }),
    ];
    for (const document of documents) {
      const { status, headers } = await served.pushManifest(REPOSITORY, digestOf(json(document)), document);
      t.equal(status, 201);
      t.equal(headers['oci-subject'], subject.digest);
    }
    const index = {
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: [],
      subject,
      artifactType: 'application/vnd.example.list',
    };
    t.equal((await served.pushManifest(REPOSITORY, 'list', index, OCI_INDEX)).headers['oci-subject'], subject.digest);
    const list = async (query = '', digest = subject.digest) => {
      const answer = await served.call('GET', `/v2/${REPOSITORY}/referrers/${digest}${query}`);
      t.equal(answer.status, 200);
      t.equal(answer.headers['content-type'], OCI_INDEX);
      const found = JSON.parse(answer.body.toString()) as {
        schemaVersion: number;
        mediaType: string;
        manifests: { artifactType: string; digest: string }[];
      };
      t.match(found, { schemaVersion: 2, mediaType: OCI_INDEX });
      return { ...answer, manifests: found.manifests };
    };
    const all = await list();
    t.strictSame(all.manifests.map(({ artifactType }) => artifactType.replace('application/vnd.example.', '')).sort(), [
      'config',
      'list',
      'sbom',
      'signature',
    ]);
    t.notOk('oci-filters-applied' in all.headers);
    const sbom = await list('?artifactType=application%2Fvnd.example.sbom');
    t.equal(sbom.headers['oci-filters-applied'], 'artifactType');
    const [first] = documents;
    t.strictSame(sbom.manifests, [
      { ...descriptor(json(first), OCI_MANIFEST), artifactType: 'application/vnd.example.sbom', annotations },
    ]);
    t.strictSame((await list('?artifactType=none')).manifests, []);
    t.strictSame((await list('', digestOf(EMPTY))).manifests, [], 'of what nobody knows: an empty index');
    const gone = digestOf(json(first));
    t.equal((await served.call('DELETE', at(gone))).status, 202);
    t.notOk((await list()).manifests.some(({ digest }) => digest === gone));
    const bad = await served.call('GET', `/v2/${REPOSITORY}/referrers/sha256:bad`);
    t.strictSame([bad.status, bad.codes], [400, ['DIGEST_INVALID']]);
  },
);

t.test('many referrers come in pages that every client can take', async (t) => {
  const served = await withEmpty(t);
  const subject = { mediaType: OCI_MANIFEST, digest: digestOf(EMPTY), size: 2 };
  const pushed = new Set<string>();
  for (let index = 0; index < 60; index++) {
    const annotations = { a: 'x'.repeat(60_000), b: String(index) };
    const { headers } = await served.pushManifest(REPOSITORY, 'moves', artifact({ subject, annotations }));
    pushed.add(String(headers['docker-content-digest']));
  }
  const found = new Set<string>();
  let pages = 0;
  for (let path: string | undefined = `/v2/${REPOSITORY}/referrers/${subject.digest}`; path !== undefined; pages++) {
    const { body, headers } = await served.call('GET', path);
    t.ok(body.length <= 4 * 1024 * 1024);
    for (const { digest } of (JSON.parse(body.toString()) as { manifests: { digest: string }[] }).manifests)
      found.add(digest);
    path = /^<([^>]+)>; rel="next"$/.exec(String(headers.link ?? ''))?.[1];
  }
  t.ok(pages > 1);
  t.strictSame([...found].sort(), [...pushed].sort());
});

t.test('a deleted tag leaves the manifest, a deleted manifest takes its tags along', async (t) => {
  const served = await withEmpty(t);
  const { call, pushManifest } = served;
  const one = artifact({ annotations: { n: '1' } });
  const digest = digestOf(json(one));
  for (const tag of ['a', 'b', 'c']) await pushManifest(REPOSITORY, tag, one);
  await pushManifest(REPOSITORY, 'c', artifact({ annotations: { n: '2' } }));
  t.equal((await call('DELETE', at('a'))).status, 202);
  t.equal((await call('HEAD', at('a'))).status, 404);
  t.equal((await call('HEAD', at(digest))).status, 200);
  t.equal((await call('DELETE', at(digest))).status, 202);
  for (const reference of ['b', digest]) t.equal((await call('HEAD', at(reference))).status, 404);
  t.equal((await call('HEAD', at('c'))).status, 200);
  for (const reference of ['a', digest]) {
    const { status, codes } = await call('DELETE', at(reference));
    t.strictSame([status, codes], [404, ['MANIFEST_UNKNOWN']]);
  }
});

// What the conformance suite of distribution-spec does with each kind of content: push blobs, manifests by digest, tags;
// list, HEAD and GET all of it; referrers; then delete tag, manifest and blob, each gone at once. The ways to push a blob
// are in blobs.test.ts, refusals in manifests.test.ts. Written from its sources (conformance/run.go); it is a program in Go.
import t, { type Test } from 'tap';
import { OCI_CONFIG, OCI_EMPTY, OCI_INDEX, OCI_LAYER, OCI_MANIFEST } from '../../src/image/media-types.js';
import { type Digest, digestOf } from '../../src/util/digest.js';
import { json } from '../image/making.js';
import { bytesOf, descriptor, EMPTY, type Serving, serving } from './serving.js';

const REPOSITORY = 'conformance/repo1';
const TYPE = 'application/vnd.example.conformance';

interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
}

interface Document extends Descriptor {
  readonly bytes: Buffer;
  readonly value: object;
}

/** One kind of content: what is pushed, in its order, under which tags. */
class Content {
  readonly blobs = new Map<Digest, Buffer>();
  readonly documents: Document[] = [];
  readonly tags = new Map<string, Document>();
  readonly referrers: { readonly subject: Digest; readonly by: Document; readonly artifactType: string | undefined }[] =
    [];

  constructor(readonly algorithm = 'sha256') {}

  blob(bytes: Buffer, mediaType: string): Descriptor {
    const one = descriptor(bytes, mediaType, this.algorithm);
    this.blobs.set(one.digest, bytes);
    return one;
  }

  document(value: { readonly mediaType: string; readonly [field: string]: unknown }): Document {
    const bytes = json(value);
    const document = { ...descriptor(bytes, value.mediaType, this.algorithm), bytes, value };
    this.documents.push(document);
    return document;
  }

  image(seed: string, more: object = {}): Document {
    const layers = [`${seed} 1`, `${seed} 2`].map((text) => this.blob(bytesOf(text, 700), `${OCI_LAYER}+gzip`));
    const config = this.blob(json({ os: 'linux', architecture: seed }), OCI_CONFIG);
    return this.document({ schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers, ...more });
  }

  artifact(seed: string, more: object = {}): Document {
    const layers = [this.blob(bytesOf(seed, 300), TYPE)];
    const config = this.blob(EMPTY, OCI_EMPTY);
    const value = { schemaVersion: 2, mediaType: OCI_MANIFEST, artifactType: TYPE, config, layers, ...more };
    return this.document(value);
  }

  index(documents: readonly Document[], more: object = {}): Document {
    const manifests = documents.map(plain);
    return this.document({ schemaVersion: 2, mediaType: OCI_INDEX, manifests, ...more });
  }

  refers(by: Document, subject: Descriptor, artifactType: string | undefined): Document {
    this.referrers.push({ subject: subject.digest, by, artifactType });
    return by;
  }

  /** A tag's push has no place for another algorithm than sha256. */
  untagged(_: Document): this {
    return this;
  }

  tagged(tag: string, document: Document): this {
    this.tags.set(tag, document);
    return this;
  }
}

const plain = ({ mediaType, digest, size }: Descriptor): Descriptor => ({ mediaType, digest, size });

const MISSING: Descriptor = { mediaType: OCI_MANIFEST, digest: digestOf(Buffer.from('missing content')), size: 123 };
const ANNOTATIONS = { 'org.opencontainers.conformance': 'hello conformance test' };
const FOREIGN = { mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar', size: 12345 };

const KINDS: { readonly [name: string]: () => Content } = {
  image: () => make((c) => c.tagged('image', c.image('image'))),
  'image of a large manifest': () =>
    make((c) => {
      const annotations = Object.fromEntries(Array.from({ length: 390 }, (_, i) => [`large-${i}`, 'A'.repeat(10_000)]));
      return c.tagged('large-manifest', c.image('large', { annotations }));
    }),
  index: () => make((c) => c.tagged('index', c.index([c.image('amd64'), c.image('arm64')]))),
  'nested index': () =>
    make((c) => c.tagged('nested', c.index([c.index([c.image('one')]), c.index([c.image('two')])]))),
  'empty index': () => make((c) => c.tagged('index', c.index([]))),
  artifact: () => make((c) => c.tagged('artifact', c.artifact('artifact'))),
  'artifact index': () =>
    make((c) => c.tagged('list', c.index([c.artifact('a'), c.artifact('b')], { artifactType: TYPE }))),
  'artifacts with a subject': () =>
    make((c) => {
      const subject = plain(c.image('subject'));
      c.refers(c.image('referrer', { subject }), subject, OCI_CONFIG);
      for (const artifactType of [TYPE, `${TYPE}.other`]) {
        const annotations = { ...ANNOTATIONS, unique: artifactType };
        c.tagged(
          `tag-${artifactType.length}`,
          c.refers(c.artifact('x', { artifactType, annotations, subject }), subject, artifactType),
        );
      }
      return c;
    }),
  'index with a subject': () =>
    make((c) => {
      const subject = plain(c.index([c.image('subject')]));
      const more = { artifactType: TYPE, annotations: ANNOTATIONS, subject };
      return c.tagged('list', c.refers(c.index([c.artifact('a')], more), subject, TYPE));
    }),
  'subject that is missing': () =>
    make((c) =>
      c.tagged('artifact', c.refers(c.artifact('m', { subject: MISSING, annotations: ANNOTATIONS }), MISSING, TYPE)),
    ),
  'data field': () =>
    make((c) => {
      const config = { ...c.blob(EMPTY, OCI_EMPTY), data: EMPTY.toString('base64') };
      return c.tagged('data', c.image('data', { config }));
    }),
  'layers that are not for distribution': () =>
    make((c) => {
      const digest = digestOf(Buffer.from('elsewhere'));
      const layer = { ...FOREIGN, digest, urls: [`https://store.example.com/${digest}`] };
      return c.tagged(
        'foreign',
        c.image('foreign', { layers: [layer, { ...layer, mediaType: `${FOREIGN.mediaType}+gzip` }] }),
      );
    }),
  'unknown fields': () =>
    make((c) =>
      c.tagged('custom', c.index([c.image('c', { 'org.example.a': [1] })], { 'org.example.b': { c: null } })),
    ),
  'no layers': () => make((c) => c.tagged('no-layers', c.image('none', { layers: [] }))),
  sha512: () => make((c) => c.untagged(c.index([c.image('sha512')])), 'sha512'),
};

const make = (fill: (content: Content) => Content, algorithm?: string): Content => fill(new Content(algorithm));

const at = (reference: string) => `/v2/${REPOSITORY}/manifests/${reference}`;
const blobAt = (digest: string) => `/v2/${REPOSITORY}/blobs/${digest}`;

for (const [name, content] of Object.entries(KINDS)) {
  t.test(`${name}: pushed, listed, pulled, deleted`, async (t) => {
    const served = await serving(t);
    const made = content();
    await push(t, served, made);
    await listTags(t, served, made);
    await pull(t, served, made);
    await askReferrers(t, served, made);
    await removeAll(t, served, made);
  });
}

async function push(t: Test, served: Serving, { blobs, algorithm, documents, tags }: Content): Promise<void> {
  for (const [digest, bytes] of blobs) t.equal(await served.pushBlob(REPOSITORY, bytes, algorithm), digest);
  const put = async (reference: string, { bytes, mediaType, digest, value }: Document) => {
    const { status, headers, body } = await served.pushManifest(REPOSITORY, reference, bytes, mediaType);
    const subject = 'subject' in value ? (value.subject as Descriptor).digest : undefined;
    const answer = [status, headers['docker-content-digest'], headers['oci-subject']];
    t.strictSame(answer, [201, digest, subject], body.toString());
    const found = await served.call('GET', headers.location ?? '');
    t.ok(found.status === 200 && found.body.equals(bytes), 'Location is where it is');
  };
  for (const document of documents) await put(document.digest, document);
  for (const [tag, document] of tags) await put(tag, document);
}

async function listTags(t: Test, { call }: Serving, { tags }: Content): Promise<void> {
  const list = async (query = '') => {
    const { status, body } = await call('GET', `/v2/${REPOSITORY}/tags/list${query}`);
    t.equal(status, 200);
    return (JSON.parse(body.toString()) as { tags: string[] }).tags;
  };
  const sorted = [...tags.keys()].sort();
  t.strictSame(await list(), sorted);
  if (sorted.length > 1) t.strictSame(await list(`?last=${sorted[0]}`), sorted.slice(1));
}

async function pull(t: Test, { call }: Serving, { blobs, documents, tags }: Content): Promise<void> {
  const wrong: string[] = [];
  const check = async (path: string, bytes: Buffer, wanted: { readonly [header: string]: string }) => {
    for (const method of ['HEAD', 'GET']) {
      const { status, headers, body } = await call(method, path, {
        headers: { accept: `${OCI_INDEX}, ${OCI_MANIFEST}` },
      });
      const all = { ...wanted, 'content-length': String(bytes.length) };
      const right = Object.entries(all).every(([name, value]) => headers[name] === value);
      if (status !== 200 || !right || !body.equals(method === 'GET' ? bytes : Buffer.alloc(0)))
        wrong.push(`${method} ${path}: ${status} ${JSON.stringify(headers)}`);
    }
  };
  const references = [...documents.map((one) => [one.digest, one] as const), ...tags];
  for (const [reference, { bytes, mediaType, digest }] of references)
    await check(at(reference), bytes, { 'content-type': mediaType, 'docker-content-digest': digest });
  for (const [digest, bytes] of blobs) await check(blobAt(digest), bytes, { 'docker-content-digest': digest });
  t.strictSame(wrong, []);
}

async function askReferrers(t: Test, { call }: Serving, { referrers }: Content): Promise<void> {
  const list = async (subject: Digest, query = '') => {
    const { status, headers, body } = await call('GET', `/v2/${REPOSITORY}/referrers/${subject}${query}`);
    t.strictSame([status, headers['content-type']], [200, OCI_INDEX]);
    const index = JSON.parse(body.toString()) as { manifests: object[] };
    t.match(index, { schemaVersion: 2, mediaType: OCI_INDEX });
    return { filters: headers['oci-filters-applied'], manifests: index.manifests };
  };
  for (const { subject, by, artifactType } of referrers) {
    const { annotations } = by.value as { annotations?: object };
    const wanted = { ...plain(by), artifactType, ...(annotations === undefined ? {} : { annotations }) };
    t.ok((await list(subject)).manifests.some((one) => same(one, wanted)));
    const filtered = await list(subject, `?artifactType=${encodeURIComponent(artifactType ?? '')}`);
    t.strictSame(filtered, { filters: 'artifactType', manifests: [wanted] });
  }
}

const same = (one: object, other: object): boolean =>
  JSON.stringify(Object.entries(one).sort()) === JSON.stringify(Object.entries(other).sort());

async function removeAll(t: Test, { call }: Serving, { blobs, documents, tags }: Content): Promise<void> {
  const paths = [...tags.keys(), ...documents.map(({ digest }) => digest).reverse()].map(at);
  for (const path of [...paths, ...[...blobs.keys()].map(blobAt)]) {
    const statuses: number[] = [];
    for (const method of ['DELETE', 'HEAD', 'DELETE']) statuses.push((await call(method, path)).status);
    t.strictSame(statuses, [202, 404, 404], path);
  }
}

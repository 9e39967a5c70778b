/**
 * Save: images as one tar that is an OCI image layout and a docker-archive at once, as docker's has been since 25: docker
 * load, podman load, skopeo and ctr read it. The same images give the same bytes.
 */
import { createReadStream } from 'node:fs';
import { familiarReference, parseReference } from '../registry/reference.js';
import { type Digest, digestParts } from '../util/digest.js';
import type { TarEntry } from '../util/tar/entry.js';
import { TAR_END, tarHeader, tarPadding } from '../util/tar/writer.js';
import type { ImageConfig } from './config.js';
import { readImage } from './image.js';
import { formatDescriptor, INDEX_FILE, LAYOUT_FILE, LAYOUT_TEXT, REF_NAME } from './layout.js';
import { REPOSITORIES_FILE } from './legacy-archive.js';
import { OCI_INDEX } from './media-types.js';
import type { ContentStore, StoredImage } from './store.js';

const READ_CHUNK = 256 * 1024;
const CONTAINERD_NAME = 'io.containerd.image.name';

const BLANK = {
  ...{ link: '', uid: 0, gid: 0, major: 0, minor: 0, size: 0, xattrs: new Map() },
  mtime: { seconds: 0, nanoseconds: 0 },
} as const;

/** Reads everything it needs of the store's documents first: throws TsrunError before the first byte. */
export function saveImages(store: ContentStore, images: readonly StoredImage[]): AsyncIterable<Buffer> {
  const read = images.map((stored) => ({ stored, ...readImage(store, stored) }));
  const blobs = new Map<Digest, number>();
  for (const { descriptor, manifest } of read) {
    for (const { digest, size } of [descriptor, manifest.config, ...manifest.layers]) {
      if (store.size(digest) !== size) store.openRead(digest); // throws BLOB_MISSING
      blobs.set(digest, size);
    }
  }
  const index = read.map(({ stored, descriptor }) => formatDescriptor({ ...descriptor, annotations: namesOf(stored) }));
  const docker = read.map(({ stored, manifest }) => ({
    Config: pathOf(manifest.config.digest),
    RepoTags: tagOf(stored),
    Layers: manifest.layers.map(({ digest }) => pathOf(digest)),
  }));
  const documents: readonly (readonly [name: string, text: string])[] = [
    [INDEX_FILE, JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: index })],
    ['manifest.json', JSON.stringify(docker)],
    ...repositoriesOf(read),
    [LAYOUT_FILE, LAYOUT_TEXT],
  ];
  return tar(
    store,
    [...blobs].sort(([a], [b]) => (a < b ? -1 : 1)),
    documents,
  );
}

const pathOf = (digest: Digest): string => {
  const { algorithm, hex } = digestParts(digest);
  return `blobs/${algorithm}/${hex}`;
};

/** docker's own annotation has the tag alone, containerd's the whole name. */
function namesOf({ name }: StoredImage): { readonly [key: string]: string } {
  const tag = tagIn(name);
  return name === undefined || tag === undefined ? {} : { [CONTAINERD_NAME]: name, [REF_NAME]: tag };
}

function tagIn(name: string | undefined): string | undefined {
  try {
    return parseReference(name ?? '').tag;
  } catch {
    return undefined;
  }
}

const tagOf = ({ name }: StoredImage): string[] | null =>
  name === undefined || tagIn(name) === undefined ? null : [familiarReference(parseReference(name))];

/** By name and tag the uppermost layer, as docker since 25 has it: programs that know no other file read names here. */
function repositoriesOf(images: readonly { stored: StoredImage; config: ImageConfig }[]): [string, string][] {
  const names = new Map<string, Map<string, string>>();
  for (const { stored, config } of images) {
    const [text] = tagOf(stored) ?? [];
    const top = config.diffIds.at(-1);
    if (text === undefined || top === undefined) continue;
    const mark = text.lastIndexOf(':');
    const tags = names.get(text.slice(0, mark)) ?? new Map<string, string>();
    names.set(text.slice(0, mark), tags.set(text.slice(mark + 1), digestParts(top).hex));
  }
  const sorted = <T>(map: ReadonlyMap<string, T>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
  const all = sorted(names).map(([name, tags]) => [name, Object.fromEntries(sorted(tags))] as const);
  return all.length === 0 ? [] : [[REPOSITORIES_FILE, JSON.stringify(Object.fromEntries(all))]];
}

async function* tar(
  store: ContentStore,
  blobs: readonly (readonly [digest: Digest, size: number])[],
  documents: readonly (readonly [name: string, text: string])[],
): AsyncIterable<Buffer> {
  const directories = new Set(blobs.flatMap(([digest]) => ['blobs/', `blobs/${digestParts(digest).algorithm}/`]));
  for (const name of directories) yield tarHeader({ ...BLANK, kind: 'directory', name, mode: 0o755 });
  for (const [digest, size] of blobs) {
    yield header(pathOf(digest), size);
    yield* createReadStream(store.path(digest), { highWaterMark: READ_CHUNK }) as AsyncIterable<Buffer>;
    yield tarPadding(size);
  }
  for (const [name, text] of documents) {
    const bytes = Buffer.from(text);
    yield Buffer.concat([header(name, bytes.length), bytes, tarPadding(bytes.length)]);
  }
  yield TAR_END;
}

const header = (name: string, size: number): Buffer =>
  tarHeader({ ...BLANK, kind: 'file', name, size, mode: 0o644 } satisfies TarEntry);

/**
 * Load: images out of an archive, in either of two forms: an OCI image layout (image-spec image-layout.md), or what `docker
 * save` wrote before it became one (docker-archive: manifest.json, configs, and layers as plain tars). Archives of docker
 * since 25 are both; then the layout counts, because it keeps the digests. What docker before 1.10 wrote is the affair of
 * legacy-archive.ts.
 */
import { TsrunError } from '../errors.js';
import { formatReference, parseReference, withDefaultTag } from '../registry/reference.js';
import { type Digest, digestParts } from '../util/digest.js';
import { quote } from '../util/quote.js';
import { type ArchivedFile, type ArchivedFiles, readArchive, standardInput } from './archive-read.js';
import { layerSuffix } from './decompress.js';
import { Field, invalid } from './field.js';
import { readImage, readManifest } from './image.js';
import { INDEX_FILE, LAYOUT_FILE, MAX_INDEX, parseIndexFile } from './layout.js';
import { legacyImages, REPOSITORIES_FILE } from './legacy-archive.js';
import { type Descriptor, MAX_DOCUMENT } from './manifest.js';
import { OCI_CONFIG, OCI_LAYER, OCI_MANIFEST } from './media-types.js';
import type { ContentStore, Lease, StoredImage } from './store.js';

const DOCKER_FILE = 'manifest.json';
const CONTAINERD_NAME = 'io.containerd.image.name';
const MANY = 10_000;

/** path: undefined for standard input. Returns what was stored. Throws TsrunError IMAGE_INVALID, DIGEST_MISMATCH, IO. */
export async function loadImages(store: ContentStore, path: string | undefined): Promise<readonly StoredImage[]> {
  const what = `archive ${quote(path ?? '-')}`;
  try {
    return await store.withLease(async (lease) => {
      const files = await readArchive(store, lease, path ?? (await standardInput(store, lease)), what);
      const images = imagesOf(store, lease, files, what);
      for (const { name, ...image } of images) {
        if (name === undefined) store.update((others) => [...others, { name, ...image }]);
        else store.setName(name, image);
      }
      return images;
    });
  } finally {
    store.collectGarbage();
  }
}

function imagesOf(store: ContentStore, lease: Lease, files: ArchivedFiles, what: string): readonly StoredImage[] {
  if (files(LAYOUT_FILE) !== undefined && files(INDEX_FILE) !== undefined) return ofLayout(store, files, what);
  if (files(DOCKER_FILE) !== undefined) return ofDockerArchive(store, lease, files, what);
  if (files(REPOSITORIES_FILE) !== undefined) return ofLegacyArchive(store, lease, files, what);
  throw invalid(what, [
    `has none of ${INDEX_FILE}, ${DOCKER_FILE} and ${REPOSITORIES_FILE}: it is no archive of images, or one of docker before 1.10 that names none`,
  ]);
}

function ofLayout(store: ContentStore, files: ArchivedFiles, what: string): StoredImage[] {
  const index = files(INDEX_FILE);
  if (index === undefined) return [];
  const listed = parseIndexFile(store.read(index.digest, MAX_INDEX), `${what}: ${INDEX_FILE}`);
  return listed.map((entry) => {
    checkBlob(files, entry.manifest, what);
    const { descriptor, manifest } = readManifest(store, entry);
    for (const blob of [descriptor, manifest.config, ...manifest.layers]) checkBlob(files, blob, what);
    const stored: StoredImage = { name: nameOf(entry), source: undefined, manifest: withoutNames(descriptor) };
    readImage(store, stored);
    return stored;
  });
}

/** A file of a layout must be what its name says. */
function checkBlob(files: ArchivedFiles, { digest, size }: Descriptor, what: string): void {
  const { algorithm, hex } = digestParts(digest);
  const file = files(`blobs/${algorithm}/${hex}`);
  if (file === undefined) throw new TsrunError('BLOB_MISSING', `${what}: blob ${digest} is not in it`);
  if (file.size === size && (algorithm !== 'sha256' || file.digest === digest)) return;
  const found = `the bytes are not those of the digest: they are ${file.digest}, ${file.size} bytes`;
  throw new TsrunError('DIGEST_MISMATCH', `${what}: blob ${digest}: ${found}`);
}

function withoutNames({ annotations: _, ...descriptor }: Descriptor): Descriptor {
  return descriptor;
}

/** A ref.name without a repository, as "latest", is a tag of who knows what. */
function nameOf({ name, manifest }: StoredImage): string | undefined {
  const full = manifest.annotations?.[CONTAINERD_NAME] ?? (name?.match(/[/:]/) ? name : undefined);
  return full === undefined ? undefined : formatReference(withDefaultTag(parseReference(full)));
}

function ofDockerArchive(store: ContentStore, lease: Lease, files: ArchivedFiles, what: string): StoredImage[] {
  const file = files(DOCKER_FILE);
  const bytes = file === undefined ? Buffer.alloc(0) : store.read(file.digest, MAX_DOCUMENT);
  // It is a list, and Field begins at an object.
  const root = Field.parse(
    Buffer.concat([Buffer.from('{"images":'), bytes, Buffer.from('}')]),
    `${what}: ${DOCKER_FILE}`,
  );
  const entries = root
    .get('images')
    .list(MANY)
    .map((image) => ({
      config: image.get('Config').text(),
      tags: image.get('RepoTags').texts(MANY),
      layers: image.get('Layers').texts(MANY),
    }));
  root.finish(`${what}: ${DOCKER_FILE}`);
  return entries.flatMap(({ config, tags, layers }) => {
    const manifest = makeManifest(
      store,
      lease,
      [config, ...layers].map((name) => must(files, name, what)),
    );
    const names = tags.map((tag) => formatReference(withDefaultTag(parseReference(tag))));
    const images = (names.length > 0 ? names : [undefined]).map((name) => ({ name, source: undefined, manifest }));
    for (const image of images) checkLayers(store, image);
    return images;
  });
}

function ofLegacyArchive(store: ContentStore, lease: Lease, files: ArchivedFiles, what: string): StoredImage[] {
  return legacyImages(store, lease, files, what).map(({ name, config, layers }) => {
    const manifest = makeManifest(store, lease, [config, ...layers]);
    const image = { name: formatReference(parseReference(name)), source: undefined, manifest };
    readImage(store, image);
    return image;
  });
}

function must(files: ArchivedFiles, name: string, what: string): ArchivedFile {
  const found = files(name);
  if (found === undefined) throw new TsrunError('BLOB_MISSING', `${what}: ${quote(name)} is not in it`);
  return found;
}

/** These archives have none: image-spec's is made of what there is. */
function makeManifest(store: ContentStore, lease: Lease, [config, ...layers]: readonly ArchivedFile[]): Descriptor {
  if (config === undefined) throw new TypeError('an image has a config');
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { mediaType: OCI_CONFIG, digest: config.digest, size: config.size },
      layers: layers.map(({ digest, size }) => ({
        mediaType: `${OCI_LAYER}${layerSuffix(store.path(digest))}`,
        digest,
        size,
      })),
    }),
  );
  const digest = store.put(bytes);
  lease.protect(digest);
  return { mediaType: OCI_MANIFEST, digest, size: bytes.length };
}

/** A plain tar is its own diffID: a docker-archive has no other digest to check its layers by. */
function checkLayers(store: ContentStore, image: StoredImage): void {
  const { manifest, config } = readImage(store, image);
  manifest.layers.forEach(({ mediaType, digest }, index) => {
    const wanted: Digest | undefined = config.diffIds[index];
    if (mediaType !== OCI_LAYER || wanted === digest) return;
    throw new TsrunError('DIGEST_MISMATCH', `layer ${index}: the bytes are ${digest}, but the config says ${wanted}`);
  });
}

/** From what a user wrote to an image of the store: a reference, an id or the beginning of one, a manifest's digest. */
import { TsrunError } from '../errors.js';
import { formatReference, parseReference, repositoryName, withDefaultTag } from '../registry/reference.js';
import { type Digest, digestParts, isDigest } from '../util/digest.js';
import { quote } from '../util/quote.js';
import { didYouMean } from '../util/suggest.js';
import { readManifest } from './image.js';
import type { ContentStore, StoredImage } from './store.js';

const ID = /^(?:sha256:)?[0-9a-f]{4,64}$/;

/** Throws TsrunError IMAGE_NOT_FOUND, IMAGE_AMBIGUOUS, REFERENCE_INVALID. */
export function findImage(store: ContentStore, text: string): StoredImage {
  const images = store.list();
  // A layout that another tool wrote may have any names.
  const literal = images.find(({ name }) => name === text);
  if (literal !== undefined) return literal;
  const [byId, ...others] = ID.test(text) ? findById(store, images, text.replace(/^sha256:/, '')) : [];
  const named =
    ID.test(text) && (text.length === 64 || text.startsWith('sha256:')) ? undefined : findByName(images, text);
  if (named !== undefined) return named;
  if (byId === undefined) throw notFound(images, text);
  if (others.length > 0) {
    throw new TsrunError('IMAGE_NOT_FOUND', `image ${quote(text)}: the ids of ${others.length + 1} images begin so`, {
      hint: 'write more digits',
    });
  }
  return byId;
}

function findByName(images: readonly StoredImage[], text: string): StoredImage | undefined {
  const reference = withDefaultTag(parseReference(text));
  const { digest } = reference;
  if (digest === undefined) return images.find(({ name }) => name === formatReference(reference));
  const source = `${repositoryName(reference)}@${digest}`;
  return images.find(
    (image) => image.source === source || (image.manifest.digest === digest && sameRepository(image, source)),
  );
}

const sameRepository = ({ source, name }: StoredImage, wanted: string): boolean =>
  source?.split('@')[0] === wanted.split('@')[0] || name?.startsWith(`${wanted.split('@')[0]}:`) === true;

/** One entry for each image: an image may have several names. */
function findById(store: ContentStore, images: readonly StoredImage[], hex: string): StoredImage[] {
  const found = new Map<Digest, StoredImage>();
  for (const image of images) {
    const ids = [image.manifest.digest, configDigest(store, image)];
    const begins = ids.some((id) => id !== undefined && digestParts(id).hex.startsWith(hex));
    if (begins && !found.has(image.manifest.digest)) found.set(image.manifest.digest, image);
  }
  return [...found.values()];
}

/** Undefined when the image is damaged: it still has its name. */
export function configDigest(store: ContentStore, image: StoredImage): Digest | undefined {
  try {
    const { digest } = readManifest(store, image).manifest.config;
    return isDigest(digest) ? digest : undefined;
  } catch {
    return undefined;
  }
}

function notFound(images: readonly StoredImage[], text: string): TsrunError {
  const names = images.flatMap(({ name }) => (name === undefined ? [] : [name]));
  const hint = didYouMean(text, names) ?? 'tsrun image ls shows those there are, tsrun image pull gets it';
  return new TsrunError('IMAGE_NOT_FOUND', `image ${quote(text)}: it is not in the store`, { hint });
}

/**
 * Images as the API names them: one for each id, with all its names.
 */
import { TsrunError } from '../../errors.js';
import { configDigest } from '../../image/find.js';
import { type Image, readImage } from '../../image/image.js';
import type { ContentStore, StoredImage } from '../../image/store.js';
import {
  familiarReference,
  formatReference,
  parseReference,
  type Reference,
  withDefaultTag,
} from '../../registry/reference.js';
import type { Digest } from '../../util/digest.js';
import { badRequest, notFound } from '../http/api-error.js';

/** All entries of the store with the same config. */
export interface ImageGroup {
  readonly id: Digest;
  readonly entries: readonly StoredImage[];
  readonly image: Image;
}

/** Damaged ones and artifacts are not listed. */
export function imageGroups(content: ContentStore): ImageGroup[] {
  const groups = new Map<Digest, StoredImage[]>();
  for (const stored of content.list()) {
    const id = configDigest(content, stored);
    if (id !== undefined) groups.set(id, [...(groups.get(id) ?? []), stored]);
  }
  return [...groups].flatMap(([id, entries]) => {
    const image = tryRead(content, entries);
    return image === undefined ? [] : [{ id, entries, image }];
  });
}

function tryRead(content: ContentStore, [first]: readonly StoredImage[]): Image | undefined {
  try {
    return first === undefined ? undefined : readImage(content, first);
  } catch (error) {
    if (error instanceof TsrunError) return undefined;
    throw error;
  }
}

/** Throws ApiError 404 with dockerd's words, and 400 for what names no image. */
export function findImage(content: ContentStore, text: string): StoredImage {
  try {
    return content.resolve(text);
  } catch (error) {
    if (error instanceof TsrunError && error.code === 'IMAGE_NOT_FOUND' && error.hint !== 'write more digits')
      throw notFound(`No such image: ${withTag(text)}`, error);
    if (error instanceof TsrunError && error.code === 'REFERENCE_INVALID')
      throw badRequest(`invalid reference format: ${error.message}`, error);
    throw error;
  }
}

/** Throws ApiError 404. */
export function groupOf(content: ContentStore, stored: StoredImage): ImageGroup {
  const image = readImage(content, stored);
  const entries = content.list().filter((other) => configDigest(content, other) === image.id);
  return { id: image.id, entries, image };
}

/** "busybox:latest" for "busybox"; what is an id stays one. */
function withTag(text: string): string {
  if (/^(?:sha256:)?[0-9a-f]{64}$/.test(text)) return text;
  try {
    return familiarReference(withDefaultTag(parseReference(text)));
  } catch {
    return text;
  }
}

export const repoTags = ({ entries }: ImageGroup): string[] =>
  unique(entries.flatMap(({ name }) => (name === undefined || name.includes('@') ? [] : [familiar(name)])));

/** A registry had it under these digests; a name that another image has taken leaves its digest. */
export const repoDigests = ({ entries }: ImageGroup): string[] =>
  unique(entries.flatMap(({ source }) => (source === undefined ? [] : [familiar(source)])));

const unique = (texts: readonly string[]): string[] => [...new Set(texts)].sort();

export function familiar(text: string): string {
  try {
    return familiarReference(parseReference(text));
  } catch {
    return text;
  }
}

/** repo and tag of a query: "busybox" and "1.36" or "sha256:…". Throws ApiError 400. */
export function referenceOf(repository: string, tag: string | undefined): Reference {
  const joined = !tag ? repository : tag.includes(':') ? `${repository}@${tag}` : `${repository}:${tag}`;
  try {
    return parseReference(joined);
  } catch (error) {
    throw badRequest(`invalid reference format: ${error instanceof Error ? error.message : ''}`, error);
  }
}

/** A new name, with a tag. Throws ApiError 400. */
export function newName(repository: string, tag: string | undefined): string {
  const reference = withDefaultTag(referenceOf(repository, tag));
  if (familiarReference(reference).startsWith('sha256:'))
    throw badRequest('refusing to create an ambiguous tag using digest algorithm as name');
  if (reference.digest !== undefined) throw badRequest('refusing to create a tag with a digest reference');
  return formatReference(reference);
}

/** POST /images/{name}/push: one tag, or all tags of a repository. */

import { readManifest } from '../../image/image.js';
import { splitName } from '../../image/list.js';
import { pushImage } from '../../image/push.js';
import type { ContentStore, StoredImage } from '../../image/store.js';
import type { Credentials } from '../../registry/auth.js';
import {
  familiarName,
  familiarReference,
  parseReference,
  type Reference,
  repositoryName,
} from '../../registry/reference.js';
import type { Uploaded } from '../../registry/upload.js';
import type { Digest } from '../../util/digest.js';
import { shortDigest } from '../../util/short-digest.js';
import type { EventBus } from '../events.js';
import { notFound } from '../http/api-error.js';
import { done, type Emit, working } from './progress.js';
import { openOne, type RegistryDeps } from './registry.js';

export interface PushDeps extends RegistryDeps {
  readonly content: ContentStore;
  readonly events: EventBus;
}

const WORDS: { readonly [state in Uploaded]: string } = {
  exists: 'Layer already exists',
  mounted: 'Mounted from another repository',
  sent: 'Pushed',
};
const EVERY_MS = 250;

/** Throws ApiError 404 where nothing of this name is there; then nothing was sent. */
export async function push(
  deps: PushDeps,
  reference: Reference,
  credentials: Credentials | undefined,
  emit: Emit,
): Promise<void> {
  const images = imagesOf(deps.content, reference);
  if (images.length === 0) {
    const name = reference.tag === undefined ? familiarName(reference) : familiarReference(reference);
    throw notFound(`An image does not exist locally with the tag: ${name}`);
  }
  const client = openOne(deps, reference.registry, credentials);
  try {
    for (const stored of images) {
      const target = parseReference(stored.name ?? '');
      emit({ status: `The push refers to repository [${repositoryName(target)}]` });
      const { manifest } = readManifest(deps.content, stored);
      for (const { digest } of manifest.layers) emit(done(shortDigest(digest), 'Preparing'));
      const report = reporter(emit);
      const { digest, size } = await pushImage(deps.content, {
        ...{ stored, reference: target, client, progress: report },
        atOnce: deps.config.layersAtOnce.up,
      });
      if (stored.name !== undefined)
        deps.content.setName(stored.name, { ...stored, source: `${repositoryName(target)}@${digest}` });
      const tag = target.tag ?? '';
      emit({ status: `${tag}: digest: ${digest} size: ${size}` });
      emit({ progressDetail: {}, aux: { Tag: tag, Digest: digest, Size: size } });
      deps.events.publish('image', 'push', familiarReference(target), { name: familiarName(target) });
    }
  } finally {
    client.close();
  }
}

function imagesOf(content: ContentStore, reference: Reference): StoredImage[] {
  const wanted = repositoryName(reference);
  return content.list().filter((stored) => {
    const { repository, tag } = splitName(stored);
    return stored.name !== undefined && repository === wanted && tag !== undefined && (reference.tag ?? tag) === tag;
  });
}

function reporter(emit: Emit): (layer: Digest, state: Uploaded | 'sending', bytes: number, size: number) => void {
  const last = new Map<Digest, number>();
  return (layer, state, bytes, size) => {
    const id = shortDigest(layer);
    if (state !== 'sending') return emit(done(id, WORDS[state]));
    const now = performance.now();
    if (now - (last.get(layer) ?? 0) < EVERY_MS) return;
    last.set(layer, now);
    emit(working(id, 'Pushing', bytes, size));
  };
}

/** Verify: every byte of an image is read again: blobs against their digests, the tars in its layers against the config. */
import { createHash } from 'node:crypto';
import { TsrunError } from '../errors.js';
import { type Digest, digestParts, finishDigest, hashFor } from '../util/digest.js';
import { decompressed } from './decompress.js';
import { readImage } from './image.js';
import type { Descriptor } from './manifest.js';
import type { ContentStore, StoredImage } from './store.js';

/** Every problem, in words. */
export async function verifyImage(store: ContentStore, stored: StoredImage): Promise<string[]> {
  const problems: string[] = [];
  const note = (error: unknown) => {
    problems.push(error instanceof Error ? error.message : String(error));
  };
  try {
    const { manifest, config } = readImage(store, stored); // verifies the documents
    for (const [index, layer] of manifest.layers.entries()) {
      await verifyLayer(store, layer, index, config.diffIds[index]).catch(note);
    }
  } catch (error) {
    note(error);
  }
  return problems;
}

async function verifyLayer(
  store: ContentStore,
  { digest, size }: Descriptor,
  index: number,
  diffId: Digest | undefined,
): Promise<void> {
  const found = await hashOf(store.openRead(digest), digest);
  if (found !== digest)
    throw new TsrunError('DIGEST_MISMATCH', `layer ${index}: blob ${digest}: the stored bytes are ${found}`);
  if (store.size(digest) !== size)
    throw new TsrunError(
      'DIGEST_MISMATCH',
      `layer ${index}: blob ${digest}: ${store.size(digest)} bytes instead of ${size}`,
    );
  const hash = createHash('sha256');
  for await (const piece of decompressed(store.path(digest), () => undefined)) hash.update(piece);
  const tar = finishDigest(hash);
  if (tar !== diffId)
    throw new TsrunError(
      'DIGEST_MISMATCH',
      `layer ${index}: blob ${digest}: its tar is ${tar}, but the config says ${diffId}`,
    );
}

async function hashOf(source: AsyncIterable<Uint8Array>, digest: Digest): Promise<Digest> {
  const hash = hashFor(digest);
  for await (const piece of source) hash.update(piece);
  return finishDigest(hash, digestParts(digest).algorithm);
}

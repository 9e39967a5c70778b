/**
 * Digests: "sha256:" and 64 digits. They become file names, so nothing else may pass for one (CVE-2024-3727): only the
 * two algorithms that image-spec registers, lower case, exactly as long as they are.
 *
 * Pure.
 */
import { createHash, type Hash } from 'node:crypto';
import { TsrunError } from '../errors.js';
import { quote } from './quote.js';

declare const brand: unique symbol;
export type Digest = string & { readonly [brand]: 'Digest' };

const FORMAT = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

export function isDigest(text: unknown): text is Digest {
  return typeof text === 'string' && FORMAT.test(text);
}

/** what: who says so, as the message begins. Throws TsrunError DIGEST_INVALID. */
export function parseDigest(text: string, what: string): Digest {
  if (isDigest(text)) return text;
  throw new TsrunError('DIGEST_INVALID', `${what}: ${quote(text, 160)} is not a digest`, {
    hint: 'a digest is "sha256:" and 64 or "sha512:" and 128 digits of 0-9a-f',
  });
}

/** { algorithm: 'sha256', hex: '…' } */
export function digestParts(digest: Digest): { readonly algorithm: string; readonly hex: string } {
  const [algorithm = '', hex = ''] = digest.split(':');
  return { algorithm, hex };
}

export function digestOf(bytes: Uint8Array, algorithm = 'sha256'): Digest {
  return finishDigest(createHash(algorithm).update(bytes), algorithm);
}

/** A hash of the algorithm of a digest, for streams. */
export const hashFor = (digest: Digest): Hash => createHash(digestParts(digest).algorithm);

export function finishDigest(hash: Hash, algorithm = 'sha256'): Digest {
  return `${algorithm}:${hash.digest('hex')}` as Digest;
}

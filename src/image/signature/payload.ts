/**
 * Signatures in cosign's format ("simple signing"): a small JSON text that says which manifest is meant, under which name,
 * and beside it the signature of its bytes, by a key that the verifier has. ECDSA and RSA (PKCS#1 1.5) sign its SHA-256,
 * Ed25519 the text itself. Certificates of Fulcio ("keyless") are not looked at: without a key nothing is trusted.
 *
 * Pure.
 */
import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { TsrunError } from '../../errors.js';
import { type Digest, isDigest } from '../../util/digest.js';
import { Field } from '../field.js';

export interface Signature {
  /** The bytes that are signed. */
  readonly payload: Buffer;
  readonly signature: Buffer;
}

export interface Claim {
  readonly digest: Digest;
  /** "registry.example/app", perhaps with a tag. */
  readonly identity: string;
}

const TYPE = 'cosign container image signature';
const LEAST_RSA_BITS = 2048;
const CURVES: ReadonlySet<string> = new Set(['prime256v1', 'secp384r1', 'secp521r1']);

/** what: where the key is from. Throws TsrunError SIGNATURE_POLICY for what is no public key, or too weak a one. */
export function parseKey(pem: string | Buffer, what: string): KeyObject {
  const refuse = (reason: string, cause?: unknown) =>
    new TsrunError('SIGNATURE_POLICY', `${what}: ${reason}`, { cause, hint: 'cosign writes such keys: cosign.pub' });
  let key: KeyObject;
  try {
    if (String(pem).includes('PRIVATE KEY')) throw new Error('it is a private key');
    key = createPublicKey(pem);
  } catch (error) {
    throw refuse(`it is no public key in PEM: ${error instanceof Error ? error.message : ''}`, error);
  }
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === 'ed25519') return key;
  if (type === 'ec' && CURVES.has(details?.namedCurve ?? '')) return key;
  if (type === 'rsa' && (details?.modulusLength ?? 0) >= LEAST_RSA_BITS) return key;
  throw refuse(`keys are of ECDSA on a NIST curve, Ed25519, or RSA with ${LEAST_RSA_BITS} bits or more`);
}

export function isSignedBy({ payload, signature }: Signature, key: KeyObject): boolean {
  try {
    return verify(key.asymmetricKeyType === 'ed25519' ? null : 'sha256', payload, key, signature);
  } catch {
    return false;
  }
}

/** Only of a payload whose signature is right. Undefined: it is about something else. */
export function parseClaim(payload: Buffer): Claim | undefined {
  try {
    const critical = Field.parse(payload, 'payload').get('critical');
    const digest = critical.get('image').get('docker-manifest-digest').value;
    const identity = critical.get('identity').get('docker-reference').value;
    if (critical.get('type').value !== TYPE || !isDigest(digest) || typeof identity !== 'string') return undefined;
    return { digest, identity };
  } catch {
    return undefined;
  }
}

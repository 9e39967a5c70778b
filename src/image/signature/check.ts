/**
 * Whether an image is signed as it must be: signatures are looked for where cosign puts them, under the tag
 * "<algorithm>-<hex>.sig" beside the image, and as referrers of it, and only what the registry has now counts.
 */
import type { KeyObject } from 'node:crypto';
import { RegistryError, TsrunError } from '../../errors.js';
import { fetchBlob } from '../../registry/blobs.js';
import type { RegistryClient } from '../../registry/client.js';
import { fetchManifest, listReferrers } from '../../registry/manifests.js';
import { formatReference, type Reference } from '../../registry/reference.js';
import { type Digest, digestOf, digestParts, isDigest } from '../../util/digest.js';
import { quote } from '../../util/quote.js';
import { Field } from '../field.js';
import { MAX_DOCUMENT, type Manifest, parseDocument } from '../manifest.js';
import { OCI_MANIFEST } from '../media-types.js';
import { isSignedBy, parseClaim, type Signature } from './payload.js';
import { type IdentityRule, identityFits, type Policy, requirementsFor } from './policy.js';

const LAYER = 'application/vnd.dev.cosign.simplesigning.v1+json';
const ARTIFACT = 'application/vnd.dev.cosign.artifact.sig.v1+json';
const ANNOTATION = 'dev.cosignproject.cosign/signature';
const MAX_PAYLOAD = 64 * 1024;
const MAX_SIGNATURES = 100;

export interface Subject {
  readonly client: RegistryClient;
  readonly reference: Reference;
  /** Of the image, and of the index that has it: a signature of either is one of the image. */
  readonly digests: readonly Digest[];
}

/** Throws TsrunError SIGNATURE_REFUSED when the policy does not let the image in, RegistryError. */
export async function admit(policy: Policy, subject: Subject): Promise<void> {
  const name = formatReference(subject.reference);
  for (const requirement of requirementsFor(policy, subject.reference)) {
    if (requirement.type === 'reject')
      throw refused(`image ${quote(name)}: the policy ${quote(policy.path)} rejects it`);
    if (requirement.type === 'sigstoreSigned') await requireSignature(subject, requirement.keys, requirement.identity);
  }
}

/** Throws TsrunError SIGNATURE_REFUSED. */
export async function requireSignature(
  subject: Subject,
  keys: readonly KeyObject[],
  identity: IdentityRule,
): Promise<void> {
  const reasons: string[] = [];
  for (const digest of subject.digests) {
    for (const signature of await signaturesOf(subject, digest)) {
      const reason = whyNot(signature, { ...subject, digest, keys, identity });
      if (reason === undefined) return;
      reasons.push(reason);
    }
  }
  const name = quote(formatReference(subject.reference));
  const found = reasons.length === 0 ? 'there is none' : [...new Set(reasons)].join('; ');
  throw refused(`image ${name}: no signature that is asked for: ${found}`);
}

const refused = (message: string) =>
  new TsrunError('SIGNATURE_REFUSED', message, { hint: 'ask whoever publishes the image for its signature and key' });

interface Wanted {
  readonly reference: Reference;
  readonly digest: Digest;
  readonly keys: readonly KeyObject[];
  readonly identity: IdentityRule;
}

/** Nothing in a payload counts before its signature does. */
function whyNot(signature: Signature, { reference, digest, keys, identity }: Wanted): string | undefined {
  if (!keys.some((key) => isSignedBy(signature, key))) return 'one is not by any of the keys';
  const claim = parseClaim(signature.payload);
  if (claim === undefined) return 'one is not for an image';
  if (claim.digest !== digest) return `one is for ${claim.digest}`;
  if (!identityFits(identity, claim.identity, reference))
    return `one is for the name ${quote(claim.identity, 200)} (${identity.type})`;
  return undefined;
}

async function signaturesOf(subject: Subject, digest: Digest): Promise<Signature[]> {
  const found: Signature[] = [];
  for await (const reference of placesOf(subject, digest)) {
    const manifest = await fetchSignatures(subject, reference);
    for (const layer of manifest?.layers ?? []) {
      const text = layer.annotations?.[ANNOTATION];
      if (layer.mediaType !== LAYER || text === undefined || layer.size > MAX_PAYLOAD) continue;
      if (found.length >= MAX_SIGNATURES) return found;
      const payload = await fetchPayload(subject, layer);
      if (payload !== undefined) found.push({ payload, signature: Buffer.from(text, 'base64') });
    }
  }
  return found;
}

async function* placesOf({ client, reference }: Subject, digest: Digest): AsyncIterable<string> {
  const { algorithm, hex } = digestParts(digest);
  yield `${algorithm}-${hex}.sig`;
  const request = { repository: reference.repository, digest, what: whatOf(reference) };
  for await (const entry of listReferrers(client, request)) {
    const field = Field.of(entry);
    const place = field.get('digest').value;
    if (field.get('artifactType').value === ARTIFACT && isDigest(place)) yield place;
  }
}

const whatOf = (reference: Reference): string => `signatures of ${quote(formatReference(reference))}`;

async function fetchSignatures({ client, reference }: Subject, place: string): Promise<Manifest | undefined> {
  const what = whatOf(reference);
  const request = {
    repository: reference.repository,
    reference: place,
    accept: [OCI_MANIFEST],
    most: MAX_DOCUMENT,
    what,
  };
  try {
    const { bytes, mediaType } = await fetchManifest(client, request, isDigest(place) ? place : undefined);
    const document = parseDocument(bytes, mediaType, what);
    return document.kind === 'manifest' ? document : undefined;
  } catch (error) {
    if (error instanceof RegistryError && error.status === 404) return undefined;
    throw error;
  }
}

/** Undefined where the bytes are not those of the digest. */
async function fetchPayload(
  { client, reference }: Subject,
  { digest, size }: { readonly digest: Digest; readonly size: number },
): Promise<Buffer | undefined> {
  const pieces: Uint8Array[] = [];
  const blob = { repository: reference.repository, digest, size, what: whatOf(reference) };
  for await (const piece of fetchBlob(client, blob)) pieces.push(piece);
  const bytes = Buffer.concat(pieces);
  return digestOf(bytes, digestParts(digest).algorithm) === digest ? bytes : undefined;
}

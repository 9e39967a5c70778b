/** Signs as cosign does, with keys and signatures of openssl: payload, layer, manifest, and where it is put. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OCI_MANIFEST } from '../../../src/image/media-types.js';
import { digestOf } from '../../../src/util/digest.js';
import { descriptor, EMPTY, type Serving } from '../../distribution/serving.js';
import { json } from '../making.js';

export interface Key {
  readonly name: string;
  readonly publicKey: string;
  readonly sign: (payload: Buffer) => Buffer;
}

const KINDS = {
  ecdsa: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  rsa: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
  ed25519: ['-algorithm', 'ED25519'],
} as const;

function openssl(...args: readonly string[]): Buffer {
  const done = spawnSync('openssl', args);
  if (done.status !== 0) throw new Error(`openssl ${args.join(' ')}: ${done.stderr}`);
  return done.stdout;
}

export function makeKey(directory: string, kind: keyof typeof KINDS, name: string = kind): Key {
  const key = join(directory, `${name}.key`);
  openssl('genpkey', ...KINDS[kind], '-out', key);
  const publicKey = openssl('pkey', '-in', key, '-pubout').toString();
  return {
    name,
    publicKey,
    sign: (payload) => {
      const file = join(directory, 'payload');
      writeFileSync(file, payload);
      if (kind !== 'ed25519') return openssl('dgst', '-sha256', '-sign', key, file);
      openssl('pkeyutl', '-sign', '-inkey', key, '-rawin', '-in', file, '-out', `${file}.sig`);
      return readFileSync(`${file}.sig`);
    },
  };
}

export const payloadOf = (digest: string, name: string, type = 'cosign container image signature'): Buffer =>
  json({
    critical: { identity: { 'docker-reference': name }, image: { 'docker-manifest-digest': digest }, type },
    optional: null,
  });

export interface Signed {
  readonly payload: Buffer;
  readonly signature: Buffer;
}

/** As a tag, or as a referrer. */
export async function attach(
  served: Serving,
  repository: string,
  image: { readonly digest: string; readonly size: number },
  signatures: readonly Signed[],
  how: 'tag' | 'referrer' = 'tag',
): Promise<void> {
  await served.pushBlob(repository, EMPTY);
  for (const { payload } of signatures) await served.pushBlob(repository, payload);
  const document = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    ...(how === 'tag'
      ? {}
      : {
          artifactType: 'application/vnd.dev.cosign.artifact.sig.v1+json',
          subject: { mediaType: OCI_MANIFEST, digest: image.digest, size: image.size },
        }),
    config: descriptor(EMPTY, 'application/vnd.oci.image.config.v1+json'),
    layers: signatures.map(({ payload, signature }) => ({
      ...descriptor(payload, 'application/vnd.dev.cosign.simplesigning.v1+json'),
      annotations: { 'dev.cosignproject.cosign/signature': signature.toString('base64') },
    })),
  };
  const reference = how === 'tag' ? `${image.digest.replace(':', '-')}.sig` : digestOf(json(document));
  const { status } = await served.pushManifest(repository, reference, document);
  if (status !== 201) throw new Error(`signature: ${status}`);
}

/**
 * Manifests and indexes: OCI image-spec 1.1 and Docker's schema 2, parsed into the same values. A document that could be
 * read as both is refused (CVE-2021-41190), and so is one whose media type says otherwise than its content.
 *
 * Pure.
 */
import type { Digest } from '../util/digest.js';
import { Field, invalid } from './field.js';
import { documentKind, isSchema1 } from './media-types.js';

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly osVersion?: string;
}

/** What a manifest or index points to. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly annotations?: Annotations;
  readonly platform?: Platform;
  readonly artifactType?: string;
}

export type Annotations = { readonly [key: string]: string };

export interface Manifest {
  readonly kind: 'manifest';
  readonly mediaType: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations: Annotations;
  readonly artifactType: string | undefined;
  /** What this is a signature, a bill of materials … of. */
  readonly subject: Descriptor | undefined;
}

export interface Index {
  readonly kind: 'index';
  readonly mediaType: string;
  readonly manifests: readonly Descriptor[];
  readonly annotations: Annotations;
  readonly artifactType: string | undefined;
  readonly subject: Descriptor | undefined;
}

/** distribution-spec asks registries to take 4 MiB at least; nobody writes more. */
export const MAX_DOCUMENT = 4 * 1024 * 1024;
const MAX_LAYERS = 1024;
const MAX_MANIFESTS = 4096;
const MAX_ANNOTATIONS = 1024;
const MEDIA_TYPE = /^[A-Za-z0-9][\w!#$&^.+-]{0,126}\/[A-Za-z0-9][\w!#$&^.+-]{0,126}$/;

function readPlatform(field: Field): Platform | undefined {
  if (!field.isThere) return undefined;
  const variant = field.get('variant').optionalText();
  const osVersion = field.get('os.version').optionalText();
  return {
    os: field.get('os').text(),
    architecture: field.get('architecture').text(),
    ...(variant ? { variant } : {}),
    ...(osVersion ? { osVersion } : {}),
  };
}

export function readDescriptor(field: Field): Descriptor {
  field.object();
  const annotations = field.get('annotations').textMap(MAX_ANNOTATIONS);
  const platform = readPlatform(field.get('platform'));
  const artifactType = field.get('artifactType').optionalText();
  return {
    mediaType: field.get('mediaType').text(MEDIA_TYPE, 'a media type'),
    digest: field.get('digest').digest(),
    size: field.get('size').size(),
    ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
    ...(platform === undefined ? {} : { platform }),
    ...(artifactType ? { artifactType } : {}),
  };
}

/**
 * mediaType: what the registry or the descriptor called it. what: "manifest sha256:… of docker.io/…". Throws TsrunError
 * IMAGE_INVALID.
 */
export function parseDocument(bytes: Uint8Array, mediaType: string, what: string): Manifest | Index {
  if (isSchema1(mediaType))
    throw invalid(what, ['is of Docker image format 1, which nobody reads any more: push the image again']);
  const kind = documentKind(mediaType);
  if (kind === undefined)
    throw invalid(what, [`media type ${JSON.stringify(mediaType)} is neither manifest nor index`]);
  if (bytes.length > MAX_DOCUMENT)
    throw invalid(what, [`has ${bytes.length} bytes, at most ${MAX_DOCUMENT} are allowed`]);
  const root = Field.parse(bytes, what);
  checkKind(root, kind, mediaType);
  const annotations = root.get('annotations').textMap(MAX_ANNOTATIONS);
  const document =
    kind === 'index' ? readIndex(root, mediaType, annotations) : readManifest(root, mediaType, annotations);
  root.finish(what);
  return document;
}

function checkKind(root: Field, kind: 'manifest' | 'index', mediaType: string): void {
  if (root.get('schemaVersion').value !== 2) root.get('schemaVersion').refuse('must be 2');
  const own = root.get('mediaType').optionalText();
  if (own !== undefined && own !== mediaType)
    root.get('mediaType').refuse(`${JSON.stringify(own)} is not ${mediaType}`);
  const foreign = kind === 'index' ? ['layers', 'config'] : ['manifests'];
  for (const key of foreign) if (root.get(key).isThere) root.get(key).refuse(`must not be in ${kindName(kind)}`);
}

const kindName = (kind: 'manifest' | 'index') => (kind === 'index' ? 'an index' : 'a manifest');

function readIndex(root: Field, mediaType: string, annotations: Annotations): Index {
  if (!Array.isArray(root.get('manifests').value)) root.get('manifests').refuse('is missing, it must be a list');
  const manifests = root.get('manifests').list(MAX_MANIFESTS).map(readDescriptor);
  return { kind: 'index', mediaType, manifests, annotations, ...readRelation(root) };
}

const readRelation = (root: Field) => ({
  artifactType: root.get('artifactType').optionalText(),
  subject: root.get('subject').isThere ? readDescriptor(root.get('subject')) : undefined,
});

function readManifest(root: Field, mediaType: string, annotations: Annotations): Manifest {
  if (!Array.isArray(root.get('layers').value)) root.get('layers').refuse('is missing, it must be a list');
  return {
    kind: 'manifest',
    mediaType,
    config: readDescriptor(root.get('config')),
    layers: root.get('layers').list(MAX_LAYERS).map(readDescriptor),
    annotations,
    ...readRelation(root),
  };
}

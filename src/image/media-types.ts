/**
 * The media types of image-spec and their elder siblings of Docker, in one table: what a document or a blob is, whichever
 * of the two names it has.
 *
 * Pure.
 */
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json';
export const OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar';
export const OCI_EMPTY = 'application/vnd.oci.empty.v1+json';
export const DOCKER_INDEX = 'application/vnd.docker.distribution.manifest.list.v2+json';
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
export const DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json';
const DOCKER_LAYER = 'application/vnd.docker.image.rootfs.diff.tar';
const DOCKER_SCHEMA1 = /^application\/vnd\.docker\.distribution\.manifest\.v1\+(?:json|prettyjws)$/;

export type DocumentKind = 'manifest' | 'index';
export type Compression = 'none' | 'gzip' | 'zstd';

export interface LayerType {
  readonly compression: Compression;
  /** Not to be pushed; may be fetched from elsewhere, which we never do. */
  readonly foreign: boolean;
}

const KINDS: { readonly [mediaType: string]: DocumentKind } = {
  [OCI_INDEX]: 'index',
  [DOCKER_INDEX]: 'index',
  [OCI_MANIFEST]: 'manifest',
  [DOCKER_MANIFEST]: 'manifest',
};

/** What a client says it can read: distribution-spec, "Pulling manifests". */
export const MANIFEST_TYPES: readonly string[] = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_INDEX];

const layer = (compression: Compression, foreign = false): LayerType => ({ compression, foreign });
const FOREIGN_OCI = 'application/vnd.oci.image.layer.nondistributable.v1.tar';

const LAYERS: { readonly [mediaType: string]: LayerType } = {
  [OCI_LAYER]: layer('none'),
  [`${OCI_LAYER}+gzip`]: layer('gzip'),
  [`${OCI_LAYER}+zstd`]: layer('zstd'),
  [FOREIGN_OCI]: layer('none', true),
  [`${FOREIGN_OCI}+gzip`]: layer('gzip', true),
  [`${FOREIGN_OCI}+zstd`]: layer('zstd', true),
  [DOCKER_LAYER]: layer('none'),
  [`${DOCKER_LAYER}.gzip`]: layer('gzip'),
  [`${DOCKER_LAYER}.zstd`]: layer('zstd'),
  'application/vnd.docker.image.rootfs.foreign.diff.tar': layer('none', true),
  'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip': layer('gzip', true),
};

export const documentKind = (mediaType: string): DocumentKind | undefined => KINDS[mediaType];

/** Undefined for what is no layer of a file system. */
export const layerType = (mediaType: string): LayerType | undefined => LAYERS[mediaType];

export const isConfigType = (mediaType: string): boolean => mediaType === OCI_CONFIG || mediaType === DOCKER_CONFIG;
export const isSchema1 = (mediaType: string): boolean => DOCKER_SCHEMA1.test(mediaType);

/**
 * The files of an OCI image layout (image-spec image-layout.md): oci-layout, and index.json with the names of images as
 * annotations. Other tools may have written it, so it is parsed like anything else from outside.
 *
 * Pure.
 */
import { Field } from './field.js';
import { type Annotations, type Descriptor, readDescriptor } from './manifest.js';
import { OCI_INDEX } from './media-types.js';
import type { StoredImage } from './store.js';

export const LAYOUT_FILE = 'oci-layout';
export const INDEX_FILE = 'index.json';
export const LAYOUT_TEXT = '{"imageLayoutVersion":"1.0.0"}';
export const MAX_INDEX = 64 * 1024 * 1024;
const MAX_IMAGES = 100_000;

export const REF_NAME = 'org.opencontainers.image.ref.name';
const SOURCE = 'tsrun.image.source';

/** what: the path of the file. Throws TsrunError IMAGE_INVALID. */
export function parseIndexFile(bytes: Uint8Array, what: string): StoredImage[] {
  const root = Field.parse(bytes, what);
  const images = root.get('manifests').list(MAX_IMAGES).map(readDescriptor).map(imageOf);
  root.finish(what);
  return images;
}

export function checkLayoutFile(bytes: Uint8Array, what: string): void {
  const root = Field.parse(bytes, what);
  root.get('imageLayoutVersion').text(/^1\./, 'version 1');
  root.finish(what);
}

function imageOf({ annotations = {}, ...manifest }: Descriptor): StoredImage {
  const { [REF_NAME]: name, [SOURCE]: source, ...others } = annotations;
  const rest = Object.keys(others).length > 0 ? { annotations: others } : {};
  return { name, source, manifest: { ...manifest, ...rest } };
}

export function formatIndexFile(images: readonly StoredImage[]): string {
  const manifests = images.map(({ name, source, manifest }) =>
    formatDescriptor({
      ...manifest,
      annotations: {
        ...manifest.annotations,
        ...(name === undefined ? {} : { [REF_NAME]: name }),
        ...(source === undefined ? {} : { [SOURCE]: source }),
      },
    }),
  );
  return `${JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests })}\n`;
}

/** As image-spec writes it. */
export function formatDescriptor({ platform, annotations, ...rest }: Descriptor): { readonly [key: string]: unknown } {
  return {
    ...rest,
    ...withAnnotations(annotations),
    ...(platform === undefined ? {} : { platform: formatPlatform(platform) }),
  };
}

const withAnnotations = (annotations: Annotations | undefined) =>
  annotations === undefined || Object.keys(annotations).length === 0 ? {} : { annotations };

function formatPlatform({ os, architecture, variant, osVersion }: NonNullable<Descriptor['platform']>) {
  return {
    architecture,
    os,
    ...(osVersion === undefined ? {} : { 'os.version': osVersion }),
    ...(variant === undefined ? {} : { variant }),
  };
}

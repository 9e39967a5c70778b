/** Makes small images in a store, as a registry or an archive would bring them. */
import { gzipSync } from 'node:zlib';
import {
  DOCKER_CONFIG,
  DOCKER_INDEX,
  DOCKER_MANIFEST,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_LAYER,
  OCI_MANIFEST,
} from '../../src/image/media-types.js';
import { type Digest, digestOf } from '../../src/util/digest.js';

export interface Made {
  readonly manifest: { readonly mediaType: string; readonly digest: Digest; readonly size: number };
  readonly config: Digest;
  readonly layers: readonly Digest[];
  /** Every blob, the manifest too. */
  readonly blobs: ReadonlyMap<Digest, Buffer>;
}

export interface MakeOptions {
  /** Uncompressed tars, lowest first. */
  readonly layers?: readonly Buffer[];
  readonly architecture?: string;
  readonly variant?: string;
  readonly docker?: boolean;
  readonly config?: { readonly [key: string]: unknown };
}

/** An empty tar is two blocks of zeros; a text makes it one of its own. */
export const tarOf = (text: string): Buffer => Buffer.concat([Buffer.from(text.padEnd(512, '\0')), Buffer.alloc(1024)]);

export const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

export function makeImage(options: MakeOptions = {}): Made {
  const { layers: tars = [tarOf('')], architecture = 'amd64', variant, docker = false, config = {} } = options;
  const blobs = new Map<Digest, Buffer>();
  const add = (bytes: Buffer, mediaType: string) => {
    const digest = digestOf(bytes);
    blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const layers = tars.map((tar) =>
    add(gzipSync(tar), docker ? 'application/vnd.docker.image.rootfs.diff.tar.gzip' : `${OCI_LAYER}+gzip`),
  );
  const configDescriptor = add(
    json({
      architecture,
      ...(variant === undefined ? {} : { variant }),
      os: 'linux',
      created: '2024-01-02T03:04:05Z',
      config: { Env: ['PATH=/bin'], Cmd: ['sh'], ...config },
      rootfs: { type: 'layers', diff_ids: tars.map((tar) => digestOf(tar)) },
      history: tars.map((_, index) => ({ created: '2024-01-02T03:04:05Z', created_by: `step ${index}` })),
    }),
    docker ? DOCKER_CONFIG : OCI_CONFIG,
  );
  const mediaType = docker ? DOCKER_MANIFEST : OCI_MANIFEST;
  const manifest = add(json({ schemaVersion: 2, mediaType, config: configDescriptor, layers }), mediaType);
  return { manifest, config: configDescriptor.digest, layers: layers.map(({ digest }) => digest), blobs };
}

export interface MadeIndex {
  readonly index: { readonly mediaType: string; readonly digest: Digest; readonly size: number };
  readonly blobs: ReadonlyMap<Digest, Buffer>;
}

export function makeIndex(images: readonly (Made & { readonly platform: object })[], docker = false): MadeIndex {
  const mediaType = docker ? DOCKER_INDEX : OCI_INDEX;
  const bytes = json({
    schemaVersion: 2,
    mediaType,
    manifests: images.map(({ manifest, platform }) => ({ ...manifest, platform })),
  });
  const digest = digestOf(bytes);
  const blobs = new Map(images.flatMap((image) => [...image.blobs]));
  return { index: { mediaType, digest, size: bytes.length }, blobs: blobs.set(digest, bytes) };
}

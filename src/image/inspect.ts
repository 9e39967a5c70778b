/** What docker's `image inspect` and `image history` print of an image. */
import { familiarReference, parseReference } from '../registry/reference.js';
import type { Digest } from '../util/digest.js';
import { shortDigest } from '../util/short-digest.js';
import { readImage } from './image.js';
import type { ContentStore, StoredImage } from './store.js';

export type Inspected = { readonly [field: string]: unknown };

const asSet = (keys: readonly string[]): object => Object.fromEntries(keys.map((key) => [key, {}]));

/** Go's omitempty. */
function present(fields: Inspected): Inspected {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => {
      if (value === undefined || value === '') return false;
      return typeof value !== 'object' || value === null || Object.keys(value).length > 0;
    }),
  );
}

export function inspectImage(store: ContentStore, stored: StoredImage): Inspected {
  const { id, descriptor, manifest, config } = readImage(store, stored);
  const { config: start } = config;
  const same = store.list().filter((other) => other.manifest.digest === stored.manifest.digest);
  const layers = new Map([manifest.config, ...manifest.layers].map(({ digest, size }) => [digest, size]));
  return {
    Id: id,
    RepoTags: unique(same.flatMap(({ name }) => (name?.includes('@') === false ? [familiar(name)] : []))),
    RepoDigests: unique(same.flatMap(({ source }) => (source === undefined ? [] : [familiar(source)]))),
    Comment: config.history.at(-1)?.comment ?? '',
    ...(config.created === undefined ? {} : { Created: config.created }),
    Author: config.author ?? '',
    Config: present({
      User: start.user,
      ExposedPorts: asSet(start.exposedPorts),
      Env: start.env,
      Entrypoint: start.entrypoint,
      Cmd: start.cmd,
      Healthcheck: start.healthcheck,
      Volumes: asSet(start.volumes),
      WorkingDir: start.workingDir,
      OnBuild: start.onBuild,
      Labels: start.labels,
      StopSignal: start.stopSignal,
      Shell: start.shell,
    }),
    Architecture: config.architecture,
    ...present({ Variant: config.variant, OsVersion: config.osVersion }),
    Os: config.os,
    Size: [...layers.values()].reduce((sum, size) => sum + size, 0),
    RootFS: { Type: 'layers', Layers: config.diffIds },
    Descriptor: { mediaType: descriptor.mediaType, digest: descriptor.digest, size: descriptor.size },
  };
}

const unique = (texts: readonly string[]): string[] => [...new Set(texts)];

function familiar(text: string): string {
  try {
    return familiarReference(parseReference(text));
  } catch {
    return text;
  }
}

export interface HistoryRow {
  /** Only the last step is known by the image's id. */
  readonly id: Digest | undefined;
  readonly created: string | undefined;
  readonly createdBy: string;
  /** Bytes of the step's layer as it is stored; 0 where it made none. */
  readonly size: number;
  readonly comment: string;
}

/** Newest first. */
export function imageHistory(store: ContentStore, stored: StoredImage): HistoryRow[] {
  const { id, manifest, config } = readImage(store, stored);
  let layer = 0;
  const steps = config.history.map(({ created, createdBy, comment, emptyLayer }) => {
    const size = emptyLayer ? 0 : (manifest.layers[layer++]?.size ?? 0);
    return { id: undefined, created, createdBy, size, comment };
  });
  // Some tools write fewer steps than layers, or none.
  const rest = manifest.layers.slice(layer).map(({ size }) => ({ ...UNKNOWN, size }));
  return [...steps, ...rest].reverse().map((row, index) => (index === 0 ? { ...row, id } : row));
}

const UNKNOWN = { id: undefined, created: undefined, createdBy: '', comment: '' };

export const shortId = (id: Digest | undefined): string => (id === undefined ? '<missing>' : shortDigest(id));

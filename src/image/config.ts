/**
 * The config of an image: image-spec config.md with what Docker adds (Healthcheck, OnBuild, Shell). Its texts are a
 * stranger's: data for the bundle, never policy.
 *
 * Pure.
 */
import type { Digest } from '../util/digest.js';
import { Field } from './field.js';
import type { Manifest } from './manifest.js';

export interface ImageConfig {
  readonly architecture: string;
  readonly os: string;
  readonly variant: string | undefined;
  readonly osVersion: string | undefined;
  readonly created: string | undefined;
  readonly author: string | undefined;
  readonly config: ProcessConfig;
  /** Digests of the layers' uncompressed tars, lowest first; as many as the manifest has layers. */
  readonly diffIds: readonly Digest[];
  readonly history: readonly HistoryEntry[];
}

/** What a container of the image starts as. Empty where the image says nothing. */
export interface ProcessConfig {
  readonly user: string;
  /** "NAME=value" */
  readonly env: readonly string[];
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly workingDir: string;
  readonly exposedPorts: readonly string[];
  readonly volumes: readonly string[];
  readonly labels: { readonly [key: string]: string };
  readonly stopSignal: string;
  readonly shell: readonly string[];
  readonly onBuild: readonly string[];
  /** As it is in the document: only a daemon has a use for it. */
  readonly healthcheck: unknown;
}

export interface HistoryEntry {
  readonly created: string | undefined;
  readonly createdBy: string;
  readonly comment: string;
  readonly author: string;
  /** The step made no layer. */
  readonly emptyLayer: boolean;
}

/** A config is a few kB; the largest in the wild, with thousands of labels, stay far below. */
export const MAX_CONFIG = 8 * 1024 * 1024;
const MANY = 10_000;

function readProcess(field: Field): ProcessConfig {
  if (field.isThere) field.object();
  const env = field.get('Env').texts(MANY);
  env.forEach((entry, index) => {
    // A bare NAME would be filled in from the environment of whoever starts the process (CVE-2026-57231).
    if (entry.indexOf('=') < 1 || entry.includes('\0')) field.get(`Env[${index}]`).refuse('must be NAME=value');
  });
  return {
    user: field.get('User').optionalText() ?? '',
    env,
    entrypoint: field.get('Entrypoint').texts(MANY),
    cmd: field.get('Cmd').texts(MANY),
    workingDir: field.get('WorkingDir').optionalText() ?? '',
    exposedPorts: field
      .get('ExposedPorts')
      .entries(MANY)
      .map(([key]) => key),
    volumes: field
      .get('Volumes')
      .entries(MANY)
      .map(([key]) => key),
    labels: field.get('Labels').textMap(MANY),
    stopSignal: field.get('StopSignal').optionalText() ?? '',
    shell: field.get('Shell').texts(MANY),
    onBuild: field.get('OnBuild').texts(MANY),
    healthcheck: field.get('Healthcheck').value ?? undefined,
  };
}

const readHistory = (field: Field): HistoryEntry => ({
  created: field.get('created').optionalText(),
  createdBy: field.get('created_by').optionalText() ?? '',
  comment: field.get('comment').optionalText() ?? '',
  author: field.get('author').optionalText() ?? '',
  emptyLayer: field.get('empty_layer').boolean(),
});

/** what: "config sha256:… of …". Throws TsrunError IMAGE_INVALID, also when its layers are not those of the manifest. */
export function parseImageConfig(bytes: Uint8Array, manifest: Manifest, what: string): ImageConfig {
  const root = Field.parse(bytes, what);
  const ids = root.get('rootfs').object().get('diff_ids');
  const diffIds = ids.list(MANY).map((id) => id.digest());
  if (diffIds.length !== manifest.layers.length)
    ids.refuse(`has ${diffIds.length} items, but the manifest has ${manifest.layers.length} layers`);
  const config: ImageConfig = {
    architecture: root.get('architecture').text(),
    os: root.get('os').text(),
    variant: root.get('variant').optionalText() || undefined,
    osVersion: root.get('os.version').optionalText() || undefined,
    created: root.get('created').optionalText(),
    author: root.get('author').optionalText(),
    config: readProcess(root.get('config')),
    diffIds,
    history: root.get('history').list(MANY).map(readHistory),
  };
  root.finish(what);
  return config;
}

/**
 * Images in archives of docker before 1.10, which is moby's image spec v1: a directory for each layer with `json`, the
 * config of an image that ends there, and `layer.tar`; the file `repositories` says which names and tags there are. A
 * config of today is made of them as dockerd 20.10 makes it: an image that docker since 1.8.3 has saved gets the same id.
 */
import type { Digest } from '../util/digest.js';
import { quote } from '../util/quote.js';
import type { ArchivedFile, ArchivedFiles } from './archive-read.js';
import { layerSuffix } from './decompress.js';
import { Field, invalid } from './field.js';
import { MAX_DOCUMENT } from './manifest.js';
import { hostPlatform } from './platform.js';
import type { ContentStore, Lease } from './store.js';

export const REPOSITORIES_FILE = 'repositories';
const ID = /^[0-9a-f]{64}$/;
const MANY = 10_000;
const MOST_LAYERS = 1000;
/** Of the place in the archive alone. */
const DROPPED: ReadonlySet<string> = new Set(['id', 'parent', 'Size', 'parent_id', 'layer_id', 'throwaway']);

export interface LegacyImage {
  /** "name:tag" */
  readonly name: string;
  readonly config: ArchivedFile;
  /** The lowest first. */
  readonly layers: readonly ArchivedFile[];
}

interface Step {
  readonly config: Field;
  readonly layer: ArchivedFile;
}

/** Those that have names. Throws TsrunError IMAGE_INVALID. */
export function legacyImages(
  store: ContentStore,
  lease: Lease,
  files: ArchivedFiles,
  what: string,
): readonly LegacyImage[] {
  const made = new Map<string, Omit<LegacyImage, 'name'>>();
  const images: LegacyImage[] = [];
  for (const { name, id } of listed(store, files, what)) {
    const image = made.get(id) ?? makeImage(store, lease, chainOf(store, files, name, id, what));
    made.set(id, image);
    images.push({ name, ...image });
  }
  return images;
}

/** {"name":{"tag":"id"}} */
function listed(store: ContentStore, files: ArchivedFiles, what: string): { name: string; id: string }[] {
  const file = files(REPOSITORIES_FILE);
  const about = `${what}: ${REPOSITORIES_FILE}`;
  const root = Field.parse(file === undefined ? Buffer.alloc(0) : store.read(file.digest, MAX_DOCUMENT), about);
  const all = root
    .entries(MANY)
    .flatMap(([repository, tags]) =>
      tags.entries(MANY).map(([tag, id]) => ({ name: `${repository}:${tag}`, id: id.text(ID, 'the id of an image') })),
    );
  if (all.length === 0) root.refuse('names no image');
  root.finish(about);
  return all;
}

/** The lowest layer first. */
function chainOf(store: ContentStore, files: ArchivedFiles, name: string, id: string, what: string): Step[] {
  const chain: Step[] = [];
  const seen = new Set<string>();
  for (let next: string | undefined = id; next !== undefined; ) {
    const about = `${what}: ${next}/json`;
    if (seen.has(next)) throw invalid(about, ['the image is its own parent']);
    if (seen.size >= MOST_LAYERS) throw invalid(about, [`${quote(name)} has more than ${MOST_LAYERS} layers`]);
    seen.add(next);
    const [json, layer] = [files(`${next}/json`), files(`${next}/layer.tar`)];
    if (json === undefined || layer === undefined)
      throw invalid(what, [`${next}/${json === undefined ? 'json' : 'layer.tar'} of ${quote(name)} is not in it`]);
    if (layerSuffix(store.path(layer.digest)) !== '')
      throw invalid(what, [`${next}/layer.tar is compressed, which docker before 1.10 did not do: unpack it first`]);
    const config = Field.parse(store.read(json.digest, MAX_DOCUMENT), about);
    chain.unshift({ config, layer });
    const parent = config.get('parent');
    next = parent.optionalText() ? parent.text(ID, 'the id of an image') : undefined;
    config.finish(about);
  }
  return chain;
}

function makeImage(store: ContentStore, lease: Lease, chain: readonly Step[]): Omit<LegacyImage, 'name'> {
  // A plain tar is its own diffID.
  const layers = chain.map(({ layer }) => layer);
  const bytes = Buffer.from(
    configText(
      chain.map(({ config }) => config),
      layers.map(({ digest }) => digest),
    ),
  );
  const digest = store.put(bytes);
  lease.protect(digest);
  return { config: { digest, size: bytes.length }, layers };
}

function configText(chain: readonly Field[], diffIds: readonly Digest[]): string {
  const { os, architecture } = hostPlatform(process.arch);
  const top = (chain.at(-1)?.value ?? {}) as { readonly [key: string]: unknown };
  const whole: { readonly [key: string]: unknown } = {
    ...{ os, architecture }, // the eldest say neither
    ...top,
    history: chain.map(historyOf),
    rootfs: { type: 'layers', diff_ids: diffIds },
  };
  const keys = Object.keys(whole).filter((key) => !DROPPED.has(key));
  return asGo(Object.fromEntries(keys.sort().map((key) => [key, whole[key]])));
}

function historyOf(config: Field): { readonly [key: string]: string } {
  const command = config.get('container_config').get('Cmd').value;
  const text = (value: unknown) => (typeof value === 'string' ? value : '');
  const all = {
    created: text(config.get('created').value),
    author: text(config.get('author').value),
    created_by: Array.isArray(command) ? command.map(text).join(' ') : '',
    comment: text(config.get('comment').value),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''));
}

/** encoding/json escapes what HTML or JavaScript would take for its own. */
const asGo = (value: unknown): string =>
  JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

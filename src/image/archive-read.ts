/**
 * Reads an archive of images in one pass: every file in it becomes a blob, and the result says which name had which. What
 * no image needs in the end is garbage, which the caller collects.
 */
import { createReadStream, fstatSync } from 'node:fs';
import { join } from 'node:path';
import { TsrunError } from '../errors.js';
import type { Digest } from '../util/digest.js';
import { describeSystemError } from '../util/errno.js';
import { quote } from '../util/quote.js';
import { type TarEntry, TarError } from '../util/tar/entry.js';
import { TarReader } from '../util/tar/reader.js';
import { decompressed } from './decompress.js';
import { invalid } from './field.js';
import type { ContentStore, Lease } from './store.js';

export interface ArchivedFile {
  readonly digest: Digest;
  readonly size: number;
}

/** By their names in the archive, links followed. */
export type ArchivedFiles = (name: string) => ArchivedFile | undefined;

type Event =
  | { readonly kind: 'entry'; readonly entry: TarEntry }
  | { readonly kind: 'data'; readonly bytes: Buffer }
  | { readonly kind: 'end' };

const LIMITS = { entries: 100_000, headerBytes: 1024 * 1024, nameBytes: 4096 };
const MAX_LINKS = 8;

/** path: of a tar, or one compressed with gzip or zstd. Throws TsrunError IMAGE_INVALID, IO. */
export async function readArchive(
  store: ContentStore,
  lease: Lease,
  path: string,
  what: string,
): Promise<ArchivedFiles> {
  const files = new Map<string, ArchivedFile>();
  const links = new Map<string, string>();
  try {
    const events = eventsOf(decompressed(path, () => undefined));
    for (let next = await events.next(); next.done !== true; next = await events.next()) {
      if (next.value.kind !== 'entry') continue;
      const { kind, name, link } = next.value.entry;
      const known = normal(name);
      if (kind === 'file') files.set(known, await store.ingestNew(body(events), lease));
      // Podman's archives have a layer once and link to it under its elder name.
      if (kind === 'symlink') links.set(known, normal(join('/', known, '..', link)));
      if (kind === 'hardlink') links.set(known, normal(link));
    }
  } catch (error) {
    if (error instanceof TarError) throw invalid(what, [`is no archive of images: ${error.message}`], error);
    if (error instanceof TsrunError)
      throw new TsrunError(error.code, `${what}: ${error.message}`, { cause: error, hint: error.hint });
    throw new TsrunError('IO', `${what}: ${describeSystemError(error)}`, { cause: error });
  }
  return (name) => {
    let found = normal(name);
    for (let count = 0; count < MAX_LINKS && links.has(found); count++) found = links.get(found) ?? found;
    return files.get(found);
  };
}

/** Names are keys of a map here and never paths of the host. */
const normal = (name: string): string => join('/', name).slice(1);

async function* eventsOf(source: AsyncIterable<Buffer>): AsyncGenerator<Event> {
  let made: Event[] = [];
  const sink = {
    entry: (entry: TarEntry) => void made.push({ kind: 'entry', entry }),
    data: (_: number, bytes: Buffer) => void made.push({ kind: 'data', bytes }),
    fileEnd: () => void made.push({ kind: 'end' }),
  };
  const reader = new TarReader(sink, LIMITS);
  for await (const piece of source) {
    reader.push(piece);
    const ready = made;
    made = [];
    yield* ready;
  }
  reader.finish();
}

async function* body(events: AsyncGenerator<Event>): AsyncIterable<Buffer> {
  for (let next = await events.next(); next.done !== true && next.value.kind !== 'end'; next = await events.next()) {
    if (next.value.kind === 'data') yield next.value.bytes;
  }
}

/** What is read twice must lie still: a pipe becomes a blob first. */
export async function standardInput(store: ContentStore, lease: Lease): Promise<string> {
  if (fstatSync(0).isFile()) return '/proc/self/fd/0';
  const { digest, size } = await store.ingestNew(
    createReadStream('', { fd: 0, autoClose: false, highWaterMark: 256 * 1024 }),
    lease,
  );
  if (size === 0) throw new TsrunError('IMAGE_INVALID', `${quote('-')}: standard input is empty`);
  return store.path(digest);
}

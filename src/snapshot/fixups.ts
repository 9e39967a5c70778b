/**
 * What a layer takes from those below it, once they are there. A directory that the layer's tar does not have itself is
 * in its tree only to hold other files: it gets the attributes it has below, or overlayfs would show made-up ones. A
 * hard link to a file of a layer below needs that file in the same tree, as overlayfs itself would copy it up.
 */
import { closeSync } from 'node:fs';
import { TsrunError } from '../errors.js';
import { addon } from '../native/addon.js';
import { BLANK, type Entry, FLAG } from './entry.js';
import { EntryReader } from './entry-reader.js';
import { EntryWriter } from './entry-writer.js';
import { startHelper } from './helper.js';
import type { UnpackResult } from './unpack.js';

/** Trees, the uppermost first; merged: overlayfs can show them as one. */
export interface View {
  readonly directories: readonly string[];
  readonly merged: boolean;
}

type Needs = Pick<UnpackResult, 'implied' | 'missing'>;

function holders(path: string): string[] {
  const found: string[] = ['.'];
  for (let slash = path.indexOf('/'); slash > 0; slash = path.indexOf('/', slash + 1)) found.push(path.slice(0, slash));
  return found;
}

type Sink = ConstructorParameters<typeof EntryReader>[0];

/** Streams the entries of some paths of a view, those that are there. */
async function readPaths(view: View, paths: readonly string[], subject: string, sink: Sink): Promise<void> {
  if (view.merged || view.directories.length === 1) return readOnce(view.directories, paths, subject, sink);
  // Without overlayfs each tree is asked; what the ones between have whited out is not looked for.
  const found = new Set<string>();
  for (const directory of view.directories) {
    const rest = paths.filter((path) => !found.has(path));
    const entry = (one: Entry) => {
      found.add(one.path);
      sink.entry(one);
    };
    await readOnce([directory], rest, subject, { ...sink, entry });
  }
}

async function readOnce(directories: readonly string[], paths: readonly string[], subject: string, sink: Sink) {
  if (paths.length === 0) return;
  const names = addon().memfd('paths', Buffer.from(paths.map((path) => `${path}\0`).join(''), 'latin1'));
  const { stdout, done } = startHelper({ verb: 'paths', args: directories, stdin: names, stdout: 'pipe', subject });
  closeSync(names);
  const reader = new EntryReader(sink);
  const read = (async () => {
    for await (const piece of stdout ?? []) reader.push(piece as Buffer);
  })();
  await Promise.all([done, read]);
  reader.finish();
}

async function directoryEntries(view: View, paths: readonly string[], subject: string): Promise<Entry[]> {
  const found: Entry[] = [];
  await readPaths(view, paths, subject, {
    entry: (entry) => {
      if (entry.kind === 'directory') found.push(entry);
    },
    data: () => undefined,
    fileEnd: () => undefined,
  });
  return found;
}

export interface RootGift {
  /** Path of a tree whose root has made-up attributes, relative to the directory of all. */
  readonly path: string;
  /** The tree whose root it is to look like. */
  readonly like: string;
}

/**
 * Roots first and all at once: most layers have no entry for their root. Which root overlayfs shows is known without it,
 * the uppermost one's, and directories of ours can be written to from above.
 */
export async function giveRoots(trees: string, gifts: readonly RootGift[], subject: string): Promise<void> {
  if (gifts.length === 0) return;
  const entries: Entry[] = [];
  for (const like of new Set(gifts.map((gift) => gift.like))) {
    const [root] = await directoryEntries({ directories: [like], merged: true }, ['.'], subject);
    const alike = gifts.filter((gift) => gift.like === like);
    if (root !== undefined) entries.push(...alike.map(({ path }) => ({ ...root, path })));
  }
  await writeEntries(trees, subject, (writer) => writeAttributes(writer, entries));
}

/** directory: of the layer; below: the trees under it. Throws TsrunError LAYER_INVALID. */
export async function fixUp(directory: string, below: View, needs: Needs, subject: string): Promise<void> {
  const { implied, missing } = needs;
  const [lost] = missing;
  if (lost !== undefined && below.directories.length === 0) throw lostLink(subject, lost);
  if (below.directories.length === 0 || (implied.length === 0 && missing.length === 0)) return;
  const touched = new Set(missing.flatMap(({ path, link }) => [...holders(path), ...holders(link)]));
  const own = await directoryEntries({ directories: [directory], merged: true }, [...touched], subject);
  const ownPaths = new Set(own.map(({ path }) => path));
  const fromBelow = new Set([...implied, ...[...touched].filter((path) => !ownPaths.has(path))]);
  const attributes = await directoryEntries(below, [...fromBelow], subject);
  const kept = own.filter(({ path }) => !fromBelow.has(path));

  await writeEntries(directory, subject, async (writer) => {
    await copyTargets(writer, below, missing, subject);
    writeAttributes(writer, [...kept, ...attributes]);
  });
}

async function writeEntries(
  directory: string,
  subject: string,
  write: (writer: EntryWriter) => Promise<void> | void,
): Promise<void> {
  const [ours, theirs] = addon().socketpair('stream');
  const helper = startHelper({ verb: 'unpack', args: [directory, 'layer'], stdin: theirs, subject });
  closeSync(theirs);
  const writer = new EntryWriter(ours);
  try {
    await write(writer);
    writer.end();
  } finally {
    closeSync(ours);
  }
  await helper.done;
}

function writeAttributes(writer: EntryWriter, entries: readonly Entry[]): void {
  for (const entry of entries) writer.entry({ ...entry, kind: 'attributes' });
}

async function copyTargets(writer: EntryWriter, below: View, missing: Needs['missing'], subject: string) {
  if (missing.length === 0) return;
  const targets = [...new Set(missing.map(({ link }) => link))];
  const found = new Set<string>();
  await readPaths(below, targets, subject, {
    entry: (entry) => {
      found.add(entry.path);
      writer.entry({ ...entry, flags: entry.flags | FLAG.keep });
    },
    data: (offset, bytes) => writer.data(offset, bytes),
    fileEnd: () => writer.fileEnd(),
  });
  for (const { path, link } of missing) {
    if (!found.has(link)) throw lostLink(subject, { path, link });
    writer.entry({ ...BLANK, kind: 'hardlink', path, link, flags: FLAG.keep });
  }
}

function lostLink(subject: string, { path, link }: Needs['missing'][number]): TsrunError {
  const [from, to] = [JSON.stringify(path), JSON.stringify(link)];
  return new TsrunError('LAYER_INVALID', `${subject}: ${from} is a hard link to ${to}, which is not in the image`);
}

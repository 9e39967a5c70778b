/**
 * What differs between two trees, by what their entries say: kind, owner, mode, size, time, link, attributes. A file
 * whose size and time are the same is taken to be the same, as docker and containerd do.
 *
 * Pure.
 */
import type { Readable } from 'node:stream';
import type { Entry } from './entry.js';
import { EntryReader } from './entry-reader.js';

export type Listing = ReadonlyMap<string, Entry>;

export interface Change {
  readonly kind: 'added' | 'changed' | 'deleted';
  readonly path: string;
}

/** The entries of `pack metadata`, by path, in the order of the stream. */
export async function readListing(entries: Readable): Promise<Listing> {
  const found = new Map<string, Entry>();
  const reader = new EntryReader({
    entry: (entry) => found.set(entry.path, entry),
    data: () => undefined,
    fileEnd: () => undefined,
  });
  for await (const piece of entries) reader.push(piece as Buffer);
  reader.finish();
  return found;
}

/** A deleted directory stands for all that was in it. Sorted by path. */
export function changesBetween(before: Listing, after: Listing): Change[] {
  const changes: Change[] = [];
  for (const [path, entry] of after) {
    const old = before.get(path);
    if (old === undefined) changes.push({ kind: 'added', path });
    else if (!isSame(old, entry, before, after)) changes.push({ kind: 'changed', path });
  }
  for (const path of before.keys()) {
    if (!after.has(path) && stillDirectory(after, path)) changes.push({ kind: 'deleted', path });
  }
  return changes.sort((a, b) => (a.path < b.path ? -1 : 1));
}

function stillDirectory(after: Listing, path: string): boolean {
  const slash = path.lastIndexOf('/');
  return slash < 0 || after.get(path.slice(0, slash))?.kind === 'directory';
}

/** Which of a file's names is called the first is an accident of the order: both are looked at as the file. */
function resolved(entry: Entry, listing: Listing): Entry {
  return entry.kind === 'hardlink' ? (listing.get(entry.link) ?? entry) : entry;
}

function isSame(old: Entry, now: Entry, before: Listing, after: Listing): boolean {
  const a = resolved(old, before);
  const b = resolved(now, after);
  return (
    a.kind === b.kind &&
    a.mode === b.mode &&
    a.uid === b.uid &&
    a.gid === b.gid &&
    a.major === b.major &&
    a.minor === b.minor &&
    a.size === b.size &&
    a.link === b.link &&
    a.mtime.seconds === b.mtime.seconds &&
    a.mtime.nanoseconds === b.mtime.nanoseconds &&
    sameXattrs(a.xattrs, b.xattrs)
  );
}

function sameXattrs(a: ReadonlyMap<string, Buffer>, b: ReadonlyMap<string, Buffer>): boolean {
  return a.size === b.size && [...a].every(([name, value]) => b.get(name)?.equals(value) === true);
}

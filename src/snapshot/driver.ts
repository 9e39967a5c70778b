/**
 * What a driver of snapshots has to do. Who uses snapshots uses snapshotter.ts.
 *
 * Pure.
 */
import type { Entry } from './entry.js';
import type { Mount } from './mount.js';
import type { ChainId, SnapshotRecord, SnapshotStore } from './store.js';

export interface Driver {
  readonly name: string;
  /** Fills a claimed directory before the record is written. */
  fill(store: SnapshotStore, path: string, parent: ChainId | null): Promise<void>;
  mounts(store: SnapshotStore, record: SnapshotRecord): Mount[];
  /** The directories that show the snapshot as one tree, the uppermost first. */
  view(store: SnapshotStore, record: SnapshotRecord): string[];
  /** What was changed since prepare, as the tar of a layer. */
  diff(store: SnapshotStore, record: SnapshotRecord): AsyncGenerator<Buffer>;
  /** Directories that hold what is the snapshot's own. */
  own(store: SnapshotStore, record: SnapshotRecord): string;
}

/** As it was made: what was written into it is a change. */
export const isMark = ({ marks = [] }: SnapshotRecord, { kind, path, size, mode }: Entry): boolean =>
  kind === 'file' && size === 0 && (mode & 0o7777) === 0o755 && marks.includes(path);

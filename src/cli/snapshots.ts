/** What the commands share that unpack images: the option that names the driver, and opening it. */
import { UsageError } from '../errors.js';
import type { ContentStore } from '../image/store.js';
import type { Snapshotter } from '../snapshot/snapshotter.js';
import { quote } from '../util/quote.js';
import type { OptionTable } from './options.js';

export const SNAPSHOT_OPTIONS = {
  snapshotter: { kind: 'text', help: "'overlay' or 'copy'", shownDefault: 'overlay where overlayfs can be used' },
} as const satisfies OptionTable;

export async function openSnapshots(content: ContentStore, given: string | undefined): Promise<Snapshotter> {
  const { SnapshotStore } = await import('../snapshot/store.js');
  const { driverNamed, Snapshotter } = await import('../snapshot/snapshotter.js');
  const { canOverlay } = await import('../snapshot/overlay-support.js');
  const store = new SnapshotStore(content.dataRoot);
  const driver = driverNamed(given ?? (canOverlay(store.root) ? 'overlay' : 'copy'));
  if (driver === undefined) {
    throw new UsageError(`--snapshotter: ${quote(given ?? '')} is neither 'overlay' nor 'copy'`, '--snapshotter');
  }
  return new Snapshotter(store, driver);
}

/**
 * Snapshots: a tree on top of an image's layers that somebody may write to, and read-only ones. What they are mounted
 * with is returned, never mounted. Two drivers, one contract (test/snapshot/contract.ts).
 */
import { closeSync, constants, fchmodSync, lstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { TsrunError } from '../errors.js';
import { copyDriver } from './copy.js';
import type { Driver } from './driver.js';
import type { Mount } from './mount.js';
import { overlayDriver } from './overlay.js';
import type { ChainId, SnapshotRecord, SnapshotStore } from './store.js';
import { listTree } from './trees.js';

export interface Usage {
  /** On the disk. */
  readonly bytes: number;
  readonly inodes: number;
}

export interface PrepareRequest {
  readonly key: string;
  /** The uppermost layer; null: nothing below. */
  readonly parent: ChainId | null;
  readonly owner?: SnapshotRecord['owner'];
  readonly image?: SnapshotRecord['image'];
  /** Names of empty files, 0755, in the root, where the image has nothing of the name. */
  readonly marks?: readonly string[];
}

const DRIVERS: readonly Driver[] = [overlayDriver, copyDriver];

export class Snapshotter {
  readonly store: SnapshotStore;
  readonly driver: Driver;

  constructor(store: SnapshotStore, driver: Driver) {
    this.store = store;
    this.driver = driver;
  }

  /** Throws TsrunError SNAPSHOT_EXISTS, SNAPSHOT_NOT_FOUND, SNAPSHOT_FAILED; then nothing is left. */
  async prepare(request: PrepareRequest): Promise<Mount[]> {
    return this.#make(request, false);
  }

  async view(request: PrepareRequest): Promise<Mount[]> {
    return this.#make(request, true);
  }

  async #make({ key, parent, owner, image, marks = [] }: PrepareRequest, readOnly: boolean): Promise<Mount[]> {
    const claim = this.store.newActive(key);
    try {
      await this.driver.fill(this.store, claim.path, parent);
      const made = marks.filter((name) => makeMark([join(claim.path, 'fs'), ...this.store.trees(parent)], name));
      const record = { key, parent, readOnly, driver: this.driver.name, created: new Date().toISOString() };
      this.store.commitActive({
        ...record,
        ...(owner === undefined ? {} : { owner }),
        ...(image === undefined ? {} : { image }),
        ...(made.length === 0 ? {} : { marks: made }),
      });
      const mounts = this.mounts(key); // fails if a layer was pruned meanwhile
      claim.close();
      return mounts;
    } catch (error) {
      await this.store.discard(claim).catch(() => undefined);
      throw error;
    }
  }

  mounts(key: string): Mount[] {
    const record = this.store.active(key);
    return driverOf(record).mounts(this.store, record);
  }

  /** The directories that show it as one tree, the uppermost first. */
  directories(key: string): string[] {
    const record = this.store.active(key);
    return driverOf(record).view(this.store, record);
  }

  /** As a layer: the same changes give the same bytes. */
  diff(key: string): AsyncGenerator<Buffer> {
    const record = this.store.active(key);
    return driverOf(record).diff(this.store, record);
  }

  async remove(key: string): Promise<void> {
    this.store.active(key);
    await this.store.removeActive(key);
  }

  async usage(key: string): Promise<Usage> {
    const record = this.store.active(key);
    const listing = await listTree([driverOf(record).own(this.store, record)], `snapshot ${key}`);
    let bytes = 0;
    let inodes = 0;
    for (const { kind, size } of listing.values()) {
      if (kind === 'hardlink') continue;
      if (kind === 'file') bytes += size;
      inodes++;
    }
    return { bytes, inodes };
  }
}

/** In a directory that nobody else has seen yet. False: there is something of this name. */
function makeMark([own = '', ...trees]: readonly string[], name: string): boolean {
  if (trees.some((tree) => lstatSync(join(tree, name), { throwIfNoEntry: false }) !== undefined)) return false;
  const fd = openSync(
    join(own, name),
    constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
  );
  try {
    fchmodSync(fd, 0o755);
  } finally {
    closeSync(fd);
  }
  return true;
}

function driverOf(record: SnapshotRecord): Driver {
  const driver = DRIVERS.find(({ name }) => name === record.driver);
  if (driver === undefined)
    throw new TsrunError('RECORD_CORRUPT', `snapshot ${record.key}: no driver ${record.driver}`);
  return driver;
}

export const driverNamed = (name: string): Driver | undefined => DRIVERS.find((driver) => driver.name === name);

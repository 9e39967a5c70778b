/** Snapshots by overlayfs: the layers' trees below, one directory for what is written. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { inUserNamespace } from '../util/user-namespace.js';
import { type Driver, isMark } from './driver.js';
import { bindMount, type Mount, overlayMount } from './mount.js';
import { copyRootAttributes, type SnapshotRecord, type SnapshotStore } from './store.js';
import { packed } from './trees.js';

const fsOf = (store: SnapshotStore, { key }: SnapshotRecord): string => join(store.activePath(key), 'fs');

export const overlayDriver: Driver = {
  name: 'overlay',

  async fill(store, path, parent) {
    const [top] = store.trees(parent);
    if (top !== undefined) copyRootAttributes(top, join(path, 'fs'));
    mkdirSync(join(path, 'work'), { mode: 0o700 });
  },

  mounts(store, record): Mount[] {
    const lower = store.trees(record.parent);
    const fs = fsOf(store, record);
    const [top] = lower;
    if (top === undefined) return [bindMount(fs, record.readOnly)];
    const ofUser = inUserNamespace();
    if (!record.readOnly)
      return [overlayMount(lower, { fs, work: join(store.activePath(record.key), 'work') }, ofUser)];
    return [lower.length === 1 ? bindMount(top, true) : overlayMount(lower, undefined, ofUser)];
  },

  view(store, record) {
    const lower = store.trees(record.parent);
    return record.readOnly && lower.length > 0 ? lower : [fsOf(store, record), ...lower];
  },

  diff(store, record) {
    return packed(['layer', fsOf(store, record)], `snapshot ${record.key}`, {
      wanted: (entry) => !isMark(record, entry),
    });
  },

  own: fsOf,
};

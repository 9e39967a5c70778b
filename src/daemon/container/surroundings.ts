/** What a container stands on: its snapshot mounted as the root file system, its network, its volumes, its files. */
import { join } from 'node:path';
import { accountFiles } from '../../bundle/files.js';
import { attach, detach } from '../../bundle/places.js';
import { type Account, findAccount } from '../../bundle/users.js';
import { TsrunError } from '../../errors.js';
import { HelperError } from '../../snapshot/helper.js';
import type { Snapshotter } from '../../snapshot/snapshotter.js';
import type { Config } from '../../spec/types.gen.js';
import { together } from '../../util/together.js';
import { badRequest } from '../http/api-error.js';
import type { Prepared, Surroundings } from './needs.js';
import type { ContainerRecord } from './record.js';

/** Networks and volumes, which others bring up. */
export interface Extension {
  prepare(record: ContainerRecord, place: Place): Promise<Config>;
  release(record: ContainerRecord): Promise<void>;
  discard(record: ContainerRecord, volumes: boolean): Promise<void>;
}

export interface Place {
  /** Absolute: config.json, and the files that are bound over the image's. */
  readonly bundle: string;
  /** Absolute; mounted meanwhile. */
  readonly rootfs: string;
  /** The directories that show the root file system, the uppermost first. */
  readonly directories: readonly string[];
}

export function surroundings(directory: string, snapshots: Snapshotter, extension: Extension): Surroundings {
  const bundleOf = ({ id }: ContainerRecord) => join(directory, id);
  const rootfsOf = (record: ContainerRecord) => join(bundleOf(record), 'rootfs');
  return {
    async prepare(record): Promise<Prepared> {
      const [bundle, rootfs] = [bundleOf(record), rootfsOf(record)];
      const directories = snapshots.directories(record.id);
      const [, config] = await together(
        attach(snapshots.mounts(record.id), rootfs, snapshots.store),
        extension.prepare(record, { bundle, rootfs, directories }),
      );
      return { bundle, config };
    },
    async release(record) {
      await together(extension.release(record), unlessGone(detach(rootfsOf(record))));
    },
    async account(record, user): Promise<Account> {
      const files = await accountFiles(snapshots.directories(record.id));
      try {
        return findAccount(user, files, '');
      } catch (error) {
        throw error instanceof TsrunError ? badRequest(error.message, error) : error;
      }
    },
    async discard(record, volumes) {
      await together(
        extension.discard(record, volumes).then(() => unlessGone(snapshots.store.removeBundle(bundleOf(record)))),
        unlessGone(snapshots.remove(record.id)),
      );
    },
  };
}

const ENOENT = 2;
const EINVAL = 22;

/** Of something that was removed before, or was never made. umount2(2) says EINVAL of what is no mount point. */
async function unlessGone(action: Promise<void>): Promise<void> {
  try {
    await action;
  } catch (error) {
    if (error instanceof TsrunError && error.code === 'SNAPSHOT_NOT_FOUND') return;
    const errno = error instanceof HelperError ? error.record?.errno : undefined;
    if (errno !== ENOENT && errno !== EINVAL) throw error;
  }
}

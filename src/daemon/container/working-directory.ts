/** The working directory of a container, which is there from create on: docker cp and commit find it. */
import { makeDirectory } from '../../snapshot/archive.js';
import { HelperError } from '../../snapshot/helper.js';
import type { Snapshotter } from '../../snapshot/snapshotter.js';
import { badRequest } from '../http/api-error.js';
import type { ContainerRecord } from './record.js';

const NOT_DIRECTORY = 20;
/** ENAMETOOLONG, ELOOP */
const BAD_PATHS: readonly number[] = [36, 40];

/**
 * Below what volumes will cover, and root's whoever the program runs as: so dockerd has it. target: a directory of the
 * host to mount at, which nobody else sees. Throws ApiError 400.
 */
export async function makeWorkingDirectory(
  snapshots: Snapshotter,
  { id, config }: ContainerRecord,
  target: string,
): Promise<void> {
  const path = config.WorkingDir || '/';
  if (path === '/') return;
  const mounts = snapshots.mounts(id);
  try {
    await makeDirectory({ kind: 'snapshot', store: snapshots.store, mounts, target, binds: [] }, path);
  } catch (error) {
    const errno = error instanceof HelperError ? error.record?.errno : undefined;
    if (errno === NOT_DIRECTORY) throw badRequest(`Cannot mkdir: ${path} is not a directory`, error);
    if (errno !== undefined && BAD_PATHS.includes(errno))
      throw badRequest(`the working directory '${path}' is too long, or has too many links`, error);
    throw error;
  }
}

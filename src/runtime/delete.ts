/** delete: undoes what create did. runtime-spec runtime.md, "Delete". */
import { StateError, TsrunError } from '../errors.js';
import type { ContainerId } from '../state/container-id.js';
import { hasPlan, mendPlan } from './mend.js';
import { type Runtime, runVerb } from './runtime.js';

/** force: kill it first if it runs, take one that is not there for deleted, and remove one whose record is damaged. */
export async function deleteContainer(
  runtime: Runtime,
  id: ContainerId,
  options: { readonly force: boolean },
): Promise<void> {
  try {
    await runVerb(runtime, { verb: 'delete', id, flags: options.force ? ['--force'] : [] });
  } catch (error) {
    if (!options.force) throw error;
    if (error instanceof StateError && error.code === 'CONTAINER_NOT_FOUND') return;
    if (!(error instanceof TsrunError && error.code === 'RECORD_CORRUPT')) throw error;
    await deleteDamaged(runtime, id);
  }
}

/**
 * The end of a foreground run, whose program ended with this status: returns it. What a program that failed has to say
 * counts more than a container that stays, which is a warning then.
 */
export async function deleteAfterRun(runtime: Runtime, id: ContainerId, status: number): Promise<number> {
  try {
    await deleteContainer(runtime, id, { force: false });
  } catch (error) {
    if (!(error instanceof TsrunError)) throw error;
    if (error.code === 'CONTAINER_NOT_FOUND') return status;
    if (status === 0) throw error;
    runtime.warn(`the container is not deleted: ${error.message}`, error);
  }
  return status;
}

/** The cgroup and the hooks are known again once the plan is; without it only the process and the directory go. */
async function deleteDamaged(runtime: Runtime, id: ContainerId): Promise<void> {
  try {
    if (!hasPlan(runtime, id)) mendPlan(runtime, id);
  } catch (error) {
    if (!(error instanceof TsrunError)) throw error;
    runtime.warn(`the plan of container ${id} cannot be compiled anew, its cgroup may stay: ${error.message}`);
  }
  await runVerb(runtime, { verb: 'delete', id, flags: ['--force', '--damaged'] });
}

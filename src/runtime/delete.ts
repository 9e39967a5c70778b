/** delete: undoes what create did. runtime-spec runtime.md, "Delete". */
import { StateError } from '../errors.js';
import type { ContainerId } from '../state/container-id.js';
import { type Runtime, runVerb } from './runtime.js';

/** force: kill it first if it runs, and take a container that is not there for deleted. */
export function deleteContainer(runtime: Runtime, id: ContainerId, options: { readonly force: boolean }): void {
  try {
    runVerb(runtime, { verb: 'delete', id, flags: options.force ? ['--force'] : [] });
  } catch (error) {
    if (!(options.force && error instanceof StateError && error.code === 'CONTAINER_NOT_FOUND')) throw error;
  }
}

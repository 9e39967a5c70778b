/** Limits of a container that runs: POST /containers/{id}/update, and what a killed daemon was about to apply. */
import type { Runtime } from '../../runtime/runtime.js';
import { updateContainer } from '../../runtime/update.js';
import { readDocument } from '../../spec/read.js';
import type { ContainerId } from '../../state/container-id.js';
import { stringifyJson } from '../../util/json-write.js';
import type { HostConfig } from '../api/types.gen.js';
import type { ContainerRecord } from './record.js';
import { limitsOf } from './spec/resources.js';

/** limits: only what changes. Throws ExecError, StateError. */
export async function applyLimits(runtime: Runtime, { id }: ContainerRecord, limits: HostConfig): Promise<void> {
  await updateContainer(runtime, {
    id: id as ContainerId,
    resources: readDocument(Buffer.from(stringifyJson(limitsOf(limits))), 'limits'),
    intelRdt: {},
    rename: (path) => path,
  });
}

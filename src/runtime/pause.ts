/** pause: the freezer of the container's cgroup. Not in runtime-spec; the behaviour is runc's. */
import type { ContainerId } from '../state/container-id.js';
import { type Runtime, runVerb } from './runtime.js';

export async function pauseContainer(runtime: Runtime, id: ContainerId): Promise<void> {
  await runVerb(runtime, { verb: 'pause', id });
}

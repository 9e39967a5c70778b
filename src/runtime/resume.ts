/** resume: the freezer of the container's cgroup. Not in runtime-spec; the behaviour is runc's. */
import type { ContainerId } from '../state/container-id.js';
import { type Runtime, runVerb } from './runtime.js';

export function resumeContainer(runtime: Runtime, id: ContainerId): void {
  runVerb(runtime, { verb: 'resume', id });
}

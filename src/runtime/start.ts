/** start: the waiting first process runs the program. runtime-spec runtime.md, "Start". */
import type { ContainerId } from '../state/container-id.js';
import { type Runtime, runVerb } from './runtime.js';

export function startContainer(runtime: Runtime, id: ContainerId): void {
  runVerb(runtime, { verb: 'start', id });
}

/** start: the waiting first process runs the program. runtime-spec runtime.md, "Start". */
import type { ContainerId } from '../state/container-id.js';
import { type Runtime, runVerb } from './runtime.js';

/**
 * With NOTIFY_SOCKET it returns when the program has said READY=1 or has ended; not so with notifyFd, a socket that is
 * only bound, for the supervisor to read.
 */
export async function startContainer(runtime: Runtime, id: ContainerId, notifyFd?: number): Promise<void> {
  const socket = runtime.activation?.().notifySocket;
  const flags = socket === undefined || notifyFd !== undefined ? [] : ['--notify-socket', socket];
  await runVerb(runtime, { verb: 'start', id, flags, ...(notifyFd === undefined ? {} : { notifyFd }) });
}

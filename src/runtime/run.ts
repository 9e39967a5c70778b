/**
 * run: create, start and, unless detached, wait for the program and delete the container.
 */
import { adoptOrphans, superviseInPlace } from '../exec/executor.js';
import { addon } from '../native/addon.js';
import { type CreateRequest, createContainer } from './create.js';
import { deleteContainer } from './delete.js';
import { type Runtime, reporterOf } from './runtime.js';
import { startContainer } from './start.js';

export interface RunRequest extends CreateRequest {
  readonly detach: boolean;
  /** Leave the stopped container behind. */
  readonly keep: boolean;
}

/** As if it had never been tried: removes the container, keeping the first error whatever happens. */
async function undo(runtime: Runtime, request: RunRequest): Promise<void> {
  try {
    await deleteContainer(runtime, request.id, { force: true });
  } catch (error) {
    runtime.warn(`cannot remove the container again: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Resolves only when detached; otherwise this process becomes the supervisor and exits with the program's status. */
export async function runContainer(runtime: Runtime, request: RunRequest): Promise<void> {
  const { id, detach, keep } = request;
  if (!detach) adoptOrphans();
  const { pid, console } = await createContainer(runtime, request, detach);
  const notifySocket = runtime.activation?.().notifySocket;
  const notifyFd = notifySocket === undefined || detach ? undefined : addon().datagramSocket();
  try {
    await startContainer(runtime, id, notifyFd);
  } catch (error) {
    await undo(runtime, request);
    throw error;
  }
  if (detach) return;
  runtime.tracer?.finish(); // the supervisor is another program
  superviseInPlace({
    pid,
    ...(console.receive === undefined ? {} : { consoleFd: console.receive }),
    ...(notifySocket === undefined || notifyFd === undefined ? {} : { notify: { socket: notifySocket, fd: notifyFd } }),
    container: { root: runtime.root, id, keep, exitFile: request.exitFile, reporter: reporterOf(runtime) },
  });
}

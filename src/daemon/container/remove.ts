/** rm: a container goes for good. What a killed daemon has begun is finished when it starts again (recover.ts). */
import { rmSync } from 'node:fs';
import { conflict } from '../http/api-error.js';
import type { Container } from './container.js';
import { cancelRestart, mayHaveLeft, tearDown } from './start.js';
import { kill } from './stop.js';

export interface RemoveRequest {
  readonly force: boolean;
  /** Those without a name. */
  readonly volumes: boolean;
}

const SIGKILL = 9;

const WHY: { readonly [status: string]: string } = {
  running: 'container is running: stop the container before removing or force remove',
  paused: 'container is paused and must be unpaused first',
  restarting: 'container is restarting: stop the container before removing or force remove',
};

/** Throws ApiError 409. */
export async function remove(container: Container, { force, volumes }: RemoveRequest): Promise<void> {
  const refuse = () => {
    const { status } = container.record.state;
    if (status === 'removing') throw conflict(`removal of container ${container.id} is already in progress`);
    const why = WHY[status];
    if (why !== undefined && !force) throw conflict(`cannot remove container "${container.record.name}": ${why}`);
  };
  refuse();
  await container.mutex.run(async () => undefined);
  refuse();
  container.keep = true; // it must not remove itself at the same time
  try {
    if (container.isActive) await kill(container, SIGKILL);
    await container.mutex.run(async () => {
      refuse();
      await finishRemoval(container, volumes);
    });
  } finally {
    container.keep = false;
  }
}

/** Also of what another daemon has begun. anyway: of a create that fails, whose record may stay for the next daemon. */
export async function finishRemoval(container: Container, volumes: boolean, anyway = false): Promise<void> {
  const before = container.record.state.status;
  container.record.volumesGo = volumes;
  container.become({ status: 'removing' });
  try {
    cancelRestart(container);
    container.attachments.end();
    if (mayHaveLeft(container)) await tearDown(container);
    await container.needs.releaseLog(container.id);
    await container.needs.surroundings.discard(container.record, volumes);
  } catch (error) {
    container.become({ status: before === 'removing' ? 'dead' : before, error: String(error) });
    throw error;
  }
  for (const { directory } of container.execs.values()) rmSync(directory, { recursive: true, force: true });
  try {
    await container.needs.records.remove(container.record, anyway);
  } catch (error) {
    if (anyway) container.forget();
    container.become({ status: 'dead', error: String(error) });
    throw error;
  }
  container.forget();
  container.happened('destroy');
  container.tellRemoved();
}

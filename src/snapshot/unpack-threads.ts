/**
 * The threads that read layers (unpack-worker.ts). Starting one takes as much processor time as starting Node, more than
 * a small layer does: so they are kept from layer to layer.
 */
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { TsrunError } from '../errors.js';
import type { UnpackAnswer, UnpackOrder } from './unpack-worker.js';

/** The same from src/snapshot/ and from the bundle. */
const WORKER = fileURLToPath(new URL('../../dist/unpack-worker.cjs', import.meta.url));

export class UnpackThreads {
  readonly #idle: Worker[] = [];

  /** As many at once as are asked for. Rejects when the thread itself fails, which is then not used again. */
  async read(order: UnpackOrder): Promise<UnpackAnswer> {
    const worker = this.#idle.pop() ?? new Worker(WORKER, { stdout: false, stderr: false });
    const answer = await ask(worker, order);
    this.#idle.push(worker);
    return answer;
  }

  /** To be called when no answer is awaited any more: a thread that waits keeps the process alive. */
  async close(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map((worker) => worker.terminate()));
  }
}

function ask(worker: Worker, order: UnpackOrder): Promise<UnpackAnswer> {
  return new Promise<UnpackAnswer>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', () => reject(new TsrunError('BUG', 'the thread that unpacks a layer ended without an answer')));
    worker.postMessage(order);
  }).finally(() => {
    for (const event of ['message', 'error', 'exit']) worker.removeAllListeners(event);
  });
}

/**
 * The threads that read layers (unpack-worker.ts). Starting one takes as much processor time as starting Node, more than
 * a small layer does: so they are kept from layer to layer.
 */
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { TsrunError } from '../errors.js';
import type { UnpackAnswer, UnpackOrder } from './unpack-worker.js';

/** The same from src/snapshot/ and from the bundle. */
const WORKER = fileURLToPath(new URL('../../dist/unpack-worker.cjs', import.meta.url));

export class UnpackThreads {
  #idle: readonly Worker[] = [];

  /** As many at once as are asked for. Rejects when the thread itself fails, which is then not used again. */
  async read(order: UnpackOrder): Promise<UnpackAnswer> {
    const [worker = this.#start(), ...others] = this.#idle;
    this.#idle = others;
    const answer = await ask(worker, order);
    this.#idle = [...this.#idle, worker];
    return answer;
  }

  /** One that fails while nobody asks it must not end the process, and is not asked again. */
  #start(): Worker {
    const worker = new Worker(WORKER, { stdout: false, stderr: false });
    worker.on('error', () => undefined);
    worker.once('exit', () => {
      this.#idle = this.#idle.filter((one) => one !== worker);
    });
    return worker;
  }

  /** To be called when no answer is awaited any more: a thread that waits keeps the process alive. */
  async close(): Promise<void> {
    await Promise.all(this.#idle.map((worker) => worker.terminate()));
  }
}

async function ask(worker: Worker, order: UnpackOrder): Promise<UnpackAnswer> {
  const ended = new AbortController();
  const end = () => ended.abort(new TsrunError('BUG', 'the thread that unpacks a layer ended without an answer'));
  worker.once('exit', end);
  try {
    worker.postMessage(order);
    // once() rejects with an 'error' of the worker, too.
    const [answer] = await once(worker, 'message', { signal: ended.signal });
    return answer as UnpackAnswer;
  } catch (error) {
    throw ended.signal.aborted ? ended.signal.reason : error;
  } finally {
    worker.off('exit', end);
  }
}

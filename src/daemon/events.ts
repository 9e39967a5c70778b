/**
 * What happens, told to whoever listens: GET /events, and parts of the daemon itself. The last 256 are kept for those who
 * ask for the past. Every listener has a queue with a bound: one that does not read loses its stream, not the daemon its
 * memory.
 */
import { nowNanoseconds } from '../util/nanoseconds.js';

export type EventType = 'container' | 'image' | 'network' | 'volume' | 'daemon';

export interface DaemonEvent {
  readonly type: EventType;
  /** "start", or with more behind it: "exec_create: sh -c true". */
  readonly action: string;
  readonly id: string;
  readonly attributes: { readonly [name: string]: string };
  /** Nanoseconds since 1970. */
  readonly time: bigint;
}

const KEPT = 256;
const QUEUED = 1024;

type Listener = (event: DaemonEvent) => void;

export class EventBus {
  readonly #kept: DaemonEvent[] = [];
  readonly #listeners = new Set<Listener>();

  publish(type: EventType, action: string, id: string, attributes: { readonly [name: string]: string }): void {
    const event: DaemonEvent = { type, action, id, attributes, time: nowNanoseconds() };
    this.#kept.push(event);
    if (this.#kept.length > KEPT) this.#kept.shift();
    for (const listener of this.#listeners) listener(event);
  }

  /** Called at once for each event; the result ends it. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  past(): readonly DaemonEvent[] {
    return this.#kept;
  }

  /** What is wanted of the past, then what comes, until the signal, or until the listener is too slow. */
  async *stream(
    wanted: (event: DaemonEvent) => boolean,
    signal: AbortSignal,
    since?: bigint,
  ): AsyncGenerator<DaemonEvent> {
    const queue: DaemonEvent[] =
      since === undefined ? [] : this.#kept.filter((event) => event.time >= since && wanted(event));
    let overrun = false;
    let wake = (): void => undefined;
    const ended = () => wake();
    const stop = this.listen((event) => {
      if (overrun || !wanted(event)) return;
      if (queue.length < QUEUED) queue.push(event);
      else {
        overrun = true; // told when it reads what is queued
        stop();
      }
      wake();
    });
    signal.addEventListener('abort', ended, { once: true });
    try {
      while (!signal.aborted) {
        const event = queue.shift();
        if (event !== undefined) yield event;
        else if (overrun) return;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    } finally {
      stop();
      signal.removeEventListener('abort', ended);
    }
  }
}

/**
 * A container in the daemon's memory: its record, who waits for it, and the run it is in. What can be done with it is in
 * start.ts, stop.ts, remove.ts …; operations that change what it is take its mutex, reads never wait.
 */
import { join } from 'node:path';
import type { ContainerId } from '../../state/container-id.js';
import { Attachments } from './attachments.js';
import type { Exec } from './exec.js';
import type { HealthMonitor } from './health.js';
import { Mutex } from './mutex.js';
import type { Needs } from './needs.js';
import type { ContainerRecord, ContainerState } from './record.js';

/** From start until all that the program's end brings is done. */
export interface Run {
  readonly pid: number;
  /** Of a clock that only goes forward, in milliseconds. */
  readonly began: number;
  /** Settles when the container is stopped, or waits for its restart. */
  readonly over: Promise<void>;
}

/** What wait answers. */
export interface WaitResult {
  readonly exitCode: number;
  readonly error?: string;
}

export type WaitCondition = 'not-running' | 'next-exit' | 'removed';

/** state.error when nobody knows how the program ended. */
export const LOST = 'the monitor of the container was killed, its exit code is not known';

/** Of an id, for the path of a socket, which has 107 bytes. unix(7) */
export const shortened = (id: string): string => id.slice(0, 24);

export class Container {
  readonly needs: Needs;
  readonly record: ContainerRecord;
  readonly mutex = new Mutex();
  readonly attachments = new Attachments();
  readonly execs = new Map<string, Exec>();
  run: Run | undefined;
  health: HealthMonitor | undefined;
  /** Of the restart policy. */
  restartTimer: NodeJS.Timeout | undefined;
  restartDelay = 0;
  /** By stop or kill: what ends now is not started again. */
  ending = false;
  /** restart of a container that removes itself. */
  keep = false;
  /** Taken out of the manager's tables. */
  forget: () => void = () => undefined;
  readonly #exitWaiters = new Set<(result: WaitResult) => void>();
  readonly #stopWaiters = new Set<(result: WaitResult) => void>();
  readonly #removeWaiters = new Set<(result: WaitResult) => void>();
  #written: Promise<void> = Promise.resolve();

  constructor(needs: Needs, record: ContainerRecord) {
    this.needs = needs;
    this.record = record;
  }

  /** Also the runtime's. Ids of containers are hexadecimal. */
  get id(): ContainerId {
    return this.record.id as ContainerId;
  }

  get monitorDirectory(): string {
    return join(this.needs.monitors, shortened(this.id));
  }

  /** Its program exists, or will again without anybody's doing. */
  get isActive(): boolean {
    const { status } = this.record.state;
    return status === 'running' || status === 'paused' || status === 'restarting';
  }

  get isRunning(): boolean {
    const { status } = this.record.state;
    return status === 'running' || status === 'paused';
  }

  /** Changes the state, on disk too; saved() is when. */
  become(change: Partial<ContainerState>): void {
    this.record.state = { ...this.record.state, ...change };
    this.save();
  }

  /** What is lost with a daemon that is killed in this moment, recover.ts finds out from what runs. */
  save(): void {
    this.#written = this.needs.records.save(this.record);
    this.#written.catch((error: unknown) =>
      this.needs.warn(`the record of container ${this.id} is not written: ${String(error)}`),
    );
  }

  /** The record is on the disk as it is now: before somebody is told of it, who would rely on it. Throws TsrunError IO. */
  saved(): Promise<void> {
    return this.#written;
  }

  happened(action: string, attributes?: { readonly [name: string]: string }): void {
    this.needs.happened({ action, record: this.record, ...(attributes === undefined ? {} : { attributes }) });
  }

  /** Resolves at once if the condition holds already. Never rejects; aborted, it does not settle. */
  wait(condition: WaitCondition, signal: AbortSignal): Promise<WaitResult> {
    if (condition === 'not-running' && !this.isActive) return Promise.resolve(this.#result());
    return waitIn(condition === 'removed' ? this.#removeWaiters : this.#exitWaiters, signal);
  }

  /** Until it has ended for good: unlike what clients wait for, past restarts by its policy. */
  async stopped(signal: AbortSignal): Promise<void> {
    if (this.isActive) await waitIn(this.#stopWaiters, signal);
  }

  /** What a start says to its caller is not said to those who wait as well. */
  #result(): WaitResult {
    const { exitCode, error } = this.record.state;
    return error === LOST ? { exitCode, error } : { exitCode };
  }

  /** The program has ended; its policy may start it again. */
  tellExit(): void {
    tell(this.#exitWaiters, this.#result());
    if (!this.isActive) tell(this.#stopWaiters, this.#result());
  }

  tellRemoved(): void {
    this.tellExit();
    tell(this.#removeWaiters, this.#result());
  }
}

function waitIn(waiters: Set<(result: WaitResult) => void>, signal: AbortSignal): Promise<WaitResult> {
  return new Promise((resolve) => {
    waiters.add(resolve);
    signal.addEventListener('abort', () => waiters.delete(resolve), { once: true });
  });
}

function tell(waiters: Set<(result: WaitResult) => void>, result: WaitResult): void {
  const all = [...waiters];
  waiters.clear();
  for (const resolve of all) resolve(result);
}

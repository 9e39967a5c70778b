/**
 * When a container whose program has ended is started again, and after how long. facts of dockerd: 100 ms, doubled each
 * time up to a minute, from the beginning again after ten seconds of life.
 *
 * Pure.
 */
import type { RestartPolicy } from '../api/types.gen.js';

const FIRST_MS = 100;
const MOST_MS = 60_000;
const HEALTHY_MS = 10_000;

export interface Ending {
  readonly exitCode: number;
  /** Milliseconds that the program ran. */
  readonly lived: number;
  /** By stop or kill. */
  readonly byUser: boolean;
  /** Restarts so far, by the policy. */
  readonly restarts: number;
}

export function mayRestart(policy: RestartPolicy | undefined, { exitCode, byUser, restarts }: Ending): boolean {
  if (byUser) return false;
  switch (policy?.Name) {
    case 'always':
    case 'unless-stopped':
      return true;
    case 'on-failure': {
      const most = policy.MaximumRetryCount ?? 0;
      return exitCode !== 0 && (most === 0 || restarts < most);
    }
    default:
      return false;
  }
}

/** previous: what this returned the last time; 0 before. */
export function nextDelay(previous: number, lived: number): number {
  if (previous === 0 || lived >= HEALTHY_MS) return FIRST_MS;
  return Math.min(previous * 2, MOST_MS);
}

/** When the daemon starts: what was stopped by hand stays so, except with always. */
export function startsWithDaemon(policy: RestartPolicy | undefined, stoppedByUser: boolean): boolean {
  return policy?.Name === 'always' || (policy?.Name === 'unless-stopped' && !stoppedByUser);
}

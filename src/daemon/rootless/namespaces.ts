/**
 * The user and mount namespace of a user's daemon, which a process of a few hundred kilobytes holds
 * (csrc/snapshot/holder.h), so that containers' mounts and networks outlive the daemon.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

export const namespacesRecord = (execRoot: string): string => join(execRoot, 'namespaces');

/** Nothing runs in them any more: they go with this process, the last one there. */
export function letGo(execRoot: string): void {
  const record = namespacesRecord(execRoot);
  try {
    const pid = Number(readFileSync(record, 'latin1'));
    if (pid > 1) process.kill(pid, 'SIGKILL');
    rmSync(record);
  } catch {
    // Nobody holds them: this is root of a namespace that somebody else has made.
  }
}

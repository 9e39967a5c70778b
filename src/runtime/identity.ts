/** A process by pid and start time, which together name one for ever: proc(5), field 22 of stat. */
import { readFileSync } from 'node:fs';

export interface ProcessIdentity {
  readonly pid: number;
  readonly start: string;
}

/** Fields from the third on; the second, the name, may hold anything. */
function readStat(pid: number): readonly string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

/** undefined when it has ended. */
export function identify(pid: number): ProcessIdentity | undefined {
  const [state = 'X', ...rest] = readStat(pid) ?? [];
  const start = rest[18];
  return /[ZX]/.test(state) || start === undefined ? undefined : { pid, start };
}

export function isAlive({ pid, start }: ProcessIdentity): boolean {
  return identify(pid)?.start === start;
}

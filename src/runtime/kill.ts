/** kill: a signal for the container's first process, or for all of them. runtime-spec runtime.md, "Kill". */
import { UsageError } from '../errors.js';
import type { ContainerId } from '../state/container-id.js';
import { quote } from '../util/quote.js';
import { parseSignal } from '../util/signals.js';
import { type Runtime, runVerb } from './runtime.js';

export function readSignal(text: string): number {
  const signal = parseSignal(text);
  if (signal !== undefined) return signal;
  const hint = /^-\d+$/.test(text)
    ? `write it without the dash: ${text.slice(1)}`
    : 'a name such as TERM, or a number from 0 to 64';
  throw new UsageError(`unknown signal ${quote(text, 64)}`, 'SIGNAL', hint);
}

/** all: every process of the container's cgroup; that none is left is no error then. */
export async function killContainer(runtime: Runtime, id: ContainerId, signal: number, all: boolean): Promise<void> {
  await runVerb(runtime, { verb: 'kill', id, flags: ['--signal', String(signal), ...(all ? ['--all'] : [])] });
}

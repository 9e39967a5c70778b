/** kill: a signal for the container's first process. runtime-spec runtime.md, "Kill". */
import { StateError, UsageError } from '../errors.js';
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

/** evenStopped: a container that does not run any more is no error (runc's hidden --all). */
export function killContainer(runtime: Runtime, id: ContainerId, signal: number, evenStopped: boolean): void {
  try {
    runVerb(runtime, { verb: 'kill', id, flags: ['--signal', String(signal)] });
  } catch (error) {
    if (!(evenStopped && error instanceof StateError && error.code === 'CONTAINER_STATE')) throw error;
  }
}

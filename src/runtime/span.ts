/** Spans of --trace's timeline. Apart from trace.ts, so that a command without the option does not load what writes it. */
import type { Runtime } from './runtime.js';

/** Runs step, as a span of the timeline if there is one. */
export function traced<T>({ tracer }: Pick<Runtime, 'tracer'>, name: string, step: () => T): T {
  return tracer === undefined ? step() : tracer.trace.span(name, step);
}

/** The same for one that takes its time. */
export async function tracedAsync<T>(
  { tracer }: Pick<Runtime, 'tracer'>,
  name: string,
  step: () => Promise<T>,
): Promise<T> {
  return tracer === undefined ? step() : tracer.trace.spanAsync(name, step);
}

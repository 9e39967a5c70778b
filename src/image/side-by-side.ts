/**
 * Several things at once, at most so many, until one fails.
 *
 * Pure.
 */

/** After a failure no new one is begun, and those that run see signal.aborted; the first failure is thrown, when all have ended. */
export async function sideBySide<T>(
  items: readonly T[],
  most: number,
  action: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const abort = new AbortController();
  const queue = [...items];
  const failures: unknown[] = [];
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined && !abort.signal.aborted; item = queue.shift()) {
      try {
        await action(item, abort.signal);
      } catch (error) {
        failures.push(error);
        abort.abort();
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
}

/** Ends a stream when another one has failed. */
export async function* untilAborted<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncIterable<T> {
  for await (const item of source) {
    if (signal.aborted) throw new Error('given up, because another part failed');
    yield item;
  }
}

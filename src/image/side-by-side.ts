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

/** Ends a stream when another one has failed, or nobody wants it any more: at once, also one of which nothing comes. */
export async function* untilAborted<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncIterable<T> {
  if (signal.aborted) throw givenUp();
  const iterator = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await orAborted(iterator.next(), signal);
      if (done === true) return;
      yield value;
    }
  } finally {
    const ended = iterator.return?.();
    // One that hangs ends with its connection: nobody waits for that.
    if (signal.aborted) ended?.catch(() => undefined);
    else await ended;
  }
}

const givenUp = () => new Error('given up, because another part failed or the client has gone');

function orAborted<T>(action: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(givenUp());
    signal.addEventListener('abort', abort, { once: true });
    action.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/**
 * Actions side by side where a failure has its way back: nobody may undo what another one still does.
 *
 * Pure.
 */

/** What all came to, once all have ended; throws what the first of them in this order threw. */
export async function together<T extends readonly unknown[]>(
  ...actions: {
    readonly [index in keyof T]: Promise<T[index]>;
  }
): Promise<T> {
  await Promise.allSettled(actions);
  return (await Promise.all(actions)) as unknown as T;
}

/** What many scripts look at is made once in a run of the suite: one container's life, and a case for each thing seen in it. */
import type { Bench, Lab } from './lab.js';

const made = new WeakMap<Bench, Map<string, Promise<unknown>>>();

/** The first that asks makes it, in its own lab; a failure is everybody's. */
export function once<T>(lab: Lab, key: string, make: () => Promise<T>): Promise<T> {
  const ours = made.get(lab.bench) ?? new Map<string, Promise<unknown>>();
  made.set(lab.bench, ours);
  const known = ours.get(key) ?? make();
  ours.set(key, known);
  return known as Promise<T>;
}

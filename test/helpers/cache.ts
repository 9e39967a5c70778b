// What the plan cache of a sandbox says of itself.
import { must, type Sandbox } from './runtime.js';

export interface Kept {
  readonly name: string;
  readonly hits: number;
  readonly slots: number;
}

export const kept = (box: Sandbox): Kept[] => JSON.parse(must(box.run(['plan', '--cache', '--json'])).stdout);

/** Of all entries. */
export const hits = (box: Sandbox): number => kept(box).reduce((sum, entry) => sum + entry.hits, 0);

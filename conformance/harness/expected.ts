/**
 * What a runtime is known to do otherwise: a list of cases that fail, each entry with its reason. What fails and is not in
 * the list is new; what is in the list and does not fail any more is stale. Both are failures of the run. Pure.
 */
import type { Result } from './model.js';

export interface Deviation {
  /** The id of a case, or the beginning of some with "*" behind it. */
  readonly case: string;
  readonly reason: string;
  /** Only where controllers are bound to cgroup v1, or only where cgroup v2 is alone. */
  readonly on?: 'v1' | 'v2';
}

export interface Comparison {
  readonly unexpected: readonly Result[];
  readonly stale: readonly Deviation[];
}

const covers = (entry: Deviation, id: string): boolean =>
  entry.case.endsWith('*') ? id.startsWith(entry.case.slice(0, -1)) : id === entry.case;

export function deviationOf(id: string, entries: readonly Deviation[]): Deviation | undefined {
  return entries.find((entry) => covers(entry, id));
}

/** An entry none of whose cases ran is not stale: this host may not show it. */
export function compare(results: readonly Result[], list: readonly Deviation[], host: 'v1' | 'v2'): Comparison {
  const entries = list.filter(({ on }) => on === undefined || on === host);
  const failed = results.filter(({ status }) => status === 'failed');
  const ran = results.filter(({ status }) => status !== 'skipped');
  return {
    unexpected: failed.filter(({ id }) => deviationOf(id, entries) === undefined),
    stale: entries.filter(
      (entry) => ran.some(({ id }) => covers(entry, id)) && !failed.some(({ id }) => covers(entry, id)),
    ),
  };
}

export function parseDeviations(text: string): readonly Deviation[] {
  const list: unknown = JSON.parse(text);
  const isEntry = (entry: unknown): entry is Deviation =>
    typeof entry === 'object' && entry !== null && 'case' in entry && 'reason' in entry;
  if (!Array.isArray(list) || !list.every(isEntry)) throw new Error('expected: a list of {"case", "reason"} is wanted');
  return list;
}

/**
 * What a runtime is known to do otherwise: a list of cases that fail, each entry with its reason. What fails and is not in
 * the list is new; what is in the list and does not fail any more is stale. Both are failures of the run. Pure.
 */
import type { Result } from './model.js';

export interface Deviation {
  /** The id of a case; "*" in it is any text. */
  readonly case: string;
  readonly reason: string;
  /**
   * Only there: "v1" is a host where controllers are bound to cgroup v1, "v2" one with cgroup v2 alone; every other text is
   * a need as cases have it (harness/host.ts), which the host meets, or with "!" before it does not.
   */
  readonly on?: string;
  /** It depends on timing: not stale where it does not fail. */
  readonly sometimes?: boolean;
}

export interface Comparison {
  readonly unexpected: readonly Result[];
  readonly stale: readonly Deviation[];
}

function covers(entry: Deviation, id: string): boolean {
  const parts = entry.case.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's').test(id);
}

export function deviationOf(id: string, entries: readonly Deviation[]): Deviation | undefined {
  return entries.find((entry) => covers(entry, id));
}

/** An entry none of whose cases ran is not stale: this host may not show it. */
export function compare(
  results: readonly Result[],
  list: readonly Deviation[],
  holds: (condition: string) => boolean,
): Comparison {
  const entries = list.filter(({ on }) => on === undefined || holds(on));
  const failed = results.filter(({ status }) => status === 'failed');
  const ran = results.filter(({ status }) => status !== 'skipped');
  return {
    unexpected: failed.filter(({ id }) => deviationOf(id, entries) === undefined),
    stale: entries.filter(
      (entry) =>
        !entry.sometimes && ran.some(({ id }) => covers(entry, id)) && !failed.some(({ id }) => covers(entry, id)),
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

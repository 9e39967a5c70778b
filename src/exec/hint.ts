/**
 * One line of the tables of hints: which refusals it is for, and what to do about them.
 *
 * Pure.
 */
import type { HostFacts } from '../host/facts.js';
import type { Op } from '../plan/op.gen.js';

export interface Refusal {
  readonly op: Op | undefined;
  readonly errno: number;
  readonly syscall: string;
  readonly detail?: string;
}

export interface Entry {
  readonly ops?: readonly Op['op'][];
  readonly errnos: readonly string[];
  readonly when?: (refusal: Refusal, facts: HostFacts) => boolean;
  readonly hint: string | ((refusal: Refusal, facts: HostFacts) => string);
}

/** Whether the runtime is without the capability of this number. */
export const lacks = (facts: HostFacts, capability: bigint): boolean =>
  ((facts.capabilities >> capability) & 1n) === 0n;

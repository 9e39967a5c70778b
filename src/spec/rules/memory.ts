/**
 * Rules of linux.resources.memory. 0 is how engines write "unset", -1 is unlimited.
 *
 * Pure.
 */
import { type Rule, rulesOf, type Site } from '../rule.js';
import type { LinuxMemory, LinuxResources } from '../types.gen.js';

type On = Site<LinuxResources>;

const rule = rulesOf<LinuxResources>();

function amount(bytes: bigint, on: On): void {
  if (bytes < -1n) on.error('OUT_OF_RANGE', '', 'must be -1 (unlimited) or more');
}

/** swap counts memory and swap together, so it cannot be the smaller one. */
function swap({ limit = 0n, swap = 0n }: LinuxMemory, on: On): void {
  if (swap <= 0n || limit < 0n) return;
  if (limit === 0n) on.error('SWAP_WITHOUT_LIMIT', '/swap', 'unable to set swap limit without memory limit');
  else if (swap < limit) on.error('SWAP_BELOW_LIMIT', '/swap', `memory+swap limit should be >= memory limit ${limit}`);
}

function reservation({ limit = 0n, reservation = 0n }: LinuxMemory, on: On): void {
  if (limit > 0n && reservation > limit) on.warn('NO_EFFECT', '/reservation', `is above the limit ${limit}`);
}

export const memoryRules: readonly Rule<LinuxResources>[] = [
  rule('/memory/limit', amount),
  rule('/memory/reservation', amount),
  rule('/memory/swap', amount),
  rule('/memory/kernel', amount),
  rule('/memory/kernelTCP', amount),
  rule('/memory', swap),
  rule('/memory', reservation),
];

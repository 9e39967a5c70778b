/**
 * Rules of linux.resources.cpu. 0 is how engines write "unset", a negative quota is unlimited.
 *
 * Pure.
 */
import { type Rule, rulesOf, type Site } from '../rule.js';
import type { LinuxCPU, LinuxResources } from '../types.gen.js';
import { numberList } from './common.js';

type On = Site<LinuxResources>;

/** kernel/sched/core.c: max_cfs_quota_period is one second, min_cfs_quota_period one millisecond; in microseconds. */
const LEAST = 1000n;
const MOST_PERIOD = 1_000_000n;

const rule = rulesOf<LinuxResources>();

function bandwidth({ quota = 0n, period = 0n, burst = 0n }: LinuxCPU, on: On): void {
  if (quota < -1n || (quota > 0n && quota < LEAST)) {
    on.error('OUT_OF_RANGE', '/quota', `must be -1 (unlimited) or at least ${LEAST} microseconds`);
  }
  if (period !== 0n && (period < LEAST || period > MOST_PERIOD)) {
    on.error('OUT_OF_RANGE', '/period', `out of range ${LEAST}..${MOST_PERIOD} microseconds`);
  }
  if (quota > 0n && burst > quota) on.error('OUT_OF_RANGE', '/burst', `must not be more than quota ${quota}`);
}

function realtime({ realtimeRuntime = 0n, realtimePeriod = 0n }: LinuxCPU, on: On): void {
  if (realtimeRuntime < -1n) on.error('OUT_OF_RANGE', '/realtimeRuntime', 'must be -1 or more');
  if (realtimePeriod !== 0n && realtimeRuntime > realtimePeriod) {
    on.error('OUT_OF_RANGE', '/realtimeRuntime', `must not be more than realtimePeriod ${realtimePeriod}`);
  }
}

function lists({ cpus = '', mems = '' }: LinuxCPU, on: On): void {
  numberList(cpus, on, '/cpus');
  numberList(mems, on, '/mems');
}

export const cpuRules: readonly Rule<LinuxResources>[] = [
  rule('/cpu', bandwidth),
  rule('/cpu', realtime),
  rule('/cpu', lists),
];

/**
 * Rules of process.scheduler: which fields go with which policy, sched(7) and sched_setattr(2).
 *
 * Pure.
 */
import { type Rule, rulesOf, type Site } from '../rule.js';
import type { Process, Scheduler, SchedulerPolicy } from '../types.gen.js';

const REALTIME: readonly SchedulerPolicy[] = ['SCHED_FIFO', 'SCHED_RR'];
const NICE: readonly SchedulerPolicy[] = ['SCHED_OTHER', 'SCHED_BATCH'];

/** The kernel refuses a runtime below 2^10 ns: sched(7). */
const LEAST_RUNTIME = 1024n;

const rule = rulesOf<Process>();

function nice({ policy, nice = 0 }: Scheduler, on: Site<Process>): void {
  if (nice === 0) return;
  if (nice < -20 || nice > 19) on.error('OUT_OF_RANGE', '/nice', 'out of range -20..19');
  else if (!NICE.includes(policy)) on.warn('NO_EFFECT', '/nice', `has no effect with ${policy}`);
}

function priority({ policy, priority = 0 }: Scheduler, on: Site<Process>): void {
  if (REALTIME.includes(policy)) {
    if (priority < 1 || priority > 99)
      on.error('OUT_OF_RANGE', '/priority', `out of range 1..99 for ${policy}`, { value: priority });
  } else if (priority !== 0) {
    on.error('WRONG_POLICY', '/priority', 'can only be specified for SCHED_FIFO or SCHED_RR policy');
  }
}

function deadline(scheduler: Scheduler, on: Site<Process>): void {
  const { policy, runtime = 0n, deadline = 0n, period = 0n } = scheduler;
  if (policy !== 'SCHED_DEADLINE') {
    for (const field of ['runtime', 'deadline', 'period'] as const) {
      if ((scheduler[field] ?? 0n) === 0n) continue;
      on.error('WRONG_POLICY', `/${field}`, 'can only be specified for SCHED_DEADLINE policy');
    }
    return;
  }
  if (runtime < LEAST_RUNTIME)
    on.error('OUT_OF_RANGE', '/runtime', `must be at least ${LEAST_RUNTIME} nanoseconds`, { value: runtime });
  if (deadline < runtime) on.error('OUT_OF_RANGE', '/deadline', 'must not be less than runtime', { value: deadline });
  if (period !== 0n && period < deadline) on.error('OUT_OF_RANGE', '/period', 'must not be less than deadline');
}

export const schedulerRules: readonly Rule<Process>[] = [
  rule('/scheduler', nice),
  rule('/scheduler', priority),
  rule('/scheduler', deadline),
];

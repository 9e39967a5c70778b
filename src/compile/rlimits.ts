/**
 * process.rlimits and oomScoreAdj. The executor sets the limits from the host's side, because root of a user namespace
 * may raise none, and when init is nearly done, so that a low RLIMIT_NOFILE does not break the set-up; but before the
 * user changes, after which prlimit(2) would need CAP_SYS_RESOURCE.
 *
 * OCI runtime-spec, config "POSIX process", "rlimits"; prlimit(2). Pure.
 */
import { type Op, PHASE } from '../plan/op.gen.js';
import { RLIMITS } from '../util/linux-names.js';
import { append, type JsonPointer } from '../util/pointer.js';
import { type ProcessScope, runtimeHas } from './context.js';
import { refuse } from './report.js';
import { compileIoPriority, compileScheduler } from './scheduling.js';

/** With the scheduling, which may slow init down, or keep it from ever giving the CPU back. */
export function compileLimits(scope: ProcessScope): Op[] {
  const origin = limitsOrigin(scope);
  if (origin === undefined) return [];
  return [
    { op: 'AWAIT', phase: PHASE.PREPARED, origin },
    ...rlimits(scope),
    ...compileScheduler(scope),
    ...compileIoPriority(scope),
    { op: 'NOTIFY', phase: PHASE.LIMITED, origin },
  ];
}

/** Init's side: it must not go on under the limits of the runtime. */
export function awaitLimits(scope: ProcessScope): Op[] {
  const origin = limitsOrigin(scope);
  if (origin === undefined) return [];
  return [
    { op: 'NOTIFY', phase: PHASE.PREPARED, origin },
    { op: 'AWAIT', phase: PHASE.LIMITED, origin },
  ];
}

/** The field for which the two sides wait for each other. */
function limitsOrigin({ process, base }: ProcessScope): JsonPointer | undefined {
  if ((process.rlimits ?? []).length > 0) return append(base, 'rlimits');
  const field = (['scheduler', 'ioPriority'] as const).find((name) => process[name] !== undefined);
  return field === undefined ? undefined : append(base, field);
}

function rlimits(scope: ProcessScope): Op[] {
  return (scope.process.rlimits ?? []).map(({ type, soft, hard }, index): Op => {
    checkHard(scope, type, hard, index);
    return { op: 'RLIMIT', resource: RLIMITS[type], soft, hard, origin: append(scope.base, 'rlimits', index) };
  });
}

function checkHard(scope: ProcessScope, type: string, hard: bigint, index: number): void {
  const own = scope.facts.hardLimits[type];
  if (own === undefined || hard <= own || runtimeHas(scope.facts, 'SYS_RESOURCE')) return;
  refuse(scope.report, 'RLIMIT_ABOVE_HOST', append(scope.base, 'rlimits', index, 'hard'), `must not be above ${own}`, {
    value: hard,
    hint: 'that is the hard limit of the runtime itself; raising one needs CAP_SYS_RESOURCE',
  });
}

/** proc(5); set before init does anything, so that a low score protects the whole set-up. */
export function oomScoreAdj({ process, base }: ProcessScope): Op[] {
  const value = process.oomScoreAdj;
  return value === undefined ? [] : [{ op: 'OOM_SCORE_ADJ', value, origin: append(base, 'oomScoreAdj') }];
}

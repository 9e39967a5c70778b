/**
 * process.rlimits and oomScoreAdj. The executor sets the limits from the host's side, because root of a user namespace
 * may raise none, and when init is nearly done, so that a low RLIMIT_NOFILE does not break the set-up; but before the
 * user changes, after which prlimit(2) would need CAP_SYS_RESOURCE.
 *
 * OCI runtime-spec, config "POSIX process", "rlimits"; prlimit(2). Pure.
 */
import { type Op, PHASE } from '../plan/op.gen.js';
import { RLIMITS } from '../util/linux-names.js';
import { append } from '../util/pointer.js';
import { type ProcessScope, runtimeHas } from './context.js';
import { refuse } from './report.js';

export function compileRlimits(scope: ProcessScope): Op[] {
  const rlimits = scope.process.rlimits ?? [];
  if (rlimits.length === 0) return [];
  const at = append(scope.base, 'rlimits');
  const ops = rlimits.map(({ type, soft, hard }, index): Op => {
    checkHard(scope, type, hard, index);
    return { op: 'RLIMIT', resource: RLIMITS[type], soft, hard, origin: append(at, index) };
  });
  return [
    { op: 'AWAIT', phase: PHASE.PREPARED, origin: at },
    ...ops,
    { op: 'NOTIFY', phase: PHASE.LIMITED, origin: at },
  ];
}

/** Init's side: it must not go on under the limits of the runtime. */
export function awaitRlimits({ process, base }: ProcessScope): Op[] {
  const origin = append(base, 'rlimits');
  if ((process.rlimits ?? []).length === 0) return [];
  return [
    { op: 'NOTIFY', phase: PHASE.PREPARED, origin },
    { op: 'AWAIT', phase: PHASE.LIMITED, origin },
  ];
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

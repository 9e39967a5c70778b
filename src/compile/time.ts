/**
 * linux.timeOffsets: the clocks of a new time namespace. Its offsets can be written only while nobody is in it, so init
 * makes it by unshare(2), which leaves init outside, the executor writes them, and init enters. Without offsets clone3(2)
 * makes it with the other namespaces.
 *
 * OCI runtime-spec, config-linux "Offset for Time Namespace"; time_namespaces(7). Pure.
 */
import { type Op, PHASE } from '../plan/op.gen.js';
import type { LinuxTimeOffset, LinuxTimeOffsets } from '../spec/types.gen.js';
import { CLONE_NEW } from '../util/kernel.js';
import { append, pointer } from '../util/pointer.js';
import type { ProcessScope } from './context.js';
import { isNew } from './namespaces.js';

const AT = pointer('linux', 'timeOffsets');
const CLOCKS = ['monotonic', 'boottime'] as const;

function given({ spec, namespaces }: ProcessScope): readonly (readonly [keyof LinuxTimeOffsets, LinuxTimeOffset])[] {
  const offsets = spec.linux?.timeOffsets ?? {};
  if (!isNew(namespaces, 'time')) return [];
  return CLOCKS.flatMap((clock) => (offsets[clock] === undefined ? [] : [[clock, offsets[clock]] as const]));
}

/** CLONE_NEW* that CLONE leaves to init. */
export const lateNamespaces = (scope: ProcessScope): bigint => (given(scope).length === 0 ? 0n : CLONE_NEW.time);

/** Init's first step. */
export function unshareTime(scope: ProcessScope): Op[] {
  if (given(scope).length === 0) return [];
  return [
    { op: 'UNSHARE_TIME', origin: AT },
    { op: 'NOTIFY', phase: PHASE.UNSHARED, origin: AT },
  ];
}

export function compileTimeOffsets(scope: ProcessScope): Op[] {
  const offsets = given(scope);
  const [first] = offsets;
  if (first === undefined) return [];
  const lines = offsets.map(([clock, { secs = 0n, nanosecs = 0 }]) => `${clock} ${secs} ${nanosecs}\n`);
  return [
    { op: 'AWAIT', phase: PHASE.UNSHARED, origin: AT },
    { op: 'TIME_OFFSETS', offsets: lines.join(''), origin: offsets.length === 1 ? append(AT, first[0]) : AT },
  ];
}

export const enterTime = (scope: ProcessScope): Op[] =>
  given(scope).length === 0 ? [] : [{ op: 'ENTER_TIME', origin: AT }];

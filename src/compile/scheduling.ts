/**
 * process.scheduler, ioPriority and execCPUAffinity. The executor sets them on init from the host's side: what the kernel
 * asks for is CAP_SYS_NICE of the host, which root of a user namespace has not.
 *
 * OCI runtime-spec, config "Linux Process"; sched(7), ioprio_set(2), sched_setaffinity(2). Pure.
 */
import type { Op } from '../plan/op.gen.js';
import type { Scheduler } from '../spec/types.gen.js';
import { IO_PRIORITY_CLASSES, SCHEDULER_FLAGS, SCHEDULER_POLICIES } from '../util/linux-policies.js';
import { numberMask } from '../util/number-list.js';
import { append, type JsonPointer } from '../util/pointer.js';
import { type ProcessScope, ROOT_ORIGIN } from './context.js';
import { type Report, refuse } from './report.js';

export function compileScheduler({ process, base, report }: ProcessScope): Op[] {
  const { scheduler } = process;
  if (scheduler === undefined) return [];
  const origin = append(base, 'scheduler');
  const policy = policyNumber(scheduler, origin, report);
  const { nice = 0, priority = 0, runtime = 0n, deadline = 0n, period = 0n } = scheduler;
  const flags = schedulerFlags(scheduler, origin, report);
  return [{ op: 'SCHEDULER', policy, nice, priority, flags, runtime, deadline, period, origin }];
}

function policyNumber({ policy }: Scheduler, at: JsonPointer, report: Report): number {
  if (policy !== 'SCHED_ISO') return SCHEDULER_POLICIES[policy];
  refuse(report, 'SCHEDULER_UNSUPPORTED', append(at, 'policy'), 'no kernel has this policy', { value: policy });
  return 0;
}

function schedulerFlags({ flags = [] }: Scheduler, at: JsonPointer, report: Report): bigint {
  let bits = 0n;
  for (const [index, flag] of flags.entries()) {
    if (flag === 'SCHED_FLAG_UTIL_CLAMP_MIN' || flag === 'SCHED_FLAG_UTIL_CLAMP_MAX') {
      const message = 'cannot be carried out: the spec has no field for the value that it clamps to';
      refuse(report, 'SCHEDULER_UNSUPPORTED', append(at, 'flags', index), message, { value: flag });
    } else bits |= SCHEDULER_FLAGS[flag];
  }
  return bits;
}

export function compileIoPriority({ process, base }: ProcessScope): Op[] {
  const { ioPriority } = process;
  if (ioPriority === undefined) return [];
  const ioClass = IO_PRIORITY_CLASSES[ioPriority.class];
  return [{ op: 'IO_PRIORITY', ioClass, priority: ioPriority.priority ?? 0, origin: append(base, 'ioPriority') }];
}

/** What taskset(1) or systemd left to the caller of the runtime is not the container's: it has its cgroup's CPUs. */
export const resetAffinity: Op = { op: 'CPU_AFFINITY', cpus: new Uint8Array(), origin: ROOT_ORIGIN };

const affinity = ({ process }: ProcessScope) => process.execCPUAffinity ?? {};

/** exec: the CPUs of the executor itself, before the process is in the container's cgroup. */
export function initialAffinity(scope: ProcessScope): Op[] {
  const { initial = '' } = affinity(scope);
  const origin = append(scope.base, 'execCPUAffinity', 'initial');
  return initial === '' ? [] : [{ op: 'CPU_AFFINITY', cpus: numberMask(initial), origin }];
}

export function finalAffinity(scope: ProcessScope): Op {
  const { final = '' } = affinity(scope);
  if (final === '') return resetAffinity;
  return { op: 'CPU_AFFINITY', cpus: numberMask(final), origin: append(scope.base, 'execCPUAffinity', 'final') };
}

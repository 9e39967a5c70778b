/**
 * linux.resources.cpu to the files of the cpu and cpuset controllers of cgroup v1.
 *
 * OCI runtime-spec, config-linux "CPU"; scheduler/sched-bwc.rst, scheduler/sched-rt-group.rst, cgroup-v1/cpusets.rst.
 * Pure.
 */
import { WRITE } from '../../../plan/op.gen.js';
import type { LinuxCPU } from '../../../spec/types.gen.js';
import { type Limits, resource, setV1Limit } from '../limits.js';

/**
 * In a cgroup that has limits already the kernel may refuse a smaller period or a larger burst until the quota is
 * changed, and the quota until they are: what is written early gives way, what is written after the quota decides.
 */
export function compileCpuV1(limits: Limits, cpu: LinuxCPU): void {
  const { shares = 0n, quota = 0n, period = 0n, burst = 0n, idle = 0n } = cpu;
  const set = (field: keyof LinuxCPU, file: string, value: bigint, flags = 0) =>
    setV1Limit(limits, 'cpu', resource('cpu', field), `cpu.${file}`, String(value), flags);
  if (shares !== 0n) set('shares', 'shares', shares);
  if (quota !== 0n && period !== 0n) set('period', 'cfs_period_us', period, WRITE.IGNORE_INVALID);
  if (quota !== 0n && burst !== 0n) set('burst', 'cfs_burst_us', burst, WRITE.IGNORE_INVALID | WRITE.IGNORE_MISSING);
  if (quota !== 0n) set('quota', 'cfs_quota_us', quota < 0n ? -1n : quota);
  if (period !== 0n) set('period', 'cfs_period_us', period);
  if (burst !== 0n) set('burst', 'cfs_burst_us', burst);
  if (idle !== 0n) set('idle', 'idle', idle);
  compileRealtime(cpu, set);
}

type Set = (field: keyof LinuxCPU, file: string, value: bigint, flags?: number) => void;

/** Only of kernels with CONFIG_RT_GROUP_SCHED; the parent must have been given as much. No period is below its runtime. */
function compileRealtime({ realtimePeriod = 0n, realtimeRuntime = 0n }: LinuxCPU, set: Set): void {
  const both = realtimePeriod !== 0n && realtimeRuntime !== 0n;
  if (both) set('realtimePeriod', 'rt_period_us', realtimePeriod, WRITE.IGNORE_INVALID);
  if (realtimeRuntime !== 0n) set('realtimeRuntime', 'rt_runtime_us', realtimeRuntime);
  if (realtimePeriod !== 0n) set('realtimePeriod', 'rt_period_us', realtimePeriod);
}

export function compileCpusetV1(limits: Limits, { cpus = '', mems = '' }: LinuxCPU): void {
  if (cpus !== '') setV1Limit(limits, 'cpuset', resource('cpu', 'cpus'), 'cpuset.cpus', cpus);
  if (mems !== '') setV1Limit(limits, 'cpuset', resource('cpu', 'mems'), 'cpuset.mems', mems);
}

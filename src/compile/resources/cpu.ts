/**
 * linux.resources.cpu to cpu.weight, cpu.idle, cpu.max, cpu.max.burst and the files of cpuset.
 *
 * OCI runtime-spec, config-linux "CPU"; cgroup-v2.rst "CPU Interface Files". Pure.
 */
import { WRITE } from '../../plan/op.gen.js';
import type { LinuxCPU } from '../../spec/types.gen.js';
import { type Limits, refuseOnV2, resource, setLimit } from './limits.js';

const DEFAULT_PERIOD = 100_000n;
const MIN_SHARES = 2n;
const MAX_SHARES = 262_144n;

/** The kernel refuses cpu.weight once cpu.idle is 1, and a burst above the quota: hence this order. */
export function compileCpu(limits: Limits, cpu: LinuxCPU): void {
  const { shares = 0n, quota = 0n, period = 0n, burst = 0n, idle = 0n } = cpu;
  refuseRealtime(limits, cpu);
  if (shares !== 0n) setLimit(limits, 'cpu', resource('cpu', 'shares'), 'cpu.weight', String(weightOfShares(shares)));
  if (idle !== 0n) setLimit(limits, 'cpu', resource('cpu', 'idle'), 'cpu.idle', String(idle));
  // A smaller quota must not be below the burst that an existing cgroup has.
  const setBurst = (flags: number) =>
    setLimit(limits, 'cpu', resource('cpu', 'burst'), 'cpu.max.burst', String(burst), flags);
  if (burst !== 0n && quota !== 0n) setBurst(WRITE.IGNORE_INVALID | WRITE.IGNORE_MISSING);
  if (quota !== 0n || period !== 0n) {
    const value = `${quota > 0n ? quota : 'max'} ${period === 0n ? DEFAULT_PERIOD : period}`;
    setLimit(limits, 'cpu', resource('cpu', quota === 0n ? 'period' : 'quota'), 'cpu.max', value);
  }
  if (burst !== 0n) setBurst(0);
}

export function compileCpuset(limits: Limits, { cpus = '', mems = '' }: LinuxCPU): void {
  if (cpus !== '') setLimit(limits, 'cpuset', resource('cpu', 'cpus'), 'cpuset.cpus', cpus);
  if (mems !== '') setLimit(limits, 'cpuset', resource('cpu', 'mems'), 'cpuset.mems', mems);
}

/**
 * Shares 2..262144 to a weight 1..10000, so that the default 1024 becomes the default 100: a parabola in log2(shares),
 * which every runtime uses since 2024. The linear map of before gave 1024 only 39.
 */
export function weightOfShares(shares: bigint): number {
  if (shares <= MIN_SHARES) return 1;
  if (shares >= MAX_SHARES) return 10_000;
  const l = Math.log2(Number(shares));
  const exact = 10 ** ((l * l + 125 * l) / 612 - 7 / 34);
  // Rounding of 1024 must not end just above 100.
  return Math.ceil(exact - 1e-9);
}

function refuseRealtime(limits: Limits, cpu: LinuxCPU): void {
  for (const field of ['realtimeRuntime', 'realtimePeriod'] as const) {
    if ((cpu[field] ?? 0n) !== 0n) refuseOnV2(limits, resource('cpu', field), 'limit for realtime scheduling');
  }
}

/**
 * linux.resources.memory to memory.max, memory.swap.max and memory.low. OCI counts swap together with memory, cgroup v2
 * counts it alone.
 *
 * OCI runtime-spec, config-linux "Memory"; cgroup-v2.rst "Memory Interface Files". Pure.
 */
import { WRITE } from '../../plan/op.gen.js';
import type { LinuxMemory } from '../../spec/types.gen.js';
import { warn } from '../report.js';
import { type Limits, refuseOnV2, resource, setLimit } from './limits.js';

const UNLIMITED = -1n;

export function compileMemory(limits: Limits, memory: LinuxMemory): void {
  warnIgnored(limits, memory);
  if (memory.swappiness !== undefined) refuseOnV2(limits, resource('memory', 'swappiness'), 'swappiness of a cgroup');
  if (memory.disableOOMKiller)
    refuseOnV2(limits, resource('memory', 'disableOOMKiller'), 'way to turn the OOM killer off');
  const { limit = 0n, reservation = 0n } = memory;
  if (limit !== 0n) setLimit(limits, 'memory', resource('memory', 'limit'), 'memory.max', amount(limit));
  compileSwap(limits, memory);
  if (reservation !== 0n)
    setLimit(limits, 'memory', resource('memory', 'reservation'), 'memory.low', amount(reservation));
}

function amount(bytes: bigint): string {
  return bytes < 0n ? 'max' : String(bytes);
}

/**
 * That swap goes with a limit and is not below it is a rule of spec/. A kernel without swap accounting has no
 * memory.swap.max: that is as good as no swap and as unlimited swap.
 */
function compileSwap(limits: Limits, { limit = 0n, swap = 0n }: LinuxMemory): void {
  if (swap === 0n && limit !== UNLIMITED) return;
  const origin = resource('memory', swap === 0n ? 'limit' : 'swap');
  const alone = swap > 0n && limit > 0n ? amount(swap - limit) : amount(swap === 0n ? UNLIMITED : swap);
  const flags = alone === '0' || alone === 'max' ? WRITE.IGNORE_MISSING : 0;
  setLimit(limits, 'memory', origin, 'memory.swap.max', alone, flags);
}

/** Deprecated by the spec and gone from the kernel; engines of old still send them. */
function warnIgnored(limits: Limits, memory: LinuxMemory): void {
  for (const field of ['kernel', 'kernelTCP'] as const) {
    if ((memory[field] ?? 0n) === 0n) continue;
    const message = 'is ignored: the kernel has no separate limit for kernel memory any more';
    warn(limits.report, 'MEMORY_FIELD_IGNORED', resource('memory', field), message);
  }
}

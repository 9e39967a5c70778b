/**
 * linux.resources.memory to memory.max, memory.swap.max and memory.low. OCI counts swap together with memory, cgroup v2
 * counts it alone.
 *
 * OCI runtime-spec, config-linux "Memory"; cgroup-v2.rst "Memory Interface Files". Pure.
 */
import { WRITE } from '../../plan/op.gen.js';
import type { LinuxMemory } from '../../spec/types.gen.js';
import { refuse, warn } from '../report.js';
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

function compileSwap(limits: Limits, { limit = 0n, swap = 0n }: LinuxMemory): void {
  if (swap === 0n && limit !== UNLIMITED) return;
  const origin = resource('memory', swap === 0n ? 'limit' : 'swap');
  if (swap > 0n && limit === 0n) {
    const message = 'sets memory and swap together, so memory.limit must be set as well';
    refuse(limits.report, 'SWAP_WITHOUT_LIMIT', origin, message, { value: String(swap) });
  } else if (swap > 0n && swap < limit) {
    const message = `is memory and swap together, so it must be at least memory.limit (${limit})`;
    refuse(limits.report, 'SWAP_BELOW_LIMIT', origin, message, { value: String(swap) });
  } else {
    writeSwap(limits, swap, limit);
  }
}

/** A kernel without swap accounting has no memory.swap.max: that is as good as no swap and as unlimited swap. */
function writeSwap(limits: Limits, swap: bigint, limit: bigint): void {
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

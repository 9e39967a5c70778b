/**
 * linux.resources.memory to the files of cgroup v1, which counts as OCI does: swap is memory and swap together.
 *
 * OCI runtime-spec, config-linux "Memory"; cgroup-v1/memory.rst. Pure.
 */
import { WRITE } from '../../../plan/op.gen.js';
import type { LinuxMemory } from '../../../spec/types.gen.js';
import { warn } from '../../report.js';
import { type Limits, resource, setV1Limit } from '../limits.js';

const UNLIMITED = -1n;

export function compileMemoryV1(limits: Limits, memory: LinuxMemory): void {
  const set = (field: keyof LinuxMemory, file: string, value: bigint | number, flags = 0) =>
    setV1Limit(limits, 'memory', resource('memory', field), `memory.${file}`, String(value), flags);
  const { reservation = 0n, kernelTCP = 0n, swappiness } = memory;
  warnIgnored(limits, memory);
  compileLimit(memory, set);
  if (reservation !== 0n) set('reservation', 'soft_limit_in_bytes', reservation);
  if (kernelTCP !== 0n) set('kernelTCP', 'kmem.tcp.limit_in_bytes', kernelTCP, WRITE.IGNORE_MISSING);
  if (swappiness !== undefined) set('swappiness', 'swappiness', swappiness);
  if (memory.disableOOMKiller === true) set('disableOOMKiller', 'oom_control', 1);
}

type Set = (field: keyof LinuxMemory, file: string, value: bigint | number, flags?: number) => void;

/**
 * The kernel refuses a limit above memsw and a memsw below the limit, so that a cgroup which has limits already grows
 * by memsw first and shrinks by limit first: the early write of the limit gives way, the late one decides.
 */
function compileLimit({ limit = 0n, swap = 0n }: LinuxMemory, set: Set): void {
  const total = swap === 0n && limit === UNLIMITED ? UNLIMITED : swap;
  if (limit !== 0n && total !== 0n) set('limit', 'limit_in_bytes', limit, WRITE.IGNORE_INVALID);
  // Without swap accounting there is no such file, and as little a limit on swap.
  const flags = total === UNLIMITED ? WRITE.IGNORE_MISSING : 0;
  if (total !== 0n) set(swap === 0n ? 'limit' : 'swap', 'memsw.limit_in_bytes', total, flags);
  if (limit !== 0n) set('limit', 'limit_in_bytes', limit);
}

/** The kernel has no separate limit for kernel memory any more; its file takes a value and does nothing. */
function warnIgnored({ report }: Limits, { kernel = 0n, useHierarchy }: LinuxMemory): void {
  if (kernel !== 0n) {
    const message = 'is ignored: the kernel has no separate limit for kernel memory any more';
    warn(report, 'MEMORY_FIELD_IGNORED', resource('memory', 'kernel'), message);
  }
  if (useHierarchy === false) {
    const message = 'is ignored: since Linux 5.11 memory is always counted along the hierarchy';
    warn(report, 'MEMORY_FIELD_IGNORED', resource('memory', 'useHierarchy'), message);
  }
}

/**
 * linux.resources changed by an update: what it names takes the place of what was there, the rest stays. 0 is how engines
 * write "unset".
 *
 * Pure.
 */
import type { LinuxHugepageLimit, LinuxMemory, LinuxResources } from './types.gen.js';

type Fields = { readonly [name: string]: unknown };

/** 0 is a value: it ends what cpu.idle 1 or a burst began. */
const ZERO_COUNTS = new Set(['idle', 'burst', 'swappiness']);

const isUnset = (name: string, value: unknown): boolean =>
  value === undefined || ((value === 0n || value === 0 || value === '') && !ZERO_COUNTS.has(name));

function mergeFields<T extends object>(current: T | undefined, named: T | undefined): T | undefined {
  if (named === undefined) return current;
  const set = Object.entries(named as Fields).filter(([name, value]) => !isUnset(name, value));
  return { ...current, ...Object.fromEntries(set) } as T;
}

/** An unlimited memory frees swap, which counts memory too, unless that is named. */
function mergeMemory(current: LinuxMemory | undefined, named: LinuxMemory | undefined): LinuxMemory | undefined {
  const merged = mergeFields(current, named);
  return named?.limit === -1n && isUnset('swap', named.swap) ? { ...merged, swap: -1n } : merged;
}

function mergePages(
  current: readonly LinuxHugepageLimit[] | undefined,
  named: readonly LinuxHugepageLimit[] | undefined,
): readonly LinuxHugepageLimit[] | undefined {
  if (named === undefined || current === undefined) return named ?? current;
  const sizes = new Set(named.map(({ pageSize }) => pageSize));
  return [...current.filter(({ pageSize }) => !sizes.has(pageSize)), ...named];
}

export function mergeResources(current: LinuxResources, named: LinuxResources): LinuxResources {
  const areas: LinuxResources = {
    ...current,
    ...named,
    memory: mergeMemory(current.memory, named.memory),
    cpu: mergeFields(current.cpu, named.cpu),
    pids: mergeFields(current.pids, named.pids),
    blockIO: mergeFields(current.blockIO, named.blockIO),
    network: mergeFields(current.network, named.network),
    rdma: mergeFields(current.rdma, named.rdma),
    unified: mergeFields(current.unified, named.unified),
    hugepageLimits: mergePages(current.hugepageLimits, named.hugepageLimits),
  } as LinuxResources;
  return Object.fromEntries(Object.entries(areas).filter(([, value]) => value !== undefined)) as LinuxResources;
}

/** CapAdd, CapDrop and Privileged: docker run(1), "Runtime privilege and Linux capabilities". Pure. */
import { DEFAULT_CAPABILITIES } from '../../../bundle/container-defaults.js';
import type { HostConfig } from '../../api/types.gen.js';

/** all: what the host has. The names were normalised at create. */
export function capabilitiesOf(
  { Privileged, CapAdd = [], CapDrop = [] }: HostConfig,
  all: readonly string[],
): string[] {
  if (Privileged === true) return [...all];
  const base = CapAdd.includes('ALL') ? all : CapDrop.includes('ALL') ? [] : DEFAULT_CAPABILITIES;
  const kept = base.filter((name) => !CapDrop.includes(name));
  const added = CapAdd.filter((name) => name !== 'ALL' && !kept.includes(name));
  return [...kept, ...added];
}

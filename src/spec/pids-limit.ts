/**
 * linux.resources.pids.limit 0. Until 1.2 the specification's Go types called it "no limit", and Podman before 5.5 writes it
 * for --pids-limit=-1; 1.3 made it a limit as any other. So the version that a config was written for decides.
 *
 * OCI runtime-spec, config-linux "PIDs". Pure.
 */
import type { LinuxResources } from './types.gen.js';

/** pids.max 0 and 1 let a cgroup have the same one process, and only 1 lets clone3(2) put it there. */
const ONE_PROCESS = 1n;

/** ociVersion: of the config, which is 1.x. */
export function settlePidsLimit(resources: LinuxResources, ociVersion: string): LinuxResources {
  const { pids, ...rest } = resources;
  if (pids?.limit !== 0n) return resources;
  return isLimit(ociVersion) ? { ...rest, pids: { limit: ONE_PROCESS } } : rest;
}

function isLimit(ociVersion: string): boolean {
  const minor = /^1\.(\d+)\./.exec(ociVersion)?.[1];
  return Number(minor) >= 3;
}

/**
 * A damaged plan of a container that exists is compiled anew from the config in its state.json, so that it can be
 * deleted with all that belongs to it.
 */
import { compileCreate } from '../compile/index.js';
import { compileWithLibseccomp } from '../native/seccomp.js';
import { decodePlan } from '../plan/decode.js';
import { encodePlan } from '../plan/encode.js';
import type { ContainerId } from '../state/container-id.js';
import { readStateFile, writeStateFile } from '../state/directory.js';
import { readRecord } from './container.js';
import { hostFacts, type Runtime } from './runtime.js';

/** What is damaged may be another file. */
export function hasPlan(runtime: Runtime, id: ContainerId): boolean {
  try {
    decodePlan(readStateFile(runtime.root, id, 'plan'));
    return true;
  } catch {
    return false;
  }
}

/** Throws TsrunError when state.json is damaged too, or the host has changed so that the config is refused by now. */
export function mendPlan(runtime: Runtime, id: ContainerId): void {
  const { bundle, spec, systemd } = readRecord(runtime, id);
  const options = { bundle, noPivot: false, noNewKeyring: false, systemd: systemd ? { id } : null, record: '' };
  const { plan } = compileCreate(spec, hostFacts(), options, { seccomp: compileWithLibseccomp });
  writeStateFile(runtime.root, id, 'plan', encodePlan(plan));
}

/**
 * linux.resources.unified: files of cgroup v2 by name, written as they are and last, so that they override what the
 * other fields say. A file this program has never heard of is written too; one of another cgroup is not.
 *
 * OCI runtime-spec, config-linux "Unified". Pure.
 */
import type { JsonPointer } from '../../util/pointer.js';
import { refuse } from '../report.js';
import { CGROUP2, findV1, type Limits, MOUNT_HINT, needController, resource } from './limits.js';

/** These move processes into the cgroup: not a limit, and with a host's pid a way to catch it. */
const NOT_RESOURCES: readonly string[] = ['cgroup.procs', 'cgroup.threads'];

export function compileUnified(limits: Limits, unified: { readonly [file: string]: string }): void {
  const entries = Object.entries(unified);
  if (limits.facts.mount === null && entries.length > 0) {
    refuseAll(limits);
    return;
  }
  for (const [file, value] of entries) {
    if (refuseFile(limits, file)) continue;
    const origin = resource('unified', file);
    const controller = file.split('.', 1)[0] ?? '';
    if (refuseV1(limits, controller, origin)) continue;
    if (controller !== 'cgroup' && !needController(limits, controller, origin)) continue;
    // Nested keyed files such as io.max take one entry a write.
    for (const line of value.split('\n')) {
      if (line !== '') limits.ops.push({ op: 'CGROUP_WRITE', hierarchy: CGROUP2, file, value: line, flags: 0, origin });
    }
  }
}

/** The spec: "unified" on a host without cgroup v2 must be an error. */
function refuseAll({ report }: Limits): void {
  const message = 'names files of cgroup v2, which is not mounted on this host';
  refuse(report, 'CONTROLLER_UNAVAILABLE', resource('unified'), message, { hint: MOUNT_HINT });
}

/** On a hybrid host the other fields reach the controller, under the names that v1 has for its files. */
function refuseV1({ facts, report }: Limits, controller: string, origin: JsonPointer): boolean {
  const v1Name = controller === 'io' ? 'blkio' : controller;
  const hierarchy = findV1(facts, v1Name);
  if (hierarchy === undefined || facts.controllers.includes(controller)) return false;
  const message = `needs the ${controller} controller in cgroup v2, but it is bound to cgroup v1 at ${facts.v1[hierarchy - 1]?.mount}`;
  const hint = `use the other fields of linux.resources, or boot with cgroup_no_v1=${v1Name} or systemd.unified_cgroup_hierarchy=1`;
  refuse(report, 'CONTROLLER_UNAVAILABLE', origin, message, { hint });
  return true;
}

/** That it is the name of a file is a rule of spec/. */
function refuseFile({ report }: Limits, file: string): boolean {
  if (!NOT_RESOURCES.includes(file)) return false;
  refuse(report, 'UNIFIED_FILE', resource('unified', file), 'is not a resource: it would move processes');
  return true;
}

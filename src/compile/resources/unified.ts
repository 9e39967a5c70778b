/**
 * linux.resources.unified: files of cgroup v2 by name, written as they are and last, so that they override what the
 * other fields say. A file this program has never heard of is written too; one of another cgroup is not.
 *
 * OCI runtime-spec, config-linux "Unified". Pure.
 */
import { refuse } from '../report.js';
import { type Limits, needController, resource } from './limits.js';

/** These move processes into the cgroup: not a limit, and with a host's pid a way to catch it. */
const NOT_RESOURCES: readonly string[] = ['cgroup.procs', 'cgroup.threads'];

export function compileUnified(limits: Limits, unified: { readonly [file: string]: string }): void {
  for (const [file, value] of Object.entries(unified)) {
    if (refuseFile(limits, file)) continue;
    const origin = resource('unified', file);
    const controller = file.split('.', 1)[0] ?? '';
    if (controller !== 'cgroup' && !needController(limits, controller, origin)) continue;
    // Nested keyed files such as io.max take one entry a write.
    for (const line of value.split('\n')) {
      if (line !== '') limits.ops.push({ op: 'CGROUP_WRITE', file, value: line, flags: 0, origin });
    }
  }
}

/** That it is the name of a file is a rule of spec/. */
function refuseFile({ report }: Limits, file: string): boolean {
  if (!NOT_RESOURCES.includes(file)) return false;
  refuse(report, 'UNIFIED_FILE', resource('unified', file), 'is not a resource: it would move processes');
  return true;
}

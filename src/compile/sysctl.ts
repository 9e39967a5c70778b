/**
 * linux.sysctl: written through the private procfs, before the program starts. That a name exists in a namespace of the
 * container's is a rule of spec/; here it becomes a path.
 *
 * OCI runtime-spec, config-linux "Sysctl"; sysctl(8). Pure.
 */
import type { Op } from '../plan/op.gen.js';
import { pointer } from '../util/pointer.js';
import { sysctlPath } from '../util/sysctl-name.js';
import type { Context } from './context.js';

export function compileSysctl({ spec }: Context): Op[] {
  return Object.entries(spec.linux?.sysctl ?? {}).map(([name, value]) => ({
    op: 'SYSCTL',
    path: sysctlPath(name),
    value,
    origin: pointer('linux', 'sysctl', name),
  }));
}

/**
 * linux.netDevices: devices of the host's that move into the container's network namespace as soon as that exists, so that
 * hooks find them there. They are not moved back at the end: the kernel returns physical ones and removes virtual ones.
 * Only a create that fails gives back what it took.
 *
 * OCI runtime-spec, config-linux "Network Devices"; network_namespaces(7). Pure.
 */
import type { Op } from '../plan/op.gen.js';
import { append, pointer } from '../util/pointer.js';
import { type ProcessScope, ROOT_ORIGIN } from './context.js';
import { refuse } from './report.js';

const AT = pointer('linux', 'netDevices');

const entries = ({ spec }: ProcessScope) => Object.entries(spec.linux?.netDevices ?? {});

export function compileNetDevices(scope: ProcessScope): Op[] {
  const devices = entries(scope);
  const { facts, report } = scope;
  if (devices.length > 0 && (facts.euid !== 0 || facts.inUserNamespace)) {
    refuse(report, 'NET_DEVICES_ROOTLESS', AT, 'network devices are not supported for rootless containers', {
      hint: "the host's devices belong to its root: run as root, or have a device put into the namespace",
    });
  }
  return devices.map(([name, { name: newName = '' }]): Op => {
    return { op: 'NET_DEVICE', name, newName: newName === '' ? name : newName, origin: append(AT, name) };
  });
}

export const returnNetDevices = (scope: ProcessScope): Op[] =>
  entries(scope).length === 0 ? [] : [{ op: 'NET_DEVICES_BACK', origin: ROOT_ORIGIN }];

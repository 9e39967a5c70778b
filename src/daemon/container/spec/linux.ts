/** The linux object: namespaces, cgroup, devices, paths, system calls. Pure. */
import { NETWORK_SYSCTLS } from '../../../bundle/container-defaults.js';
import { defaultSeccomp } from '../../../bundle/seccomp.js';
import type { Linux, LinuxDevice, LinuxNamespace, LinuxSeccomp } from '../../../spec/types.gen.js';
import { parseSecurityOpt, systemPaths } from '../options/security-opt.js';
import { capabilitiesOf } from './capabilities.js';
import type { SpecRequest } from './request.js';
import { resourcesOf } from './resources.js';
import { seccompProfile } from './seccomp-profile.js';

export function linuxOf(request: SpecRequest): Linux {
  const { hostConfig } = request.record;
  const seccomp = seccompOf(request);
  const propagation = rootfsPropagation(request);
  const devices = request.devices.map(deviceOf);
  return {
    namespaces: namespacesOf(request),
    ...(request.cgroupsPath === undefined ? {} : { cgroupsPath: request.cgroupsPath }),
    resources: resourcesOf(hostConfig, request.devices, request.blockDevices),
    ...(devices.length > 0 ? { devices } : {}),
    ...pathsOf(request),
    ...sysctlOf(request),
    ...(propagation === undefined ? {} : { rootfsPropagation: propagation }),
    ...(seccomp === undefined ? {} : { seccomp }),
  };
}

function namespacesOf({ record: { hostConfig }, namespaces, host }: SpecRequest): LinuxNamespace[] {
  const made: LinuxNamespace[] = [{ type: 'mount' }];
  const add = (type: LinuxNamespace['type'], path: string | undefined): void => {
    if (path !== 'host') made.push(path === undefined ? { type } : { type, path });
  };
  add('uts', hostConfig.UTSMode === 'host' ? 'host' : undefined);
  add('pid', namespaces.pid);
  add('ipc', namespaces.ipc);
  add('network', namespaces.network);
  if (hostConfig.CgroupnsMode === 'private' && host.cgroupNamespaces) made.push({ type: 'cgroup' });
  return made;
}

function pathsOf({ record: { hostConfig } }: SpecRequest): Pick<Linux, 'maskedPaths' | 'readonlyPaths'> {
  const { MaskedPaths: masked = [], ReadonlyPaths: readonly = [] } = systemPaths(hostConfig);
  return {
    ...(masked.length > 0 ? { maskedPaths: masked } : {}),
    ...(readonly.length > 0 ? { readonlyPaths: readonly } : {}),
  };
}

function sysctlOf({ record: { hostConfig }, namespaces }: SpecRequest): Pick<Linux, 'sysctl'> {
  const own = namespaces.network !== 'host' && !hostConfig.NetworkMode?.startsWith('container:');
  const sysctl = { ...(own ? NETWORK_SYSCTLS : {}), ...hostConfig.Sysctls };
  return Object.keys(sysctl).length === 0 ? {} : { sysctl };
}

function deviceOf({ type, path, major, minor, mode, uid, gid }: SpecRequest['devices'][number]): LinuxDevice {
  return { type, path, major: BigInt(major), minor: BigInt(minor), fileMode: mode, uid, gid };
}

/** A mount that is shared with the host, or its slave, needs a root that lets events through. */
function rootfsPropagation({ mounts }: SpecRequest): Linux['rootfsPropagation'] | undefined {
  const has = (...kinds: string[]) => mounts.some(({ propagation }) => kinds.includes(propagation));
  if (has('shared', 'rshared')) return 'shared';
  return has('slave', 'rslave') ? 'rslave' : undefined;
}

function seccompOf({ record: { hostConfig }, host }: SpecRequest): LinuxSeccomp | undefined {
  if (hostConfig.Privileged === true) return undefined;
  const asked = parseSecurityOpt(hostConfig.SecurityOpt ?? []).seccomp ?? host.seccompProfile ?? 'builtin';
  const capabilities = capabilitiesOf(hostConfig, host.capabilities);
  if (asked === 'unconfined') return undefined;
  if (asked === 'builtin' || asked === '') return defaultSeccomp(capabilities, host.arch);
  return seccompProfile(asked, capabilities, host.arch);
}

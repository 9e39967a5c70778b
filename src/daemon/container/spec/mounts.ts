/**
 * Mounts in the order of their depth, so that none hides another: the file systems every container has, those that the
 * client asks for over them, and the files of the network.
 *
 * Pure.
 */
import { DEFAULT_MOUNTS } from '../../../bundle/container-defaults.js';
import type { Mount } from '../../../spec/types.gen.js';
import { parseSecurityOpt } from '../options/security-opt.js';
import type { ResolvedMount, SpecRequest } from './request.js';

/** Where tini is bound: dockerd's place. */
export const INIT = '/sbin/docker-init';

const TMPFS_DEFAULTS = ['noexec', 'nosuid', 'nodev', 'rprivate'] as const;

export function mountsOf(request: SpecRequest): Mount[] {
  const { hostConfig } = request.record;
  const asked = [
    ...request.mounts.map(mountOf),
    ...Object.entries(hostConfig.Tmpfs ?? {}).map(([path, options]) => tmpfsMount(path, options.split(','))),
  ];
  const taken = new Set(asked.map(({ destination }) => destination));
  const base = DEFAULT_MOUNTS.filter(({ destination }) => {
    if (destination.startsWith('/dev/') && taken.has('/dev')) return false;
    return !taken.has(destination);
  });
  const files = request.networkFiles
    .filter(({ destination }) => !taken.has(destination))
    .map((file) => (hostConfig.ReadonlyRootfs === true ? { ...file, options: [...(file.options ?? []), 'ro'] } : file));
  const init: Mount[] =
    request.initPath === undefined
      ? []
      : [{ destination: INIT, type: 'bind', source: request.initPath, options: ['bind', 'ro'] }];
  const own = base.flatMap((mount) => adapted(mount, request));
  return [...own, ...[...asked, ...files].sort(byDepth), ...init];
}

const depth = ({ destination }: Mount): number => destination.split('/').filter((name) => name !== '').length;

const byDepth = (a: Mount, b: Mount): number =>
  depth(a) - depth(b) || (a.destination < b.destination ? -1 : a.destination > b.destination ? 1 : 0);

/** /dev/shm after the size or the mode of IPC, /sys after rights and namespaces. */
function adapted(mount: Mount, request: SpecRequest): Mount[] {
  const { hostConfig } = request.record;
  const { IpcMode = '', ShmSize = 0, Privileged = false, ReadonlyRootfs = false } = hostConfig;
  const writable = Privileged && !ReadonlyRootfs;
  switch (mount.destination) {
    case '/dev/shm':
      if (IpcMode === 'none') return [];
      if (IpcMode === 'host') return [bind('/dev/shm', '/dev/shm')];
      if (request.shmPath !== undefined) return [bind('/dev/shm', request.shmPath)];
      return [
        { ...mount, options: (mount.options ?? []).map((one) => (/^size=/.test(one) ? `size=${ShmSize}` : one)) },
      ];
    case '/sys':
      return [writable ? withoutReadOnly(mount) : mount];
    case '/sys/fs/cgroup':
      return [
        writable || parseSecurityOpt(hostConfig.SecurityOpt ?? []).writableCgroups ? withoutReadOnly(mount) : mount,
      ];
    default:
      return [mount];
  }
}

const bind = (destination: string, source: string): Mount => ({
  destination,
  type: 'bind',
  source,
  options: ['rbind', 'rprivate', 'nosuid', 'noexec', 'nodev'],
});

const withoutReadOnly = (mount: Mount): Mount => ({
  ...mount,
  options: (mount.options ?? []).filter((option) => option !== 'ro'),
});

function mountOf(mount: ResolvedMount): Mount {
  if (mount.type === 'tmpfs')
    return tmpfsMount(mount.destination, [...mount.options, ...(mount.readOnly ? ['ro'] : [])]);
  const readOnly = mount.readOnly ? (mount.readOnlyNonRecursive || mount.nonRecursive ? ['ro'] : ['ro', 'rro']) : [];
  return {
    destination: mount.destination,
    type: 'bind',
    source: mount.source,
    options: [mount.nonRecursive ? 'bind' : 'rbind', mount.propagation || 'rprivate', ...readOnly],
  };
}

const OPPOSITES: { readonly [option: string]: string } = {
  exec: 'noexec',
  suid: 'nosuid',
  dev: 'nodev',
  shared: 'rprivate',
  rshared: 'rprivate',
  slave: 'rprivate',
  rslave: 'rprivate',
  private: 'rprivate',
};

/** What the client names takes the place of the default that it contradicts. */
function tmpfsMount(destination: string, options: readonly string[]): Mount {
  const asked = options.filter((option) => option !== '' && option !== 'defaults');
  const against = asked.map((option) => OPPOSITES[option]);
  const defaults = TMPFS_DEFAULTS.filter((option) => !against.includes(option) && !asked.includes(option));
  return { destination, type: 'tmpfs', source: 'tmpfs', options: [...defaults, ...asked] };
}

/**
 * What a container's config is different in where a user without rights runs it.
 */
import { existsSync } from 'node:fs';
import type { Config, Linux, LinuxIDMapping, Mount, Process } from '../spec/types.gen.js';
import { type IdMaps, type IdRange, isMapped } from '../util/user-namespace.js';
import type { Account } from './users.js';

/**
 * In a user namespace of its own in that of `image run`, with the same ids, so that whoever owns the outer one may also
 * join it later.
 */
export function rootlessSpec(config: Config, ids: IdMaps): Config {
  const { linux, ...rest } = inUserNamespaceSpec(config, ids);
  return { ...rest, linux: ownNamespace(linux ?? {}, ids) };
}

/** In the user namespace of whoever runs it, whose networks it could not use from one of its own. */
export function inUserNamespaceSpec(config: Config, ids: IdMaps): Config {
  const linux = config.linux ?? {};
  const hostIpc = linux.namespaces?.some(({ type }) => type === 'ipc') !== true;
  const { oomScoreAdj = 0, ...process } = config.process ?? {};
  const hostNetwork = linux.namespaces?.some(({ type }) => type === 'network') !== true;
  return {
    ...config,
    // Nobody here may lower it, nor may an exec from outside.
    ...(config.process === undefined
      ? {}
      : { process: { ...(process as Process), ...(oomScoreAdj > 0 ? { oomScoreAdj } : {}) } }),
    mounts: (config.mounts ?? []).flatMap((mount) => {
      // Of the host's namespaces these can only be had as the host has mounted them.
      if (hostNetwork && mount.type === 'sysfs') return [HOST_SYS];
      if (hostIpc && mount.type === 'mqueue') return existsSync(HOST_QUEUES.source) ? [HOST_QUEUES] : [];
      return [owned(mount, ids)];
    }),
    linux: rootlessLinux(linux, ids),
  };
}

/** Groups that no id stands for cannot be had. */
export const mappedAccount = (account: Account, { gids }: IdMaps): Account => ({
  ...account,
  additionalGids: isOne(gids) ? [] : account.additionalGids.filter((gid) => isMapped(gids, gid)),
});

/** setgroups(2) is closed then: CVE-2014-8989. */
const isOne = (ranges: readonly IdRange[]): boolean => ranges.length === 1 && ranges[0]?.size === 1;

/** A sysfs of one's own takes a network namespace of one's own; with all that is mounted below, read-only: CVE-2023-25809. */
const HOST_SYS: Mount = {
  destination: '/sys',
  type: 'none',
  source: '/sys',
  options: ['rbind', 'nosuid', 'noexec', 'nodev', 'rro'],
};

const HOST_QUEUES = {
  destination: '/dev/mqueue',
  type: 'none',
  source: '/dev/mqueue',
  options: ['rbind', 'nosuid', 'noexec', 'nodev'],
} as const satisfies Mount;

/** gid=5 is the group tty. */
function owned(mount: Mount, { gids }: IdMaps): Mount {
  const { options } = mount;
  if (options === undefined) return mount;
  const isKnown = (option: string) => !option.startsWith('gid=') || isMapped(gids, Number(option.slice(4)));
  return { ...mount, options: options.filter(isKnown) };
}

function ownNamespace(linux: Linux, ids: IdMaps): Linux {
  return {
    ...linux,
    namespaces: [...(linux.namespaces ?? []), { type: 'user' }],
    uidMappings: ids.uids.map(same),
    gidMappings: ids.gids.map(same),
  };
}

function rootlessLinux(linux: Linux, ids: IdMaps): Linux {
  const { resources, sysctl, ...rest } = linux;
  const ping = 'net.ipv4.ping_group_range';
  const last = ids.gids.find(({ inside }) => inside === 0)?.size ?? 1;
  return {
    ...rest,
    // A filter of devices would need rights on the host; in a user namespace there are no devices to make.
    ...(resources === undefined ? {} : { resources: { ...resources, devices: [] } }),
    ...(sysctl === undefined ? {} : { sysctl: ping in sysctl ? { ...sysctl, [ping]: `0 ${last - 1}` } : sysctl }),
  };
}

const same = ({ inside, size }: IdRange): LinuxIDMapping => ({ containerID: inside, hostID: inside, size });

/** What a container is called by its own kernel, and in HOSTNAME. */
import { hostname } from 'node:os';
import type { ContainerConfig, HostConfig } from '../api/types.gen.js';
import { containerOf } from './options/modes.js';
import type { ContainerRecord } from './record.js';

const fromId = (id: string): string => id.slice(0, 12);

/** Decided at create, so that inspect shows it: who shares the host's network has the host's name. */
export function chooseHostname(id: string, { Hostname }: ContainerConfig, { NetworkMode }: HostConfig): string {
  return Hostname || (NetworkMode === 'host' ? hostname() : fromId(id));
}

/** At start: with the network of another container comes that one's name. find throws ApiError 404. */
export function hostnameOf(record: ContainerRecord, find: (name: string) => ContainerRecord): string {
  const { id, config, hostConfig } = record;
  if (hostConfig.UTSMode === 'host') return hostname();
  const other = containerOf(hostConfig.NetworkMode ?? '', 'network');
  return other === undefined ? config.Hostname || fromId(id) : hostnameOf(find(other), find);
}

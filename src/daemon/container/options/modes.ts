/**
 * The modes of namespaces: which there are, and what cannot go together. The words are dockerd's.
 *
 * Pure.
 */
import type { ContainerConfig, HostConfig } from '../../api/types.gen.js';
import { refuse } from './refuse.js';

/** Of "container:NAME" the name; undefined for another mode. Throws when the name is missing. */
export function containerOf(mode: string, kind: string): string | undefined {
  if (mode !== 'container' && !mode.startsWith('container:')) return undefined;
  const name = mode.slice('container:'.length);
  if (name === '') throw refuse(`invalid ${kind} mode: invalid container format container:<name|id>`);
  return name;
}

export function checkModes(config: ContainerConfig, host: HostConfig): void {
  const { PidMode = '', IpcMode = '', UTSMode = '', UsernsMode = '', Isolation = '' } = host;
  if (!['', 'host'].includes(PidMode) && containerOf(PidMode, 'PID') === undefined)
    throw refuse(`invalid PID mode: ${PidMode}`);
  if (!['', 'none', 'private', 'shareable', 'host'].includes(IpcMode) && containerOf(IpcMode, 'IPC') === undefined)
    throw refuse(`invalid IPC mode: ${IpcMode}`);
  if (!['', 'host'].includes(UTSMode)) throw refuse(`invalid UTS mode: ${UTSMode}`);
  if (!['', 'host'].includes(UsernsMode)) throw refuse(`invalid userns mode: ${UsernsMode}`);
  if (!['', 'default'].includes(Isolation)) throw refuse(`invalid isolation (${Isolation}): linux has none`);
  if (UTSMode === 'host' && (config.Hostname ?? '') !== '')
    throw refuse('conflicting options: hostname and the UTS mode');
  if (UTSMode === 'host' && (config.Domainname ?? '') !== '')
    throw refuse('conflicting options: domainname and the UTS mode');
  checkNetworkMode(config, host);
}

const has = (list: readonly unknown[] | undefined): boolean => (list?.length ?? 0) > 0;
const hasKeys = (map: object | undefined): boolean => Object.keys(map ?? {}).length > 0;

function checkNetworkMode(config: ContainerConfig, host: HostConfig): void {
  const { NetworkMode = '' } = host;
  const undefinedBehaviour = "can't be used with links. This would result in undefined behavior";
  if (NetworkMode === 'host' && has(host.Links))
    throw refuse(`conflicting options: host type networking ${undefinedBehaviour}`);
  if (NetworkMode === 'host' && (config.MacAddress ?? '') !== '')
    throw refuse('conflicting options: mac-address and the network mode');
  if (containerOf(NetworkMode, 'network') === undefined) return;
  const conflicts: readonly (readonly [boolean, string])[] = [
    [(config.Hostname ?? '') !== '', 'hostname and the network mode'],
    [has(host.Links), `container type network ${undefinedBehaviour}`],
    [has(host.Dns), 'dns and the network mode'],
    [has(host.ExtraHosts), 'custom host-to-IP mapping and the network mode'],
    [(config.MacAddress ?? '') !== '', 'mac-address and the network mode'],
    [
      hasKeys(host.PortBindings) || host.PublishAllPorts === true,
      'port publishing and the container type network mode',
    ],
    [hasKeys(config.ExposedPorts), 'port exposing and the container type network mode'],
  ];
  const found = conflicts.find(([conflict]) => conflict);
  if (found !== undefined) throw refuse(`conflicting options: ${found[1]}`);
}

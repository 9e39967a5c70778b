/**
 * A container as GET /containers/{id}/json shows it, by version of the API, from its record and what is live of it.
 *
 * Pure.
 */

import { join } from 'node:path';
import { type ContainerRecord, type ContainerState, type MountPoint, NEVER } from '../container/record.js';
import { apparmorProfile } from '../container/spec/process.js';
import type { ApiRequest } from '../http/route.js';
import { linksOf } from '../network/links.js';
import type { Live, Published } from './live.js';
import { CONFIG_ZEROS, ENDPOINT_ZEROS, HOST_CONFIG_ZEROS } from './zeros.js';

export interface InspectPlace {
  /** <data root>/containers */
  readonly directory: string;
  readonly driver: string;
  /** Whether the host has AppArmor. */
  readonly apparmor: boolean;
}

export interface Sizes {
  readonly rw: number;
  readonly rootFs: number;
}

export function containerInspect(
  record: ContainerRecord,
  { directory, driver, apparmor }: InspectPlace,
  live: Live,
  sizes: Sizes | undefined,
  atLeast: ApiRequest['atLeast'],
) {
  const { id, config, hostConfig, state, image } = record;
  const [path = '', ...args] = commandOf(record);
  const at = (name: string) => join(directory, id, name);
  const execIds = live.execIds(id);
  return {
    Id: id,
    Created: record.created,
    Path: path,
    Args: args,
    State: stateView(state),
    Image: image.id,
    ResolvConfPath: at('resolv.conf'),
    HostnamePath: at('hostname'),
    HostsPath: at('hosts'),
    LogPath: (hostConfig.LogConfig?.Type ?? 'json-file') === 'json-file' ? at(`${id}-json.log`) : '',
    Name: `/${record.name}`,
    RestartCount: record.restartCount,
    Driver: driver,
    Platform: 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: apparmor ? apparmorProfile(hostConfig) : '',
    ExecIDs: execIds.length > 0 ? execIds : null,
    HostConfig: { ...HOST_CONFIG_ZEROS, ...hostConfig, ...linksView(record) },
    GraphDriver: { Name: driver, Data: null },
    ...(sizes === undefined ? {} : { SizeRw: sizes.rw, SizeRootFs: sizes.rootFs }),
    Mounts: record.mounts.map(mountView),
    Config: { ...CONFIG_ZEROS, ...config },
    NetworkSettings: networkSettings(record, live, atLeast),
    ...(atLeast('1.48') ? { ImageManifestDescriptor: { digest: image.manifest } } : {}),
  };
}

/** As dockerd says it: "/other:/name/alias". */
function linksView({ name, hostConfig }: ContainerRecord) {
  const links = linksOf(hostConfig).map(({ target, alias }) => `/${target}:/${name}/${alias}`);
  return { Links: links.length === 0 ? null : links };
}

export function commandOf({ config }: ContainerRecord): readonly string[] {
  return [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
}

function stateView(state: ContainerState) {
  const { status, health } = state;
  const restarting = status === 'restarting';
  return {
    Status: status,
    Running: status === 'running' || status === 'paused' || restarting,
    Paused: status === 'paused',
    Restarting: restarting,
    OOMKilled: state.oomKilled,
    Dead: status === 'dead',
    Pid: state.pid,
    ExitCode: state.exitCode,
    Error: state.error,
    StartedAt: state.startedAt,
    FinishedAt: state.finishedAt,
    ...(health === undefined ? {} : { Health: healthView(health) }),
  };
}

function healthView({ status, failingStreak, log }: NonNullable<ContainerState['health']>) {
  return {
    Status: status,
    FailingStreak: failingStreak,
    Log: log.map(({ start, end, exitCode, output }) => ({
      Start: start,
      End: end,
      ExitCode: exitCode,
      Output: output,
    })),
  };
}

/** Without what only start needs. */
export function mountView({ spec: _, ...mount }: MountPoint) {
  return mount;
}

export const endpointViews = (record: ContainerRecord) =>
  Object.fromEntries(
    Object.entries({ ...record.networks, ...record.endpoints }).map(([name, endpoint]) => [
      name,
      { ...ENDPOINT_ZEROS, ...endpoint },
    ]),
  );

const PREDEFINED = ['bridge', 'host', 'none'];

/** Names that networks of users gave a container without being asked; since API 1.45 they are in DNSNames. */
function withOwnNames(networks: ReturnType<typeof endpointViews>, { id, config }: ContainerRecord): typeof networks {
  const own = [id.slice(0, 12), ...(config.Hostname ? [config.Hostname] : [])];
  return Object.fromEntries(
    Object.entries(networks).map(([name, endpoint]) =>
      PREDEFINED.includes(name)
        ? [name, endpoint]
        : [name, { ...endpoint, Aliases: [...new Set([...(endpoint.Aliases ?? []), ...own])] }],
    ),
  );
}

function networkSettings(record: ContainerRecord, live: Live, atLeast: ApiRequest['atLeast']) {
  const key = live.sandbox(record.id);
  const networks = atLeast('1.45') ? endpointViews(record) : withOwnNames(endpointViews(record), record);
  const bridge = { ...ENDPOINT_ZEROS, ...networks['bridge'] };
  return {
    Bridge: '',
    SandboxID: key === '' ? '' : record.id,
    SandboxKey: key,
    Ports: portsView(record, live.published(record.id)),
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    // Of the network "bridge" alone; API 1.52 has them no more.
    EndpointID: bridge.EndpointID,
    Gateway: bridge.Gateway,
    GlobalIPv6Address: bridge.GlobalIPv6Address,
    GlobalIPv6PrefixLen: bridge.GlobalIPv6PrefixLen,
    IPAddress: bridge.IPAddress,
    IPPrefixLen: bridge.IPPrefixLen,
    IPv6Gateway: bridge.IPv6Gateway,
    MacAddress: bridge.MacAddress,
    Networks: networks,
  };
}

/** By port of the container; null: exposed, but not published. Only of one that runs. */
function portsView({ config, state }: ContainerRecord, published: readonly Published[]) {
  if (state.startedAt === NEVER || state.pid === 0) return {};
  const ports: { [port: string]: { HostIp: string; HostPort: string }[] | null } = {};
  for (const port of Object.keys(config.ExposedPorts ?? {})) ports[port] = null;
  for (const { protocol, containerPort, hostIp, hostPort } of published) {
    const port = `${containerPort}/${protocol}`;
    ports[port] = [...(ports[port] ?? []), { HostIp: hostIp, HostPort: String(hostPort) }];
  }
  return ports;
}

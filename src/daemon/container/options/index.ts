/**
 * The options of a container: what the client asks for, over what its image says, over the daemon's defaults; refused
 * where it cannot be, with dockerd's words, and with warnings where this host leaves something out.
 *
 * Pure.
 */
import type { LimitSupport } from '../../../host/limits.js';
import type { ImageConfig } from '../../../image/config.js';
import { checkEndpoint } from '../../../network/index.js';
import { quote } from '../../../util/quote.js';
import type {
  ContainerConfig,
  ContainerCreate,
  EndpointConfig,
  HealthConfig,
  HostConfig,
  LogConfig,
  MountRequest,
  Ulimit,
} from '../../api/types.gen.js';
import { endpointRequest } from '../../network/request.js';
import { checkConfig } from './check-config.js';
import { checkHostConfig, normaliseCapabilities } from './check-host.js';
import { adaptLimits } from './limits.js';
import { mergeImage } from './merge.js';
import { checkModes } from './modes.js';
import { refuse } from './refuse.js';
import { systemPaths } from './security-opt.js';

/** "1.51" */
type ApiVersion = `1.${number}`;

/** What the daemon and its host give containers that do not say otherwise. */
export interface Defaults {
  readonly limits: LimitSupport;
  /** cgroup v2 alone. */
  readonly unified: boolean;
  readonly systemdCgroup: boolean;
  readonly runtime: string;
  /** Names of `--runtime`, the default one among them. */
  readonly runtimes: readonly string[];
  readonly shmSize: number;
  readonly ipcMode: string;
  /** undefined: private with cgroup v2 alone, else host. */
  readonly cgroupnsMode: 'private' | 'host' | undefined;
  readonly logConfig: LogConfig;
  readonly logDrivers: readonly string[];
  readonly ulimits: readonly Ulimit[];
  /** "bridge" */
  readonly network: string;
}

export interface Options {
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  /** By network. */
  readonly networks: { readonly [name: string]: EndpointConfig };
  readonly warnings: readonly string[];
}

/** Throws TsrunError REQUEST_INVALID. */
export function containerOptions(
  body: ContainerCreate,
  image: ImageConfig,
  version: ApiVersion,
  defaults: Defaults,
): Options {
  const { HostConfig: askedHost = {}, NetworkingConfig, ...asked } = body;
  checkConfig(asked);
  checkHostConfig(askedHost);
  checkModes(asked, askedHost);
  checkDaemon(askedHost, defaults);
  const { limits, warnings } = adaptLimits(askedHost, defaults.limits);
  const hostConfig = withDefaults(limits, version, defaults);
  const { networks, mac } = networksOf(asked, hostConfig, NetworkingConfig?.EndpointsConfig ?? {}, version);
  return {
    config: forVersion(mergeImage(asked, image), version),
    hostConfig,
    networks,
    warnings: [...warnings, ...mac, ...warningsOf(hostConfig), ...healthWarnings(asked.Healthcheck)],
  };
}

const minor = (version: ApiVersion): number => Number(version.slice(2));

/** Health checks of older clients do not know the interval while starting. */
function forVersion(config: ContainerConfig, version: ApiVersion): ContainerConfig {
  const { Healthcheck } = config;
  if (minor(version) >= 44 || Healthcheck?.StartInterval === undefined) return config;
  const { StartInterval: _, ...rest } = Healthcheck;
  return { ...config, Healthcheck: rest };
}

function checkDaemon(host: HostConfig, defaults: Defaults): void {
  const { Runtime = '', CgroupParent = '', LogConfig = {}, DeviceRequests = [], StorageOpt = {} } = host;
  const [option] = Object.keys(StorageOpt);
  if (option !== undefined)
    throw refuse(
      `--storage-opt is not supported: nothing bounds a container's layer (StorageOpt: ${quote(option, 64)})`,
    );
  if (Runtime !== '' && !defaults.runtimes.includes(Runtime))
    throw refuse(`unknown or invalid runtime name: ${Runtime}: there are ${defaults.runtimes.join(', ')}`);
  if (CgroupParent !== '' && defaults.systemdCgroup && !/^[^/]+\.slice$/.test(CgroupParent))
    throw refuse(
      `cgroup-parent for systemd cgroup should be a valid slice named as "xxx.slice" (got ${quote(CgroupParent, 64)})`,
    );
  if (CgroupParent.split('/').includes('..')) throw refuse(`invalid CgroupParent: ${quote(CgroupParent, 64)}`);
  const type = LogConfig.Type ?? '';
  if (type !== '' && !defaults.logDrivers.includes(type))
    throw refuse(`logger: no log driver named '${type}' is registered: there are ${defaults.logDrivers.join(', ')}`);
  const [request] = DeviceRequests;
  if (request !== undefined) {
    const wanted = (request.Capabilities ?? []).map((all) => `[${all.join(' ')}]`).join(' ');
    throw refuse(`could not select device driver ${quote(request.Driver ?? '', 64)} with capabilities: [${wanted}]`);
  }
}

function withDefaults(host: HostConfig, version: ApiVersion, defaults: Defaults): HostConfig {
  const cgroupns = defaults.cgroupnsMode ?? (defaults.unified && host.Privileged !== true ? 'private' : 'host');
  const network = host.NetworkMode ?? '';
  const { Binds, CapAdd, CapDrop, Mounts, ...rest } = host;
  const ulimits = withUlimits(host.Ulimits ?? [], defaults.ulimits);
  return {
    ...rest,
    ...(Binds === undefined || Binds.length === 0 ? {} : { Binds }),
    NetworkMode: network === '' || network === 'default' ? defaults.network : network,
    IpcMode: host.IpcMode || (minor(version) < 40 ? 'shareable' : defaults.ipcMode),
    CgroupnsMode: host.CgroupnsMode || (minor(version) < 41 ? 'host' : cgroupns),
    ShmSize: host.ShmSize || defaults.shmSize,
    Runtime: host.Runtime || defaults.runtime,
    LogConfig: logConfig(host.LogConfig ?? {}, defaults),
    RestartPolicy: {
      Name: host.RestartPolicy?.Name || 'no',
      MaximumRetryCount: host.RestartPolicy?.MaximumRetryCount ?? 0,
    },
    ...systemPaths(host),
    // A list that nobody gave is null when it is shown.
    ...(CapAdd === undefined ? {} : { CapAdd: normaliseCapabilities('CapAdd', CapAdd) }),
    ...(CapDrop === undefined ? {} : { CapDrop: normaliseCapabilities('CapDrop', CapDrop) }),
    ConsoleSize: [host.ConsoleSize?.[0] ?? 0, host.ConsoleSize?.[1] ?? 0],
    ...(ulimits.length === 0 ? {} : { Ulimits: ulimits }),
    ...(Mounts === undefined || Mounts.length === 0 ? {} : { Mounts: mountsOf(Mounts, version) }),
  };
}

/** Clients before API 1.44 do not know that a read-only bind may be so with all below it. */
function mountsOf(mounts: readonly MountRequest[], version: ApiVersion): MountRequest[] {
  return mounts.map((mount) => {
    const oldBind = mount.Type === 'bind' && mount.ReadOnly === true && minor(version) < 44;
    return oldBind ? { ...mount, BindOptions: { ...mount.BindOptions, ReadOnlyNonRecursive: true } } : mount;
  });
}

/** The daemon's options are for its own driver. */
function logConfig({ Type = '', Config = {} }: LogConfig, { logConfig: own }: Defaults): LogConfig {
  const type = Type || own.Type || 'json-file';
  return { Type: type, Config: type === own.Type ? { ...own.Config, ...Config } : Config };
}

function withUlimits(asked: readonly Ulimit[], defaults: readonly Ulimit[]): readonly Ulimit[] {
  const names = new Set(asked.map(({ Name }) => Name));
  return [...asked, ...defaults.filter(({ Name }) => !names.has(Name))];
}

function checkNoEndpoint({ Aliases = [], IPAMConfig }: EndpointConfig): void {
  if (Aliases.length > 0)
    throw refuse('network-scoped alias is supported only for containers in user defined networks');
  if (IPAMConfig?.IPv4Address || IPAMConfig?.IPv6Address)
    throw refuse('user specified IP address is supported on user defined networks only');
}

/** The main network is that of NetworkMode; a MacAddress of Config is meant for it. */
function networksOf(
  { MacAddress = '' }: ContainerConfig,
  { NetworkMode = '' }: HostConfig,
  asked: { readonly [name: string]: EndpointConfig },
  version: ApiVersion,
): { readonly networks: { readonly [name: string]: EndpointConfig }; readonly mac: readonly string[] } {
  const { default: unnamed, ...others } = asked;
  const networks: { [name: string]: EndpointConfig } = { ...others };
  if (unnamed !== undefined && networks[NetworkMode] === undefined) networks[NetworkMode] = unnamed;
  if (!NetworkMode.startsWith('container:')) networks[NetworkMode] ??= {};
  for (const [name, endpoint] of Object.entries(networks)) checkEndpoint(endpointRequest(name, endpoint));
  if (['host', 'none'].includes(NetworkMode)) checkNoEndpoint(networks[NetworkMode] ?? {});
  if (MacAddress === '') return { networks, mac: [] };
  const main = networks[NetworkMode] ?? {};
  if (main.MacAddress !== undefined && main.MacAddress !== '' && main.MacAddress !== MacAddress)
    throw refuse(
      'the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be empty',
    );
  networks[NetworkMode] = { ...main, MacAddress };
  checkEndpoint({ network: NetworkMode, macAddress: MacAddress });
  const warning =
    'The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead.';
  return { networks, mac: minor(version) < 44 ? [] : [warning] };
}

function warningsOf({ NetworkMode, PortBindings = {} }: HostConfig): string[] {
  const discarded = NetworkMode === 'host' && Object.keys(PortBindings).length > 0;
  return discarded ? ['Published ports are discarded when using host network mode'] : [];
}

const HEALTH_KINDS: readonly string[] = ['', 'NONE', 'CMD', 'CMD-SHELL'];

/** dockerd takes them, says so in its log and looks after nothing; compose files have them. */
function healthWarnings({ Test: [kind = ''] = [] }: HealthConfig = {}): string[] {
  if (HEALTH_KINDS.includes(kind)) return [];
  return [`Healthcheck.Test: ${quote(kind, 64)} is none of NONE, CMD, CMD-SHELL: there will be no health check`];
}

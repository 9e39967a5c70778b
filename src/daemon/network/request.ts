/** What a container's record and the bodies of the API say of networks, as requests of the module network. Pure. */
import {
  type ContainerNetworkRequest,
  type EndpointRequest,
  type NetworkRequest,
  networkMode,
  portRequests,
} from '../../network/index.js';
import type { EndpointConfig, NetworkCreate } from '../api/types.gen.js';
import type { ContainerRecord } from '../container/record.js';

/** idOf: of the container that mode container: names. */
export function networkRequest(record: ContainerRecord, idOf: (text: string) => string): ContainerNetworkRequest {
  const { id, name, config, hostConfig } = record;
  const mode = networkMode(config.NetworkDisabled === true ? 'none' : (hostConfig.NetworkMode ?? 'default'));
  const { Dns = [], DnsSearch = [], DnsOptions = [], ExtraHosts = [] } = hostConfig;
  return {
    containerId: id,
    name,
    hostname: config.Hostname || id.slice(0, 12),
    domainname: config.Domainname ?? '',
    mode: mode.kind === 'container' ? { ...mode, containerId: idOf(mode.containerId) } : mode,
    endpoints: mode.kind === 'networks' ? endpointsOf(record) : [],
    ports: portRequests(
      hostConfig.PortBindings ?? {},
      Object.keys(config.ExposedPorts ?? {}),
      hostConfig.PublishAllPorts === true,
    ),
    dns: Dns.filter((address) => address !== ''),
    ...{ dnsSearch: DnsSearch, dnsOptions: DnsOptions, extraHosts: ExtraHosts },
  };
}

/** Before API 1.44 the only network may be that of NetworkMode, and links and the MAC address stood beside it. */
function endpointsOf({ config, hostConfig, networks }: ContainerRecord): EndpointRequest[] {
  const mode = hostConfig.NetworkMode || 'default';
  const first = mode === 'default' ? 'bridge' : mode;
  const all = Object.keys(networks).length === 0 ? { [first]: {} } : networks;
  const { Links: links = [] } = hostConfig;
  return Object.entries(all).map(([network, endpoint]) => {
    const request = endpointRequest(network === 'default' ? 'bridge' : network, endpoint);
    if (network !== first && network !== mode) return request;
    const mac = config.MacAddress && request.macAddress === undefined ? { macAddress: config.MacAddress } : {};
    return { ...request, ...mac, ...(links.length > 0 ? { links: [...(request.links ?? []), ...links] } : {}) };
  });
}

export function endpointRequest(network: string, endpoint: EndpointConfig): EndpointRequest {
  const { IPAMConfig = {}, Links, Aliases, MacAddress, DriverOpts, GwPriority } = endpoint;
  return {
    network,
    ...(Links ? { links: Links } : {}),
    ...(Aliases ? { aliases: Aliases } : {}),
    ...(MacAddress ? { macAddress: MacAddress } : {}),
    ...(DriverOpts ? { driverOpts: DriverOpts } : {}),
    ...(GwPriority ? { gwPriority: GwPriority } : {}),
    ...(IPAMConfig.IPv4Address ? { ipv4Address: IPAMConfig.IPv4Address } : {}),
    ...(IPAMConfig.IPv6Address ? { ipv6Address: IPAMConfig.IPv6Address } : {}),
    ...(IPAMConfig.LinkLocalIPs?.length ? { linkLocalIps: IPAMConfig.LinkLocalIPs } : {}),
  };
}

export function createRequest(body: NetworkCreate): NetworkRequest {
  const { Name = '', Driver = '', IPAM = {}, EnableIPv4, EnableIPv6, Internal, Attachable, Options, Labels } = body;
  return {
    name: Name,
    driver: Driver,
    ...(EnableIPv4 === undefined ? {} : { enableIPv4: EnableIPv4 }),
    ...(EnableIPv6 === undefined ? {} : { enableIPv6: EnableIPv6 }),
    internal: Internal === true,
    attachable: Attachable === true,
    options: Options ?? {},
    labels: Labels ?? {},
    ipam: {
      driver: IPAM.Driver ?? '',
      options: IPAM.Options ?? {},
      config: (IPAM.Config ?? []).map(({ Subnet, IPRange, Gateway, AuxiliaryAddresses }) => ({
        ...(Subnet ? { subnet: Subnet } : {}),
        ...(IPRange ? { ipRange: IPRange } : {}),
        ...(Gateway ? { gateway: Gateway } : {}),
        ...(AuxiliaryAddresses && Object.keys(AuxiliaryAddresses).length > 0
          ? { auxiliaryAddresses: AuxiliaryAddresses }
          : {}),
      })),
    },
  };
}

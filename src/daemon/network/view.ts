/** Networks and endpoints as the API shows them. Pure. */
import type { ContainerNetworkRecord, EndpointRecord, IpamConfig, NetworkRecord } from '../../network/index.js';
import type { EndpointSettings } from '../container/record.js';

export function endpointSettings({ id, networkId, request, ...endpoint }: EndpointRecord): EndpointSettings {
  const { ipv4, ipv6, macAddress, dnsNames } = endpoint;
  const { ipv4Address, ipv6Address, linkLocalIps, aliases, links, driverOpts, gwPriority } = request;
  const ipam = {
    ...(ipv4Address ? { IPv4Address: ipv4Address } : {}),
    ...(ipv6Address ? { IPv6Address: ipv6Address } : {}),
    ...(linkLocalIps ? { LinkLocalIPs: linkLocalIps } : {}),
  };
  return {
    ...(Object.keys(ipam).length > 0 ? { IPAMConfig: ipam } : {}),
    ...(links ? { Links: links } : {}),
    ...(aliases ? { Aliases: aliases } : {}),
    ...(driverOpts ? { DriverOpts: driverOpts } : {}),
    GwPriority: gwPriority ?? 0,
    NetworkID: networkId,
    EndpointID: id,
    MacAddress: macAddress,
    ...(ipv4 ? { Gateway: ipv4.gateway ?? '', IPAddress: ipv4.address, IPPrefixLen: ipv4.prefixLength } : {}),
    ...(ipv6
      ? { IPv6Gateway: ipv6.gateway ?? '', GlobalIPv6Address: ipv6.address, GlobalIPv6PrefixLen: ipv6.prefixLength }
      : {}),
    ...(dnsNames.length > 0 ? { DNSNames: dnsNames } : {}),
  };
}

export interface Connected {
  readonly container: ContainerNetworkRecord;
  readonly endpoint: EndpointRecord;
}

/** Lists show no containers: connected is undefined there. */
export function networkView(network: NetworkRecord, connected: readonly Connected[] | undefined) {
  const { ipam } = network;
  return {
    Name: network.name,
    Id: network.id,
    Created: network.created,
    Scope: 'local',
    Driver: network.driver,
    EnableIPv4: network.enableIPv4,
    EnableIPv6: network.enableIPv6,
    IPAM: {
      Driver: ipam.driver,
      Options: Object.keys(ipam.options).length > 0 ? ipam.options : null,
      Config: ipam.config.toSorted(byFamily).map(({ subnet, ipRange, gateway, auxiliaryAddresses }) => ({
        Subnet: subnet,
        ...(ipRange === undefined ? {} : { IPRange: ipRange }),
        ...(gateway === undefined ? {} : { Gateway: gateway }),
        ...(auxiliaryAddresses === undefined ? {} : { AuxiliaryAddresses: auxiliaryAddresses }),
      })),
    },
    Internal: network.internal,
    Attachable: network.attachable,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    ...(connected === undefined
      ? {}
      : { Containers: Object.fromEntries(connected.map((one) => [one.container.containerId, connectedView(one)])) }),
    Options: network.options,
    Labels: network.labels,
  };
}

function connectedView({ container, endpoint: { id, macAddress, ipv4, ipv6 } }: Connected) {
  const cidr = (address: EndpointRecord['ipv4']): string =>
    address ? `${address.address}/${address.prefixLength}` : '';
  return {
    Name: container.name,
    EndpointID: id,
    MacAddress: macAddress,
    IPv4Address: cidr(ipv4),
    IPv6Address: cidr(ipv6),
  };
}

/** IPv4 first, whatever order they were given in. */
const byFamily = (a: IpamConfig, b: IpamConfig): number => family(a) - family(b);

const family = ({ subnet = '' }: IpamConfig): number => (subnet.includes(':') ? 6 : 4);

/** What rules.ts needs, from the records. No effects. */
import type { Book } from './book.js';
import { bridgeOptions, type GatewayMode } from './options.js';
import { gatewayEndpoint } from './plan-endpoint.js';
import type { ContainerAddresses } from './ports.js';
import type { BridgeRules, FirewallState, PortRule } from './rules.js';
import type { ContainerNetworkRecord, Gate, NetworkRecord } from './types.js';

export interface FirewallSources {
  readonly book: Book;
  /** Ids of networks whose bridge is there. */
  readonly made: ReadonlySet<string>;
  readonly table: string;
  readonly gate: Gate | undefined;
}

export function firewallState({ book, made, table, gate }: FirewallSources, closeTransit: boolean): FirewallState {
  const inside = (hostIp: string) => gate?.inside(hostIp) ?? hostIp;
  const bridges = [...book.networks.values()].filter(({ id }) => made.has(id));
  const containers = [...book.containers.values()];
  return {
    table,
    closeTransit,
    bridges: bridges.map(bridgeRules),
    ports4: containers.flatMap((container) => portRules(book, container, 4, inside)),
    ports6: containers.flatMap((container) => portRules(book, container, 6, inside)),
  };
}

function bridgeRules(network: NetworkRecord): BridgeRules {
  const options = bridgeOptions(network.options, network.internal);
  const subnets = network.ipam.config.flatMap(({ subnet }) => (subnet === undefined ? [] : [subnet]));
  return {
    link: network.link ?? '',
    internal: network.internal,
    icc: options.icc,
    masquerade: options.masquerade,
    subnets4: subnets.filter((subnet) => !subnet.includes(':')),
    subnets6: subnets.filter((subnet) => subnet.includes(':')),
    mode4: options.gatewayMode4,
    mode6: options.gatewayMode6,
    hostIpv4: options.hostIpv4,
    hostIpv6: options.hostIpv6,
  };
}

/** The way of published ports into a container: the bridge by which it also gets out. */
export function entrance(
  book: Book,
  container: ContainerNetworkRecord,
  family: 4 | 6,
): { readonly address: string; readonly mode: GatewayMode; readonly hostBinding: string | undefined } | undefined {
  const endpoint = gatewayEndpoint(container.endpoints, family);
  const address = family === 4 ? endpoint?.ipv4?.address : endpoint?.ipv6?.address;
  if (endpoint === undefined || address === undefined) return undefined;
  const network = book.network(endpoint.networkId);
  if (network.driver !== 'bridge') return undefined;
  const options = bridgeOptions(network.options, network.internal);
  const mode = family === 4 ? options.gatewayMode4 : options.gatewayMode6;
  return { address, mode, hostBinding: options.hostBinding };
}

export function containerAddresses(book: Book, container: ContainerNetworkRecord): ContainerAddresses {
  return { ipv4: entrance(book, container, 4)?.address, ipv6: entrance(book, container, 6)?.address };
}

/** Every family that the container has is routed: nothing is published on the host. */
export function isRouted(book: Book, container: ContainerNetworkRecord): boolean {
  const ways = [entrance(book, container, 4), entrance(book, container, 6)].filter((way) => way !== undefined);
  return ways.length > 0 && ways.every(({ mode }) => mode === 'routed');
}

function portRules(
  book: Book,
  container: ContainerNetworkRecord,
  family: 4 | 6,
  inside: (hostIp: string) => string,
): PortRule[] {
  const way = entrance(book, container, family);
  if (way === undefined) return [];
  const { address } = way;
  if (way.mode === 'routed')
    return container.requestedPorts.map(({ protocol, containerPort }) => ({
      ...{ protocol, containerPort, address, routed: true, hostIp: undefined, hostPort: 0 },
    }));
  return container.ports.flatMap(({ protocol, containerPort, hostIp: outside, hostPort }): PortRule[] => {
    const hostIp = inside(outside);
    if (hostIp.includes(':') !== (family === 6) || isLoopback(hostIp)) return [];
    const any = hostIp === '0.0.0.0' || hostIp === '::';
    return [{ protocol, containerPort, hostPort, address, routed: false, hostIp: any ? undefined : hostIp }];
  });
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

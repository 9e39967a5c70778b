/** What one container gets in one network: checked against the network and its other endpoints. Pure but for the id. */
import { createHash, randomBytes } from 'node:crypto';
import { quote } from '../util/quote.js';
import { isLinkLocal, parseAddress } from './address.js';
import { NetworkError } from './errors.js';
import { allocate } from './ipam.js';
import { bridgeOptions, checkIfname, ENDPOINT_IFNAME, endpointSysctls, ipvlanOptions } from './options.js';
import type { EndpointAddress, EndpointRecord, EndpointRequest, NetworkRecord } from './types.js';

export interface EndpointSurroundings {
  readonly used4: ReadonlySet<string>;
  readonly used6: ReadonlySet<string>;
  /** Names of links that the container has. */
  readonly ifnames: ReadonlySet<string>;
  readonly containerId: string;
  readonly containerName: string;
  readonly hostname: string;
}

const MAC = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i;
/** Compose gives the names of services, which need not be host names. */
const ALIAS = /^[a-zA-Z0-9_-]([a-zA-Z0-9_.-]{0,252}[a-zA-Z0-9_-])?$/;
const DRIVERS_WITH_ENDPOINTS: readonly string[] = ['bridge', 'macvlan', 'ipvlan'];

/** The default bridge is the one without DNS. */
export function hasDns(network: NetworkRecord): boolean {
  return !network.predefined && DRIVERS_WITH_ENDPOINTS.includes(network.driver);
}

/** Throws NETWORK_INVALID, NETWORK_FORBIDDEN. */
export function planEndpoint(
  network: NetworkRecord,
  request: EndpointRequest,
  around: EndpointSurroundings,
): EndpointRecord {
  if (!DRIVERS_WITH_ENDPOINTS.includes(network.driver))
    throw new NetworkError(
      'NETWORK_FORBIDDEN',
      `container cannot be connected to the network ${network.name} beside others: it is the host's or none`,
    );
  checkRequest(network, request);
  const ifname = ifnameOf(network, request, around.ifnames);
  endpointSysctls(request.driverOpts ?? {}, ifname);
  const ipv4 = network.enableIPv4 ? addressOf(network, 4, around.used4, request.ipv4Address) : undefined;
  const ipv6 = network.enableIPv6 ? addressOf(network, 6, around.used6, request.ipv6Address) : undefined;
  const id = randomBytes(32).toString('hex');
  return {
    id,
    networkId: network.id,
    networkName: network.name,
    request,
    ifname,
    ...(network.driver === 'bridge' ? { hostIfname: `veth${id.slice(0, 7)}` } : {}),
    macAddress: request.macAddress?.toLowerCase() ?? macOf(network, ipv4 ?? ipv6),
    ...(ipv4 ? { ipv4 } : {}),
    ...(ipv6 ? { ipv6 } : {}),
    dnsNames: hasDns(network) ? dnsNames(around, request) : [],
  };
}

/** What can be told without the network. Throws NETWORK_INVALID. */
export function checkEndpoint(request: EndpointRequest): void {
  const { macAddress, aliases = [], ipv4Address, ipv6Address, linkLocalIps = [] } = request;
  if (macAddress !== undefined && (!MAC.test(macAddress) || (Number.parseInt(macAddress, 16) & 1) === 1))
    throw invalid(
      `invalid MacAddress: ${quote(macAddress)}`,
      'write six bytes as 02:42:ac:11:00:02, not a group address',
    );
  for (const alias of aliases)
    if (!ALIAS.test(alias))
      throw invalid(`invalid Aliases: ${quote(alias)}`, 'letters, digits, dashes, underscores and dots between them');
  for (const [text, family] of [[ipv4Address, 4] as const, [ipv6Address, 6] as const]) {
    if (text !== undefined && parseAddress(text, `IPv${family}Address`).family !== family)
      throw invalid(`invalid IPv${family}Address: ${quote(text)}`);
  }
  for (const text of linkLocalIps)
    if (!isLinkLocal(parseAddress(text, 'LinkLocalIPs')))
      throw invalid(`invalid LinkLocalIPs: ${quote(text)}`, 'they are of 169.254.0.0/16 or fe80::/10');
}

function checkRequest(network: NetworkRecord, request: EndpointRequest): void {
  const { aliases = [], ipv4Address, ipv6Address } = request;
  checkEndpoint(request);
  if (network.predefined && aliases.length > 0)
    throw invalid('network-scoped alias is supported only for containers in user defined networks');
  if (network.predefined && (ipv4Address || ipv6Address))
    throw invalid('user specified IP address is supported on user defined networks only');
  for (const [text, family] of [[ipv4Address, 4] as const, [ipv6Address, 6] as const]) {
    if (text !== undefined && !(family === 4 ? network.enableIPv4 : network.enableIPv6))
      throw invalid(`IPv${family}Address ${text}: network ${network.name} has no IPv${family}`);
  }
}

function ifnameOf(network: NetworkRecord, { driverOpts = {} }: EndpointRequest, taken: ReadonlySet<string>): string {
  const wanted = driverOpts[ENDPOINT_IFNAME];
  if (wanted) {
    if (taken.has(checkIfname(wanted, ENDPOINT_IFNAME)))
      throw new NetworkError('NETWORK_CONFLICT', `${ENDPOINT_IFNAME}: the container has a link ${wanted} already`);
    return wanted;
  }
  const prefix = network.driver === 'bridge' ? bridgeOptions(network.options, network.internal).ifnamePrefix : 'eth';
  for (let number = 0; ; number++) if (!taken.has(`${prefix}${number}`)) return `${prefix}${number}`;
}

function addressOf(
  network: NetworkRecord,
  family: 4 | 6,
  used: ReadonlySet<string>,
  wanted: string | undefined,
): EndpointAddress {
  const { address, prefixLength, gateway } = allocate(network, family, used, wanted);
  const layer3 = network.driver === 'ipvlan' && ipvlanOptions(network.options).layer3;
  const isolated = network.driver === 'bridge' && modeOf(network, family) === 'isolated';
  if (network.internal || gateway === undefined || layer3 || isolated) return { address, prefixLength };
  return { address, prefixLength, gateway };
}

function modeOf(network: NetworkRecord, family: 4 | 6): string {
  const options = bridgeOptions(network.options, network.internal);
  return family === 4 ? options.gatewayMode4 : options.gatewayMode6;
}

/**
 * On a bridge the address decides: who gets an address again that another container had a moment ago is still known by
 * the neighbours' caches. On a link to the outside two hosts must not come to the same one.
 */
function macOf(network: NetworkRecord, address: EndpointAddress | undefined): string {
  const { driver } = network;
  if (driver === 'bridge' && address) {
    const digest = createHash('sha256').update(`${network.id} ${address.address}`).digest();
    return macText(Buffer.from([0x02, 0x42, ...digest.subarray(0, 4)]));
  }
  return macText(Buffer.from([0x02, 0x42, ...randomBytes(4)]));
}

function macText(bytes: Buffer): string {
  return bytes.toString('hex').replace(/..(?=.)/g, '$&:');
}

export function dnsNames(
  { containerName, containerId, hostname }: Omit<EndpointSurroundings, 'used4' | 'used6' | 'ifnames'>,
  { aliases = [] }: EndpointRequest,
): string[] {
  return [...new Set([containerName, ...aliases, containerId.slice(0, 12), hostname])].filter((name) => name !== '');
}

function invalid(message: string, hint?: string): NetworkError {
  return new NetworkError('NETWORK_INVALID', message, { hint });
}

/** The one by whose gateway a family leaves the container: highest priority, then by name. */
export function gatewayEndpoint(endpoints: readonly EndpointRecord[], family: 4 | 6): EndpointRecord | undefined {
  const address = (endpoint: EndpointRecord): EndpointAddress | undefined =>
    family === 4 ? endpoint.ipv4 : endpoint.ipv6;
  return byPriority(endpoints).find((endpoint) => address(endpoint)?.gateway !== undefined);
}

export function byPriority<T extends { readonly request: EndpointRequest; readonly networkName: string }>(
  endpoints: readonly T[],
): T[] {
  const priority = ({ request }: T): number => request.gwPriority ?? 0;
  return [...endpoints].sort(
    (a, b) => priority(b) - priority(a) || (a.networkName < b.networkName ? -1 : a.networkName > b.networkName ? 1 : 0),
  );
}

/**
 * Which addresses networks and endpoints get. Everything is computed from the records, nothing is kept: an address is
 * taken while a record has it. Lowest free one first, as dockerd has it, so that a container finds its old one again.
 *
 * Pure.
 */
import { createHash } from 'node:crypto';
import { quote } from '../util/quote.js';
import {
  type Address,
  BITS,
  contains,
  type Family,
  firstOf,
  formatAddress,
  formatPrefix,
  lastOf,
  maskPrefix,
  overlap,
  type Prefix,
  parseAddress,
  parseInterface,
  parsePrefix,
} from './address.js';
import { NetworkError } from './errors.js';
import type { IpamConfig, NetworkRecord } from './types.js';

export interface AddressPool {
  readonly base: string;
  /** Length of the prefix of each network. */
  readonly size: number;
}

/** dockerd's. */
export const DEFAULT_POOLS: readonly AddressPool[] = [
  { base: '172.17.0.0/16', size: 16 },
  { base: '172.18.0.0/16', size: 16 },
  { base: '172.19.0.0/16', size: 16 },
  { base: '172.20.0.0/14', size: 16 },
  { base: '172.24.0.0/14', size: 16 },
  { base: '172.28.0.0/14', size: 16 },
  { base: '192.168.0.0/16', size: 20 },
];

/** What addresses are not free for a new network, and who has them, for messages: "network db", "route by eth0". */
export interface TakenPrefix {
  readonly prefix: Prefix;
  readonly by: string;
  /** Found on the host, not a network of ours: only pools keep away from all of them. */
  readonly hostRoute?: 'link' | 'gateway';
}

/** RFC 6890, RFC 5771, RFC 4291: what no container can have, whatever else is on the host. */
const UNFIT = [
  ['0.0.0.0/8', 'hosts without an address'],
  ['127.0.0.0/8', 'loopback'],
  ['224.0.0.0/4', 'multicast'],
  ['::/127', 'loopback'],
  ['ff00::/8', 'multicast'],
] as const;

const ULA_LENGTH = 64;
const ATTEMPTS = 1000;

export interface SubnetWishes {
  readonly networkId: string;
  readonly families: readonly Family[];
  readonly config: readonly IpamConfig[];
  /** The network has the host's link to the outside (macvlan): overlap with the host's routes is the normal case. */
  readonly sharesLink: boolean;
  readonly withoutGateway?: boolean;
}

/** The wishes with subnet and gateway of every family filled in. Throws NETWORK_INVALID and NETWORK_FORBIDDEN. */
export function planSubnets(
  wishes: SubnetWishes,
  taken: readonly TakenPrefix[],
  pools: readonly AddressPool[] = DEFAULT_POOLS,
): IpamConfig[] {
  const planned: { prefix: Prefix; config: IpamConfig }[] = [];
  for (const config of wishes.config.filter(({ subnet }) => subnet !== undefined && subnet !== '')) {
    const prefix = wantedSubnet(config);
    if (!wishes.families.includes(prefix.family)) continue;
    const own = planned.map((other) => ({ prefix: other.prefix, by: 'another subnet of the same request' }));
    refuseOverlap(prefix, [...own, ...taken], wishes.sharesLink);
    planned.push({ prefix, config });
  }
  for (const family of wishes.families) {
    if (planned.some(({ prefix }) => prefix.family === family)) continue;
    const prefix = family === 4 ? freeSubnet(taken, pools) : localSubnet(wishes.networkId, taken);
    planned.push({ prefix, config: wishes.config.find((config) => gatewayFamily(config) === family) ?? {} });
  }
  return planned.map(({ prefix, config }) => complete(prefix, config, wishes.withoutGateway === true));
}

function gatewayFamily({ subnet, gateway }: IpamConfig): Family | undefined {
  return subnet || !gateway ? undefined : parseAddress(gateway, 'IPAM.Config.Gateway').family;
}

function wantedSubnet({ subnet = '' }: IpamConfig): Prefix {
  const given = parseInterface(subnet, 'IPAM.Config.Subnet');
  const masked = maskPrefix(given);
  if (masked.value !== given.value) throw invalid(`invalid subnet ${subnet}: it should be ${formatPrefix(masked)}`);
  if (BITS[given.family] - given.length < 1)
    throw invalid(`invalid subnet ${subnet}: it has no room for a gateway and a container`);
  const unfit = UNFIT.find(([base]) => overlap(masked, parsePrefix(base, 'base')));
  if (unfit !== undefined)
    throw invalid(`invalid subnet ${subnet}: ${unfit[0]} is for ${unfit[1]}`, 'choose one of RFC 1918 or RFC 4193');
  return masked;
}

function refuseOverlap(prefix: Prefix, taken: readonly TakenPrefix[], sharesLink: boolean): void {
  const clash = taken.find(
    (other) =>
      overlap(prefix, other.prefix) && (other.hostRoute === undefined || (!sharesLink && other.hostRoute === 'link')),
  );
  if (clash === undefined) return;
  throw new NetworkError(
    'NETWORK_FORBIDDEN',
    `invalid pool request: Pool overlaps with other one on this address space: ${formatPrefix(prefix)} overlaps with ${formatPrefix(clash.prefix)} (${clash.by})`,
    { hint: 'choose another subnet, or remove what has this one' },
  );
}

/** The first part of the pools that overlaps with nothing. */
function freeSubnet(taken: readonly TakenPrefix[], pools: readonly AddressPool[]): Prefix {
  const clashes = new Set<string>();
  for (const pool of pools) {
    const base = parsePrefix(pool.base, 'default-address-pools');
    const step = 1n << BigInt(BITS[base.family] - pool.size);
    for (let value = firstOf(base); value <= lastOf(base); value += step) {
      const prefix: Prefix = { family: base.family, value, length: pool.size };
      const clash = taken.find((other) => overlap(prefix, other.prefix));
      if (clash === undefined) return prefix;
      clashes.add(`${clash.by} (${formatPrefix(clash.prefix)})`);
      // What covers several parts is jumped over at once.
      const end = lastOf(clash.prefix);
      if (end > value + step) value += ((end - value) / step) * step;
    }
  }
  throw new NetworkError(
    'NETWORK_FORBIDDEN',
    `all predefined address pools have been fully subnetted: taken by ${[...clashes].slice(0, 8).join(', ')}`,
    { hint: 'give --subnet, set default-address-pools to smaller networks, or remove networks: docker network prune' },
  );
}

/** RFC 4193: 56 bits of the network's id behind fd, so that networks of several hosts do not meet. */
function localSubnet(networkId: string, taken: readonly TakenPrefix[]): Prefix {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const digest = createHash('sha256').update(`${networkId}/${attempt}`).digest('hex').slice(0, 14);
    const prefix: Prefix = { family: 6, value: BigInt(`0xfd${digest}`) << 64n, length: ULA_LENGTH };
    if (!taken.some((other) => overlap(prefix, other.prefix))) return prefix;
  }
  throw new NetworkError('NETWORK_FORBIDDEN', 'no IPv6 unique local prefix is free');
}

function complete(prefix: Prefix, config: IpamConfig, withoutGateway: boolean): IpamConfig {
  const subnet = formatPrefix(prefix);
  const range = config.ipRange ? parsePrefix(config.ipRange, 'IPAM.Config.IPRange') : undefined;
  if (range && !(contains(prefix, range) && range.length >= prefix.length))
    throw invalid(`invalid ip-range ${config.ipRange}: it is not within the subnet ${subnet}`);
  const auxiliary = Object.entries(config.auxiliaryAddresses ?? {}).map(([host, text]) => {
    inSubnet(prefix, parseAddress(text, `IPAM.Config.AuxiliaryAddresses.${host}`), `auxiliary address ${quote(host)}`);
    return formatAddress(parseAddress(text));
  });
  const gateway = config.gateway
    ? wantedGateway(prefix, parseAddress(config.gateway, 'IPAM.Config.Gateway'), auxiliary)
    : withoutGateway
      ? undefined
      : formatAddress(lowestFree(prefix, undefined, new Set(auxiliary)) ?? noAddress('the new network', prefix.family));
  return {
    subnet,
    ...(range ? { ipRange: formatPrefix(range) } : {}),
    ...(gateway ? { gateway } : {}),
    ...(config.auxiliaryAddresses ? { auxiliaryAddresses: config.auxiliaryAddresses } : {}),
  };
}

function wantedGateway(prefix: Prefix, wanted: Address, auxiliary: readonly string[]): string {
  const gateway = formatAddress(inSubnet(prefix, wanted, 'gateway'));
  if (isEdge(prefix, wanted))
    throw invalid(
      `invalid gateway ${gateway}: it is the network's or the broadcast address of the subnet ${formatPrefix(prefix)}`,
    );
  if (auxiliary.includes(gateway)) throw invalid(`invalid gateway ${gateway}: it is an auxiliary address too`);
  return gateway;
}

/** RFC 3021: of two addresses both are hosts'. */
const isEdge = (prefix: Prefix, { family, value }: Address): boolean =>
  family === 4 && prefix.length < 31 && (value === firstOf(prefix) || value === lastOf(prefix));

function inSubnet(prefix: Prefix, address: Address, what: string): Address {
  if (contains(prefix, address)) return address;
  throw invalid(`invalid ${what} ${formatAddress(address)}: it is not within the subnet ${formatPrefix(prefix)}`);
}

export interface Allocation {
  readonly address: string;
  readonly prefixLength: number;
  readonly gateway: string | undefined;
}

/** used: addresses of the network's endpoints, in the form of formatAddress. Throws NETWORK_CONFLICT, _INVALID. */
export function allocate(
  network: NetworkRecord,
  family: Family,
  used: ReadonlySet<string>,
  wanted: string | undefined,
): Allocation {
  const subnets = network.ipam.config.flatMap((config) => {
    const prefix = parsePrefix(config.subnet ?? '', 'subnet');
    return prefix.family === family ? [{ prefix, config }] : [];
  });
  if (wanted !== undefined) return claim(network, subnets, used, parseAddress(wanted, `IPv${family}Address`));
  for (const { prefix, config } of subnets) {
    const range = config.ipRange === undefined ? undefined : parsePrefix(config.ipRange, 'ip-range');
    const address = lowestFree(prefix, range, new Set([...used, ...reserved(config)]));
    if (address) return { address: formatAddress(address), prefixLength: prefix.length, gateway: config.gateway };
  }
  return noAddress(`${network.name} (${network.id.slice(0, 12)})`, family);
}

function claim(
  network: NetworkRecord,
  subnets: readonly { readonly prefix: Prefix; readonly config: IpamConfig }[],
  used: ReadonlySet<string>,
  wanted: Address,
): Allocation {
  const address = formatAddress(wanted);
  const found = subnets.find(({ prefix }) => contains(prefix, wanted));
  if (!found)
    throw invalid(
      `invalid endpoint settings: no configured subnet of network ${network.name} contains IP address ${address}`,
      `its subnets are ${network.ipam.config.map(({ subnet }) => subnet).join(', ') || 'none'}`,
    );
  const { prefix, config } = found;
  if (isEdge(prefix, wanted))
    throw invalid(
      `invalid endpoint settings: ${address} is the network's or the broadcast address of ${config.subnet}`,
    );
  if (used.has(address) || config.gateway === address)
    throw new NetworkError('NETWORK_FORBIDDEN', `Address already in use: ${address} in network ${network.name}`, {
      hint: config.gateway === address ? 'it is the gateway' : 'docker network inspect shows who has it',
    });
  return { address, prefixLength: prefix.length, gateway: config.gateway };
}

function reserved(config: IpamConfig): string[] {
  const auxiliary = Object.values(config.auxiliaryAddresses ?? {}).map((text) => formatAddress(parseAddress(text)));
  return config.gateway === undefined ? auxiliary : [config.gateway, ...auxiliary];
}

/** Without the network's and the broadcast address of IPv4, and the anycast address of IPv6. */
function lowestFree(prefix: Prefix, range: Prefix | undefined, used: ReadonlySet<string>): Address | undefined {
  const { family } = prefix;
  const pointToPoint = BITS[family] - prefix.length <= 1;
  const lowest = pointToPoint ? firstOf(prefix) : firstOf(prefix) + 1n;
  const highest = pointToPoint || family === 6 ? lastOf(prefix) : lastOf(prefix) - 1n;
  const from = range && firstOf(range) > lowest ? firstOf(range) : lowest;
  const to = range && lastOf(range) < highest ? lastOf(range) : highest;
  for (let value = from; value <= to; value++)
    if (!used.has(formatAddress({ family, value }))) return { family, value };
  return undefined;
}

function noAddress(network: string, family: Family): never {
  throw new NetworkError(
    'NETWORK_FORBIDDEN',
    `no available IPv${family} addresses on this network's address pools: ${network}`,
    { hint: 'remove containers, or make a network with a larger subnet' },
  );
}

function invalid(message: string, hint?: string): NetworkError {
  return new NetworkError('NETWORK_INVALID', message, { hint });
}

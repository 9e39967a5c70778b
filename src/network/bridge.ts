/** The bridges of the driver bridge on the host. */
import { createHash, randomBytes } from 'node:crypto';
import { familyOf, parsePrefix } from './address.js';
import { NetworkError } from './errors.js';
import { changeLink, createLink, deleteLink, findLink, type Link, type NewLink } from './netlink/link.js';
import { addAddress } from './netlink/route.js';
import type { Netlink } from './netlink/socket.js';
import { bridgeOptions } from './options.js';
import { writeSysctlIfThere } from './sysctl.js';
import type { NetworkRecord } from './types.js';

/** The mark on links of ours, shown by `ip link`: `tsrun network 0123456789ab`. */
export function networkMark(table: string, { id }: { readonly id: string }): string {
  return `${table} network ${id.slice(0, 12)}`;
}

/**
 * Makes the bridge of a network, or takes the one that is there: ours from before, or one of the user's. Returns the
 * record with what it found. Throws NETWORK_FAILED and NETWORK_CONFLICT; then there is no new link.
 */
export function makeBridge(netlink: Netlink, table: string, network: NetworkRecord): NetworkRecord {
  const name = network.link ?? '';
  const there = findLink(netlink, name);
  const mark = networkMark(table, network);
  if (there && there.alias !== mark) return useForeign(network, there);
  const created = there === undefined;
  try {
    if (created) createMarked(netlink, table, { name, mac: randomMac(), alias: mark, mtu: mtuOf(network) });
    configureBridge(netlink, network, name);
  } catch (error) {
    if (created) deleteLink(netlink, name);
    throw error;
  }
  return network;
}

/**
 * What a bridge is called until it has its mark, which Linux takes only once a link is there: without the mark nobody would
 * know whose br-0123456789ab it is that a killed daemon left, since Docker calls its own so too.
 */
export function temporaryName(table: string): string {
  return `t-${createHash('sha256').update(table).digest('hex').slice(0, 12)}`;
}

/** Name and mark come in one step. */
function createMarked(netlink: Netlink, table: string, { name, alias, ...link }: NewLink): void {
  const temporary = temporaryName(table);
  createLink(netlink, { kind: 'bridge' }, { ...link, name: temporary });
  try {
    const { index } = findLink(netlink, temporary) ?? { index: 0 };
    changeLink(netlink, index, { name, alias });
  } catch (error) {
    deleteLink(netlink, temporary);
    throw error;
  }
}

function useForeign(network: NetworkRecord, link: Link): NetworkRecord {
  if (link.kind !== 'bridge')
    throw new NetworkError('NETWORK_CONFLICT', `the link ${link.name} is there already and is no bridge`, {
      hint: 'choose another com.docker.network.bridge.name',
    });
  if (link.alias && / network [0-9a-f]{12}$/.test(link.alias))
    throw new NetworkError('NETWORK_CONFLICT', `the bridge ${link.name} belongs to another network: ${link.alias}`, {
      hint: 'choose another com.docker.network.bridge.name',
    });
  return { ...network, foreignLink: true };
}

function mtuOf(network: NetworkRecord): number | undefined {
  return bridgeOptions(network.options, network.internal).mtu;
}

/** A fixed address: a bridge without one changes it with every port that comes. */
function randomMac(): string {
  const bytes = randomBytes(6);
  bytes[0] = ((bytes[0] ?? 0) & 0xfe) | 0x02;
  return bytes.toString('hex').replace(/..(?=.)/g, '$&:');
}

function configureBridge(netlink: Netlink, network: NetworkRecord, name: string): void {
  const link = findLink(netlink, name);
  if (!link) throw new NetworkError('NETWORK_FAILED', `the bridge ${name} is gone again`);
  // A container must not change the host's routes by router advertisements: CVE-2020-13401.
  writeSysctlIfThere(netlink.netns, `net/ipv6/conf/${name}/accept_ra`, '0');
  writeSysctlIfThere(netlink.netns, `net/ipv6/conf/${name}/disable_ipv6`, network.enableIPv6 ? '0' : '1');
  const { gatewayMode4, gatewayMode6 } = bridgeOptions(network.options, network.internal);
  for (const { gateway, subnet } of network.ipam.config) {
    if (gateway === undefined || subnet === undefined) continue;
    const mode = familyOf(gateway) === 4 ? gatewayMode4 : gatewayMode6;
    if (mode !== 'isolated') addAddress(netlink, link.index, gateway, parsePrefix(subnet, 'subnet').length);
  }
  changeLink(netlink, name, { up: true });
}

/** A bridge of the user's has no mark of ours, and stays. */
export function dropBridge(netlink: Netlink, table: string, network: NetworkRecord): void {
  const link = network.link === undefined ? undefined : findLink(netlink, network.link);
  if (link?.alias === networkMark(table, network)) deleteLink(netlink, link.name);
}

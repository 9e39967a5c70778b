/** The network namespaces of containers, and what is in them: links, addresses, default routes. */
import { closeSync, mkdirSync, openSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { addon } from '../native/addon.js';
import { describeSystemError } from '../util/errno.js';
import { familyOf, LINK_LOCAL_LENGTH } from './address.js';
import { NetworkError } from './errors.js';
import {
  changeBridgePort,
  changeLink,
  createLink,
  deleteLink,
  findLink,
  type Link,
  type LinkKind,
  type NewLink,
} from './netlink/link.js';
import { addAddress, addDefaultRoute, deleteDefaultRoute, listRoutes } from './netlink/route.js';
import { type Netlink, withNetlink } from './netlink/socket.js';
import { bridgeOptions, endpointSysctls, ipvlanOptions, macvlanOptions, mtuOption } from './options.js';
import { gatewayEndpoint } from './plan-endpoint.js';
import { readSysctl, writeSysctl, writeSysctlIfThere } from './sysctl.js';
import type { EndpointRecord, NetworkRecord } from './types.js';

/** A namespace with lo up, bound at path. One that a crash left there is replaced. Throws NETWORK_FAILED. */
export function createSandbox(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    removeSandbox(path);
    closeSync(openSync(path, 'wx', 0o444));
    addon().createNetns(path);
    withNetlink(path, (netlink) => changeLink(netlink, 'lo', { up: true }));
  } catch (cause) {
    removeSandbox(path);
    if (cause instanceof NetworkError) throw cause;
    throw new NetworkError('NETWORK_FAILED', `make the network namespace ${path}: ${describeSystemError(cause)}`, {
      cause,
    });
  }
}

/** Its links go with it, once no process is in it any more. Nothing happens if there is none. */
export function removeSandbox(path: string): void {
  try {
    addon().unmount(path);
  } catch {
    // EINVAL: not bound, as after a crash between the file and the namespace; ENOENT: nothing is there.
  }
  rmSync(path, { force: true });
}

/** The mark on links of ours: `tsrun endpoint 0123456789ab`. */
export function endpointMark(table: string, { id }: { readonly id: string }): string {
  return `${table} endpoint ${id.slice(0, 12)}`;
}

/** The endpoint's link, up and with its addresses. Throws NETWORK_FAILED; then there is no link. */
export function plug(
  host: Netlink,
  table: string,
  network: NetworkRecord,
  endpoint: EndpointRecord,
  netns: string,
): void {
  const fd = openSync(netns, 'r');
  try {
    createEndpointLink(host, table, network, endpoint, fd);
    withNetlink(netns, (netlink) => bringUp(netlink, network, endpoint, netns));
    if (endpoint.hostIfname !== undefined) changeLink(host, endpoint.hostIfname, { up: true });
  } catch (error) {
    unplug(host, endpoint, netns);
    throw error;
  } finally {
    closeSync(fd);
  }
}

export function unplug(host: Netlink, endpoint: EndpointRecord, netns: string): void {
  if (endpoint.hostIfname !== undefined) deleteLink(host, endpoint.hostIfname);
  else withNetlink(netns, (netlink) => deleteLink(netlink, endpoint.ifname));
}

function createEndpointLink(
  host: Netlink,
  table: string,
  network: NetworkRecord,
  endpoint: EndpointRecord,
  netns: number,
): void {
  const mtu = mtuOption(network.options);
  const inside: NewLink = { name: endpoint.ifname, mac: endpoint.macAddress, netns, mtu };
  if (network.driver !== 'bridge') {
    const { mac: _, ...withoutMac } = inside; // ipvlan has its parent's
    const link = network.driver === 'ipvlan' ? withoutMac : inside;
    createLink(host, kindOf(network), { ...link, parent: mustFind(host, network.link ?? '').index });
    return;
  }
  const name = endpoint.hostIfname ?? '';
  const master = mustFind(host, network.link ?? '').index;
  const peer: LinkKind = { kind: 'veth', peer: inside };
  createLink(host, peer, { name, mtu, master, alias: endpointMark(table, endpoint) });
  writeSysctlIfThere(host.netns, `net/ipv6/conf/${name}/disable_ipv6`, '1');
  const { icc } = bridgeOptions(network.options, network.internal);
  // With br_netfilter a container that calls its own published port has its frame sent back by the port it came from.
  const hairpin = readSysctl(host.netns, 'net/bridge/bridge-nf-call-iptables') === '1';
  if (hairpin || !icc) changeBridgePort(host, mustFind(host, name).index, { hairpin, isolated: !icc });
}

function kindOf(network: NetworkRecord): LinkKind {
  if (network.driver === 'macvlan') return { kind: 'macvlan', mode: macvlanOptions(network.options).mode };
  const { mode, flags } = ipvlanOptions(network.options);
  return { kind: 'ipvlan', mode, flags };
}

function mustFind(netlink: Netlink, name: string): Link {
  const link = findLink(netlink, name);
  if (link) return link;
  throw new NetworkError('NETWORK_FAILED', `the link ${name} of the network is not there`, {
    hint: 'was it deleted by hand? make the network again, or restart the daemon',
  });
}

function bringUp(netlink: Netlink, network: NetworkRecord, endpoint: EndpointRecord, netns: string): void {
  const { ifname, ipv4, ipv6, request } = endpoint;
  const { linkLocalIps = [] } = request;
  const hasIpv6 = ipv6 !== undefined || linkLocalIps.some((address) => address.includes(':'));
  const { index } = mustFind(netlink, ifname);
  // Neighbours that knew another container by this address hear of the change.
  writeSysctl(netns, `net/ipv4/conf/${ifname}/arp_notify`, '1');
  writeSysctlIfThere(netns, `net/ipv6/conf/${ifname}/disable_ipv6`, hasIpv6 ? '0' : '1');
  if (hasIpv6) writeSysctlIfThere(netns, `net/ipv6/conf/${ifname}/ndisc_notify`, '1');
  if (hasIpv6 && network.driver === 'bridge') writeSysctlIfThere(netns, `net/ipv6/conf/${ifname}/accept_ra`, '0');
  for (const { path, value } of endpointSysctls(endpoint.request.driverOpts ?? {}, ifname))
    writeSysctl(netns, path, value);
  for (const address of [ipv4, ipv6]) if (address) addAddress(netlink, index, address.address, address.prefixLength);
  for (const address of linkLocalIps) addAddress(netlink, index, address, LINK_LOCAL_LENGTH[familyOf(address)]);
  changeLink(netlink, ifname, { up: true });
}

/** The default routes as the endpoints' priorities have them now. */
export function routeOut(
  netns: string,
  endpoints: readonly EndpointRecord[],
  networkOf: (id: string) => NetworkRecord,
): void {
  withNetlink(netns, (netlink) => {
    for (const family of [4, 6] as const) {
      const out = gatewayEndpoint(endpoints, family);
      const gateway = family === 4 ? out?.ipv4?.gateway : out?.ipv6?.gateway;
      const layer3 = endpoints.find((endpoint) => isLayer3(networkOf(endpoint.networkId)));
      if (out) addDefaultRoute(netlink, mustFind(netlink, out.ifname).index, gateway, family);
      else if (layer3 && (family === 4 ? layer3.ipv4 : layer3.ipv6))
        addDefaultRoute(netlink, mustFind(netlink, layer3.ifname).index, undefined, family);
      else dropDefaultRoute(netlink, family);
    }
  });
}

function isLayer3({ driver, internal, options }: NetworkRecord): boolean {
  return driver === 'ipvlan' && !internal && ipvlanOptions(options).layer3;
}

function dropDefaultRoute(netlink: Netlink, family: 4 | 6): void {
  const isDefault = listRoutes(netlink).some((route) => route.family === family && route.destination === undefined);
  if (isDefault) deleteDefaultRoute(netlink, family);
}

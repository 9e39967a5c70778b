/** What addresses the host itself has to do with. */
import { isLinkLocal, parsePrefix } from './address.js';
import type { TakenPrefix } from './ipam.js';
import { listLinks } from './netlink/link.js';
import { listAddresses, listRoutes } from './netlink/route.js';
import type { Netlink } from './netlink/socket.js';

/** except: links of our own networks, which are in the records already. */
export function hostPrefixes(netlink: Netlink, except: ReadonlySet<string>): TakenPrefix[] {
  const names = new Map(listLinks(netlink).map(({ index, name }) => [index, name]));
  const nameOf = (index: number | undefined): string => names.get(index ?? 0) ?? 'an unknown link';
  const routes = listRoutes(netlink).flatMap(({ destination, gateway, index }): TakenPrefix[] => {
    if (destination === undefined || destination.length === 0 || isLinkLocal(destination)) return [];
    if (except.has(nameOf(index))) return [];
    const hostRoute = gateway === undefined ? 'link' : 'gateway';
    return [{ prefix: destination, by: `route of the host by ${nameOf(index)}`, hostRoute }];
  });
  const addresses = listAddresses(netlink).flatMap(({ index, address, prefixLength }): TakenPrefix[] => {
    const prefix = parsePrefix(`${address}/${prefixLength}`, 'address');
    if (except.has(nameOf(index)) || isLinkLocal(prefix) || nameOf(index) === 'lo') return [];
    return [{ prefix, by: `address ${address} of ${nameOf(index)}`, hostRoute: 'link' }];
  });
  return [...routes, ...addresses];
}

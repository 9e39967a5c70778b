/**
 * What a daemon finds when it starts: records of before, and what of it is there. Containers run on meanwhile, so their
 * namespaces, links and rules are taken as they are; what belongs to no record goes.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { makeBridge, networkMark, temporaryName } from './bridge.js';
import { type Context, hasResolver } from './context.js';
import { containerAddresses } from './firewall-state.js';
import { deleteLink, findLink, type Link, listLinks } from './netlink/link.js';
import { withNetlink } from './netlink/socket.js';
import { endpointMark, removeSandbox } from './sandbox.js';
import type { ContainerNetworkRecord, EndpointRecord, NetworkRecord, NetworkState } from './types.js';

/** Records into the book, without those that nothing is left of. */
export function adopt(context: Context, state: NetworkState): void {
  for (const network of state.networks) context.book.networks.set(network.id, network);
  for (const container of state.containers) {
    const endpoints = endpointsThere(context, container);
    if (endpoints !== undefined) context.book.containers.set(container.containerId, { ...container, endpoints });
  }
  for (const { containerId, mode } of context.book.containers.values())
    if (mode.kind === 'container' && !context.book.containers.has(mode.containerId))
      context.book.containers.delete(containerId);
}

/**
 * Of a container that runs, those whose links are there: a daemon that was killed may have taken one away before it said
 * so. undefined: nothing is left. A namespace that was unbound, as all are after a reboot, cannot be entered.
 */
function endpointsThere(
  { book }: Context,
  { netnsPath, endpoints }: ContainerNetworkRecord,
): readonly EndpointRecord[] | undefined {
  const known = endpoints.filter(({ networkId }) => book.networks.has(networkId));
  if (netnsPath === undefined) return known.length === endpoints.length ? known : undefined;
  try {
    return withNetlink(netnsPath, (netlink) => known.filter(({ ifname }) => !ifname || findLink(netlink, ifname)));
  } catch {
    return undefined;
  }
}

/**
 * Bridges that are there, or that containers are on, are taken over; others, as after a reboot, wait until somebody needs
 * them. One that cannot be made is left out, with a word in the log.
 */
export function restoreBridges(context: Context): void {
  const { book, netlink, table, made, log } = context;
  for (const network of book.networks.values()) {
    if (network.driver !== 'bridge') continue;
    const isOurs = findLink(netlink, network.link ?? '')?.alias === networkMark(table, network);
    if (!isOurs && book.endpointsOf(network.id).length === 0) continue;
    try {
      makeBridge(netlink, table, network);
      made.add(network.id);
    } catch (error) {
      log('error', `network ${network.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

/** The bridge of a network that is about to be used. True: it is new, and has no rules yet. Throws NetworkError. */
export function needBridge({ book, netlink, table, made }: Context, network: NetworkRecord): boolean {
  if (network.driver !== 'bridge' || made.has(network.id)) return false;
  book.networks.set(network.id, makeBridge(netlink, table, network));
  made.add(network.id);
  return true;
}

/** Ports are taken again and names answered again for containers that run. */
export async function restoreContainers(context: Context): Promise<void> {
  const { book, ports, resolvers, log } = context;
  for (const container of book.containers.values()) {
    const { containerId, netnsPath, mode, name } = container;
    if (mode.kind === 'container' || netnsPath === undefined) continue;
    const say = (what: string) => (error: unknown) =>
      log('error', `${what} of container ${name}: ${error instanceof Error ? error.message : String(error)}`);
    await ports
      .restore(containerId, container.ports, containerAddresses(book, container))
      .catch(say('published ports'));
    if (hasResolver(context, container)) await resolvers.open(containerId, netnsPath).catch(say('DNS'));
  }
}

/** As plan-endpoint.ts names them. */
const HOST_IFNAME = /^veth[0-9a-f]{7}$/;

/** Namespaces and links with our mark that no record knows. Returns what was removed, for the log. */
export function sweep({ options, book, netlink, table }: Context): string[] {
  const known = new Set([
    ...[...book.networks.values()].map((network) => networkMark(table, network)),
    ...book.attached().map(({ endpoint }) => endpointMark(table, endpoint)),
  ]);
  const ours = (alias: string): boolean =>
    alias.startsWith(`${table} network `) || alias.startsWith(`${table} endpoint `);
  const all = listLinks(netlink);
  const bridges = new Set(all.flatMap(({ index, alias }) => (alias?.startsWith(`${table} network `) ? [index] : [])));
  // Linux takes no alias at creation: one on a bridge of ours without any was just being made.
  const begun = ({ name, alias, master }: Link): boolean =>
    alias === undefined && master !== undefined && bridges.has(master) && HOST_IFNAME.test(name);
  const links = all.filter(
    (link) =>
      link.name === temporaryName(table) ||
      begun(link) ||
      (link.alias !== undefined && ours(link.alias) && !known.has(link.alias)),
  );
  for (const { name } of links) deleteLink(netlink, name);
  const directory = join(options.runDirectory, 'netns');
  const paths = namesIn(directory).filter((name) => !book.containers.has(name));
  for (const name of paths) removeSandbox(join(directory, name));
  return [...links.map(({ name }) => `link ${name}`), ...paths.map((name) => `network namespace ${name}`)];
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

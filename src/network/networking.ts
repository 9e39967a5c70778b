/** One daemon's networks: opened from records, closed without a trace on what runs. */

import { connect, disconnect, prepare, release, rename } from './attach.js';
import { Book } from './book.js';
import { dropBridge, makeBridge } from './bridge.js';
import type { Context, Resolvers } from './context.js';
import { openResolvers } from './dns/resolvers.js';
import { NetworkError } from './errors.js';
import { openFirewall } from './firewall.js';
import { firewallState } from './firewall-state.js';
import { enableForwarding } from './forwarding.js';
import { hostPrefixes } from './host-routes.js';
import type { TakenPrefix } from './ipam.js';
import { findLink } from './netlink/link.js';
import { Netlink } from './netlink/socket.js';
import { planNetwork } from './plan-network.js';
import { Ports } from './ports.js';
import { predefinedNetworks } from './predefined.js';
import { adopt, restoreBridges, restoreContainers, sweep } from './restore.js';
import { rulesText } from './rules.js';
import type { Networking, NetworkingOptions, NetworkRecord, NetworkRequest, NetworkState } from './types.js';

const TABLE = 'tsrun';
const BRIDGE_PREFIX = 'br-';
const TABLE_NAME = /^[a-zA-Z][a-zA-Z0-9_-]{0,63}$/;

export interface OpenedNetworking {
  readonly networking: Networking;
  /** To be kept: with predefined networks that were missing, without containers that nothing is left of. */
  readonly state: NetworkState;
}

/** Touches nothing of the host that is not in the records: bridges come with their first container. Throws NetworkError. */
export async function openNetworking(options: NetworkingOptions, state: NetworkState): Promise<OpenedNetworking> {
  const { table = TABLE, log = () => {} } = options;
  if (!TABLE_NAME.test(table)) throw new NetworkError('NETWORK_INVALID', `not a name for an nftables table: ${table}`);
  const book = new Book();
  const made = new Set<string>();
  const { hostNetns = '', gate } = options;
  const netlink = new Netlink(hostNetns);
  const rules = (): string => rulesText(firewallState({ book, made, table, gate }, forwarding(context)));
  const firewall = options.firewall === false ? undefined : openFirewall({ table, netns: hostNetns, rules, log });
  const resolvers: Resolvers = openResolvers({ book, options });
  const context: Context = { options, table, book, made, netlink, firewall, ports: new Ports(gate), resolvers, log };
  try {
    adopt(context, state);
    const removed = sweep(context);
    if (removed.length > 0) log('info', `networks: removed what belongs to nobody: ${removed.join(', ')}`);
    makePredefined(context);
    restoreBridges(context);
    if (made.size > 0) await firewall?.apply();
    await restoreContainers(context);
    await gate?.settle();
  } catch (error) {
    await close(context);
    throw error;
  }
  const kept = { networks: [...book.networks.values()], containers: [...book.containers.values()] };
  return { networking: networkingOf(context), state: kept };
}

/** Whether forwarding was off: see rules.ts. */
function forwarding({ options, book, made, netlink }: Context): boolean {
  const bridges = [...book.networks.values()].filter(({ id }) => made.has(id));
  if (options.ipForward === false || bridges.length === 0) return false;
  return enableForwarding(
    netlink,
    options.runDirectory,
    bridges.some(({ enableIPv6 }) => enableIPv6),
  );
}

function makePredefined(context: Context): void {
  const { book, netlink, table, options } = context;
  for (const network of predefinedNetworks(book, options, () =>
    taken(context).filter(({ by }) => by !== 'network bridge'),
  )) {
    const old = [...book.networks.values()].find(({ predefined, name }) => predefined && name === network.name);
    if (old && book.endpointsOf(old.id).length > 0) continue; // containers run in it: the next start will change it
    if (old) book.networks.delete(old.id);
    if (old && old.link !== network.link) dropBridge(netlink, table, old);
    book.networks.set(network.id, network);
  }
}

/** All that a new network has to keep away from. */
function taken({ book, netlink }: Context): TakenPrefix[] {
  const own = new Set(
    [...book.networks.values()].flatMap(({ driver, link }) => (driver === 'bridge' && link ? [link] : [])),
  );
  return [...book.takenPrefixes(), ...hostPrefixes(netlink, own)];
}

async function create(context: Context, request: NetworkRequest): Promise<NetworkRecord> {
  const { book, made, netlink, table, firewall, options } = context;
  const planned = planNetwork(request, {
    names: new Set([...book.networks.values()].map(({ name }) => name)),
    taken: taken(context),
    pools: options.addressPools,
    bridgePrefix: options.bridgePrefix ?? BRIDGE_PREFIX,
  });
  const { driver, link } = planned;
  if (link !== undefined && driver === 'bridge') refuseSharedBridge(context, link);
  if (link !== undefined && driver !== 'bridge' && !findLink(netlink, link))
    throw new NetworkError('NETWORK_INVALID', `driver ${driver}: there is no link ${link} on this host`, {
      hint: 'the option parent names it: ip link shows those there are',
    });
  const network = driver === 'bridge' ? makeBridge(netlink, table, planned) : planned;
  book.networks.set(network.id, network);
  if (driver === 'bridge') made.add(network.id);
  try {
    if (driver === 'bridge') await firewall?.apply();
  } catch (error) {
    book.networks.delete(network.id);
    made.delete(network.id);
    if (driver === 'bridge') dropBridge(netlink, table, network);
    throw error;
  }
  return network;
}

function refuseSharedBridge({ book }: Context, link: string): void {
  const other = [...book.networks.values()].find((network) => network.driver === 'bridge' && network.link === link);
  if (other) throw new NetworkError('NETWORK_FORBIDDEN', `the bridge ${link} belongs to network ${other.name}`);
}

async function remove(
  context: Context,
  text: string,
  forget: (network: NetworkRecord) => Promise<void> = async () => undefined,
): Promise<NetworkRecord> {
  const { book, made, netlink, table, firewall, log } = context;
  const network = book.find(text);
  if (network.predefined)
    throw new NetworkError('NETWORK_FORBIDDEN', `${network.name} is a pre-defined network and cannot be removed`);
  const active = book
    .endpointsOf(network.id)
    .map(({ container, endpoint }) => `name:"${container.name}" id:"${endpoint.id.slice(0, 12)}"`);
  if (active.length > 0)
    throw new NetworkError(
      'NETWORK_FORBIDDEN',
      `error while removing network: network ${network.name} has active endpoints (${active.join(', ')})`,
      { hint: 'stop the containers, or docker network disconnect them' },
    );
  // From here on nobody connects to it.
  book.networks.delete(network.id);
  try {
    await forget(network);
  } catch (error) {
    book.networks.set(network.id, network);
    throw error;
  }
  if (made.delete(network.id)) {
    dropBridge(netlink, table, network);
    await firewall?.apply().catch((error: unknown) => log('error', `rules without ${network.name}: ${String(error)}`));
  }
  return network;
}

async function close({ firewall, ports, resolvers, netlink }: Context): Promise<void> {
  firewall?.close();
  await resolvers.closeAll();
  await ports.close();
  netlink.close();
}

function networkingOf(context: Context): Networking {
  const { book } = context;
  return {
    find: (network) => book.find(network),
    list: () => [...book.networks.values()],
    create: (request) => create(context, request),
    remove: (network, forget) => remove(context, network, forget),
    endpointsOf: (networkId) => book.endpointsOf(networkId),
    prepare: (request) => prepare(context, request),
    release: (containerId) => release(context, containerId),
    connect: (containerId, endpoint) => connect(context, containerId, endpoint),
    disconnect: (containerId, network, keep) => disconnect(context, containerId, network, keep),
    rename: (containerId, name) => rename(context, containerId, name),
    container: (containerId) => book.containers.get(containerId),
    close: () => close(context),
  };
}

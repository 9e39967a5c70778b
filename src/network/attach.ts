/** Containers in networks: a step at a time, each with its way back. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Context, filesOf, hasResolver } from './context.js';
import { NetworkError } from './errors.js';
import { containerAddresses, entrance, isRouted } from './firewall-state.js';
import { deleteLink, findLink } from './netlink/link.js';
import { planContainer, planOne } from './plan-container.js';
import { dnsNames, hasDns } from './plan-endpoint.js';
import { needBridge } from './restore.js';
import { createSandbox, plug, removeSandbox, routeOut, unplug } from './sandbox.js';
import { readSysctl } from './sysctl.js';
import type {
  ContainerChange,
  ContainerNetwork,
  ContainerNetworkRecord,
  ContainerNetworkRequest,
  EndpointRecord,
  EndpointRequest,
  NetworkFiles,
  NetworkRecord,
} from './types.js';

const FAILED = 'failed to set up container networking';

function planFor(context: Context, request: ContainerNetworkRequest): ContainerNetworkRecord {
  try {
    return planContainer(context, request);
  } catch (error) {
    throw inContext(error, FAILED);
  }
}

export async function prepare(context: Context, request: ContainerNetworkRequest): Promise<ContainerNetwork> {
  const { book } = context;
  if (book.containers.has(request.containerId)) await release(context, request.containerId);
  const planned = planFor(context, request);
  // Registered before anything is awaited: nobody else gets these addresses, and the networks stay.
  book.containers.set(planned.containerId, planned);
  try {
    const files = filesOf(context, planned);
    if (planned.netnsPath !== undefined && planned.mode.kind !== 'container')
      await setUp(context, planned, planned.netnsPath);
    const record = book.containers.get(planned.containerId) ?? planned;
    return { record, files, warnings: warningsOf(context, record) };
  } catch (error) {
    await release(context, planned.containerId).catch((cause: unknown) =>
      context.log('error', `networks of ${planned.name}, which was not started: ${String(cause)}`),
    );
    throw inContext(error, FAILED);
  }
}

async function setUp(context: Context, record: ContainerNetworkRecord, netns: string): Promise<void> {
  const { book, netlink, table } = context;
  createSandbox(netns);
  const endpoints = record.endpoints.filter(isPluggable);
  const fresh = endpoints.filter(({ networkId }) => needBridge(context, book.network(networkId)));
  if (fresh.length > 0) await context.firewall?.apply();
  for (const endpoint of endpoints) plug(netlink, table, book.network(endpoint.networkId), endpoint, netns);
  if (endpoints.length > 0) routeOut(netns, endpoints, (id) => book.network(id));
  await publish(context, record);
  if (hasResolver(context, record)) await context.resolvers.open(record.containerId, netns);
}

/** Those of host and none are only there to be listed. */
function isPluggable({ ifname }: EndpointRecord): boolean {
  return ifname !== '';
}

/** Ports that are not published yet are, those that are lead to where the container is reached now; then the rules. */
async function publish(context: Context, record: ContainerNetworkRecord): Promise<void> {
  const { book, ports, firewall } = context;
  if (record.requestedPorts.length === 0) return;
  const addresses = containerAddresses(book, record);
  const reachable = (addresses.ipv4 ?? addresses.ipv6) !== undefined && !isRouted(book, record);
  if (record.ports.length > 0) ports.retarget(record.containerId, addresses);
  else if (reachable) {
    const published = await ports
      .publish(record.containerId, record.requestedPorts, addresses, defaultIps(context, record))
      .catch((error: unknown) => {
        const [endpoint] = record.endpoints;
        const where = `on endpoint ${record.name} (${endpoint?.id})`;
        throw inContext(error, `driver failed programming external connectivity ${where}`);
      });
    book.containers.set(record.containerId, { ...record, ports: published });
  }
  await firewall?.apply();
}

/** Of ports that name no address; empty: everywhere. */
function defaultIps({ book, options }: Context, record: ContainerNetworkRecord): string[] {
  const wanted = entrance(book, record, 4)?.hostBinding ?? options.defaultHostIp;
  if (wanted !== undefined && wanted !== '0.0.0.0' && wanted !== '') return [wanted];
  return readSysctl('', 'net/ipv6/conf/all/disable_ipv6') === '0' ? ['0.0.0.0', '::'] : ['0.0.0.0'];
}

function warningsOf({ book }: Context, record: ContainerNetworkRecord): string[] {
  if (record.requestedPorts.length === 0 || record.ports.length > 0 || isRouted(book, record)) return [];
  return ['Published ports are discarded: no network of the container is reached from the host by a bridge'];
}

/** Everything of the container goes, whatever of it is there. */
export async function release(context: Context, containerId: string): Promise<void> {
  const { book, ports, resolvers, firewall, log } = context;
  const record = book.containers.get(containerId);
  if (!record) return;
  book.containers.delete(containerId);
  if (record.mode.kind === 'container') return;
  await resolvers.close(containerId);
  await ports.release(containerId);
  if (record.netnsPath !== undefined) removeSandbox(record.netnsPath);
  await linksGone(context, record.endpoints);
  if (record.requestedPorts.length > 0)
    await firewall?.apply().catch((error: unknown) => log('error', `rules of ${record.name}: ${String(error)}`));
}

const LINK_PATIENCE_MS = 200;
const LINK_STEP_MS = 5;

/**
 * The kernel takes the links away with the namespace, in a thread of its own, which spares ours the tens of milliseconds
 * that it takes. A namespace that somebody is still in stays: then the links are deleted.
 */
async function linksGone({ netlink }: Context, endpoints: readonly EndpointRecord[]): Promise<void> {
  const names = endpoints.flatMap(({ hostIfname }) => (hostIfname === undefined ? [] : [hostIfname]));
  const until = Date.now() + LINK_PATIENCE_MS;
  for (const name of names) {
    while (Date.now() < until && findLink(netlink, name)) await sleep(LINK_STEP_MS);
    deleteLink(netlink, name);
  }
}

export async function connect(
  context: Context,
  containerId: string,
  request: EndpointRequest,
): Promise<ContainerChange> {
  const { book, netlink, table } = context;
  const record = mustHave(context, containerId);
  const previous = filesOf(context, record);
  const network = book.find(request.network);
  refuseModes(record, network);
  if (record.endpoints.some(({ networkId }) => networkId === network.id))
    throw new NetworkError(
      'NETWORK_FORBIDDEN',
      `endpoint with name ${record.name} already exists in network ${network.name}`,
    );
  const endpoint = planOne(context, record, network, request, record.endpoints);
  const changed = { ...record, endpoints: [...record.endpoints, endpoint] };
  const netns = record.netnsPath ?? '';
  book.containers.set(containerId, changed);
  try {
    if (needBridge(context, network)) await context.firewall?.apply();
    plug(netlink, table, book.network(network.id), endpoint, netns);
    return await settle(context, changed, netns, previous);
  } catch (error) {
    book.containers.set(containerId, record);
    unplug(netlink, endpoint, netns);
    routeOut(netns, record.endpoints, (id) => book.network(id));
    await publish(context, record);
    throw error;
  }
}

/** keep: told of what is to be before it is done; when it throws nothing is. */
export async function disconnect(
  context: Context,
  containerId: string,
  text: string,
  keep: (planned: ContainerNetworkRecord) => Promise<void>,
): Promise<ContainerChange> {
  const { book, netlink } = context;
  const record = mustHave(context, containerId);
  const previous = filesOf(context, record);
  const network = book.find(text);
  const endpoint = record.endpoints.find(({ networkId }) => networkId === network.id);
  if (!endpoint)
    throw new NetworkError('NETWORK_FORBIDDEN', `container ${record.name} is not connected to network ${network.name}`);
  refuseModes(record, network);
  const without = (one: ContainerNetworkRecord) => ({
    ...one,
    endpoints: one.endpoints.filter(({ id }) => id !== endpoint.id),
  });
  await keep(without(record));
  const changed = without(mustHave(context, containerId)); // others may have come meanwhile
  book.containers.set(containerId, changed);
  unplug(netlink, endpoint, record.netnsPath ?? '');
  return settle(context, changed, record.netnsPath ?? '', previous);
}

/** Routes, ports and DNS follow the endpoints. */
async function settle(
  context: Context,
  changed: ContainerNetworkRecord,
  netns: string,
  previous: NetworkFiles,
): Promise<ContainerChange> {
  const { book, resolvers } = context;
  routeOut(netns, changed.endpoints, (id) => book.network(id));
  await publish(context, changed);
  if (hasResolver(context, changed)) await resolvers.open(changed.containerId, netns);
  const record = book.containers.get(changed.containerId) ?? changed;
  return { record, files: filesOf(context, record), previous };
}

function mustHave({ book }: Context, containerId: string): ContainerNetworkRecord {
  const record = book.containers.get(containerId);
  if (record) return record;
  throw new NetworkError('NETWORK_CONFLICT', `container ${containerId} has no network now: it is not running`);
}

function refuseModes({ mode }: ContainerNetworkRecord, network: NetworkRecord): void {
  if (mode.kind === 'host' || network.driver === 'host')
    throw new NetworkError(
      'NETWORK_INVALID',
      'container cannot be disconnected from host network or connected to host network',
    );
  if (mode.kind === 'none' || network.driver === 'null')
    throw new NetworkError(
      'NETWORK_INVALID',
      'container cannot be connected to multiple networks with one of the networks in private (none) mode',
    );
  if (mode.kind === 'container')
    throw new NetworkError(
      'NETWORK_INVALID',
      'container sharing network namespace with another container or host cannot be connected to any other network',
    );
}

export function rename({ book }: Context, containerId: string, name: string): ContainerNetworkRecord | undefined {
  const record = book.containers.get(containerId);
  if (!record) return undefined;
  const names = { containerId, containerName: name, hostname: record.hostname };
  const endpoints = record.endpoints.map((endpoint) => {
    const network = book.network(endpoint.networkId);
    return hasDns(network) ? { ...endpoint, dnsNames: dnsNames(names, endpoint.request) } : endpoint;
  });
  const renamed = { ...record, name, endpoints };
  book.containers.set(containerId, renamed);
  return renamed;
}

/** The same error with words before it. */
function inContext(error: unknown, what: string): unknown {
  if (!(error instanceof NetworkError)) return error;
  const { code, message, hint, cause } = error;
  return new NetworkError(code, `${what}: ${message}`, { hint, cause });
}

/** Containers in networks: a step at a time, each with its way back. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Context, filesOf, hasResolver, netnsPathOf } from './context.js';
import { NetworkError } from './errors.js';
import { containerAddresses, entrance, isRouted } from './firewall-state.js';
import { deleteLink, findLink } from './netlink/link.js';
import { byPriority, dnsNames, hasDns, planEndpoint } from './plan-endpoint.js';
import { createSandbox, plug, removeSandbox, routeOut, unplug } from './sandbox.js';
import { readSysctl } from './sysctl.js';
import type {
  ContainerChange,
  ContainerNetwork,
  ContainerNetworkRecord,
  ContainerNetworkRequest,
  EndpointRecord,
  EndpointRequest,
  NetworkRecord,
} from './types.js';

export async function prepare(context: Context, request: ContainerNetworkRequest): Promise<ContainerNetwork> {
  const { book } = context;
  if (book.containers.has(request.containerId)) await release(context, request.containerId);
  const planned = planContainer(context, request);
  // Registered before anything is awaited: nobody else gets these addresses, and the networks stay.
  book.containers.set(planned.containerId, planned);
  try {
    const files = filesOf(context, planned);
    if (planned.netnsPath !== undefined && planned.mode.kind !== 'container')
      await setUp(context, planned, planned.netnsPath);
    const record = book.containers.get(planned.containerId) ?? planned;
    return { record, files, warnings: warningsOf(context, record) };
  } catch (error) {
    await release(context, planned.containerId);
    throw inContext(error, 'failed to set up container networking');
  }
}

async function setUp(context: Context, record: ContainerNetworkRecord, netns: string): Promise<void> {
  const { book, netlink, table } = context;
  createSandbox(netns);
  const endpoints = record.endpoints.filter(isPluggable);
  for (const endpoint of endpoints) plug(netlink, table, book.network(endpoint.networkId), endpoint, netns);
  if (endpoints.length > 0) routeOut(netns, endpoints, (id) => book.network(id));
  await publish(context, record);
  if (hasResolver(context, record)) await context.resolvers.open(record.containerId, netns);
}

/** Those of host and none are only there to be listed. */
function isPluggable({ ifname }: EndpointRecord): boolean {
  return ifname !== '';
}

function planContainer(context: Context, request: ContainerNetworkRequest): ContainerNetworkRecord {
  const base = {
    containerId: request.containerId,
    name: request.name,
    hostname: request.hostname,
    domainname: request.domainname ?? '',
    mode: request.mode,
    sandboxId: randomBytes(32).toString('hex'),
    endpoints: [],
    requestedPorts: request.ports,
    ports: [],
    dns: request.dns ?? [],
    dnsSearch: request.dnsSearch ?? [],
    dnsOptions: request.dnsOptions ?? [],
    extraHosts: request.extraHosts ?? [],
  };
  const netnsPath = netnsPathOf(context, request.containerId);
  switch (request.mode.kind) {
    case 'host':
      return { ...base, requestedPorts: [], endpoints: listedIn(context, 'host') };
    case 'none':
      return { ...base, requestedPorts: [], netnsPath, endpoints: listedIn(context, 'none') };
    case 'container':
      return { ...base, requestedPorts: [], ...sharedWith(context, request.mode.containerId) };
    case 'networks':
      return { ...base, netnsPath, endpoints: planEndpoints(context, request) };
  }
}

function listedIn({ book }: Context, name: string): EndpointRecord[] {
  const { id: networkId, name: networkName } = book.find(name);
  const id = randomBytes(32).toString('hex');
  return [{ id, networkId, networkName, request: { network: name }, ifname: '', macAddress: '', dnsNames: [] }];
}

function sharedWith({ book }: Context, containerId: string): Pick<ContainerNetworkRecord, 'sandboxId' | 'netnsPath'> {
  const other = book.containers.get(containerId);
  if (!other)
    throw new NetworkError(
      'NETWORK_CONFLICT',
      `cannot join network of a non running container: ${containerId.slice(0, 64)}`,
      { hint: 'start that container first' },
    );
  return { sandboxId: other.sandboxId, ...(other.netnsPath === undefined ? {} : { netnsPath: other.netnsPath }) };
}

function planEndpoints(context: Context, request: ContainerNetworkRequest): EndpointRecord[] {
  const resolved = request.endpoints.map((endpoint) => {
    const network = context.book.find(endpoint.network);
    return { request: endpoint, network, networkName: network.name };
  });
  if (resolved.length === 0) throw new NetworkError('NETWORK_INVALID', 'the container is to have no network at all');
  const planned: EndpointRecord[] = [];
  for (const { network, request: endpoint } of byPriority(resolved)) {
    if (planned.some(({ networkId }) => networkId === network.id))
      throw new NetworkError('NETWORK_INVALID', `network ${network.name} is given twice`);
    planned.push(planOne(context, request, network, endpoint, planned));
  }
  return planned;
}

function planOne(
  { book }: Context,
  container: Pick<ContainerNetworkRequest, 'containerId' | 'name' | 'hostname'>,
  network: NetworkRecord,
  request: EndpointRequest,
  beside: readonly EndpointRecord[],
): EndpointRecord {
  return planEndpoint(network, request, {
    used4: book.usedAddresses(network.id, 4),
    used6: book.usedAddresses(network.id, 6),
    ifnames: new Set(beside.map(({ ifname }) => ifname)),
    containerId: container.containerId,
    containerName: container.name,
    hostname: container.hostname,
  });
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
    plug(netlink, table, network, endpoint, netns);
    return await settle(context, changed, netns);
  } catch (error) {
    book.containers.set(containerId, record);
    unplug(netlink, endpoint, netns);
    routeOut(netns, record.endpoints, (id) => book.network(id));
    await publish(context, record);
    throw error;
  }
}

export async function disconnect(context: Context, containerId: string, text: string): Promise<ContainerChange> {
  const { book, netlink } = context;
  const record = mustHave(context, containerId);
  const network = book.find(text);
  refuseModes(record, network);
  const endpoint = record.endpoints.find(({ networkId }) => networkId === network.id);
  if (!endpoint)
    throw new NetworkError('NETWORK_FORBIDDEN', `container ${record.name} is not connected to network ${network.name}`);
  const changed = { ...record, endpoints: record.endpoints.filter(({ id }) => id !== endpoint.id) };
  book.containers.set(containerId, changed);
  unplug(netlink, endpoint, record.netnsPath ?? '');
  return settle(context, changed, record.netnsPath ?? '');
}

/** Routes, ports and DNS follow the endpoints. */
async function settle(context: Context, changed: ContainerNetworkRecord, netns: string): Promise<ContainerChange> {
  const { book, resolvers } = context;
  routeOut(netns, changed.endpoints, (id) => book.network(id));
  await publish(context, changed);
  if (hasResolver(context, changed)) await resolvers.open(changed.containerId, netns);
  const record = book.containers.get(changed.containerId) ?? changed;
  return { record, files: filesOf(context, record) };
}

function mustHave({ book }: Context, containerId: string): ContainerNetworkRecord {
  const record = book.containers.get(containerId);
  if (record) return record;
  throw new NetworkError('NETWORK_CONFLICT', `container ${containerId} has no network now: it is not running`);
}

function refuseModes({ mode }: ContainerNetworkRecord, network: NetworkRecord): void {
  if (mode.kind === 'host' || network.driver === 'host')
    throw new NetworkError(
      'NETWORK_FORBIDDEN',
      'container cannot be disconnected from host network or connected to host network',
    );
  if (mode.kind === 'none' || network.driver === 'null')
    throw new NetworkError(
      'NETWORK_FORBIDDEN',
      'container cannot be connected to multiple networks with one of the networks in private (none) mode',
    );
  if (mode.kind === 'container')
    throw new NetworkError(
      'NETWORK_FORBIDDEN',
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

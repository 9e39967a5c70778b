/** What a container gets of all its networks. Nothing is done yet. */
import { randomBytes } from 'node:crypto';
import { type Context, netnsPathOf } from './context.js';
import { NetworkError } from './errors.js';
import { byPriority, planEndpoint } from './plan-endpoint.js';
import { NO_BRIDGE } from './predefined.js';
import type {
  ContainerNetworkRecord,
  ContainerNetworkRequest,
  EndpointRecord,
  EndpointRequest,
  NetworkRecord,
} from './types.js';

/** Throws NetworkError. */
export function planContainer(context: Context, request: ContainerNetworkRequest): ContainerNetworkRecord {
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
      if (context.options.defaultBridge === NO_BRIDGE && request.endpoints.every(({ network }) => network === 'bridge'))
        return { ...base, requestedPorts: [], netnsPath, endpoints: [] };
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

/** beside: the endpoints that the container has. */
export function planOne(
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

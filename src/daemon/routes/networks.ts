/** Networks: GET /networks, inspect, create, connect, disconnect, remove, prune. */
import { checkEndpoint, type EndpointRequest, type NetworkRecord } from '../../network/index.js';
import { readNetworkConnect, readNetworkCreate, readNetworkDisconnect } from '../api/read.js';
import type { EndpointConfig } from '../api/types.gen.js';
import type { Containers } from '../container/containers.js';
import type { ContainerRecord } from '../container/record.js';
import type { Filters } from '../filters.js';
import { badRequest, forbidden } from '../http/api-error.js';
import { type ApiRequest, empty, json, type Reply, type Route } from '../http/route.js';
import { createRequest, endpointRequest } from '../network/request.js';
import { type Connected, networkView } from '../network/view.js';

export interface NetworkDeps {
  readonly networks: {
    list(): readonly NetworkRecord[];
    find(text: string): NetworkRecord;
    endpointsOf(networkId: string): readonly Connected[];
    create(request: ReturnType<typeof createRequest>): Promise<NetworkRecord>;
    remove(text: string): Promise<NetworkRecord>;
    isConnected(record: ContainerRecord): boolean;
    connect(record: ContainerRecord, request: EndpointRequest, wishes: ContainerRecord['networks']): Promise<void>;
    disconnect(record: ContainerRecord, network: string, wishes: ContainerRecord['networks']): Promise<void>;
  };
  readonly containers: Pick<Containers, 'change' | 'find' | 'list'>;
}

const LIST_FILTERS = ['driver', 'id', 'label', 'name', 'scope', 'type', 'dangling'];
const PRUNE_FILTERS = ['until', 'label', 'label!'];

export function networkRoutes(deps: NetworkDeps): readonly Route[] {
  const { networks } = deps;
  return [
    { method: 'GET', path: '/networks', handle: async (request) => json(200, list(deps, request)) },
    { method: 'GET', path: '/networks/', handle: async (request) => json(200, list(deps, request)) },
    {
      method: 'GET',
      path: '/networks/{id}',
      handle: async (request) => {
        const network = networks.find(request.param('id'));
        return json(200, networkView(network, networks.endpointsOf(network.id)));
      },
    },
    { method: 'POST', path: '/networks/create', handle: (request) => create(deps, request) },
    { method: 'POST', path: '/networks/prune', handle: (request) => prune(deps, request) },
    { method: 'POST', path: '/networks/{id}/connect', handle: (request) => connect(deps, request) },
    { method: 'POST', path: '/networks/{id}/disconnect', handle: (request) => disconnect(deps, request) },
    {
      method: 'DELETE',
      path: '/networks/{id}',
      handle: async (request) => {
        await networks.remove(request.param('id'));
        return empty(204);
      },
    },
  ];
}

function list({ networks, containers }: NetworkDeps, request: ApiRequest): unknown[] {
  const filters = request.filters(LIST_FILTERS);
  const used = usedNames(containers);
  const dangling = filters.boolean('dangling');
  return networks
    .list()
    .filter((network) => matches(network, filters))
    .filter((network) => dangling === undefined || dangling === isDangling(network, networks, used))
    .map((network) => ({ ...networkView(network, undefined), Containers: {} }));
}

function matches(network: NetworkRecord, filters: Filters): boolean {
  const type = network.predefined ? 'builtin' : 'custom';
  return (
    filters.any('driver', (value) => value === network.driver) &&
    filters.any('id', (value) => network.id.startsWith(value)) &&
    filters.any('name', (value) => network.name.includes(value)) &&
    filters.any('scope', (value) => value === 'local') &&
    filters.any('type', (value) => value === type) &&
    filters.labels(network.labels)
  );
}

/** Containers that do not run still name the networks they will be in. */
function usedNames(containers: NetworkDeps['containers']): Set<string> {
  return new Set(
    containers.list().flatMap(({ networks, hostConfig }) => [...Object.keys(networks), hostConfig.NetworkMode ?? '']),
  );
}

function isDangling(network: NetworkRecord, networks: NetworkDeps['networks'], used: ReadonlySet<string>): boolean {
  const isUsed = used.has(network.name) || used.has(network.id) || networks.endpointsOf(network.id).length > 0;
  return !network.predefined && !isUsed;
}

async function create({ networks }: NetworkDeps, request: ApiRequest): Promise<Reply> {
  const body = await request.neededBody(readNetworkCreate);
  if (body.ConfigOnly === true || (body.ConfigFrom?.Network ?? '') !== '')
    throw badRequest(
      'networks of configuration alone (ConfigOnly, ConfigFrom) are for swarms, which this daemon has not',
    );
  if (body.Ingress === true) throw badRequest('Ingress: true is for swarms, which this daemon has not');
  if ((body.Scope ?? '') !== '' && body.Scope !== 'local')
    throw badRequest(`Scope: ${body.Scope}: only local networks are there without a swarm`);
  const { id } = await networks.create(createRequest(body));
  return json(201, { Id: id, Warning: '' });
}

async function prune({ networks, containers }: NetworkDeps, request: ApiRequest): Promise<Reply> {
  const filters = request.filters(PRUNE_FILTERS);
  const until = untilOf(filters);
  const used = usedNames(containers);
  const deleted: string[] = [];
  for (const network of networks.list()) {
    if (!isDangling(network, networks, used) || !filters.labels(network.labels)) continue;
    if (until !== undefined && Date.parse(network.created) >= until) continue;
    await networks.remove(network.id);
    deleted.push(network.name);
  }
  return json(200, { NetworksDeleted: deleted.length > 0 ? deleted : null });
}

/** "24h", "10m", seconds since 1970, or RFC 3339: milliseconds. Throws ApiError 400. */
function untilOf(filters: Filters): number | undefined {
  const [text] = filters.get('until');
  if (text === undefined) return undefined;
  const units: { readonly [unit: string]: number } = { h: 3_600_000, m: 60_000, s: 1000 };
  const [, number = '', unit] = /^(\d+)(h|m|s)?$/.exec(text) ?? [];
  const at =
    unit !== undefined
      ? Date.now() - Number(number) * (units[unit] ?? 0)
      : number
        ? Number(number) * 1000
        : Date.parse(text);
  if (Number.isNaN(at)) throw badRequest(`invalid filter 'until=${text}'`);
  return at;
}

async function connect(deps: NetworkDeps, request: ApiRequest): Promise<Reply> {
  const { networks, containers } = deps;
  const { Container = '', EndpointConfig = {} } = await request.neededBody(readNetworkConnect);
  const network = networks.find(request.param('id'));
  const record = named(containers, Container);
  const wanted = endpointRequest(network.id, EndpointConfig);
  const wishes = { ...wishesOf(record), [network.name]: EndpointConfig };
  if (networks.isConnected(record)) await networks.connect(record, wanted, wishes);
  else {
    checkEndpoint(wanted);
    refuseUnlessJoinable(record, network);
    await containers.change(record, { networks: wishes });
  }
  return empty(200);
}

function named(containers: NetworkDeps['containers'], text: string): ContainerRecord {
  if (text === '') throw badRequest('Container: must not be empty: it is the name or the id of a container');
  return containers.find(text);
}

/** Of one that does not run only the record changes; it is connected when it starts. */
function refuseUnlessJoinable({ name, hostConfig, networks }: ContainerRecord, network: NetworkRecord): void {
  const { NetworkMode = '' } = hostConfig;
  if (NetworkMode === 'host' || network.driver === 'host')
    throw badRequest('container cannot be disconnected from host network or connected to host network');
  if (NetworkMode === 'none' || network.driver === 'null')
    throw badRequest(
      'container cannot be connected to multiple networks with one of the networks in private (none) mode',
    );
  if (NetworkMode.startsWith('container:'))
    throw badRequest(
      'container sharing network namespace with another container or host cannot be connected to any other network',
    );
  if (networks[network.name] !== undefined)
    throw forbidden(`endpoint with name ${name} already exists in network ${network.name}`);
}

/** With the network that NetworkMode alone names. */
function wishesOf({ networks, hostConfig }: ContainerRecord): { readonly [name: string]: EndpointConfig } {
  if (Object.keys(networks).length > 0) return networks;
  const mode = hostConfig.NetworkMode || 'default';
  return { [mode === 'default' ? 'bridge' : mode]: {} };
}

async function disconnect(deps: NetworkDeps, request: ApiRequest): Promise<Reply> {
  const { networks, containers } = deps;
  const { Container = '' } = await request.neededBody(readNetworkDisconnect);
  const network = networks.find(request.param('id'));
  const record = named(containers, Container);
  const wishes = wishesOf(record);
  const { [network.name]: there, ...rest } = wishes;
  if (networks.isConnected(record)) await networks.disconnect(record, network.id, rest);
  else if (there === undefined) throw forbidden(`container ${record.name} is not connected to network ${network.name}`);
  else await containers.change(record, { networks: rest });
  return empty(200);
}

/** The records of all networks and containers, and what can be looked up in them. No effects. */
import { quote } from '../util/quote.js';
import { type Family, parsePrefix } from './address.js';
import { NetworkError } from './errors.js';
import type { TakenPrefix } from './ipam.js';
import type { ContainerNetworkRecord, EndpointRecord, NetworkRecord } from './types.js';

const ID = /^[0-9a-f]{1,64}$/;

export interface Attached {
  readonly container: ContainerNetworkRecord;
  readonly endpoint: EndpointRecord;
}

export class Book {
  readonly networks = new Map<string, NetworkRecord>();
  readonly containers = new Map<string, ContainerNetworkRecord>();

  /** By name, id or unique prefix of an id; `default` is the default bridge. Throws NETWORK_NOT_FOUND. */
  find(text: string): NetworkRecord {
    const wanted = text === 'default' ? 'bridge' : text;
    const all = [...this.networks.values()];
    const exact = all.find(({ name, id }) => name === wanted || id === wanted);
    if (exact) return exact;
    const byPrefix = ID.test(wanted) ? all.filter(({ id }) => id.startsWith(wanted)) : [];
    if (byPrefix.length > 1)
      throw new NetworkError(
        'NETWORK_INVALID',
        `network ${quote(wanted)} is ambiguous (${byPrefix.length} matches found on id prefix)`,
        { hint: 'give more digits of the id, or the name' },
      );
    const [found] = byPrefix;
    if (!found) throw new NetworkError('NETWORK_NOT_FOUND', `network ${wanted.slice(0, 256)} not found`);
    return found;
  }

  network(id: string): NetworkRecord {
    const found = this.networks.get(id);
    if (!found) throw new NetworkError('NETWORK_NOT_FOUND', `network ${id} not found`);
    return found;
  }

  endpointsOf(networkId: string): Attached[] {
    return this.attached().filter(({ endpoint }) => endpoint.networkId === networkId);
  }

  attached(): Attached[] {
    return [...this.containers.values()].flatMap((container) =>
      container.mode.kind === 'container' ? [] : container.endpoints.map((endpoint) => ({ container, endpoint })),
    );
  }

  usedAddresses(networkId: string, family: Family): Set<string> {
    const addresses = this.endpointsOf(networkId).map(({ endpoint }) => (family === 4 ? endpoint.ipv4 : endpoint.ipv6));
    return new Set(addresses.flatMap((address) => (address ? [address.address] : [])));
  }

  /** macvlan and ipvlan have the prefix of the link outside: several networks may say the same. */
  takenPrefixes(): TakenPrefix[] {
    return [...this.networks.values()].flatMap(({ name, ipam }) =>
      ipam.config.flatMap(({ subnet }) =>
        subnet ? [{ prefix: parsePrefix(subnet, 'subnet'), by: `network ${name}` }] : [],
      ),
    );
  }
}

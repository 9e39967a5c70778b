/** What names and addresses a container's resolver knows: those of the networks that the container is in. No effects. */
import type { Attached, Book } from '../book.js';
import { isNamed, parseLink } from '../context.js';
import { byPriority, hasDns } from '../plan-endpoint.js';
import type { ContainerNetworkRecord, EndpointRecord } from '../types.js';

export interface KnownAddresses {
  readonly ipv4: readonly string[];
  readonly ipv6: readonly string[];
}

/** Addresses of the first network that knows the name, so that one name never leads to two networks at once. */
export function lookUp(book: Book, containerId: string, name: string): KnownAddresses | undefined {
  const wanted = name.toLowerCase();
  const container = book.containers.get(containerId);
  for (const own of resolving(book, container)) {
    const linked = linkTarget(own, wanted);
    const bare = withoutNetwork(wanted, own.networkName.toLowerCase());
    const found = book
      .endpointsOf(own.networkId)
      .filter((other) => isCalled(other, wanted, bare, linked))
      .map(({ endpoint }) => endpoint);
    if (found.length > 0) return addressesOf(found);
  }
  return undefined;
}

/** "web.net1", the name of the container in the network that has the address. */
export function lookUpAddress(book: Book, containerId: string, address: string): string | undefined {
  const container = book.containers.get(containerId);
  for (const own of resolving(book, container)) {
    const has = ({ endpoint: { ipv4, ipv6 } }: Attached): boolean =>
      ipv4?.address === address || ipv6?.address === address;
    const found = book.endpointsOf(own.networkId).find(has);
    if (found) return `${found.container.name}.${own.networkName}`;
  }
  return undefined;
}

/** Of internal networks alone nothing is asked outside: not even a name would get out (CVE-2024-29018). */
export function mayAskOutside(book: Book, containerId: string): boolean {
  const endpoints = book.containers.get(containerId)?.endpoints ?? [];
  return endpoints.some(({ networkId }) => !book.network(networkId).internal);
}

function resolving(book: Book, container: ContainerNetworkRecord | undefined): EndpointRecord[] {
  const endpoints = container?.endpoints ?? [];
  return byPriority(endpoints.filter(({ networkId }) => hasDns(book.network(networkId))));
}

function linkTarget({ request }: EndpointRecord, name: string): string | undefined {
  return (request.links ?? []).map(parseLink).find(({ alias }) => alias.toLowerCase() === name)?.target;
}

function withoutNetwork(name: string, network: string): string | undefined {
  return name.endsWith(`.${network}`) ? name.slice(0, -network.length - 1) : undefined;
}

function isCalled(
  { container, endpoint }: Attached,
  name: string,
  bare: string | undefined,
  linked: string | undefined,
): boolean {
  if (linked !== undefined && isNamed(container, linked)) return true;
  return endpoint.dnsNames.some((own) => own.toLowerCase() === name || own.toLowerCase() === bare);
}

function addressesOf(endpoints: readonly EndpointRecord[]): KnownAddresses {
  return {
    ipv4: endpoints.flatMap(({ ipv4 }) => (ipv4 ? [ipv4.address] : [])),
    ipv6: endpoints.flatMap(({ ipv6 }) => (ipv6 ? [ipv6.address] : [])),
  };
}

/** HostConfig's texts for networks and ports as requests: NetworkMode, PortBindings, PublishAllPorts. Pure. */
import { isIP } from 'node:net';
import { quote } from '../util/quote.js';
import { NetworkError } from './errors.js';
import type { NetworkMode, PortRequest, Protocol } from './types.js';

const PROTOCOLS: readonly string[] = ['tcp', 'udp', 'sctp'];
const PORT_MAX = 65535;

/** `default`, `bridge` and names of networks are kind networks: the first endpoint's network is what the text names. */
export function networkMode(text: string): NetworkMode {
  if (text === 'host') return { kind: 'host' };
  if (text === 'none') return { kind: 'none' };
  if (!text.startsWith('container:')) return { kind: 'networks' };
  const containerId = text.slice('container:'.length);
  if (containerId === '')
    throw new NetworkError('NETWORK_INVALID', 'HostConfig.NetworkMode: container: names no container');
  return { kind: 'container', containerId };
}

export interface PortBinding {
  readonly HostIp?: string;
  readonly HostPort?: string;
}

/** exposed: "80/tcp", of the container's config; each one that has no binding is published if all is set. */
export function portRequests(
  bindings: { readonly [port: string]: readonly PortBinding[] | null },
  exposed: readonly string[] = [],
  all = false,
): PortRequest[] {
  const bound = Object.entries(bindings).flatMap(([port, rows]) =>
    (rows ?? []).map((row) => ({ ...containerPort(port), ...hostSide(port, row) })),
  );
  if (!all) return bound;
  const taken = new Set(bound.map((request) => `${request.containerPort}/${request.protocol}`));
  const rest = exposed.flatMap(exposedPorts).filter((port) => !taken.has(`${port.containerPort}/${port.protocol}`));
  return [...bound, ...rest];
}

/** EXPOSE may have said "8000-8010/tcp". */
function exposedPorts(text: string): ReturnType<typeof containerPort>[] {
  const [, first, last, rest = ''] = /^(\d+)-(\d+)(.*)$/.exec(text) ?? [];
  if (first === undefined) return [containerPort(text)];
  const count = Number(last) - Number(first) + 1;
  if (count < 1 || count > PORT_MAX) throw invalid(`invalid port specification: ${quote(text)}`);
  return Array.from({ length: count }, (_, index) => containerPort(`${Number(first) + index}${rest}`));
}

/** "80/tcp" or "80". Throws NETWORK_INVALID. */
export function containerPort(text: string): { readonly protocol: Protocol; readonly containerPort: number } {
  const [number = '', protocol = 'tcp', ...more] = text.toLowerCase().split('/');
  const port = portNumber(number);
  if (port === undefined || port === 0 || more.length > 0)
    throw invalid(
      `invalid port specification: ${quote(text)}`,
      `write it as 80/tcp, with a port from 1 to ${PORT_MAX}`,
    );
  if (!isProtocol(protocol))
    throw invalid(`invalid port specification: ${quote(text)}: unknown protocol`, `use one of ${PROTOCOLS.join(', ')}`);
  return { protocol, containerPort: port };
}

function isProtocol(text: string): text is Protocol {
  return PROTOCOLS.includes(text);
}

function hostSide(port: string, { HostIp = '', HostPort = '' }: PortBinding): Partial<PortRequest> {
  const hostIp = HostIp.replace(/^\[(.*)\]$/, '$1');
  if (hostIp !== '' && isIP(hostIp) === 0)
    throw invalid(`HostConfig.PortBindings: ${quote(port)}: invalid IP address: ${quote(HostIp)}`);
  const [first = '', last = first, ...more] = HostPort.split('-');
  const range = { first: portNumber(first), last: portNumber(last) };
  const address = hostIp === '' ? {} : { hostIp };
  if (HostPort === '' || HostPort === '0') return address;
  if (!range.first || !range.last || range.last < range.first || more.length > 0)
    throw invalid(
      `HostConfig.PortBindings: ${quote(port)}: invalid HostPort ${quote(HostPort)}`,
      `write one port from 1 to ${PORT_MAX}, or a range as 8000-8010`,
    );
  return { ...address, hostPorts: { first: range.first, last: range.last } };
}

function portNumber(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : PORT_MAX + 1;
  return port <= PORT_MAX ? port : undefined;
}

function invalid(message: string, hint?: string): NetworkError {
  return new NetworkError('NETWORK_INVALID', message, { hint });
}

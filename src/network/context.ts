/** What all parts of one daemon's networking share, and what is computed of it. */

import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import type { Book } from './book.js';
import {
  copiedResolvConf,
  type ExtraHost,
  embeddedResolvConf,
  hostResolvConf,
  hostsFile,
  parseExtraHosts,
  parseResolvConf,
  type ResolvConf,
} from './files.js';
import type { Firewall } from './firewall.js';
import type { Netlink } from './netlink/socket.js';
import { hasDns } from './plan-endpoint.js';
import type { Ports } from './ports.js';
import type { ContainerNetworkRecord, NetworkFiles, NetworkingOptions } from './types.js';

/** Opened and closed for containers that are in a network with DNS. */
export interface Resolvers {
  /** Nothing happens if it is there. Throws NETWORK_FAILED. */
  open(containerId: string, netns: string): Promise<void>;
  close(containerId: string): Promise<void>;
  closeAll(): Promise<void>;
}

export interface Context {
  readonly options: NetworkingOptions;
  readonly table: string;
  readonly book: Book;
  /** Ids of networks whose bridge is there: only these have rules. */
  readonly made: Set<string>;
  readonly netlink: Netlink;
  /** Unset where the daemon runs without rules. */
  readonly firewall: Firewall | undefined;
  readonly ports: Ports;
  readonly resolvers: Resolvers;
  readonly log: NonNullable<NetworkingOptions['log']>;
}

export function netnsPathOf({ options }: Context, containerId: string): string {
  return join(options.runDirectory, 'netns', containerId);
}

/** systemd-resolved keeps the servers it asks in the second file, and itself as 127.0.0.53 in the first. */
const RESOLV_CONF = '/etc/resolv.conf';
const RESOLVED_CONF = '/run/systemd/resolve/resolv.conf';

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

export function hostResolver({ options }: Pick<Context, 'options'>): ResolvConf {
  const host = parseResolvConf(readText(options.resolvConf ?? RESOLV_CONF));
  const isStub = host.nameservers.length > 0 && host.nameservers.every((address) => address === '127.0.0.53');
  if (!isStub || options.resolvConf !== undefined) return host;
  const behind = parseResolvConf(readText(RESOLVED_CONF));
  return behind.nameservers.length > 0 ? behind : host;
}

export function hasResolver({ book }: Context, { endpoints }: ContainerNetworkRecord): boolean {
  return endpoints.some(({ networkId }) => hasDns(book.network(networkId)));
}

/** The gateways of the default bridge, unless the daemon's configuration says otherwise. */
export function hostGateways({ options, book }: Context): readonly string[] {
  if (options.hostGatewayIps !== undefined && options.hostGatewayIps.length > 0) return options.hostGatewayIps;
  const bridge = [...book.networks.values()].find(({ predefined, driver }) => predefined && driver === 'bridge');
  return (bridge?.ipam.config ?? []).flatMap(({ gateway }) => (gateway === undefined ? [] : [gateway]));
}

/** The files of a container as its networks are now. Throws NETWORK_INVALID for extra hosts that are none. */
export function filesOf(context: Context, record: ContainerNetworkRecord): NetworkFiles {
  const { options, book } = context;
  const extra = [...parseExtraHosts(record.extraHosts, hostGateways(context)), ...linkedHosts(context, record)];
  const wishes = {
    dns: record.dns.length > 0 ? record.dns : (options.dns ?? []),
    dnsSearch: record.dnsSearch.length > 0 ? record.dnsSearch : (options.dnsSearch ?? []),
    dnsOptions: record.dnsOptions.length > 0 ? record.dnsOptions : (options.dnsOptions ?? []),
  };
  const hostname = `${record.hostname}\n`;
  if (record.mode.kind === 'container') {
    const other = book.containers.get(record.mode.containerId);
    if (other) return filesOf(context, other);
  }
  if (record.mode.kind === 'host') {
    const own = extra.map(({ name, address }) => `${address}\t${name}\n`).join('');
    const resolvConf = hostResolvConf(readText(options.resolvConf ?? RESOLV_CONF), wishes);
    return { hosts: `${readText('/etc/hosts')}${own}`, resolvConf, hostname };
  }
  const addresses = record.endpoints.flatMap(({ ipv4, ipv6 }) =>
    [ipv4, ipv6].flatMap((address) => (address ? [address.address] : [])),
  );
  const host = hostResolver(context);
  const hasIpv6 = record.endpoints.some(({ ipv6 }) => ipv6 !== undefined);
  return {
    hosts: hostsFile(record, addresses, extra),
    resolvConf: hasResolver(context, record)
      ? embeddedResolvConf(host, wishes)
      : copiedResolvConf(host, wishes, { hasIpv6, fallback: options.fallbackDns }),
    hostname,
  };
}

/** Links of the default bridge, where there is no DNS. */
function linkedHosts({ book }: Context, { endpoints }: ContainerNetworkRecord): ExtraHost[] {
  return endpoints
    .filter(({ networkId }) => !hasDns(book.network(networkId)))
    .flatMap(({ networkId, request }) =>
      (request.links ?? []).flatMap((link) => {
        const { target, alias } = parseLink(link);
        const linked = book.endpointsOf(networkId).find(({ container }) => isNamed(container, target));
        const address = linked?.endpoint.ipv4?.address;
        if (!linked || !address) return [];
        const { hostname, name } = linked.container;
        return [{ name: [...new Set([alias, hostname, name])].join(' '), address }];
      }),
    );
}

/** "db:database", "/db", "db", and what inspect shows: "/db:/web/database". */
export function parseLink(text: string): { readonly target: string; readonly alias: string } {
  const [target = '', alias = target] = text.split(':');
  return { target: target.replace(/^\//, ''), alias: posix.basename(alias) };
}

export function isNamed({ name, containerId }: ContainerNetworkRecord, text: string): boolean {
  return name === text || containerId === text || (text.length >= 12 && containerId.startsWith(text));
}

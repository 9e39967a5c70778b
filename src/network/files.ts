/** The contents of /etc/hosts, /etc/resolv.conf and /etc/hostname of a container. Pure. */
import { isIP } from 'node:net';
import { quote } from '../util/quote.js';
import { NetworkError } from './errors.js';

const HOSTS_HEAD = `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
`;
export const HOST_GATEWAY = 'host-gateway';
const HOST_NAME = /^[^\s:=#\0]{1,255}$/;

export interface ExtraHost {
  readonly name: string;
  readonly address: string;
}

/** `name:address` or `name=address`; host-gateway becomes one row for each address. Throws NETWORK_INVALID. */
export function parseExtraHosts(texts: readonly string[], hostGateways: readonly string[]): ExtraHost[] {
  return texts.flatMap((text) => {
    const [, name = '', rest = ''] = /^([^:=]*)[:=](.*)$/s.exec(text) ?? [];
    const address = rest.replace(/^\[(.*)\]$/, '$1');
    if (!HOST_NAME.test(name)) throw badHost(text);
    if (address === HOST_GATEWAY) {
      if (hostGateways.length === 0)
        throw new NetworkError('NETWORK_INVALID', 'unable to derive the IP value for host-gateway', {
          hint: 'there is no default bridge: set host-gateway-ips in the configuration of the daemon',
        });
      return hostGateways.map((gateway) => ({ name, address: gateway }));
    }
    if (isIP(address) === 0) throw badHost(text);
    return [{ name, address }];
  });
}

function badHost(text: string): NetworkError {
  return new NetworkError('NETWORK_INVALID', `HostConfig.ExtraHosts: bad format for add-host: ${quote(text)}`, {
    hint: 'write it as name:192.0.2.1, name:[2001:db8::1] or name:host-gateway',
  });
}

export function hostsFile(
  host: { readonly hostname: string; readonly domainname: string },
  addresses: readonly string[],
  extra: readonly ExtraHost[],
): string {
  const { hostname, domainname } = host;
  const dot = hostname.indexOf('.');
  const short = dot > 0 ? `${hostname} ${hostname.slice(0, dot)}` : hostname;
  const names = domainname === '' ? short : `${hostname}.${domainname} ${hostname}`;
  const own = addresses.map((address) => `${address}\t${names}\n`);
  return `${HOSTS_HEAD}${extra.map(({ name, address }) => `${address}\t${name}\n`).join('')}${own.join('')}`;
}

export interface ResolvConf {
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

/** resolv.conf(5): the last `search` or `domain` counts; what is no address is left out. */
export function parseResolvConf(text: string): ResolvConf {
  const nameservers: string[] = [];
  let search: string[] = [];
  let options: string[] = [];
  for (const line of text.split('\n')) {
    const [keyword, ...words] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    const [first] = words;
    if (keyword === 'nameserver' && first !== undefined && isIP(first.replace(/%.*$/, '')) !== 0)
      nameservers.push(first);
    if (keyword === 'search' || keyword === 'domain') search = words;
    if (keyword === 'options') options = [...options, ...words];
  }
  return { nameservers, search, options };
}

function writeResolvConf({ nameservers, search, options }: ResolvConf, comment: string): string {
  const rows = [
    comment,
    ...nameservers.map((address) => `nameserver ${address}`),
    ...(search.length > 0 ? [`search ${search.join(' ')}`] : []),
    ...(options.length > 0 ? [`options ${options.join(' ')}`] : []),
  ];
  return rows.map((row) => `${row}\n`).join('');
}

export const RESOLVER = '127.0.0.11';
/** Where the host has none that a container could reach; dockerd's choice. */
const PUBLIC_SERVERS = { 4: ['8.8.8.8', '8.8.4.4'], 6: ['2001:4860:4860::8888', '2001:4860:4860::8844'] } as const;

/** dns, dnsSearch and dnsOptions of the container or the daemon: each that is not empty replaces the host's. */
export interface ResolverWishes {
  readonly dns: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly dnsOptions: readonly string[];
}

function merge(host: ResolvConf, { dns, dnsSearch, dnsOptions }: ResolverWishes): ResolvConf {
  const search = dnsSearch.length > 0 ? dnsSearch.filter((domain) => domain !== '.') : host.search;
  return {
    nameservers: dns.length > 0 ? dns : host.nameservers,
    search,
    options: dnsOptions.length > 0 ? dnsOptions : host.options,
  };
}

/** For containers that have the embedded resolver. */
export function embeddedResolvConf(host: ResolvConf, wishes: ResolverWishes): string {
  const merged = merge(host, wishes);
  const options = merged.options.some((option) => option.startsWith('ndots:')) ? [] : ['ndots:0'];
  const all = { ...merged, nameservers: [RESOLVER], options: [...merged.options, ...options] };
  return writeResolvConf(all, '# made by tsrun: names of containers, and what else the servers of the host know');
}

export interface Reach {
  readonly hasIpv6: boolean;
  /** Servers where the host has none that a container could reach; undefined: public ones. */
  readonly fallback?: readonly string[] | undefined;
}

/** For the default bridge: the host's servers as far as a container can reach them. */
export function copiedResolvConf(host: ResolvConf, wishes: ResolverWishes, { hasIpv6, fallback }: Reach): string {
  const merged = merge(host, wishes);
  const given = wishes.dns.length > 0;
  const usable = merged.nameservers.filter(
    (address) => given || (!isLoopback(address) && (hasIpv6 || isIP(address) === 4)),
  );
  const others = fallback ?? [...PUBLIC_SERVERS[4], ...(hasIpv6 ? PUBLIC_SERVERS[6] : [])];
  const servers = usable.length > 0 ? usable : others;
  return writeResolvConf({ ...merged, nameservers: servers }, '# made by tsrun from the file of the host');
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

/** Where DNS of the embedded resolver goes: servers of loopback too, since the daemon asks them. */
export function upstreamServers(host: ResolvConf, { dns }: ResolverWishes): readonly string[] {
  return dns.length > 0 ? dns : host.nameservers;
}

/** For network host, where only what was asked for differs from the host's own file. */
export function hostResolvConf(text: string, wishes: ResolverWishes): string {
  const asked = wishes.dns.length + wishes.dnsSearch.length + wishes.dnsOptions.length > 0;
  return asked
    ? writeResolvConf(merge(parseResolvConf(text), wishes), '# made by tsrun from the file of the host')
    : text;
}

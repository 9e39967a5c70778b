/**
 * Proxies as curl and Go take them from HTTP_PROXY, HTTPS_PROXY and NO_PROXY: a request for http:// names the whole URL
 * to the proxy, one for https:// goes through a tunnel (CONNECT, RFC 9110 9.3.6), so that the proxy sees nothing of it.
 */
import { type ClientRequest, request as httpRequest } from 'node:http';
import { Agent, type AgentOptions, request as httpsRequest, type RequestOptions } from 'node:https';
import { isIP, isIPv6 } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as tlsConnect } from 'node:tls';
import { isLoopback } from './loopback.js';

export interface Proxies {
  readonly http: string | undefined;
  readonly https: string | undefined;
  /** As NO_PROXY: hosts, ".domain", addresses, networks, "*", with commas. */
  readonly except: string | undefined;
}

export const NO_PROXIES: Proxies = { http: undefined, https: undefined, except: undefined };

/** Upper case wins where both are set, but HTTP_PROXY is Go's and curl reads http_proxy only. */
export function readProxies(environment: { readonly [name: string]: string | undefined }): Proxies {
  const of = (name: string) => environment[name.toUpperCase()] || environment[name] || undefined;
  return { http: of('http_proxy'), https: of('https_proxy'), except: of('no_proxy') };
}

/** Loopback is never asked of a proxy, which would be another machine's. Throws TypeError for what is no URL. */
export function proxyFor(url: URL, proxies: Proxies): URL | undefined {
  const given = url.protocol === 'https:' ? proxies.https : proxies.http;
  if (given === undefined || isLoopback(url.hostname) || isExcepted(url, proxies.except ?? '')) return undefined;
  return new URL(given.includes('://') ? given : `http://${given}`);
}

function isExcepted({ hostname, port, protocol }: URL, except: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const actual = port || (protocol === 'https:' ? '443' : '80');
  return except
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => {
      if (entry === '*') return true;
      const [name = '', wantedPort] = isIP(entry) === 6 ? [entry] : entry.split(/:(?=\d+$)/);
      if (name === '' || (wantedPort !== undefined && wantedPort !== actual)) return false;
      if (name.includes('/')) return inNetwork(host, name);
      const domain = name.replace(/^\*?\./, '');
      return host === domain || (isIP(host) === 0 && host.endsWith(`.${domain}`));
    });
}

/** IPv4 only: networks of IPv6 in NO_PROXY are rare, and a host of one is named as it is. */
function inNetwork(host: string, network: string): boolean {
  const [base = '', bits = ''] = network.split('/');
  if (isIP(host) !== 4 || isIP(base) !== 4 || !/^\d+$/.test(bits) || Number(bits) > 32) return false;
  const shift = 2 ** (32 - Number(bits));
  return Math.floor(numberOf(host) / shift) === Math.floor(numberOf(base) / shift);
}

const numberOf = (address: string): number => address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);

type Connected = (error: Error | null, socket: Duplex) => void;

/** TLS connections through a tunnel of one proxy. */
export class TunnelAgent extends Agent {
  constructor(
    private readonly proxy: URL,
    private readonly stallMs: number,
    options: AgentOptions,
  ) {
    super(options);
  }

  /** Returns nothing: the callback brings the connection later, as Agent.prototype.createSocket allows. */
  override createConnection(options: RequestOptions, callback?: Connected): undefined {
    const fail = (error: Error) => callback?.(error, undefined as unknown as Duplex);
    const host = options.host ?? '';
    const tunnel = requestToProxy(this.proxy, {
      method: 'CONNECT',
      path: `${isIPv6(host) ? `[${host}]` : host}:${options.port}`,
    });
    tunnel.setTimeout(this.stallMs, () => tunnel.destroy(new Error(`the proxy ${this.proxy.host} does not answer`)));
    tunnel.on('error', fail);
    tunnel.on('connect', ({ statusCode }, socket) => {
      socket.setTimeout(0);
      if (statusCode === 200)
        callback?.(null, tlsConnect({ ...options, host, port: Number(options.port), path: undefined, socket }));
      else {
        socket.destroy();
        fail(new Error(`the proxy ${this.proxy.host} refuses the tunnel: ${statusCode}`));
      }
    });
    tunnel.end();
  }
}

/** A request that the proxy itself reads: CONNECT, or one whose path is a whole URL. */
export function requestToProxy(proxy: URL, options: RequestOptions): ClientRequest {
  const { hostname, port, protocol } = proxy;
  const secure = protocol === 'https:';
  return (secure ? httpsRequest : httpRequest)({
    ...options,
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port || (secure ? 443 : 80),
    headers: { ...options.headers, ...proxyAuthorization(proxy) },
  });
}

function proxyAuthorization({ username, password }: URL): { readonly [name: string]: string } {
  if (username === '') return {};
  const secret = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64');
  return { 'proxy-authorization': `Basic ${secret}` };
}

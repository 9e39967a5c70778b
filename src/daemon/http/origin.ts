/**
 * Requests that a browser was made to send. A page of a stranger can have one sent to any address that its user reaches
 * (CSRF, DNS rebinding), so what only a browser says is refused, and over TCP a name that is not ours: CVE-2025-9074 and
 * the campaigns against open ports.
 *
 * Pure.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { quote } from '../../util/quote.js';
import { badRequest, forbidden } from './api-error.js';

/** RFC 9112, 3.2: one Host, that whoever stands before us has looked at too. Throws ApiError 400. */
export function checkHost(hosts: readonly string[], httpVersion: string): void {
  if (hosts.length === 0 && httpVersion === '1.0') return;
  if (hosts.length !== 1) throw badRequest(`a request has one header Host (this one has ${hosts.length})`);
}

/** names: under which a client may know this listener; undefined: of a Unix socket, where clients write anything. */
export function checkOrigin(headers: IncomingHttpHeaders, names: ((host: string) => boolean) | undefined): void {
  const { origin, host } = headers;
  const fromLibrary = names === undefined && isLocalWebSocket(headers);
  if ((origin !== undefined && !fromLibrary) || headers['sec-fetch-site'] !== undefined)
    throw forbidden(`a request of a web page is refused (Origin: ${quote(origin ?? '', 128)})`);
  if (names === undefined) return;
  const name = hostName(host ?? '');
  if (isIP(name) === 0 && name !== 'localhost' && !names(name))
    throw forbidden(`Host ${quote(host ?? '', 128)} is not a name of this daemon: its certificate has it not`);
}

const hostName = (host: string): string => host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');

/**
 * Libraries for web sockets always send an Origin, made of the address they were given. On a Unix socket, which no page
 * reaches but through a proxy that somebody else has put there, that of the same host is let pass: a page's would be its own.
 */
function isLocalWebSocket({ upgrade, origin = '', host = '' }: IncomingHttpHeaders): boolean {
  if (upgrade?.toLowerCase() !== 'websocket' || !URL.canParse(origin)) return false;
  const own = new URL(origin);
  return own.hostname === 'localhost' && (host === '' || host === own.host);
}

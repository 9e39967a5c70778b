/**
 * WWW-Authenticate (RFC 9110 11.6.1) and where credentials may go for it. A registry names the server that makes its
 * tokens; one that was taken over would name the attacker's (CVE-2020-15157), so credentials go only to https, and only
 * to a host that belongs to the registry's.
 *
 * Pure.
 */
import { isAddress, isLinkLocal, isLoopback } from './loopback.js';

export interface Challenge {
  /** Lower case: "basic", "bearer". */
  readonly scheme: string;
  readonly parameters: { readonly [name: string]: string };
}

const MAX_HEADER = 16 * 1024;
const SCHEME = /\s*([A-Za-z][\w-]*)(?=\s|,|$)/y;
const PARAMETER = /\s*,?\s*([A-Za-z][\w-]*)\s*=\s*(?:"((?:\\.|[^"\\])*)"|([^\s,"]*))/y;

export function parseChallenges(header: string): Challenge[] {
  const text = header.slice(0, MAX_HEADER);
  const found: Challenge[] = [];
  let at = 0;
  for (;;) {
    SCHEME.lastIndex = text.startsWith(',', at) ? at + 1 : at;
    const scheme = SCHEME.exec(text);
    if (scheme === null) return found;
    const parameters: Record<string, string> = Object.create(null);
    at = SCHEME.lastIndex;
    for (;;) {
      PARAMETER.lastIndex = at;
      const parameter = PARAMETER.exec(text);
      if (parameter === null) break;
      const [, name = '', quoted, plain] = parameter;
      parameters[name.toLowerCase()] = quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '';
      at = PARAMETER.lastIndex;
    }
    found.push({ scheme: scheme[1]?.toLowerCase() ?? '', parameters });
  }
}

/** Docker Hub's tokens are made at auth.docker.io for registry-1.docker.io: the same registrable domain. */
function registrableDomain(host: string): string {
  const labels = host.toLowerCase().split('.');
  // "co.uk" and "com.au" are nobody's: without the public suffix list, a short name below a country counts as such.
  const [second = '', top = ''] = labels.slice(-2);
  return labels.slice(top.length === 2 && second.length <= 3 ? -3 : -2).join('.');
}

/** Why no request may go to the realm; undefined when one may. withCredentials: they would go along. */
export function refuseRealm(realm: URL, registry: URL, withCredentials: boolean): string | undefined {
  const sameHost = realm.hostname === registry.hostname;
  const bothLocal = isLoopback(realm.hostname) && isLoopback(registry.hostname);
  if (
    realm.protocol !== 'https:' &&
    !(realm.protocol === 'http:' && registry.protocol === 'http:' && (sameHost || bothLocal))
  )
    return 'it is not https';
  if (realm.username !== '' || realm.password !== '') return 'it has credentials of its own';
  if (sameHost || bothLocal) return undefined;
  if (isLinkLocal(realm.hostname) || isLoopback(realm.hostname)) return 'it is an address of this machine or its link';
  if (!withCredentials) return undefined;
  if (isAddress(realm.hostname)) return 'it is an address, not a name';
  const same = registrableDomain(realm.hostname) === registrableDomain(registry.hostname);
  return same && !isAddress(registry.hostname) ? undefined : 'it is on a host that has nothing to do with the registry';
}

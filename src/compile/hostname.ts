/**
 * hostname and domainname, in the container's own UTS namespace (spec/ refuses them without one).
 *
 * OCI runtime-spec, config "Hostname", "Domainname"; uts_namespaces(7). Pure.
 */
import type { Op } from '../plan/op.gen.js';
import { pointer } from '../util/pointer.js';
import type { Context } from './context.js';

export function compileHostname({ spec: { hostname = '', domainname = '' } }: Context): Op[] {
  const host: Op[] = hostname === '' ? [] : [{ op: 'HOSTNAME', name: hostname, origin: pointer('hostname') }];
  const domain: Op[] = domainname === '' ? [] : [{ op: 'DOMAINNAME', name: domainname, origin: pointer('domainname') }];
  return [...host, ...domain];
}

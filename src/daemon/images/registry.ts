/**
 * How the daemon reaches registries: with what the client sent of credentials and nothing of its own, mirrors before
 * docker.io, and those registries that the configuration calls insecure without TLS or with any certificate.
 */
import { BlockList, isIP } from 'node:net';
import { type AccessOptions, openRegistry } from '../../image/registry-access.js';
import type { Credentials } from '../../registry/auth.js';
import type { RegistryClient } from '../../registry/client.js';
import { DEFAULT_REGISTRY } from '../../registry/reference.js';
import { VERSION } from '../../util/version.js';
import type { DaemonConfig } from '../config/config.js';
import type { Log } from '../log.js';

export interface RegistryDeps {
  readonly config: Pick<DaemonConfig, 'insecureRegistries' | 'registryMirrors' | 'layersAtOnce'>;
  readonly environment: { readonly [name: string]: string | undefined };
  readonly log: Log;
}

/** Resources: close() them. The mirrors first; they never see the credentials. */
export function openRegistries(
  deps: RegistryDeps,
  registry: string,
  credentials: Credentials | undefined,
): RegistryClient[] {
  const mirrors = registry === DEFAULT_REGISTRY ? deps.config.registryMirrors : [];
  return [
    ...mirrors.map((url) => openRegistry(registry, accessTo(deps, url.host), url)),
    openOne(deps, registry, credentials),
  ];
}

export function openOne(deps: RegistryDeps, registry: string, credentials: Credentials | undefined): RegistryClient {
  return openRegistry(registry, accessTo(deps, registry), undefined, credentials);
}

export function accessTo({ config, environment, log }: RegistryDeps, host: string): AccessOptions {
  // Without HOME there is no config.json of root's: its credentials are not for whoever may use the socket.
  const { HOME: _, DOCKER_CONFIG: __, REGISTRY_AUTH_FILE: ___, ...rest } = environment;
  return {
    environment: rest,
    plainHttp: false,
    insecure: isInsecure(config.insecureRegistries, host),
    certsDirectories: [],
    userAgent: `tsrun/${VERSION}`,
    debug: (message) => log.debug(message),
  };
}

/** named: hosts with a port or without, and networks. */
export function isInsecure(named: readonly string[], host: string): boolean {
  const name = host.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  return named.some((one) => (one.includes('/') ? isWithin(one, name) : one === host || one === name));
}

function isWithin(network: string, address: string): boolean {
  const [base = '', bits = ''] = network.split('/');
  const family = isIP(base) === 6 ? 'ipv6' : 'ipv4';
  if (isIP(base) === 0 || isIP(address) !== isIP(base)) return false;
  const list = new BlockList();
  list.addSubnet(base, Number(bits), family);
  return list.check(address, family);
}

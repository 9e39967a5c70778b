/**
 * Links of the default bridge, where there is no DNS: a line in /etc/hosts, which is the affair of the module network, and
 * variables that say where the linked container is and what it was told itself: docs.docker.com, "Legacy container links".
 *
 * Pure.
 */
import { parseLink } from '../../network/index.js';
import type { ContainerConfig, HostConfig } from '../api/types.gen.js';
import { ApiError, badRequest, conflict } from '../http/api-error.js';

export interface Linkable {
  readonly name: string;
  readonly config: ContainerConfig;
  readonly state: { readonly status: string };
  readonly endpoints: { readonly [network: string]: { readonly IPAddress?: string } };
}

const BRIDGE = 'bridge';
/** Of the linked container they say nothing. */
const OWN = new Set(['HOME', 'PATH']);

/** In networks of users a name is looked up when somebody asks for it. */
const linksOf = ({ NetworkMode = '', Links = [] }: HostConfig) =>
  ['', 'default', BRIDGE].includes(NetworkMode) ? Links.map(parseLink) : [];

/** At create. 400, because of 404 the client would pull the image. Throws ApiError. */
export function checkLinks(
  host: HostConfig,
  find: (name: string) => { readonly record: { readonly hostConfig: HostConfig } },
): void {
  for (const { target } of linksOf(host)) if (targetOf(target, find).NetworkMode === 'host') throw linkToHost();
}

const linkToHost = () =>
  badRequest(
    "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
  );

function targetOf(target: string, find: Parameters<typeof checkLinks>[1]): HostConfig {
  try {
    return find(target).record.hostConfig;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    throw badRequest(`could not get container for ${target}: ${error.message}`, error);
  }
}

/** At start: NAME=value. Throws ApiError 404, 409. */
export function linkEnvironment(
  { name, hostConfig }: { readonly name: string; readonly hostConfig: HostConfig },
  find: (name: string) => Linkable,
): string[] {
  return linksOf(hostConfig).flatMap(({ target, alias }) => {
    const linked = find(target);
    const address = linked.endpoints[BRIDGE]?.IPAddress ?? '';
    if (linked.state.status !== 'running' || address === '')
      throw conflict(`Cannot link to a non running container: /${linked.name} AS /${name}/${alias}`);
    const prefix = alias.toUpperCase().replaceAll('-', '_');
    return [
      ...portVariables(prefix, address, linked.config),
      `${prefix}_NAME=/${name}/${alias}`,
      ...told(prefix, linked),
    ];
  });
}

function portVariables(prefix: string, address: string, { ExposedPorts = {} }: ContainerConfig): string[] {
  const ports = Object.keys(ExposedPorts)
    .map((text) => text.split('/'))
    .map(([port = '', protocol = 'tcp']) => ({ port, protocol, url: `${protocol}://${address}:${port}` }))
    .sort((a, b) => Number(a.port) - Number(b.port) || (a.protocol === 'tcp' ? -1 : 1));
  const [first] = ports;
  const each = ports.flatMap(({ port, protocol, url }) => {
    const name = `${prefix}_PORT_${port}_${protocol.toUpperCase()}`;
    return [`${name}=${url}`, `${name}_ADDR=${address}`, `${name}_PORT=${port}`, `${name}_PROTO=${protocol}`];
  });
  return first === undefined ? [] : [`${prefix}_PORT=${first.url}`, ...each];
}

function told(prefix: string, { config }: Linkable): string[] {
  const known = (config.Env ?? []).filter((entry) => entry.includes('=') && !OWN.has(entry.split('=', 1)[0] ?? ''));
  return known.map((entry) => `${prefix}_ENV_${entry}`);
}

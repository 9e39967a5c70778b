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

/** Those of the default bridge: in networks of users a name is looked up when somebody asks for it. */
export const linksOf = ({ NetworkMode = '', Links }: HostConfig) =>
  ['', 'default', BRIDGE].includes(NetworkMode) ? (Links ?? []).map(parseLink) : [];

type Found = { readonly record: { readonly name: string; readonly hostConfig: HostConfig } };

/** At create: with the names of those that are linked. 400, because of 404 the client would pull the image. Throws ApiError. */
export function resolveLinks(host: HostConfig, find: (name: string) => Found): HostConfig {
  const links = linksOf(host).map(({ target, alias }) => {
    const { name, hostConfig } = targetOf(target, find);
    if (hostConfig.NetworkMode === 'host') throw linkToHost();
    return `${name}:${alias}`;
  });
  return links.length === 0 ? host : { ...host, Links: links };
}

/** When another container is called otherwise. */
export function renamedLinks(host: HostConfig, from: string, to: string): HostConfig {
  const links = linksOf(host);
  if (links.every(({ target }) => target !== from)) return host;
  return { ...host, Links: links.map(({ target, alias }) => `${target === from ? to : target}:${alias}`) };
}

/** Without the one of this alias; undefined: there is none. */
export function withoutLink(host: HostConfig, alias: string): HostConfig | undefined {
  const links = linksOf(host);
  const left = links.filter((link) => link.alias !== alias);
  if (left.length === links.length) return undefined;
  return { ...host, Links: left.map((link) => `${link.target}:${link.alias}`) };
}

const linkToHost = () =>
  badRequest(
    "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
  );

function targetOf(target: string, find: (name: string) => Found): Found['record'] {
  try {
    return find(target).record;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    throw badRequest(`could not get container for ${target}: ${error.message}`, error);
  }
}

/** At start: NAME=value. Throws ApiError 409. */
export function linkEnvironment(
  { name, hostConfig }: { readonly name: string; readonly hostConfig: HostConfig },
  find: (name: string) => Linkable,
): string[] {
  return linksOf(hostConfig).flatMap(({ target, alias }) => {
    const linked = orNone(target, find);
    const address = linked?.endpoints[BRIDGE]?.IPAddress ?? '';
    if (linked?.state.status !== 'running' || address === '')
      throw conflict(`Cannot link to a non running container: /${target} AS /${name}/${alias}`);
    const prefix = alias.toUpperCase().replaceAll('-', '_');
    return [
      ...portVariables(prefix, address, linked.config),
      `${prefix}_NAME=/${name}/${alias}`,
      ...told(prefix, linked),
    ];
  });
}

function orNone(target: string, find: (name: string) => Linkable): Linkable | undefined {
  try {
    return find(target);
  } catch (error) {
    if (error instanceof ApiError) return undefined;
    throw error;
  }
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

/**
 * A container's Config is what the client says over what the image says: image-spec config.md, and dockerd's rules for
 * what takes the place of what.
 *
 * Pure.
 */
import { posix } from 'node:path';
import type { ImageConfig, ProcessConfig } from '../../../image/config.js';
import type { ContainerConfig, HealthConfig } from '../../api/types.gen.js';
import { refuse } from './refuse.js';

type Set = { readonly [name: string]: { readonly [name: string]: unknown } };

const setOf = (names: readonly string[]): Set => Object.fromEntries(names.map((name) => [name, {}]));

/** asked: already checked by itself. Throws TsrunError REQUEST_INVALID when there is nothing to run. */
export function mergeImage(asked: ContainerConfig, { config: image }: ImageConfig): ContainerConfig {
  const healthcheck = mergeHealth(asked.Healthcheck, image.healthcheck as HealthConfig | undefined);
  const { Volumes, ExposedPorts, ...others } = asked;
  const volumes = { ...setOf(image.volumes), ...Volumes };
  const ports = { ...setOf(image.exposedPorts.map(withProtocol)), ...ExposedPorts };
  const merged: ContainerConfig = {
    ...others,
    ...argsOf(asked, image),
    User: asked.User || image.user,
    Env: mergeEnv(asked.Env ?? [], image.env),
    WorkingDir: cleaned(asked.WorkingDir || image.workingDir),
    Labels: { ...image.labels, ...asked.Labels },
    ...(Object.keys(volumes).length === 0 ? {} : { Volumes: volumes }),
    ...(Object.keys(ports).length === 0 ? {} : { ExposedPorts: ports }),
    ...(healthcheck === undefined ? {} : { Healthcheck: healthcheck }),
    ...optional('StopSignal', asked.StopSignal || image.stopSignal),
    ...(image.onBuild.length > 0 && asked.OnBuild === undefined ? { OnBuild: image.onBuild } : {}),
    ...(image.shell.length > 0 && asked.Shell === undefined ? { Shell: image.shell } : {}),
  };
  if ((merged.Entrypoint?.length ?? 0) + (merged.Cmd?.length ?? 0) === 0) throw refuse('no command specified');
  return merged;
}

/** Without "..", doubled slashes and one at the end. */
const cleaned = (path: string): string => (path === '' ? '' : posix.normalize(path).replace(/(?<=.)\/$/, ''));

const optional = (name: 'StopSignal', value: string) => (value === '' ? {} : { [name]: value });

/** In an image "80" is tcp. */
export const withProtocol = (port: string): string => (port.includes('/') ? port.toLowerCase() : `${port}/tcp`);

/** A new entrypoint takes the image's command away; an empty text as the entrypoint takes the image's away. */
function argsOf(asked: ContainerConfig, image: ProcessConfig): Pick<ContainerConfig, 'Entrypoint' | 'Cmd'> {
  const entrypoint = asked.Entrypoint ?? [];
  const cleared = entrypoint.length === 1 && entrypoint[0] === '';
  const own = cleared || entrypoint.length > 0 || asked.Entrypoint !== undefined;
  const chosen = cleared ? [] : own ? entrypoint : image.entrypoint;
  const command = (asked.Cmd?.length ?? 0) > 0 ? asked.Cmd : entrypoint.length > 0 ? [] : image.cmd;
  return {
    ...(command === undefined || command.length === 0 ? { Cmd: [] } : { Cmd: command }),
    ...(chosen.length === 0 && !own ? {} : { Entrypoint: chosen }),
  };
}

const nameOf = (entry: string): string => entry.split('=', 1)[0] ?? '';

/** The client's first, then those of the image that it does not name; NAME alone names one without a value. */
function mergeEnv(asked: readonly string[], image: readonly string[]): readonly string[] {
  const named = new Set(asked.map(nameOf));
  return [...asked, ...image.filter((entry) => !named.has(nameOf(entry)))];
}

/** Each field that the client leaves at zero is the image's. */
function mergeHealth(asked: HealthConfig | undefined, image: HealthConfig | undefined): HealthConfig | undefined {
  if (asked === undefined || image === undefined) return asked ?? image;
  const test = (asked.Test?.length ?? 0) > 0 ? asked.Test : image.Test;
  const number = (name: 'Interval' | 'Timeout' | 'StartPeriod' | 'StartInterval' | 'Retries') => {
    const value = asked[name] || image[name];
    return value === undefined ? {} : { [name]: value };
  };
  return {
    ...(test === undefined ? {} : { Test: test }),
    ...number('Interval'),
    ...number('Timeout'),
    ...number('StartPeriod'),
    ...number('StartInterval'),
    ...number('Retries'),
  };
}

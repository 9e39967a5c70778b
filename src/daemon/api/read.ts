/**
 * Bodies of requests to values the daemon may trust: the only way from a client's JSON to the types of types.gen.ts. What
 * is refused is named by field, value and reason; fields that the API does not have are let pass, as dockerd does.
 *
 * Pure. Takes the body over.
 */
import { TsrunError } from '../../errors.js';
import { plain } from '../../util/quote.js';
import { show } from '../../util/show.js';
import { normalise } from './normalise.js';
import type {
  AuthConfig,
  ContainerConfig,
  ContainerCreate,
  ContainerUpdate,
  ExecCreate,
  ExecStart,
  NetworkConnect,
  NetworkCreate,
  NetworkDisconnect,
  VolumeCreate,
} from './types.gen.js';
import {
  type SchemaProblem,
  type SchemaValidator,
  validateAuthConfig,
  validateContainerConfig,
  validateContainerCreate,
  validateContainerUpdate,
  validateExecCreate,
  validateExecStart,
  validateNetworkConnect,
  validateNetworkCreate,
  validateNetworkDisconnect,
  validateVolumeCreate,
} from './validators.gen.js';

/** body: of JSON.parse. Throws TsrunError REQUEST_INVALID. */
export type BodyReader<T> = (body: unknown) => T;

/** More than these are not all told. */
const MOST_PROBLEMS = 8;
/** What the API has is less than ten deep; what reads a value calls itself for each level. */
const MOST_LEVELS = 128;

function reader<T>(shape: string, validate: SchemaValidator): BodyReader<T> {
  return (body) => {
    if (!isShallow(body)) throw requestInvalid([`the body: is nested deeper than ${MOST_LEVELS} levels`]);
    const value = normalise(body, shape);
    const problems = validate(value) ? nulBytes(value) : (validate.errors ?? []).map((one) => phrase(one, value));
    if (problems.length === 0) return value as T;
    throw requestInvalid(problems);
  };
}

export const readContainerCreate: BodyReader<ContainerCreate> = reader('ContainerCreate', validateContainerCreate);
export const readContainerUpdate: BodyReader<ContainerUpdate> = reader('ContainerUpdate', validateContainerUpdate);
const containerConfig = reader<ContainerConfig>('ContainerConfig', validateContainerConfig);
/** Body of POST /commit, which clients before 23 send as null. */
export const readContainerConfig: BodyReader<ContainerConfig> = (body) => containerConfig(body ?? {});
export const readExecCreate: BodyReader<ExecCreate> = reader('ExecCreate', validateExecCreate);
export const readExecStart: BodyReader<ExecStart> = reader('ExecStart', validateExecStart);
export const readNetworkCreate: BodyReader<NetworkCreate> = reader('NetworkCreate', validateNetworkCreate);
export const readNetworkConnect: BodyReader<NetworkConnect> = reader('NetworkConnect', validateNetworkConnect);
export const readNetworkDisconnect: BodyReader<NetworkDisconnect> = reader(
  'NetworkDisconnect',
  validateNetworkDisconnect,
);
export const readVolumeCreate: BodyReader<VolumeCreate> = reader('VolumeCreate', validateVolumeCreate);
export const readAuthConfig: BodyReader<AuthConfig> = reader('AuthConfig', validateAuthConfig);

/** Level by level, not by recursion: the stack is what a deep value is after. */
function isShallow(body: unknown): boolean {
  let level: unknown[] = [body];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MOST_LEVELS) return false;
    level = level.flatMap((value) => (typeof value === 'object' && value !== null ? Object.values(value) : []));
  }
  return true;
}

/** A 400 with all that is wrong. */
export function requestInvalid(problems: readonly string[]): TsrunError {
  const more = problems.length - MOST_PROBLEMS;
  const told = [...problems.slice(0, MOST_PROBLEMS), ...(more > 0 ? [`and ${more} more`] : [])];
  return new TsrunError('REQUEST_INVALID', told.join('; '));
}

const TYPES: { readonly [type: string]: string } = {
  object: 'an object',
  array: 'a list',
  string: 'a text',
  boolean: 'true or false',
};

function phrase({ instancePath, keyword, params }: SchemaProblem, root: unknown): string {
  const keys = instancePath
    .split('/')
    .slice(1)
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
  const value = keys.reduce<unknown>((at, key) => (at as { readonly [key: string]: unknown } | undefined)?.[key], root);
  return problem(keys.map((key) => plain(key, 64)).join('.'), value, reason(keyword, params, value));
}

/** `HostConfig.Memory: must be an integer (got "12")` */
export function problem(field: string, value: unknown, why: string): string {
  return `${field === '' ? 'the body' : field}: ${why} (got ${show(value)})`;
}

function reason(keyword: string, params: SchemaProblem['params'], value: unknown): string {
  switch (keyword) {
    case 'type':
      return `must be ${TYPES[String(params['type'])]}`;
    case 'enum':
      return `is none of ${(params['allowedValues'] as readonly string[]).filter((one) => one !== '').join(', ')}`;
    case 'integer':
      return Number.isInteger(value) ? `is not in ${params['min']}..${params['max']}` : 'must be an integer';
    case 'maxItems':
      return `has more than ${params['limit']} items`;
    default:
      throw new Error(`no words for the schema keyword ${keyword}`);
  }
}

/** What goes to the kernel or into files ends at a NUL byte: a text with one would mean two things. */
function nulBytes(value: unknown, path = ''): string[] {
  if (typeof value === 'string') return value.includes('\0') ? [problem(path, value, 'has a NUL byte')] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => {
    const at = path === '' ? plain(key, 64) : `${path}.${plain(key, 64)}`;
    return key.includes('\0') ? [`${at}: has a NUL byte in its name`] : nulBytes(item, at);
  });
}

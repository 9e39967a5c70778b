/**
 * Credentials as docker keeps them: config.json of $DOCKER_CONFIG or ~/.docker, with auths, credsStore and credHelpers;
 * podman's REGISTRY_AUTH_FILE has the same form.
 */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { TsrunError } from '../errors.js';
import type { Credentials } from '../registry/auth.js';
import { DEFAULT_REGISTRY } from '../registry/reference.js';
import { describeSystemError } from '../util/errno.js';
import { readHostFile } from '../util/file.js';
import { quote } from '../util/quote.js';
import { replaceFile } from '../util/replace-file.js';
import { type Helper, openHelper } from './credential-helper.js';

type Environment = { readonly [name: string]: string | undefined };
type Fields = { readonly [name: string]: unknown };

export interface DockerConfig {
  readonly path: string;
  /** The whole document: what we do not know is kept when it is written. */
  readonly document: Fields;
}

const MAX_FILE = 4 * 1024 * 1024;
/** What docker calls its own registry in this file. */
const HUB_KEY = 'https://index.docker.io/v1/';
/** A helper's way to say that the secret is an identity token. */
const TOKEN_USER = '<token>';

export const configKey = (registry: string): string => (registry === DEFAULT_REGISTRY ? HUB_KEY : registry);

/** Undefined without a home directory. Throws TsrunError IO for a file that cannot be read. */
export function readDockerConfig(environment: Environment): DockerConfig | undefined {
  const path = configPath(environment);
  if (path === undefined) return undefined;
  let bytes: Buffer;
  try {
    bytes = readHostFile(path, 'credentials', { max: MAX_FILE });
  } catch (error) {
    const { cause } = error instanceof TsrunError ? error : {};
    if (cause instanceof Error && 'code' in cause && ['ENOENT', 'ENOTDIR'].includes(String(cause.code)))
      return { path, document: {} };
    throw error;
  }
  return { path, document: parse(bytes, path) };
}

function configPath({
  REGISTRY_AUTH_FILE: file,
  DOCKER_CONFIG: directory,
  HOME: home,
}: Environment): string | undefined {
  if (file) return file;
  if (directory) return join(directory, 'config.json');
  return home ? join(home, '.docker/config.json') : undefined;
}

/** JSON.parse's message would show what is in the file. */
function parse(bytes: Buffer, path: string): Fields {
  try {
    const document: unknown = bytes.length === 0 ? {} : JSON.parse(bytes.toString('utf8'));
    if (isFields(document)) return document;
  } catch {
    // told below, without the cause
  }
  throw new TsrunError('IO', `credentials: ${quote(path)}: it is not a JSON object`);
}

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const fieldsOf = (document: Fields, name: string): Fields => {
  const value = Object.hasOwn(document, name) ? document[name] : undefined;
  return isFields(value) ? value : {};
};

const textOf = (fields: Fields, name: string): string | undefined => {
  const value = Object.hasOwn(fields, name) ? fields[name] : undefined;
  return typeof value === 'string' && value !== '' ? value : undefined;
};

/** "https://host/v1/" and "host" are the same registry. */
const hostOf = (key: string): string => key.replace(/^https?:\/\//, '').replace(/\/.*$/, '');

function entryOf(config: DockerConfig, registry: string): Fields | undefined {
  const auths = fieldsOf(config.document, 'auths');
  const key = configKey(registry);
  const found = Object.hasOwn(auths, key) ? key : Object.keys(auths).find((other) => hostOf(other) === hostOf(key));
  const entry = found === undefined ? undefined : auths[found];
  return isFields(entry) ? entry : undefined;
}

/** The program that keeps the secrets of a registry, if one does. */
function helperOf(config: DockerConfig, registry: string, environment: Environment): Helper | undefined {
  const name = textOf(fieldsOf(config.document, 'credHelpers'), registry) ?? textOf(config.document, 'credsStore');
  return name === undefined ? undefined : openHelper(name, environment);
}

/** Throws TsrunError IO. */
export async function findCredentials(
  config: DockerConfig | undefined,
  registry: string,
  environment: Environment,
): Promise<Credentials | undefined> {
  if (config === undefined) return undefined;
  const kept = await helperOf(config, registry, environment)?.get(configKey(registry));
  if (kept !== undefined)
    return kept.username === TOKEN_USER
      ? { kind: 'identity-token', token: kept.secret }
      : { kind: 'password', username: kept.username, password: kept.secret };
  const entry = entryOf(config, registry);
  return entry === undefined ? undefined : credentialsOf(entry);
}

function credentialsOf(entry: Fields): Credentials | undefined {
  const token = textOf(entry, 'identitytoken');
  if (token !== undefined) return { kind: 'identity-token', token };
  const [user, ...rest] = Buffer.from(textOf(entry, 'auth') ?? '', 'base64')
    .toString('utf8')
    .split(':');
  const username = user || textOf(entry, 'username');
  const password = rest.length > 0 ? rest.join(':').replace(/\0+$/, '') : textOf(entry, 'password');
  return username !== undefined && password !== undefined ? { kind: 'password', username, password } : undefined;
}

/** Returns where they are kept now: a file, or a helper. Throws TsrunError IO. */
export async function storeCredentials(
  config: DockerConfig,
  registry: string,
  login: { readonly username: string; readonly password: string },
  environment: Environment,
): Promise<string> {
  const helper = helperOf(config, registry, environment);
  const { username, password } = login;
  if (helper !== undefined) {
    await helper.store(configKey(registry), username, password);
    write(config, withAuth(config, registry, {}));
    return helper.program;
  }
  const auth = Buffer.from(`${username}:${password}`).toString('base64');
  write(config, withAuth(config, registry, { auth }));
  return config.path;
}

/** False when there were none. */
export async function eraseCredentials(
  config: DockerConfig,
  registry: string,
  environment: Environment,
): Promise<boolean> {
  const helper = helperOf(config, registry, environment);
  const kept = helper === undefined ? undefined : await helper.get(configKey(registry));
  if (kept !== undefined) await helper?.erase(configKey(registry));
  const had = entryOf(config, registry) !== undefined;
  if (had) write(config, withAuth(config, registry, undefined));
  return had || kept !== undefined;
}

function withAuth({ document }: DockerConfig, registry: string, entry: Fields | undefined): Fields {
  const key = configKey(registry);
  const others = Object.entries(fieldsOf(document, 'auths')).filter(([other]) => hostOf(other) !== hostOf(key));
  return { ...document, auths: Object.fromEntries(entry === undefined ? others : [...others, [key, entry]]) };
}

function write({ path }: DockerConfig, document: Fields): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    replaceFile(path, Buffer.from(`${JSON.stringify(document, null, '\t')}\n`), 0o600);
  } catch (error) {
    throw new TsrunError('IO', `credentials: ${quote(path)}: ${describeSystemError(error)}`, { cause: error });
  }
}

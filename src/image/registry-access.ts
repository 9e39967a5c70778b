/**
 * What is needed to reach a registry from this machine: CAs and client certificates from folders as docker and podman use
 * them (certs.d/HOST[:PORT]/: *.crt are CAs, NAME.cert and NAME.key are for the client), the system's CAs, credentials.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { TsrunError } from '../errors.js';
import type { Credentials } from '../registry/auth.js';
import { RegistryClient } from '../registry/client.js';
import type { Tls } from '../registry/http.js';
import { readProxies } from '../registry/proxy.js';
import { readHostFile } from '../util/file.js';
import { findCredentials, readDockerConfig } from './docker-config.js';

export interface AccessOptions {
  readonly environment: { readonly [name: string]: string | undefined };
  readonly plainHttp: boolean;
  /** The user named the registry as one whose certificate is not to be checked. */
  readonly insecure: boolean;
  /** Folders beside the usual ones, asked first. */
  readonly certsDirectories: readonly string[];
  readonly userAgent: string;
  readonly debug: (message: string) => void;
}

const MAX_FILE = 4 * 1024 * 1024;
const CERTS = ['/etc/tsrun/certs.d', '/etc/docker/certs.d', '/etc/containers/certs.d'];
/** Debian and its kin; Red Hat's. */
const SYSTEM_CAS = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt'];

/** A resource: close() it. url: where a mirror is. credentials: instead of the kept ones. Throws TsrunError IO. */
export function openRegistry(
  registry: string,
  options: AccessOptions,
  url?: URL,
  credentials?: Credentials,
): RegistryClient {
  const { environment, plainHttp, insecure, userAgent, debug } = options;
  const host = url?.host ?? registry;
  const home = environment['HOME'];
  const places = [...options.certsDirectories, ...(home ? [join(home, '.config/containers/certs.d')] : []), ...CERTS];
  return new RegistryClient({
    ...{ registry: host === registry ? registry : host, url, plainHttp, userAgent, debug },
    tls: { ...readCertificates(places, host), skipVerify: insecure },
    proxies: readProxies(environment),
    findCredentials: async () => credentials ?? findCredentials(readDockerConfig(environment), host, environment),
  });
}

function readCertificates(places: readonly string[], host: string): Omit<Tls, 'skipVerify'> {
  const ca: string[] = [];
  const clientCertificates: { readonly cert: string; readonly key: string }[] = [];
  for (const place of places) {
    const directory = join(place, host);
    for (const name of namesIn(directory)) {
      if (name.endsWith('.crt')) ca.push(read(join(directory, name)));
      if (!name.endsWith('.cert')) continue;
      const key = read(join(directory, name.replace(/cert$/, 'key')));
      clientCertificates.push({ cert: read(join(directory, name)), key });
    }
  }
  return { ca: ca.length > 0 ? [...systemCas(), ...ca] : systemCas(), clientCertificates };
}

/** Giving Node a CA replaces its own, so these are always given with it. */
function systemCas(): readonly string[] {
  for (const path of SYSTEM_CAS) {
    try {
      return [read(path)];
    } catch {
      // the next one
    }
  }
  return rootCertificates;
}

const read = (path: string): string => readHostFile(path, 'certificate', { max: MAX_FILE }).toString('latin1');

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    if (error instanceof Error && 'code' in error && ['ENOENT', 'ENOTDIR'].includes(String(error.code))) return [];
    throw new TsrunError('IO', `certificates: ${directory}: ${error instanceof Error ? error.message : ''}`, {
      cause: error,
    });
  }
}

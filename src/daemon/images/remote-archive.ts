/** The archive of `docker import URL`: fetched by the daemon, with the proxies and CAs that it reaches registries with. */
import { RegistryError } from '../../errors.js';
import { openRegistry } from '../../image/registry-access.js';
import { plain } from '../../util/quote.js';
import { ApiError, badRequest } from '../http/api-error.js';
import { accessTo, type RegistryDeps } from './registry.js';

export interface RemoteArchive {
  readonly body: AsyncIterable<Uint8Array>;
  /** Ends the transfer. */
  close(): void;
}

/** "example.com/a.tar" is http. Throws ApiError 400. */
export function archiveUrl(source: string): URL {
  const text = source.includes('://') ? source : `http://${source}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && ['http:', 'https:'].includes(url.protocol)) return url;
  throw badRequest(`fromSrc: ${plain(source, 128)} is neither - nor a URL with http or https`);
}

/** Without a password and what a signed URL has. */
export const shown = ({ origin, pathname }: URL): string => plain(`${origin}${pathname}`);

/** Throws ApiError with the status of the server's answer, RegistryError. */
export async function openRemoteArchive(deps: RegistryDeps, url: URL): Promise<RemoteArchive> {
  const client = openRegistry(url.host, accessTo(deps, url.host), new URL(url.origin), credentialsOf(url));
  try {
    const [whole, what] = [new URL(`${url.pathname}${url.search}`, url.origin), `import ${shown(url)}`];
    const { body } = await client.call({ method: 'GET', url: whole, scopes: [], ok: [200], what });
    return { body, close: () => client.close() };
  } catch (error) {
    client.close();
    const status = error instanceof RegistryError ? error.status : 0;
    if (status === 0) throw error; // there was no answer
    throw new ApiError(status < 500 ? status : 500, `failed to GET ${shown(url)} with status ${status}`, {
      cause: error,
    });
  }
}

const credentialsOf = ({ username, password }: URL) =>
  username === ''
    ? undefined
    : ({
        kind: 'password',
        username: decodeURIComponent(username),
        password: decodeURIComponent(password),
      } as const);

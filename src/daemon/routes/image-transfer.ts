/** Images that come and go: POST /images/create, push, load, GET get, and what registries say: /auth, /distribution. */
import { TsrunError } from '../../errors.js';
import { MAX_DOCUMENT, parseDocument } from '../../image/manifest.js';
import { MANIFEST_TYPES } from '../../image/media-types.js';
import { fetchManifest } from '../../registry/manifests.js';
import { DEFAULT_REGISTRY, familiarReference, isRegistry, withDefaultTag } from '../../registry/reference.js';
import { readAuthConfig } from '../api/read.js';
import { applyChanges } from '../container/commit-config.js';
import { ApiError, badRequest } from '../http/api-error.js';
import { type ApiRequest, json, type Reply, type Route } from '../http/route.js';
import { type ArchiveDeps, type ImportWish, importTar, load, saveReply } from '../images/archives.js';
import { credentialsOf, credentialsOfHeader } from '../images/auth-header.js';
import { newName, referenceOf } from '../images/names.js';
import { type Emit, progressReply } from '../images/progress.js';
import { type PullDeps, pull } from '../images/pull.js';
import { push } from '../images/push.js';
import { openOne } from '../images/registry.js';
import { archiveUrl, openRemoteArchive, shown } from '../images/remote-archive.js';
import { SEARCH_FILTERS, searchImages } from '../images/search.js';

export type TransferDeps = PullDeps & ArchiveDeps;

export function imageTransferRoutes(deps: TransferDeps): readonly Route[] {
  return [
    { method: 'POST', path: '/images/create', handle: (request) => create(deps, request) },
    { method: 'POST', path: '/images/{name...}/push', handle: (request) => pushOne(deps, request) },
    { method: 'POST', path: '/images/load', handle: (request) => loadArchive(deps, request) },
    { method: 'GET', path: '/images/get', handle: (request) => saveReply(deps, namesOf(request)) },
    { method: 'GET', path: '/images/{name...}/get', handle: (request) => saveReply(deps, [request.param('name')]) },
    { method: 'GET', path: '/images/search', handle: (request) => search(deps, request) },
    { method: 'POST', path: '/auth', handle: (request) => login(deps, request) },
    {
      method: 'GET',
      path: '/distribution/{name...}/json',
      since: '1.30',
      handle: (request) => distribution(deps, request),
    },
  ];
}

const header = ({ headers }: ApiRequest) => credentialsOfHeader(headers['x-registry-auth']);

const namesOf = (request: ApiRequest): string[] =>
  request
    .queries('names')
    .flatMap((names) => names.split(','))
    .filter(Boolean);

async function create(deps: TransferDeps, request: ApiRequest): Promise<Reply> {
  const image = request.query('fromImage');
  if (image) {
    const reference = referenceOf(image, request.query('tag'));
    const wish = {
      reference,
      platform: request.query('platform'),
      credentials: header(request),
      signal: request.signal,
    };
    return progressReply(deps.log, (emit) => pull(deps, wish, emit));
  }
  const source = request.query('fromSrc');
  if (!source) throw badRequest('neither fromImage nor fromSrc says where the image comes from');
  const url = source === '-' ? undefined : archiveUrl(source);
  const config = applyChanges({}, request.queries('changes'));
  const repository = request.query('repo');
  const name = repository ? newName(repository, request.query('tag')) : undefined;
  const from = url === undefined ? '-' : shown(url);
  const wish = { name, message: request.query('message') || `Imported from ${from}`, config: { ...config } };
  if (url === undefined) return progressReply(deps.log, (emit) => importTar(deps, request.stream, wish, emit));
  return progressReply(deps.log, (emit) => importFrom(deps, url, wish, request.signal, emit));
}

async function importFrom(
  deps: TransferDeps,
  url: URL,
  wish: ImportWish,
  signal: AbortSignal,
  emit: Emit,
): Promise<void> {
  const archive = await openRemoteArchive(deps, url);
  signal.addEventListener('abort', archive.close, { once: true });
  try {
    emit({ status: `Downloading from ${shown(url)}` });
    await importTar(deps, archive.body, wish, emit);
  } finally {
    archive.close();
  }
}

async function pushOne(deps: TransferDeps, request: ApiRequest): Promise<Reply> {
  const reference = referenceOf(request.param('name'), request.query('tag'));
  if (reference.digest !== undefined) throw badRequest('an image is pushed by its tag, not by a digest');
  return progressReply(deps.log, (emit) => push(deps, reference, header(request), emit));
}

const loadArchive = (deps: TransferDeps, request: ApiRequest): Promise<Reply> =>
  progressReply(deps.log, (emit) => load(deps, request.stream, emit));

async function search(deps: TransferDeps, request: ApiRequest): Promise<Reply> {
  const wish = {
    term: request.query('term') ?? '',
    limit: request.number('limit', Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
    filters: request.filters(SEARCH_FILTERS),
    credentials: header(request),
  };
  return json(200, await searchImages(deps, wish));
}

async function login(deps: TransferDeps, request: ApiRequest): Promise<Reply> {
  const auth = await request.body(readAuthConfig);
  const registry = registryOf(auth.serveraddress ?? '');
  const credentials = credentialsOf(auth);
  if (credentials === undefined) throw badRequest('username and password, or identitytoken, are missing');
  const client = openOne(deps, registry, credentials);
  try {
    await client.checkLogin();
    return json(200, { IdentityToken: '', Status: 'Login Succeeded' });
  } catch (error) {
    if (error instanceof TsrunError && error.code === 'REGISTRY_DENIED')
      throw new ApiError(401, error.message, { cause: error });
    throw error;
  } finally {
    client.close();
  }
}

/** "https://index.docker.io/v1/" is docker.io. Throws ApiError 400. */
function registryOf(address: string): string {
  const host = address.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
  if (host === '' || host === 'index.docker.io' || host === 'registry-1.docker.io') return DEFAULT_REGISTRY;
  if (isRegistry(host)) return host;
  throw badRequest(`serveraddress: ${JSON.stringify(address.slice(0, 128))} is not HOST[:PORT] of a registry`);
}

async function distribution(deps: TransferDeps, request: ApiRequest): Promise<Reply> {
  const reference = withDefaultTag(referenceOf(request.param('name'), undefined));
  const { repository, tag, digest } = reference;
  const client = openOne(deps, reference.registry, header(request));
  const what = `image ${familiarReference(reference)}`;
  try {
    const wanted = { repository, reference: digest ?? tag ?? '', accept: MANIFEST_TYPES, most: MAX_DOCUMENT, what };
    const found = await fetchManifest(client, wanted, digest);
    const document = parseDocument(found.bytes, found.mediaType, what);
    const platforms = document.kind === 'index' ? document.manifests.flatMap(({ platform }) => platform ?? []) : [];
    const descriptor = { mediaType: found.mediaType, digest: found.digest, size: found.bytes.length };
    return json(200, { Descriptor: descriptor, Platforms: platforms });
  } finally {
    client.close();
  }
}

/** distribution-spec "Listing Tags" and "Listing Referrers", and Docker's _catalog, page by page. */
import { OCI_INDEX } from '../image/media-types.js';
import type { Digest } from '../util/digest.js';
import { type Headers, refuse, send, sendJson } from './answer.js';
import type { Exchange, Registry } from './context.js';

/** As many as Docker's registry gives at most. */
const CATALOG_PAGE = 100;
/** distribution-spec: an answer as large as a manifest may be is what every client can take. */
const REFERRERS_PAGE = 3 * 1024 * 1024;

export async function listTags(registry: Registry, { response, query }: Exchange, repository: string): Promise<void> {
  const { repositories, upstream } = registry;
  const all = upstream === undefined ? repositories.tags(repository) : await upstream.tags(repository);
  if (upstream === undefined && !repositories.has(repository))
    throw refuse('NAME_UNKNOWN', `there is no repository ${repository}`);
  const { items, headers } = page(all, query, `/v2/${repository}/tags/list`, Number.POSITIVE_INFINITY);
  sendJson(response, { name: repository, tags: items }, headers);
}

export function listRepositories({ repositories }: Registry, { response, query }: Exchange): void {
  const { items, headers } = page(repositories.names(), query, '/v2/_catalog', CATALOG_PAGE);
  sendJson(response, { repositories: items }, headers);
}

/** What comes behind `last`, at most `n`; a link to the next page if there is more. n=0 asks for nothing and has no next. */
function page(
  all: readonly string[],
  query: URLSearchParams,
  path: string,
  most: number,
): { readonly items: readonly string[]; readonly headers: Headers } {
  const last = query.get('last');
  const rest = last === null ? all : all.filter((name) => name > last);
  const count = countOf(query.get('n'), most);
  const items = rest.slice(0, count);
  const end = items.at(-1);
  if (end === undefined || items.length === rest.length) return { items, headers: {} };
  return { items, headers: { link: `<${path}?n=${count}&last=${encodeURIComponent(end)}>; rel="next"` } };
}

function countOf(text: string | null, most: number): number {
  if (text === null) return most;
  if (!/^\d{1,9}$/.test(text)) throw refuse('UNSUPPORTED', 'n must be a number from 0 on', { status: 400 });
  return Number(text);
}

/** Always an index, be it empty and of a manifest that nobody knows. */
export async function listReferrers(
  registry: Registry,
  { response, query }: Exchange,
  { repository, digest }: { readonly repository: string; readonly digest: Digest },
): Promise<void> {
  const type = query.get('artifactType');
  const { repositories, upstream } = registry;
  const all =
    upstream === undefined ? repositories.referrers(repository, digest) : await upstream.referrers(repository, digest);
  const fitting = type === null ? all : all.filter((entry) => textOf(entry, 'artifactType') === type);
  const last = query.get('last');
  const rest =
    last === null ? fitting : fitting.slice(fitting.findIndex((entry) => textOf(entry, 'digest') === last) + 1);
  const manifests = upTo(rest, REFERRERS_PAGE);
  const filters: Headers = type === null ? {} : { 'oci-filters-applied': 'artifactType' };
  const next = new URLSearchParams({
    ...(type === null ? {} : { artifactType: type }),
    last: textOf(manifests.at(-1), 'digest') ?? '',
  });
  const link: Headers =
    manifests.length < rest.length ? { link: `</v2/${repository}/referrers/${digest}?${next}>; rel="next"` } : {};
  const index = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests });
  send(response, 200, { 'content-type': OCI_INDEX, ...filters, ...link }, index);
}

/** At least one. */
function upTo(entries: readonly unknown[], bytes: number): readonly unknown[] {
  let size = 0;
  const end = entries.findIndex((entry, index) => {
    size += Buffer.byteLength(JSON.stringify(entry)) + 1;
    return size > bytes && index > 0;
  });
  return end < 0 ? entries : entries.slice(0, end);
}

function textOf(entry: unknown, key: string): string | undefined {
  if (typeof entry !== 'object' || entry === null || !Object.hasOwn(entry, key)) return undefined;
  const value: unknown = Reflect.get(entry, key);
  return typeof value === 'string' ? value : undefined;
}

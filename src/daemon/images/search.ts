/**
 * docker search: GET /v1/search of a registry's index, which Docker Hub has, and others seldom. What it answers is bounded
 * and read field by field.
 */
import { RegistryError } from '../../errors.js';
import type { Credentials } from '../../registry/auth.js';
import { readBody } from '../../registry/http.js';
import { DEFAULT_REGISTRY, isRegistry } from '../../registry/reference.js';
import { quote } from '../../util/quote.js';
import type { Filters } from '../filters.js';
import { ApiError, badRequest } from '../http/api-error.js';
import { openOne, type RegistryDeps } from './registry.js';

export const SEARCH_FILTERS = ['is-automated', 'is-official', 'stars'] as const;

export interface SearchWish {
  /** "busybox", "library/busybox", "registry.example:5000/busybox" */
  readonly term: string;
  readonly limit: number | undefined;
  readonly filters: Filters;
  readonly credentials: Credentials | undefined;
}

export interface SearchResult {
  readonly star_count: number;
  readonly is_official: boolean;
  readonly name: string;
  readonly is_automated: boolean;
  readonly description: string;
}

/** Docker Hub's index is not its registry. */
const HUB = 'index.docker.io';
const USUAL = 25;
const MOST = 100;
const MAX_ANSWER = 4 * 1024 * 1024;

/** Throws ApiError, RegistryError. */
export async function searchImages(deps: RegistryDeps, wish: SearchWish): Promise<SearchResult[]> {
  const { term, limit = USUAL, filters, credentials } = wish;
  if (limit < 1 || limit > MOST) throw badRequest(`Limit ${limit} is outside the range of [1, ${MOST}]`);
  const fits = searchFilter(filters);
  const { host, words } = placeOf(term);
  const client = openOne(deps, host, credentials);
  try {
    const url = `/v1/search?${new URLSearchParams({ q: words, n: String(limit) })}`;
    const what = `search for ${quote(words, 64)}`;
    const { body } = await client.call({ method: 'GET', url, scopes: [], ok: [200], what });
    return resultsOf(await readBody(body, MAX_ANSWER), host).filter(fits);
  } catch (error) {
    throw error instanceof RegistryError && error.status === 404 ? noSearch(host, error) : error;
  } finally {
    client.close();
  }
}

/** dockerd's words and status. */
const noSearch = (host: string, cause: unknown): ApiError =>
  new ApiError(500, `Unexpected status code 404: the registry ${host} has no search`, { cause });

function placeOf(term: string): { readonly host: string; readonly words: string } {
  if (term === '') throw badRequest('term is missing: what is searched for');
  if (term.includes('://')) throw badRequest('Invalid repository name (ex: "registry.domain.tld/myrepos")');
  const slash = term.indexOf('/');
  const first = term.slice(0, Math.max(slash, 0));
  if (!/[.:]|^localhost$/.test(first) || !isRegistry(first)) return { host: HUB, words: term };
  return { host: [DEFAULT_REGISTRY, HUB].includes(first) ? HUB : first, words: term.slice(slash + 1) };
}

function searchFilter(filters: Filters): (result: SearchResult) => boolean {
  const [automated, official] = [filters.boolean('is-automated'), filters.boolean('is-official')];
  const stars = filters.get('stars').map((text) => {
    if (/^\d{1,9}$/.test(text)) return Number(text);
    throw badRequest(`invalid filter 'stars=${text.slice(0, 64)}': it is a number`);
  });
  return ({ is_automated, is_official, star_count }) =>
    (automated ?? is_automated) === is_automated &&
    (official ?? is_official) === is_official &&
    stars.every((least) => star_count >= least);
}

function resultsOf(bytes: Buffer, host: string): SearchResult[] {
  try {
    const { results } = JSON.parse(bytes.toString('utf8')) as { readonly results: readonly Partial<SearchResult>[] };
    return results.map(({ star_count, is_official, name, is_automated, description }) => ({
      star_count: Number(star_count ?? 0),
      is_official: is_official === true,
      name: String(name ?? ''),
      is_automated: is_automated === true,
      description: String(description ?? ''),
    }));
  } catch (cause) {
    throw new ApiError(500, `registry ${host}: what it answers to a search is no list of results`, { cause });
  }
}

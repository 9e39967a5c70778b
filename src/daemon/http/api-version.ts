/**
 * Versions of the Docker Engine API and the prefix that asks for one: docs.docker.com, "API version". Every route is
 * served with the prefix and without, which means the latest.
 *
 * Pure.
 */
import { badRequest } from './api-error.js';

export type ApiVersion = `1.${number}`;

export const LATEST: ApiVersion = '1.51';
/** Engine 29 raised its own and cut off clients that pin an older one; nothing here depends on that. */
export const OLDEST: ApiVersion = '1.24';

const PREFIX = /^\/v([0-9.]+)(\/.*)$/;

export const atLeast = (version: ApiVersion, least: ApiVersion): boolean => minor(version) >= minor(least);

const minor = (version: ApiVersion): number => Number(version.slice(2));

/** path: without the query. Throws ApiError 400 for a version that is not spoken; dockerd's words, which clients read. */
export function splitVersion(path: string): { readonly version: ApiVersion; readonly path: string } {
  const match = PREFIX.exec(path);
  if (match === null) return { version: LATEST, path };
  const [, asked = '', rest = ''] = match;
  const order = compare(asked);
  if (order === undefined) throw badRequest(`client version ${asked} is not a version: it is 1.N`);
  if (order > minor(LATEST))
    throw badRequest(`client version ${asked} is too new. Maximum supported API version is ${LATEST}`);
  if (order < minor(OLDEST)) {
    throw badRequest(
      `client version ${asked} is too old. Minimum supported API version is ${OLDEST}, please upgrade your client to a newer version`,
    );
  }
  return { version: `1.${order}`, path: rest };
}

/** The minor number; of another major version beyond either end. */
function compare(text: string): number | undefined {
  const match = /^(\d{1,4})\.(\d{1,4})$/.exec(text);
  if (match === null) return undefined;
  const [major, number] = [Number(match[1]), Number(match[2])];
  return major === 1 ? number : major === 0 ? -1 : Number.POSITIVE_INFINITY;
}

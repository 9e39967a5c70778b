/**
 * From method and path to a route. Names of images have slashes in the middle of a path ("/images/a/b/json"), which no
 * common router takes: docs/adr/0011.
 *
 * Pure.
 */
import type { Method, Route } from './route.js';

export interface Match {
  readonly route: Route;
  readonly params: { readonly [name: string]: string };
}

export type Router = (method: Method, path: string) => readonly Match[];

interface Compiled {
  readonly route: Route;
  readonly pattern: RegExp;
}

const PARAMETER = /\{(\w+)(\.\.\.)?\}/g;

/** A container may be called by a link: "NAME/ALIAS". */
const LINKED = '(?<id>[^/]+(?:/[^/]+)?)';

function compile(path: string): RegExp {
  if (path.startsWith('/containers/{id}'))
    return new RegExp(`^/containers/${LINKED}${literally(path.slice('/containers/{id}'.length))}$`, 's');
  let source = '';
  let end = 0;
  for (const match of path.matchAll(PARAMETER)) {
    source += literally(path.slice(end, match.index));
    source += match[2] === undefined ? `(?<${match[1]}>[^/]+)` : `(?<${match[1]}>.+)`;
    end = match.index + match[0].length;
  }
  return new RegExp(`^${source}${literally(path.slice(end))}$`, 's');
}

const literally = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

const parameters = (path: string): number => [...path.matchAll(PARAMETER)].length;

/** All that match, the one with the fewest parameters first: "/images/json" before "/images/{name...}". */
export function createRouter(routes: readonly Route[]): Router {
  const sorted = routes.toSorted((a, b) => parameters(a.path) - parameters(b.path));
  const byMethod = new Map<Method, Compiled[]>();
  for (const route of sorted) {
    const list = byMethod.get(route.method) ?? [];
    if (list.some(({ route: other }) => other.path === route.path))
      throw new Error(`two routes for ${route.method} ${route.path}`);
    byMethod.set(route.method, [...list, { route, pattern: compile(route.path) }]);
  }
  return (method, path) =>
    (byMethod.get(method) ?? []).flatMap(({ route, pattern }) => {
      const match = pattern.exec(path);
      return match === null ? [] : [{ route, params: { ...match.groups } }];
    });
}

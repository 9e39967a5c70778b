/**
 * What this daemon has not, said so that clients go on: swarm as on a dockerd that is in none, plugins that nobody
 * installed, and builds.
 */
import { type ApiError, notFound, notImplemented, unavailable } from '../http/api-error.js';
import { json, type Method, type Reply, type Route } from '../http/route.js';

const NO_SWARM =
  'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';
const SWARM = ['swarm', 'nodes', 'services', 'tasks', 'secrets', 'configs'];
const METHODS: readonly Method[] = ['GET', 'POST', 'DELETE', 'PUT'];

const refusing = (error: () => ApiError) => async (): Promise<Reply> => {
  throw error();
};

const route = (method: Method, path: string, error: () => ApiError): Route => ({
  method,
  path,
  handle: refusing(error),
});

function swarmRoutes(): Route[] {
  const noMode = () => notImplemented('swarm mode is not implemented');
  return [
    ...METHODS.flatMap((method) =>
      SWARM.flatMap((name) => [
        route(method, `/${name}`, () => unavailable(NO_SWARM)),
        route(method, `/${name}/{rest...}`, () => unavailable(NO_SWARM)),
      ]),
    ),
    route('POST', '/swarm/init', noMode),
    route('POST', '/swarm/join', noMode),
    route('POST', '/swarm/leave', () => unavailable('This node is not part of a swarm')),
  ];
}

function pluginRoutes(): Route[] {
  const none = () => notImplemented('plugins are not implemented');
  return [
    { method: 'GET', path: '/plugins', handle: async () => json(200, []) },
    {
      method: 'GET',
      path: '/plugins/{name...}/json',
      handle: async (request) => {
        throw notFound(`plugin "${request.param('name')}" not found`);
      },
    },
    ...METHODS.map((method) => route(method, '/plugins/{rest...}', none)),
  ];
}

function buildRoutes(): Route[] {
  const none = () =>
    notImplemented('building images is not implemented: build elsewhere, then docker load or docker pull');
  return [
    route('POST', '/build', none),
    route('POST', '/build/cancel', none),
    route('POST', '/grpc', none),
    route('POST', '/session', none),
    // docker system prune asks for it, whether there is a cache or not.
    { method: 'POST', path: '/build/prune', handle: async () => json(200, { CachesDeleted: null, SpaceReclaimed: 0 }) },
  ];
}

export const unsupportedRoutes = (): readonly Route[] => [...swarmRoutes(), ...pluginRoutes(), ...buildRoutes()];

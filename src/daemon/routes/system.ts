/** Who the daemon is and how it does: GET /_ping, /version, /info. */
import type { ContentStore } from '../../image/store.js';
import type { Containers } from '../container/containers.js';
import { empty, json, type Reply, type Route, text } from '../http/route.js';
import { type InfoSources, systemInfo } from '../view/info.js';
import { systemVersion } from '../view/version.js';

export interface SystemDeps extends InfoSources {
  readonly containers: Containers;
  readonly content: ContentStore;
}

const PING_HEADERS = {
  'Builder-Version': '1',
  Swarm: 'inactive',
  'Cache-Control': 'no-cache, no-store, must-revalidate',
  Pragma: 'no-cache',
};

const ping = async (): Promise<Reply> => text(200, 'OK', PING_HEADERS);

export function systemRoutes(deps: SystemDeps): readonly Route[] {
  return [
    { method: 'GET', path: '/_ping', handle: ping },
    {
      method: 'HEAD',
      path: '/_ping',
      handle: async () => empty(200, { 'Content-Type': 'text/plain; charset=utf-8', ...PING_HEADERS }),
    },
    { method: 'GET', path: '/version', handle: async () => json(200, systemVersion()) },
    { method: 'GET', path: '/info', handle: async () => json(200, systemInfo(deps)) },
  ];
}

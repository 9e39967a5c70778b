/** The containers of the daemon: put together of its parts, taken over from the daemon before. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Actors } from './container/actors.js';
import { defaultsOfHost } from './container/defaults.js';
import { minimalExtension } from './container/minimal.js';
import type { Happened } from './container/needs.js';
import { recover } from './container/recover.js';
import { surroundings } from './container/surroundings.js';
import type { Parts } from './daemon.js';
import type { EventBus } from './events.js';
import type { Route } from './http/route.js';
import { attachRoutes } from './routes/attach.js';
import { createRoutes } from './routes/create.js';
import { execRoutes } from './routes/exec.js';
import { lifecycleRoutes } from './routes/lifecycle.js';
import { logsRoutes } from './routes/logs.js';
import { statsRoutes } from './routes/stats.js';
import type { Live } from './view/live.js';

export interface Life {
  readonly actors: Actors;
  readonly routes: readonly Route[];
  readonly live: Live;
}

export async function openLife(parts: Parts): Promise<Life> {
  const { config, containers, content, snapshots, runtime, log, events } = parts;
  const directory = join(config.dataRoot, 'containers');
  const monitors = join(config.execRoot, 'monitor');
  mkdirSync(directory, { recursive: true, mode: 0o710 });
  mkdirSync(monitors, { recursive: true, mode: 0o700 });
  const needs = {
    ...{ runtime, monitors, directory, records: containers },
    surroundings: surroundings(directory, snapshots, minimalExtension(content)),
    happened: (what: Happened) => publish(events, what),
    warn: (message: string) => log.warn(message),
  };
  const actors = new Actors(needs, containers);
  await recover(actors);
  const deps = { actors, content, snapshots, defaults: defaultsOfHost(), records: containers };
  return {
    actors,
    live: { published: () => [], execIds: (id) => actors.execIds(id), sandbox: () => '' },
    routes: [
      ...createRoutes(deps),
      ...lifecycleRoutes(deps),
      ...attachRoutes(deps),
      ...execRoutes(deps),
      ...logsRoutes(deps),
      ...statsRoutes(deps),
    ],
  };
}

function publish(events: EventBus, { action, record, attributes = {} }: Happened): void {
  const { id, name, config, image } = record;
  events.publish('container', action, id, { ...config.Labels, image: image.reference, name, ...attributes });
}

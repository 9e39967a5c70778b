/** The parts of the daemon, put together: what each family of routes needs, and the order of beginning and end. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { openStore } from '../image/disk-store.js';
import type { ContentStore } from '../image/store.js';
import { openUserNetwork, type UserNetwork } from '../network/index.js';
import type { Runtime } from '../runtime/runtime.js';
import { canOverlay } from '../snapshot/overlay-support.js';
import { driverNamed, Snapshotter } from '../snapshot/snapshotter.js';
import { SnapshotStore } from '../snapshot/store.js';
import { VolumeStore } from '../volume/store.js';
import type { DaemonConfig } from './config/config.js';
import { Containers } from './container/containers.js';
import { EventBus } from './events.js';
import type { Route } from './http/route.js';
import { collectImages } from './images/remove.js';
import { openLife } from './life.js';
import type { Log } from './log.js';
import { type Metrics, openMetrics, serveMetrics } from './metrics.js';
import { Networks } from './network/networks.js';
import { networkingOptions } from './network/options.js';
import { letGo } from './rootless/namespaces.js';
import { containerViewRoutes } from './routes/containers.js';
import { diskUsageRoutes } from './routes/disk-usage.js';
import { eventRoutes } from './routes/events.js';
import { imageTransferRoutes } from './routes/image-transfer.js';
import { imageRoutes } from './routes/images.js';
import { networkRoutes } from './routes/networks.js';
import { systemRoutes } from './routes/system.js';
import { unsupportedRoutes } from './routes/unsupported.js';
import { volumesRoutes, volumeUsage } from './routes/volumes.js';
import { type Database, openDatabase } from './store/database.js';
import { lockRoot } from './store/lock.js';
import type { Live } from './view/live.js';

export interface Daemon {
  readonly routes: readonly Route[];
  readonly metrics: Metrics | undefined;
  /** Tells those who listen to events that the configuration was read anew. */
  reloaded(): void;
  /** What ends with the daemon, the last one first. */
  close(): Promise<void>;
}

/** What families of routes are made of. */
export interface Parts {
  readonly config: DaemonConfig;
  readonly log: Log;
  readonly database: Database;
  readonly events: EventBus;
  readonly containers: Containers;
  readonly content: ContentStore;
  readonly snapshots: Snapshotter;
  readonly volumes: VolumeStore;
  /** For the use cases of runtime/: containers lie below <exec root>/runtime. */
  readonly runtime: Runtime;
  readonly environment: { readonly [name: string]: string | undefined };
}

export type Environment = Parts['environment'];

/** Throws TsrunError when a root is another daemon's, or cannot be read. */
export async function openDaemon(config: DaemonConfig, log: Log, environment: Environment): Promise<Daemon> {
  const locks = [lockRoot(config.dataRoot, '--data-root')];
  const closers: (() => Promise<void> | void)[] = [
    () => {
      for (const lock of locks) lock.release();
    },
  ];
  const close = async () => {
    for (const step of closers.reverse()) await step();
  };
  try {
    locks.push(lockRoot(config.execRoot, '--exec-root'));
    const database = openDatabase(config.dataRoot);
    closers.push(() => database.close());
    const parts = openParts(config, log, environment, database);
    await collectGarbage(parts);
    const user = config.rootless ? await openUserSide(parts) : undefined;
    if (user !== undefined) closers.push(() => closeUserSide(parts, user));
    const networks = await openNetworks(parts, user);
    closers.push(() => networks.close());
    const metrics = config.metrics === undefined ? undefined : openMetrics(parts.containers, parts.events);
    if (config.metrics !== undefined && metrics !== undefined) {
      const server = await serveMetrics(config.metrics, metrics);
      closers.push(() => void server.close());
    }
    const life = await openLife({ ...parts, networks });
    closers.push(() => life.close());
    const id = await identity(database);
    const routes = routesOf(parts, networks, life.live, id);
    const reloaded = () => parts.events.publish('daemon', 'reload', id, { name: hostname() });
    return { routes: [...routes, ...life.routes], metrics, reloaded, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function openParts(config: DaemonConfig, log: Log, environment: Environment, database: Database): Parts {
  const content = openStore(config.dataRoot);
  const warn = (message: string) => log.warn(message);
  return {
    ...{ config, log, database, content, environment },
    events: new EventBus(),
    containers: new Containers(database),
    snapshots: openSnapshots(config),
    volumes: new VolumeStore(config.dataRoot),
    runtime: { root: join(config.execRoot, 'runtime'), warn, debug: (message) => log.debug(message) },
  };
}

/** What a daemon that was killed was about to make or to remove. */
async function collectGarbage({ volumes, content, snapshots, log }: Parts): Promise<void> {
  const warn = (what: string) => (error: unknown) =>
    log.warn(`what is left of ${what} is not removed: ${String(error)}`);
  await volumes.collect().catch(warn('volumes'));
  await collectImages({ content, snapshots }).catch(warn('images'));
}

function openSnapshots({ dataRoot, storageDriver }: DaemonConfig): Snapshotter {
  const store = new SnapshotStore(dataRoot);
  const name = storageDriver ?? (canOverlay(store.root) ? 'overlay' : 'copy');
  const driver = driverNamed(name);
  if (driver === undefined) throw new Error(`no driver ${name}`);
  return new Snapshotter(store, driver);
}

/** A name of this daemon for its clients, made once for each data root. */
async function identity(database: Database): Promise<string> {
  const table = database.table<string>('daemon');
  const known = table.get('id');
  if (known !== undefined) return known;
  const id = randomUUID();
  await table.put('id', id);
  return id;
}

function openUserSide({ config, log }: Parts): Promise<UserNetwork> {
  return openUserNetwork(join(config.execRoot, 'network'), (level, message) => log[level](message));
}

function closeUserSide({ config, containers }: Parts, user: UserNetwork): void {
  user.close();
  if (containers.list().some(({ state }) => state.status === 'running' || state.status === 'paused')) return;
  user.remove();
  letGo(config.execRoot);
}

function openNetworks(parts: Parts, user: UserNetwork | undefined): Promise<Networks> {
  const { config, log } = parts;
  const options = networkingOptions(config, log, user);
  return Networks.open({ ...parts, options, directory: join(config.dataRoot, 'containers') });
}

function routesOf(parts: Parts, networks: Networks, live: Live, id: string): Route[] {
  const listeners = () => parts.events.listeners;
  const views = { ...parts, live };
  return [
    ...systemRoutes({ ...parts, id, listeners }),
    ...eventRoutes(parts),
    ...imageRoutes(parts),
    ...imageTransferRoutes(parts),
    ...containerViewRoutes(views),
    ...diskUsageRoutes({ ...views, volumeUsage: () => volumeUsage(parts) }),
    ...volumesRoutes(parts),
    ...networkRoutes({ ...parts, networks }),
    ...unsupportedRoutes(),
  ];
}

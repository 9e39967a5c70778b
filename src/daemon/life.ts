/** The containers of the daemon: put together of its parts, taken over from the daemon before. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { containerPids, hostPs } from '../runtime/ps.js';
import { hostFacts } from '../runtime/runtime.js';
import type { ContainerId } from '../state/container-id.js';
import { CAPABILITIES } from '../util/linux-names.js';
import { ownIdMaps } from '../util/user-namespace.js';
import { cgroupDriver } from './cgroups.js';
import { Actors } from './container/actors.js';
import { applyLimits } from './container/apply-limits.js';
import { defaultsOfHost } from './container/defaults.js';
import { compressedLog } from './container/log-config.js';
import { ContainerMounts } from './container/mounts.js';
import type { Happened } from './container/needs.js';
import { preparation } from './container/preparation.js';
import type { ContainerRecord } from './container/record.js';
import { recover } from './container/recover.js';
import { remove } from './container/remove.js';
import type { SpecHost } from './container/spec/request.js';
import { pause, unpause } from './container/stop.js';
import { surroundings } from './container/surroundings.js';
import type { Parts } from './daemon.js';
import type { EventBus } from './events.js';
import type { Route } from './http/route.js';
import { LogCompressor, type RotatedLog } from './logs/compressor.js';
import type { Networks } from './network/networks.js';
import { archiveRoutes } from './routes/archive.js';
import { attachRoutes } from './routes/attach.js';
import { type ContainerAdminDeps, containerAdminRoutes } from './routes/container-admin.js';
import { containerFilesRoutes } from './routes/container-files.js';
import { containerPruneRoutes } from './routes/container-prune.js';
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
  close(): Promise<void>;
}

export type LifeParts = Parts & { readonly networks: Networks };

export async function openLife(parts: LifeParts): Promise<Life> {
  const { config, containers, snapshots, runtime, log, events, networks } = parts;
  const directory = join(config.dataRoot, 'containers');
  const monitors = join(config.execRoot, 'monitor');
  mkdirSync(directory, { recursive: true, mode: 0o710 });
  mkdirSync(monitors, { recursive: true, mode: 0o700 });
  const warn = (message: string) => log.warn(message);
  const mounts = new ContainerMounts({ ...parts, warn });
  const driver = cgroupDriver(hostFacts());
  const prepare = preparation({
    ...{ mounts, directory, containers, networks, warn },
    ...{ host: hostOfContainers(config), driver, ids: ownIdMaps(), init: config.containers.init },
  });
  const around = surroundings(directory, snapshots, prepare);
  const happened = (what: Happened) => publish(events, what);
  const logs = {
    ids: () => containers.list().map(({ id }) => id),
    get: (id: string) => logOf(containers.get(id), directory),
  };
  const compressor = new LogCompressor(logs, warn);
  const releaseLog = (id: string) => compressor.release(id);
  const needs = {
    ...{ runtime, monitors, directory, happened, releaseLog, warn },
    ...{ systemdCgroup: driver === 'systemd', records: containers, surroundings: around },
  };
  const actors = new Actors(needs, containers);
  await recover(actors);
  return {
    actors,
    close: () => compressor.close(),
    live: {
      published: (id) => networks.published(id),
      execIds: (id) => actors.execIds(id),
      sandbox: (id) => networks.sandbox(id),
    },
    routes: routesOf(parts, actors, mounts),
  };
}

function logOf(record: ContainerRecord | undefined, directory: string): RotatedLog | undefined {
  if (record === undefined || ['removing', 'dead'].includes(record.state.status)) return undefined;
  const log = compressedLog(record, directory);
  const active = ['running', 'paused', 'restarting'].includes(record.state.status);
  return log === undefined ? undefined : { id: record.id, ...log, active, starts: record.starts };
}

function routesOf(parts: LifeParts, actors: Actors, mounts: ContainerMounts): Route[] {
  const { directory, surroundings: around } = actors.needs;
  const exclusively = <T>(record: ContainerRecord, action: () => Promise<T>) => actors.of(record).mutex.run(action);
  const paused = <T>(record: ContainerRecord, action: () => Promise<T>) => whilePaused(actors, record, action);
  const deps = { ...parts, actors, mounts, directory, exclusively, paused, account: around.account };
  const defaults = defaultsOfHost(parts.config);
  return [
    ...createRoutes({ ...deps, defaults, records: parts.containers }),
    ...lifecycleRoutes(deps),
    ...attachRoutes(deps),
    ...execRoutes(deps),
    ...logsRoutes(deps),
    ...statsRoutes(deps),
    ...containerPruneRoutes({
      ...parts,
      remove: (record) => remove(actors.of(record), { force: false, volumes: false }),
    }),
    ...archiveRoutes(deps),
    ...containerFilesRoutes(deps),
    ...containerAdminRoutes({ ...deps, ...adminOf(parts), limits: defaults.limits }),
  ];
}

function adminOf({
  runtime,
  networks,
}: LifeParts): Pick<ContainerAdminDeps, 'pids' | 'ps' | 'updateLimits' | 'renamed'> {
  return {
    pids: ({ id }) => containerPids(runtime, id as ContainerId),
    ps: hostPs,
    updateLimits: (record, limits) => applyLimits(runtime, record, limits),
    renamed: (record) => networks.rename(record),
  };
}

async function whilePaused<T>(actors: Actors, record: ContainerRecord, action: () => Promise<T>): Promise<T> {
  const container = actors.of(record);
  if (record.state.status !== 'running' || cgroupDriver(hostFacts()) === 'none') return action();
  record.pausedForImage = true;
  container.save();
  try {
    await container.saved();
    await pause(container);
    return await action();
  } finally {
    delete record.pausedForImage;
    if (container.record.state.status === 'paused') await unpause(container);
    else container.save();
    await container.saved().catch(() => undefined); // the image is what was asked for
  }
}

function hostOfContainers({ containers }: LifeParts['config']): SpecHost {
  const { lsm, capabilities, namespaces, inUserNamespace } = hostFacts();
  return {
    arch: process.arch,
    ...lsm,
    // To load a profile takes the host's root.
    apparmor: lsm.apparmor && !inUserNamespace,
    capabilities: CAPABILITIES.filter((_, bit) => (capabilities & (1n << BigInt(bit))) !== 0n),
    cgroupNamespaces: namespaces.includes('cgroup'),
    seccompProfile: undefined,
    noNewPrivileges: containers.noNewPrivileges,
  };
}

function publish(events: EventBus, { action, record, attributes = {} }: Happened): void {
  const { id, name, config, image } = record;
  events.publish('container', action, id, { ...config.Labels, image: image.reference, name, ...attributes });
}

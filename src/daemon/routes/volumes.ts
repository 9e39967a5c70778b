/** Volumes: /volumes. */
import { listTree } from '../../snapshot/trees.js';
import type { VolumeStore } from '../../volume/store.js';
import type { VolumeRecord } from '../../volume/types.js';
import { unmountVolume } from '../../volume/use.js';
import { readVolumeCreate } from '../api/read.js';
import type { ContainerRecord } from '../container/record.js';
import { volumeRequest } from '../container/volumes.js';
import type { EventBus } from '../events.js';
import { conflict } from '../http/api-error.js';
import { type ApiRequest, empty, json, type Reply, type Route } from '../http/route.js';

export interface VolumesDeps {
  readonly volumes: VolumeStore;
  readonly containers: { list(): readonly ContainerRecord[] };
  readonly events: EventBus;
}

const LIST_FILTERS = ['dangling', 'driver', 'label', 'name'];
const PRUNE_FILTERS = ['label', 'label!', 'all'];
const PRUNE_ALL_SINCE = '1.42';

export function volumesRoutes(deps: VolumesDeps): readonly Route[] {
  const { volumes } = deps;
  return [
    { method: 'GET', path: '/volumes', handle: async (request) => list(deps, request) },
    { method: 'POST', path: '/volumes/create', handle: (request) => create(deps, request) },
    { method: 'POST', path: '/volumes/prune', handle: (request) => prune(deps, request) },
    {
      method: 'GET',
      path: '/volumes/{name}',
      handle: async (request) => json(200, volumeView(volumes, volumes.get(request.param('name')))),
    },
    { method: 'DELETE', path: '/volumes/{name}', handle: (request) => remove(deps, request) },
  ];
}

/** The API's Volume. */
export function volumeView(volumes: VolumeStore, { name, driver, options, labels, created }: VolumeRecord): object {
  const orNull = (map: object) => (Object.keys(map).length === 0 ? null : map);
  return {
    CreatedAt: created,
    Driver: driver,
    Labels: orNull(labels),
    Mountpoint: volumes.pathOf(name),
    Name: name,
    Options: orNull(options),
    Scope: 'local',
  };
}

/** Ids of containers that have it, also of stopped ones. */
export function usersOf(containers: readonly ContainerRecord[], name: string): string[] {
  return containers
    .filter(({ mounts }) => mounts.some((point) => point.Type === 'volume' && point.Name === name))
    .map(({ id }) => id);
}

function list({ volumes, containers }: VolumesDeps, request: ApiRequest): Reply {
  const filters = request.filters(LIST_FILTERS);
  const dangling = filters.boolean('dangling');
  const all = containers.list();
  const found = volumes.list().filter(({ name, driver, labels }) => {
    const unused = dangling === undefined || (usersOf(all, name).length === 0) === dangling;
    const named = filters.any('name', (value) => name.includes(value));
    return unused && named && filters.labels(labels) && filters.any('driver', (value) => driver === value);
  });
  return json(200, { Volumes: found.map((record) => volumeView(volumes, record)), Warnings: null });
}

async function create({ volumes, events }: VolumesDeps, request: ApiRequest): Promise<Reply> {
  const { Name = '', Driver = '', DriverOpts = {}, Labels = {} } = await request.neededBody(readVolumeCreate);
  const { record, made } = volumes.create(volumeRequest(Name, Driver, DriverOpts, Labels));
  if (made) events.publish('volume', 'create', record.name, { driver: record.driver });
  return json(201, volumeView(volumes, record));
}

async function remove({ volumes, containers, events }: VolumesDeps, request: ApiRequest): Promise<Reply> {
  const name = request.param('name');
  if (!volumes.has(name) && request.flag('force')) return empty(204);
  const { driver } = volumes.get(name);
  const users = usersOf(containers.list(), name);
  if (users.length > 0) throw conflict(`remove ${name}: volume is in use - [${users.join(', ')}]`);
  await unmountVolume(volumes, name);
  await volumes.remove(name);
  events.publish('volume', 'destroy', name, { driver });
  return empty(204);
}

/** Since 1.42 named volumes stay unless all are asked for. */
async function prune(deps: VolumesDeps, request: ApiRequest): Promise<Reply> {
  const { volumes, containers, events } = deps;
  const filters = request.filters(PRUNE_FILTERS);
  const all = filters.boolean('all') ?? !request.atLeast(PRUNE_ALL_SINCE);
  const deleted: string[] = [];
  let reclaimed = 0;
  for (const { name, driver, labels, anonymous } of volumes.list()) {
    if (!(all || anonymous) || !filters.labels(labels) || usersOf(containers.list(), name).length > 0) continue;
    await unmountVolume(volumes, name);
    reclaimed += await volumeSize(volumes, name);
    await volumes.remove(name);
    events.publish('volume', 'destroy', name, { driver });
    deleted.push(name);
  }
  events.publish('volume', 'prune', '', { reclaimed: String(reclaimed) });
  return json(200, { VolumesDeleted: deleted, SpaceReclaimed: reclaimed });
}

/** Bytes on the disk. */
export async function volumeSize(volumes: VolumeStore, name: string): Promise<number> {
  let bytes = 0;
  for (const { kind, blocks } of (await listTree([volumes.pathOf(name)], `volume ${name}`)).values())
    if (kind !== 'hardlink' && kind !== 'directory') bytes += blocks * 512;
  return bytes;
}

/** All volumes with UsageData. */
export async function volumeUsage({ volumes, containers }: Omit<VolumesDeps, 'events'>): Promise<readonly object[]> {
  const all = containers.list();
  return Promise.all(
    volumes.list().map(async (record) => {
      const usage = { RefCount: usersOf(all, record.name).length, Size: await volumeSize(volumes, record.name) };
      return { ...volumeView(volumes, record), UsageData: usage };
    }),
  );
}

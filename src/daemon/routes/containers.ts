/** Containers as they are: GET /containers/json and /containers/{id}/json. Reads only, from memory. */
import { join } from 'node:path';
import { TsrunError } from '../../errors.js';
import { configDigest } from '../../image/find.js';
import type { ContentStore } from '../../image/store.js';
import { hostFacts } from '../../runtime/runtime.js';
import type { Snapshotter } from '../../snapshot/snapshotter.js';
import type { DaemonConfig } from '../config/config.js';
import type { Containers } from '../container/containers.js';
import type { ContainerRecord } from '../container/record.js';
import { type ApiRequest, json, type Reply, type Route } from '../http/route.js';
import { groupOf } from '../images/names.js';
import { imageSize } from '../images/view.js';
import { containerInspect, type Sizes } from '../view/container.js';
import { CONTAINER_FILTERS, containerFilter } from '../view/container-filter.js';
import { containerSummary, linkNames } from '../view/container-list.js';
import type { Live } from '../view/live.js';

export interface ContainerViewDeps {
  readonly config: Pick<DaemonConfig, 'dataRoot'>;
  readonly containers: Containers;
  readonly content: ContentStore;
  readonly snapshots: Snapshotter;
  readonly live: Live;
}

export function containerViewRoutes(deps: ContainerViewDeps): readonly Route[] {
  return [
    { method: 'GET', path: '/containers/json', handle: (request) => list(deps, request) },
    { method: 'GET', path: '/containers/{id}/json', handle: (request) => inspect(deps, request) },
  ];
}

const MOST = 2 ** 31 - 1;

async function list(deps: ContainerViewDeps, request: ApiRequest): Promise<Reply> {
  const { containers, content, live } = deps;
  const filters = request.filters(CONTAINER_FILTERS);
  const limit = Math.max(0, request.number('limit', -1, MOST) ?? 0);
  const all = request.flag('all') || limit > 0 || filters.has('status');
  const fits = containerFilter(filters, {
    find: (text) => containers.find(text),
    isOfImage: onceForEach((record, name) => isOfImage(content, record, name)),
    published: (id) => live.published(id).map(({ hostPort, protocol }) => `${hostPort}/${protocol}`),
  });
  const found = containers.list().filter((record) => (all || isRunning(record)) && fits(record));
  const shown = limit > 0 ? found.slice(0, limit) : found;
  const withSize = request.flag('size');
  const context = { now: Date.now(), atLeast: request.atLeast, linkNames: linkNames(containers.list()) };
  const nameOf = onceForEach((record) => currentName(content, record));
  const items = shown.map(async (record) => {
    const sizes = withSize ? await containerSizes(deps, record) : undefined;
    return containerSummary(record, nameOf(record, ''), live, sizes, context);
  });
  return json(200, await Promise.all(items));
}

/** Containers of one image are many, and what is asked of the image reads files: once for each within a list. */
function onceForEach<T>(ask: (record: ContainerRecord, name: string) => T) {
  const known = new Map<string, T>();
  return (record: ContainerRecord, name: string): T => {
    const key = JSON.stringify([record.image, name]);
    const answer = known.get(key) ?? ask(record, name);
    known.set(key, answer);
    return answer;
  };
}

const isRunning = ({ state: { status } }: ContainerRecord): boolean =>
  status === 'running' || status === 'paused' || status === 'restarting';

async function inspect(deps: ContainerViewDeps, request: ApiRequest): Promise<Reply> {
  const { config, containers, snapshots, live } = deps;
  const record = containers.find(request.param('id'));
  const { apparmor } = hostFacts().lsm;
  const place = { directory: join(config.dataRoot, 'containers'), driver: snapshots.driver.name, apparmor };
  const sizes = request.flag('size') ? await containerSizes(deps, record) : undefined;
  return json(200, containerInspect(record, place, live, sizes, request.atLeast));
}

/** The name it was made with, unless that belongs to another image now, or to none. */
function currentName(content: ContentStore, { image }: ContainerRecord): string {
  try {
    if (configDigest(content, content.resolve(image.reference)) === image.id) return image.reference;
  } catch (error) {
    if (!(error instanceof TsrunError)) throw error;
  }
  return image.id;
}

/** Made of it, or of an image whose lowest layers are all of its. */
function isOfImage(content: ContentStore, { image }: ContainerRecord, name: string): boolean {
  try {
    const ancestor = groupOf(content, content.resolve(name));
    if (ancestor.id === image.id) return true;
    const own = groupOf(content, content.resolve(image.id)).image.config.diffIds;
    const { diffIds } = ancestor.image.config;
    return diffIds.length > 0 && diffIds.every((id, index) => id === own[index]);
  } catch (error) {
    if (error instanceof TsrunError) return false;
    throw error;
  }
}

export async function containerSizes(
  { content, snapshots }: Pick<ContainerViewDeps, 'content' | 'snapshots'>,
  { id, image }: ContainerRecord,
): Promise<Sizes> {
  const rw = await snapshots.usage(id).then(
    ({ bytes }) => bytes,
    () => 0, // it is being made or removed
  );
  return { rw, rootFs: rw + sizeOfImage(content, snapshots, image.id) };
}

function sizeOfImage(content: ContentStore, snapshots: Snapshotter, id: string): number {
  try {
    return imageSize(groupOf(content, content.resolve(id)), snapshots);
  } catch (error) {
    if (error instanceof TsrunError) return 0;
    throw error;
  }
}

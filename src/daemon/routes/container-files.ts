/** What containers are made of: changes, export, commit. */
import { makeImage } from '../../bundle/make-image.js';
import type { ContentStore } from '../../image/store.js';
import type { Change } from '../../snapshot/changes.js';
import type { Snapshotter } from '../../snapshot/snapshotter.js';
import { compareTrees, exportTree } from '../../snapshot/trees.js';
import { readContainerConfig } from '../api/read.js';
import { applyChanges, imageConfigOf } from '../container/commit-config.js';
import type { ContainerRecord } from '../container/record.js';
import type { EventBus } from '../events.js';
import { type ApiRequest, json, type Reply, type Route, stream } from '../http/route.js';
import { newName } from '../images/names.js';

export interface ContainerFilesDeps {
  readonly snapshots: Snapshotter;
  readonly content: ContentStore;
  readonly events: EventBus;
  readonly containers: {
    /** Throws ApiError 404. */
    find(name: string): ContainerRecord;
  };
  /** While the action lasts the container's processes stand still, if it runs. */
  paused<T>(record: ContainerRecord, action: () => Promise<T>): Promise<T>;
}

export function containerFilesRoutes(deps: ContainerFilesDeps): readonly Route[] {
  return [
    { method: 'GET', path: '/containers/{id}/changes', handle: (request) => changes(deps, request) },
    { method: 'GET', path: '/containers/{id}/export', handle: (request) => exported(deps, request) },
    { method: 'POST', path: '/commit', handle: (request) => commit(deps, request) },
  ];
}

const KINDS: { readonly [kind in Change['kind']]: number } = { changed: 0, added: 1, deleted: 2 };

async function changes({ snapshots, containers }: ContainerFilesDeps, request: ApiRequest): Promise<Reply> {
  const record = containers.find(request.param('id'));
  const { parent } = snapshots.store.active(record.id);
  const all = await compareTrees(snapshots.store.trees(parent), snapshots.directories(record.id));
  const own = withoutMountPoints(all, record);
  return json(200, own.length === 0 ? null : own.map(({ kind, path }) => ({ Path: `/${path}`, Kind: KINDS[kind] })));
}

/** What every container has, and the runtime makes for mounts: nobody changed it. */
const MADE: readonly string[] = [
  ...[
    '.dockerenv',
    'dev',
    'dev/console',
    'dev/pts',
    'dev/shm',
    'dev/mqueue',
    'proc',
    'sys',
    'etc/hosts',
    'etc/hostname',
  ],
  ...['etc/resolv.conf', 'sbin/docker-init'],
];

/** A directory that changed only because such a name was made in it has not changed. */
function withoutMountPoints(all: readonly Change[], { mounts, hostConfig }: ContainerRecord): Change[] {
  const mounted = [...mounts.map(({ Destination }) => Destination), ...Object.keys(hostConfig.Tmpfs ?? {})];
  const made = new Set([...MADE, ...mounted.map((path) => path.slice(1))]);
  const mayBeMade = ({ kind, path }: Change) =>
    kind === 'added' && [...made].some((one) => one === path || one.startsWith(`${path}/`));
  // The place of a volume is somebody's when there is more in it: a working directory.
  const below = all.filter((change) => !mayBeMade(change)).map(({ path }) => path);
  const isMade = (change: Change) => mayBeMade(change) && !below.some((path) => path.startsWith(`${change.path}/`));
  const kept = all.filter((change) => change.path !== '.' && !isMade(change));
  const parents = new Set(all.filter(isMade).map(({ path }) => path.slice(0, Math.max(0, path.lastIndexOf('/')))));
  return kept.filter(
    ({ kind, path }) =>
      !(kind === 'changed' && parents.has(path)) || kept.some((other) => other.path.startsWith(`${path}/`)),
  );
}

async function exported({ snapshots, containers, events }: ContainerFilesDeps, request: ApiRequest): Promise<Reply> {
  const record = containers.find(request.param('id'));
  const tar = exportTree(snapshots.directories(record.id), `container ${record.name}`);
  publish(events, 'export', record, {});
  return stream(200, { 'Content-Type': 'application/octet-stream' }, tar);
}

async function commit(deps: ContainerFilesDeps, request: ApiRequest): Promise<Reply> {
  const { snapshots, content, containers, events } = deps;
  const record = containers.find(request.query('container') ?? '');
  const asked = await request.body(readContainerConfig);
  const repo = request.query('repo') ?? '';
  const name = repo === '' ? undefined : newName(repo, request.query('tag') ?? '');
  const config = applyChanges(imageConfigOf(record.config, asked), request.queries('changes'));
  const make = () =>
    makeImage(content, snapshots.store, snapshots.diff(record.id), content.resolve(record.image.manifest), {
      name,
      message: request.query('comment') ?? '',
      author: request.query('author') ?? '',
      created: new Date(),
      createdBy: [...(record.config.Entrypoint ?? []), ...(record.config.Cmd ?? [])].join(' '),
      config: { ...config },
    });
  const pause = request.query('pause') === undefined || request.flag('pause');
  const id = pause ? await deps.paused(record, make) : await make();
  publish(events, 'commit', record, { comment: request.query('comment') ?? '', imageID: id, imageRef: name ?? '' });
  return json(201, { Id: id });
}

function publish(
  events: EventBus,
  action: string,
  { id, name, config, image }: ContainerRecord,
  more: { readonly [name: string]: string },
): void {
  events.publish('container', action, id, { ...config.Labels, image: image.reference, name, ...more });
}

/** docker cp: HEAD, GET and PUT /containers/{id}/archive. */
import { closeSync, existsSync, openSync } from 'node:fs';
import { join, posix } from 'node:path';
import type { Account } from '../../bundle/users.js';
import { type ArchiveView, getPath, putPath, statPath } from '../../snapshot/archive.js';
import type { Entry } from '../../snapshot/entry.js';
import { HelperError } from '../../snapshot/helper.js';
import type { Snapshotter } from '../../snapshot/snapshotter.js';
import { uncompressed } from '../../snapshot/uncompress.js';
import { TarError } from '../../util/tar/entry.js';
import type { ContainerRecord, MountPoint } from '../container/record.js';
import type { EventBus } from '../events.js';
import { badRequest, conflict, forbidden, notFound } from '../http/api-error.js';
import { type ApiRequest, empty, type Reply, type Route, stream } from '../http/route.js';
import { pathStat } from '../view/path-stat.js';

export interface ArchiveDeps {
  readonly snapshots: Snapshotter;
  readonly events: EventBus;
  /** <data root>/containers */
  readonly directory: string;
  readonly containers: {
    /** Throws ApiError 404. */
    find(name: string): ContainerRecord;
  };
  /** While the action lasts nobody starts, stops or removes the container. */
  exclusively<T>(record: ContainerRecord, action: () => Promise<T>): Promise<T>;
  /** Throws ApiError 400. */
  account(record: ContainerRecord, user: string): Promise<Account>;
}

const MOST_LINKS = 40;
const PATH_STAT = 'X-Docker-Container-Path-Stat';

export function archiveRoutes(deps: ArchiveDeps): readonly Route[] {
  const path = '/containers/{id}/archive';
  return [
    { method: 'HEAD', path, handle: (request) => head(deps, request) },
    { method: 'GET', path, handle: (request) => get(deps, request) },
    { method: 'PUT', path, handle: (request) => put(deps, request) },
  ];
}

/** What the container sees now; of a running one it is let go of when the action is over. */
async function viewing<T>(
  deps: ArchiveDeps,
  record: ContainerRecord,
  action: (view: ArchiveView) => Promise<T>,
): Promise<T> {
  const { status, pid } = record.state;
  if (status === 'removing' || status === 'dead') throw conflict(`container ${record.id} is marked for removal`);
  if (pid > 0) return viewingProcess(record, pid, action);
  return deps.exclusively(record, async () => {
    if (record.state.pid > 0) return viewingProcess(record, record.state.pid, action);
    const binds = record.mounts.filter(({ Type }) => Type === 'volume' || Type === 'bind').map(bindOf);
    return action({
      kind: 'snapshot',
      store: deps.snapshots.store,
      mounts: deps.snapshots.mounts(record.id),
      target: join(deps.directory, record.id, 'rootfs'),
      binds: [...networkFiles(deps, record), ...binds].sort((a, b) => a.destination.length - b.destination.length),
    });
  });
}

type Bind = Extract<ArchiveView, { readonly kind: 'snapshot' }>['binds'][number];

const bindOf = ({ Source, Destination, RW, spec }: MountPoint): Bind => ({
  source: spec.subpath === undefined ? Source : join(Source, '_'),
  destination: Destination,
  readOnly: !RW,
});

/** What the last start put over the image's files of these names. */
function networkFiles({ directory }: ArchiveDeps, { id, mounts }: ContainerRecord): Bind[] {
  return ['hosts', 'hostname', 'resolv.conf']
    .map((name) => ({ source: join(directory, id, name), destination: `/etc/${name}`, readOnly: false }))
    .filter(({ source, destination }) => existsSync(source) && mounts.every((one) => one.Destination !== destination));
}

async function viewingProcess<T>(
  record: ContainerRecord,
  pid: number,
  action: (view: ArchiveView) => Promise<T>,
): Promise<T> {
  let fd: number;
  try {
    fd = openSync(`/proc/${pid}/ns/mnt`, 'r');
  } catch (error) {
    throw conflict(`container ${record.id} is stopping`, error);
  }
  try {
    if (record.state.pid !== pid) throw conflict(`container ${record.id} is stopping`);
    return await action({ kind: 'namespace', fd });
  } finally {
    closeSync(fd);
  }
}

function askedPath(request: ApiRequest): string {
  const path = request.query('path') ?? '';
  if (path === '') throw badRequest('missing parameter: path');
  if (path.includes('\0')) throw badRequest('path: has a NUL byte');
  // As from "/": ".." at the top stays there. What ends in "/" or "/." is a directory, or the target of a link.
  const clean = posix.join('/', path);
  return /(^|\/)\.$/.test(path) && !clean.endsWith('/') ? `${clean}/.` : clean;
}

/** The client's words for what tsrun-snapshot refuses. */
function explained(error: unknown, path: string, { id }: ContainerRecord): unknown {
  if (error instanceof TarError) return badRequest(error.message, error);
  const record = error instanceof HelperError ? error.record : undefined;
  const name = record === undefined ? '' : record.detail.toString('utf8');
  switch (record?.errno) {
    case 2: // ENOENT
      return notFound(`Could not find the file ${path} in container ${id}`, error);
    case 13: // EACCES: links below /proc that lead to what the container itself may not see
      return forbidden(`${path}: permission denied`, error);
    case 20: // ENOTDIR
      return badRequest(
        name === '' ? `${path}: not a directory` : `cannot overwrite non-directory "/${name}" with directory`,
        error,
      );
    case 21: // EISDIR
      return badRequest(`cannot overwrite directory "/${name}" with non-directory`, error);
    case 30: // EROFS
      return forbidden(`${path}: read-only file system`, error);
    case 36: // ENAMETOOLONG
    case 40: // ELOOP
      return badRequest(`${path}: too long, or too many links`, error);
    default:
      return error;
  }
}

/** With where a link leads to, which need not be there. */
async function described(view: ArchiveView, path: string): Promise<{ readonly entry: Entry; readonly target: string }> {
  const entry = await statPath(view, path);
  let at = entry;
  let target = '';
  for (let links = 0; at.kind === 'symlink' && links < MOST_LINKS; links++) {
    target = posix.resolve('/', posix.dirname(at.path), at.link);
    const next = await statPath(view, target).catch((error: unknown) => {
      if (error instanceof HelperError) return undefined;
      throw error;
    });
    if (next === undefined) break;
    at = next;
    target = posix.join('/', at.path);
  }
  return { entry, target };
}

async function head(deps: ArchiveDeps, request: ApiRequest): Promise<Reply> {
  const record = deps.containers.find(request.param('id'));
  const path = askedPath(request);
  try {
    const { entry, target } = await viewing(deps, record, (view) => described(view, path));
    return empty(200, { [PATH_STAT]: pathStat(entry, path, target) });
  } catch (error) {
    throw explained(error, path, record);
  }
}

async function get(deps: ArchiveDeps, request: ApiRequest): Promise<Reply> {
  const record = deps.containers.find(request.param('id'));
  const path = askedPath(request);
  // Clients replace what they asked for at the beginning of each name: "dir", "." of "dir/.", or "/".
  const name = path === '/' ? path : path.endsWith('/.') ? '.' : posix.basename(path);
  const opened = await openArchive(deps, record, path, name, request.signal);
  publish(deps.events, 'archive-path', record, path);
  return stream(200, { 'Content-Type': 'application/x-tar', [PATH_STAT]: opened.stat }, opened.source);
}

/**
 * The head is sent when the path is known to be there; the view stays until the last byte has gone, or the client: nobody
 * begins to read for one that has gone before.
 */
async function openArchive(
  deps: ArchiveDeps,
  record: ContainerRecord,
  path: string,
  name: string,
  signal: AbortSignal,
) {
  let finished: () => void = () => undefined;
  const over = new Promise<void>((resolve) => {
    finished = resolve;
  });
  let isRead = false;
  const unlessRead = () => (isRead ? undefined : finished());
  if (signal.aborted) finished();
  signal.addEventListener('abort', unlessRead, { once: true });
  const begun = () => {
    isRead = true;
    return finished;
  };
  return new Promise<{ readonly stat: string; readonly source: AsyncIterable<Uint8Array> }>((resolve, reject) => {
    viewing(deps, record, async (view) => {
      const { entry, target } = await described(view, path);
      resolve({ stat: pathStat(entry, path, target), source: until(getPath(view, path, name), begun) });
      await over;
    }).catch((error: unknown) => reject(explained(error, path, record)));
  });
}

/** begun: returns what is to be called at the end, whatever it is. */
async function* until(source: AsyncIterable<Uint8Array>, begun: () => () => void): AsyncGenerator<Uint8Array> {
  const finished = begun();
  try {
    yield* source;
  } finally {
    finished();
  }
}

async function put(deps: ArchiveDeps, request: ApiRequest): Promise<Reply> {
  const record = deps.containers.find(request.param('id'));
  const path = askedPath(request);
  const user = record.config.User ?? ''; // of a container without one the archive's owners stay
  const owner = request.flag('copyUIDGID') && user !== '' ? await deps.account(record, user) : undefined;
  try {
    await viewing(deps, record, async (view) => {
      const directory = await statPath(view, `${path.replace(/\/\.$/, '')}/.`);
      checkWritable(record, posix.join('/', directory.path));
      const options = { directory: directory.path, keepKinds: request.flag('noOverwriteDirNonDir'), owner };
      await putPath(view, uncompressed(request.stream), options);
    });
  } catch (error) {
    throw explained(error, path, record);
  }
  publish(deps.events, 'extract-to-dir', record, path);
  return empty(200);
}

/** path: with all links followed. Throws ApiError 403. */
function checkWritable({ mounts, hostConfig }: ContainerRecord, path: string): void {
  const over = mounts
    .filter(({ Destination }) => path === Destination || path.startsWith(`${Destination}/`))
    .toSorted((a, b) => b.Destination.length - a.Destination.length)[0];
  if (over !== undefined && !over.RW) throw forbidden('mounted volume is marked read-only');
  if (over === undefined && hostConfig.ReadonlyRootfs === true) throw forbidden('container rootfs is marked read-only');
}

function publish(events: EventBus, action: string, { id, name, config, image }: ContainerRecord, path: string): void {
  events.publish('container', action, id, { ...config.Labels, image: image.reference, name, path });
}

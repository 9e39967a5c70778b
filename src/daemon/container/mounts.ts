/**
 * Mount points of containers, from create to remove: planned without an effect, made when the record is on disk, mounted
 * for a start and let go after it. What a killed daemon left is undone by the same release and discard.
 */
import { existsSync, mkdirSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { attach } from '../../bundle/places.js';
import { unpackImage } from '../../bundle/run.js';
import { TsrunError } from '../../errors.js';
import { readImage } from '../../image/image.js';
import type { ContentStore } from '../../image/store.js';
import { HelperError, runHelper } from '../../snapshot/helper.js';
import type { Snapshotter } from '../../snapshot/snapshotter.js';
import type { VolumeStore } from '../../volume/store.js';
import { fillVolume, mountVolume, unmountVolume } from '../../volume/use.js';
import type { ContainerConfig, HostConfig } from '../api/types.gen.js';
import type { EventBus } from '../events.js';
import { ApiError, badRequest, conflict } from '../http/api-error.js';
import { mountPoints, parseVolumesFrom } from './options/mounts.js';
import { checkPropagation } from './propagation.js';
import type { ContainerRecord, MountPoint } from './record.js';
import type { ResolvedMount } from './spec/request.js';
import { anonymousName, requestOf } from './volumes.js';

export interface MountsDeps {
  readonly volumes: VolumeStore;
  readonly snapshots: Snapshotter;
  readonly content: ContentStore;
  readonly events: EventBus;
  readonly containers: {
    list(): readonly ContainerRecord[];
    /** Throws ApiError 404. */
    find(name: string): ContainerRecord;
  };
  warn(message: string): void;
}

const ACTIVE: readonly string[] = ['running', 'paused', 'restarting'];
const ENOENT = 2;

export class ContainerMounts {
  readonly #deps: MountsDeps;

  constructor(deps: MountsDeps) {
    this.#deps = deps;
  }

  /** What the record is to have. Throws ApiError, TsrunError REQUEST_INVALID. */
  plan(config: ContainerConfig, host: HostConfig): readonly MountPoint[] {
    const inherited = (host.VolumesFrom ?? []).flatMap((spec) => this.#inherited(spec));
    return mountPoints(config, host, inherited).map((point) => this.#decided(point));
  }

  #inherited(spec: string): MountPoint[] {
    const { container, mode } = parseVolumesFrom(spec);
    const readOnly = mode.split(',').includes('ro');
    return this.#donor(container).mounts.map((point) => ({ ...point, RW: point.RW && !readOnly }));
  }

  /** 400: of 404 the client concludes that the image is missing, and pulls it. */
  #donor(name: string): ContainerRecord {
    try {
      return this.#deps.containers.find(name);
    } catch (error) {
      throw error instanceof ApiError ? badRequest(`${error.message} (VolumesFrom)`, error) : error;
    }
  }

  #decided(point: MountPoint): MountPoint {
    const { volumes, content } = this.#deps;
    if (point.Type === 'image') {
      content.resolve(point.Name ?? '');
      return point;
    }
    if (point.Type === 'bind') {
      if (point.spec.createSource !== true && !existsSync(point.Source)) throw noSource(point.Source);
      checkPropagation(point.Source, point.Propagation);
      return point;
    }
    if (point.Type !== 'volume') return point;
    const name = point.Name || anonymousName();
    return { ...point, Name: name, Source: volumes.pathOf(name) };
  }

  /** Volumes are made, and filled where they are empty. directories: what shows the image. */
  async make(record: ContainerRecord, directories: readonly string[]): Promise<void> {
    const { volumes, events } = this.#deps;
    for (const point of record.mounts) {
      if (point.Type !== 'volume') continue;
      const { record: volume, made } = volumes.create(requestOf(point));
      if (made) events.publish('volume', 'create', volume.name, { driver: volume.driver });
      if (point.spec.noCopy === true || point.spec.subpath !== undefined) continue;
      try {
        await fillVolume(await mountVolume(volumes, volume.name), directories, point.Destination);
      } finally {
        await this.#letGo(volume.name, record.id);
      }
    }
  }

  /** Sources that are there and mounted. bundle: the container's directory. Throws ApiError 400. */
  async prepare(record: ContainerRecord, bundle: string): Promise<readonly ResolvedMount[]> {
    const resolved: ResolvedMount[] = [];
    for (const [index, point] of record.mounts.entries()) {
      const place = join(bundle, 'mounts', String(index));
      resolved.push(resolvedMount(point, await this.#source(record, point, place)));
      if (point.Type === 'volume') this.#tell('mount', record, point);
    }
    return resolved;
  }

  async #source(record: ContainerRecord, point: MountPoint, place: string): Promise<string> {
    switch (point.Type) {
      case 'bind':
        return bindSource(point);
      case 'volume': {
        const path = await mountVolume(this.#deps.volumes, point.Name ?? '');
        return point.spec.subpath === undefined ? path : bindSubpath(place, path, point.spec.subpath);
      }
      case 'image':
        return this.#mountImage(record, point, place);
      default:
        return '';
    }
  }

  async #mountImage(record: ContainerRecord, point: MountPoint, place: string): Promise<string> {
    const { content, snapshots, warn } = this.#deps;
    const image = readImage(content, content.resolve(point.Name ?? ''));
    const parent = await unpackImage(content, snapshots.store, image, warn);
    const key = imageKey(record, place);
    const mounts = await snapshots.view({ key, parent, image: image.descriptor.digest });
    mkdirSync(place, { recursive: true, mode: 0o700 });
    await attach(mounts, place, snapshots.store);
    return point.spec.subpath === undefined ? place : bindSubpath(`${place}-sub`, place, point.spec.subpath);
  }

  /** After a run, however it ended; also of one that never began. */
  async release(record: ContainerRecord, bundle: string): Promise<void> {
    const directory = join(bundle, 'mounts');
    for (const name of existsSync(directory) ? readdirSync(directory).toSorted().toReversed() : []) {
      const place = join(directory, name);
      await runHelper({ verb: 'unmount', args: [place], subject: place }).catch(() => undefined); // not mounted
      await this.#removePlace(record, place);
    }
    for (const point of record.mounts) {
      if (point.Type !== 'volume') continue;
      await this.#letGo(point.Name ?? '', record.id);
      this.#tell('unmount', record, point);
    }
  }

  async #removePlace(record: ContainerRecord, place: string): Promise<void> {
    try {
      rmdirSync(place);
    } catch {
      unlinkSync(place); // of a file
    }
    await this.#deps.snapshots.remove(imageKey(record, place)).catch((error: unknown) => {
      if (!(error instanceof TsrunError && error.code === 'SNAPSHOT_NOT_FOUND')) throw error;
    });
  }

  /** volumes: also those that were made for this container and that no other one has. */
  async discard(record: ContainerRecord, volumes: boolean): Promise<void> {
    if (!volumes) return;
    const store = this.#deps.volumes;
    for (const { Type, Name = '' } of record.mounts) {
      if (Type !== 'volume' || !store.has(Name) || !store.get(Name).anonymous) continue;
      if (this.#others(Name, record.id).length > 0) continue;
      await unmountVolume(store, Name);
      await store.remove(Name);
      this.#deps.events.publish('volume', 'destroy', Name, { driver: 'local' });
    }
  }

  #others(name: string, id: string): readonly ContainerRecord[] {
    const has = ({ mounts }: ContainerRecord) => mounts.some((point) => point.Type === 'volume' && point.Name === name);
    return this.#deps.containers.list().filter((other) => other.id !== id && has(other));
  }

  async #letGo(name: string, id: string): Promise<void> {
    const runs = this.#others(name, id).some(({ state }) => ACTIVE.includes(state.status));
    if (!runs) await unmountVolume(this.#deps.volumes, name);
  }

  #tell(action: 'mount' | 'unmount', { id }: ContainerRecord, point: MountPoint): void {
    const where = { destination: point.Destination, 'read/write': String(point.RW), propagation: point.Propagation };
    const attributes = { container: id, driver: point.Driver ?? 'local', ...(action === 'mount' ? where : {}) };
    this.#deps.events.publish('volume', action, point.Name ?? '', attributes);
  }
}

const imageKey = ({ id }: ContainerRecord, place: string): string => `${id}-${place.slice(place.lastIndexOf('/') + 1)}`;

const noSource = (path: string) =>
  badRequest(`invalid mount config for type "bind": bind source path does not exist: ${path}`);

function bindSource({ Source, spec }: MountPoint): string {
  if (existsSync(Source)) return Source;
  if (spec.createSource !== true) throw noSource(Source);
  try {
    mkdirSync(Source, { recursive: true, mode: 0o755 });
  } catch (error) {
    throw badRequest(
      `error while creating mount source path '${Source}': ${error instanceof Error ? error.message : ''}`,
      error,
    );
  }
  return Source;
}

/** What a link in the volume leads to is below the volume, or nowhere. */
async function bindSubpath(place: string, directory: string, subpath: string): Promise<string> {
  mkdirSync(join(place, '..'), { recursive: true, mode: 0o700 });
  try {
    await runHelper({ verb: 'subpath', args: [place, directory, subpath], subject: subpath });
  } catch (error) {
    if (!(error instanceof HelperError && error.record?.errno === ENOENT)) throw error;
    throw conflict(`cannot access path ${join(directory, subpath)}: no such file or directory`, error);
  }
  return place;
}

function resolvedMount(point: MountPoint, source: string): ResolvedMount {
  const { spec } = point;
  return {
    destination: point.Destination,
    type: point.Type === 'tmpfs' ? 'tmpfs' : 'bind',
    source,
    readOnly: !point.RW,
    propagation: point.Propagation,
    nonRecursive: spec.nonRecursive === true,
    readOnlyNonRecursive: spec.readOnlyNonRecursive === true,
    options: spec.tmpfs ?? [],
  };
}

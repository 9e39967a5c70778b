/**
 * From an image of the store to a container: unpack what is missing, a snapshot on top, a bundle around it, and the
 * runtime's own use case. What is made is removed when the container is deleted, by a poststop hook; what a killed
 * command leaves is found by collect.ts.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Image, readImage } from '../image/image.js';
import type { ContentStore, StoredImage } from '../image/store.js';
import { runContainer } from '../runtime/run.js';
import { hostFacts, type Runtime } from '../runtime/runtime.js';
import { unpackLayers } from '../snapshot/layers.js';
import type { Snapshotter } from '../snapshot/snapshotter.js';
import type { ChainId, SnapshotStore } from '../snapshot/store.js';
import type { Mount } from '../spec/types.gen.js';
import type { ContainerId } from '../state/container-id.js';
import { stringifyJson } from '../util/json-write.js';
import { ownIdMaps } from '../util/user-namespace.js';
import { defaultApparmor } from './apparmor.js';
import { accountFiles, networkFiles } from './files.js';
import { imageSpec, type RunChoices } from './image-spec.js';
import { imageVolumes, volumePaths } from './image-volumes.js';
import { attach, detach, discardHook, makePlace, placeOf } from './places.js';
import { mappedAccount, rootlessSpec } from './rootless-spec.js';
import { findAccount } from './users.js';

export interface ImageRunRequest
  extends Pick<
    RunChoices,
    'args' | 'entrypoint' | 'env' | 'workingDir' | 'terminal' | 'readOnly' | 'hostNetwork' | 'labels'
  > {
  readonly id: ContainerId;
  readonly stored: StoredImage;
  /** undefined: the image's. */
  readonly user: string | undefined;
  readonly hostname: string | undefined;
  /** 'unconfined' for none; undefined: the default where the host has AppArmor. */
  readonly apparmor: string | undefined;
  readonly mounts: readonly Mount[];
  readonly detach: boolean;
  /** Leave the stopped container and its snapshot. */
  readonly keep: boolean;
}

/** The uppermost layer, unpacked with all below it. */
export async function unpackImage(
  content: ContentStore,
  store: SnapshotStore,
  image: Image,
  warn: (message: string) => void,
): Promise<ChainId | null> {
  const layers = image.manifest.layers.map(({ digest }, index) => ({
    digest,
    diffId: image.config.diffIds[index] ?? digest,
    blob: content.path(digest),
  }));
  return content.withLease((lease) => {
    lease.protect(...layers.map(({ digest }) => digest));
    return unpackLayers(store, layers, { warn });
  });
}

/** Returns only when detached, as runContainer does; what failed before that leaves nothing. */
export async function runImage(
  runtime: Runtime,
  content: ContentStore,
  snapshots: Snapshotter,
  request: ImageRunRequest,
): Promise<void> {
  const key = request.id;
  const image = readImage(content, request.stored);
  const parent = await unpackImage(content, snapshots.store, image, runtime.warn);
  const owner = { root: runtime.root, id: request.id, remove: !request.keep };
  const mounts = await snapshots.prepare({ key, parent, owner, image: image.descriptor.digest });
  const place = placeOf(content.dataRoot, key);
  const unlock = makePlace(place);
  try {
    await writeBundle(runtime, content, snapshots, request, image);
    await attach(mounts, place.mountPoint, snapshots.store);
    await runContainer(runtime, {
      ...CREATE,
      id: request.id,
      bundle: place.path,
      detach: request.detach,
      keep: request.keep,
    });
  } catch (error) {
    // A create that came far enough has run the hook already.
    await detach(place.mountPoint).catch(() => undefined);
    await snapshots.remove(key).catch(() => undefined);
    await snapshots.store.removeBundle(place.path).catch(() => undefined);
    throw error;
  } finally {
    unlock();
  }
}

/** To load a profile takes root of the machine. */
function apparmorOf({ apparmor }: ImageRunRequest, warn: Runtime['warn']): string | undefined {
  if (apparmor !== undefined) return apparmor === 'unconfined' ? undefined : apparmor;
  const { lsm, inUserNamespace } = hostFacts();
  return lsm.apparmor && !inUserNamespace ? defaultApparmor(warn) : undefined;
}

const CREATE = {
  consoleSocket: undefined,
  pidFile: undefined,
  noPivot: false,
  noNewKeyring: false,
  preserveFds: 0,
  systemdCgroup: false,
};

async function writeBundle(
  runtime: Runtime,
  content: ContentStore,
  snapshots: Snapshotter,
  request: ImageRunRequest,
  image: Image,
): Promise<void> {
  const { path } = placeOf(content.dataRoot, request.id);
  const hostname = request.hostname ?? request.id.slice(0, 12);
  const user = request.user ?? image.config.config.user;
  const directories = snapshots.directories(request.id);
  const files = await accountFiles(directories);
  const found = findAccount(user, files, request.user === undefined ? 'image config: User' : '--user');
  const ids = ownIdMaps();
  const account = ids === undefined ? found : mappedAccount(found, ids);
  const own = networkFiles(path, hostname, request.hostNetwork);
  const volumes = await imageVolumes(path, volumePaths(image.config.config.volumes, request.mounts), directories);
  const choices = {
    ...request,
    hostname,
    apparmor: apparmorOf(request, runtime.warn),
    mounts: [...own, ...volumes, ...request.mounts],
    poststop: [discardHook(content.dataRoot, snapshots.store, request.id)],
  };
  const host = { cgroupNamespace: hostFacts().cgroup.layout === 'unified', arch: process.arch };
  const { config, dropped } = imageSpec(image.config, account, choices, host);
  if (dropped.length > 0) runtime.warn(`labels of the image that engines act upon are left out: ${dropped.join(', ')}`);
  const made = ids === undefined ? config : rootlessSpec(config, ids);
  writeFileSync(join(path, 'config.json'), `${stringifyJson(made, '\t')}\n`, { mode: 0o600 });
}

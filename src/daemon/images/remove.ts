/**
 * DELETE /images/{name} and POST /images/prune. A name loses its image only that name; the last name, or an id, takes the
 * image with it, unless a container needs it.
 */
import { imageChains } from '../../bundle/prune.js';
import type { ContentStore, StoredImage } from '../../image/store.js';
import { pruneLayers } from '../../snapshot/layers.js';
import type { Snapshotter } from '../../snapshot/snapshotter.js';
import { shortDigest } from '../../util/short-digest.js';
import type { Containers } from '../container/containers.js';
import type { ContainerRecord } from '../container/record.js';
import type { EventBus } from '../events.js';
import { badRequest, conflict } from '../http/api-error.js';
import { familiar, findImage, groupOf, type ImageGroup, imageGroups, repoTags } from './names.js';
import { imageSize } from './view.js';

export interface RemoveDeps {
  readonly content: ContentStore;
  readonly snapshots: Snapshotter;
  readonly containers: Containers;
  readonly events: EventBus;
}

export type Removed = { readonly Untagged: string } | { readonly Deleted: string };

/** text: as the client wrote it. Throws ApiError 404, 409 with dockerd's words. */
export async function removeImage(deps: RemoveDeps, text: string, force: boolean): Promise<Removed[]> {
  const { content } = deps;
  if (text.trim() === '') throw badRequest('image name cannot be blank');
  const found = findImage(content, text);
  const group = groupOf(content, found);
  const byName = found.name !== undefined && !isIdOf(group, text);
  const tags = repoTags(group);
  if (byName && tags.length > 1) return untag(deps, group, [found]);
  // One that runs is told first; one that does not matters only where this is the last name.
  refuseUsed(deps.containers, group, byName ? familiar(found.name ?? '') : undefined, force || tags.length > 1);
  if (!byName && tags.length > 1 && !force) {
    throw conflict(
      `conflict: unable to delete ${shortDigest(group.id)} (must be forced) - image is referenced in multiple repositories`,
    );
  }
  return takeAway(deps, group);
}

function isIdOf({ id, entries }: ImageGroup, text: string): boolean {
  const hex = text.replace(/^sha256:/, '');
  const named = entries.some(({ name }) => name !== undefined && familiar(name).split(':')[0] === text);
  const ids = [id, ...entries.map(({ manifest }) => manifest.digest)];
  return !named && ids.some((one) => one.startsWith(`sha256:${hex}`));
}

const RUNNING: readonly ContainerRecord['state']['status'][] = ['running', 'paused', 'restarting'];

function refuseUsed(containers: Containers, { id }: ImageGroup, name: string | undefined, force: boolean): void {
  const users = containers.list().filter(({ image }) => image.id === id);
  const running = users.find(({ state }) => RUNNING.includes(state.status));
  const user = running ?? (force ? undefined : users[0]);
  if (user === undefined) return;
  const who = user.id.slice(0, 12);
  if (name !== undefined && !force) {
    throw conflict(
      `conflict: unable to remove repository reference "${name}" (must force) - container ${who} is using its referenced image ${shortDigest(id)}`,
    );
  }
  const how = running === undefined ? '(must be forced)' : '(cannot be forced)';
  const what = running === undefined ? 'stopped' : 'running';
  throw conflict(
    `conflict: unable to delete ${shortDigest(id)} ${how} - image is being used by ${what} container ${who}`,
  );
}

function untag({ content, events }: RemoveDeps, group: ImageGroup, gone: readonly StoredImage[]): Removed[] {
  const same = (a: StoredImage, b: StoredImage) => a.name === b.name && a.manifest.digest === b.manifest.digest;
  content.update((images) => images.filter((image) => !gone.some((one) => same(one, image))));
  const names = gone.flatMap(({ name, source }) =>
    [name, source].flatMap((text) => (text === undefined ? [] : [familiar(text)])),
  );
  const left = content.list().flatMap(({ source }) => (source === undefined ? [] : [familiar(source)]));
  const untagged = [...new Set(names)].filter((name) => !left.includes(name));
  for (const name of untagged) events.publish('image', 'untag', group.id, { name });
  return untagged.map((name) => ({ Untagged: name }));
}

async function takeAway(deps: RemoveDeps, group: ImageGroup): Promise<Removed[]> {
  const untagged = untag(deps, group, group.entries);
  deps.events.publish('image', 'delete', group.id, { name: group.id });
  await collectImages(deps);
  return [...untagged, { Deleted: group.id }];
}

/** Blobs and unpacked layers that neither an image nor a container needs. */
export async function collectImages({
  content,
  snapshots,
}: Pick<RemoveDeps, 'content' | 'snapshots'>): Promise<number> {
  const { size } = content.collectGarbage();
  await pruneLayers(snapshots.store, imageChains(content));
  return size;
}

/** Those that fit and that no container uses. */
export async function pruneImages(deps: RemoveDeps, fits: (group: ImageGroup) => boolean) {
  const used = new Set(deps.containers.list().map(({ image }) => image.id));
  const removed: Removed[] = [];
  let reclaimed = 0;
  for (const group of imageGroups(deps.content)) {
    if (!fits(group) || used.has(group.id)) continue;
    reclaimed += imageSize(group, deps.snapshots);
    removed.push(...untag(deps, group, group.entries), { Deleted: group.id });
    deps.events.publish('image', 'delete', group.id, { name: group.id });
  }
  await collectImages(deps);
  deps.content.removeUnfinished();
  deps.events.publish('image', 'prune', '', { reclaimed: String(reclaimed) });
  return { ImagesDeleted: removed.length > 0 ? removed : null, SpaceReclaimed: reclaimed };
}

/** GET /system/df: what lies on the disk, and of what kind. */
import { badRequest } from '../http/api-error.js';
import { type ApiRequest, json, type Reply, type Route } from '../http/route.js';
import { type ImageGroup, imageGroups } from '../images/names.js';
import { imageSize, imageSummary } from '../images/view.js';
import { containerSummary, linkNames } from '../view/container-list.js';
import { layersSize, sharedSizes } from '../view/disk-usage.js';
import { type ContainerViewDeps, containerSizes } from './containers.js';

export interface DiskUsageDeps extends ContainerViewDeps {
  /** Volumes of the API with UsageData. */
  readonly volumeUsage: () => Promise<readonly unknown[]>;
}

const KINDS = ['container', 'image', 'volume', 'build-cache'];

export function diskUsageRoutes(deps: DiskUsageDeps): readonly Route[] {
  return [{ method: 'GET', path: '/system/df', since: '1.25', handle: (request) => diskUsage(deps, request) }];
}

async function diskUsage(deps: DiskUsageDeps, request: ApiRequest): Promise<Reply> {
  const kinds = request.atLeast('1.42') ? request.queries('type') : [];
  for (const kind of kinds)
    if (!KINDS.includes(kind))
      throw badRequest(`unknown object type: ${kind.slice(0, 64)}: it is one of ${KINDS.join(', ')}`);
  const wants = (kind: string) => kinds.length === 0 || kinds.includes(kind);
  const { snapshots } = deps;
  return json(200, {
    ...(wants('image') ? { LayersSize: layersSize(snapshots), Images: images(deps, request) } : {}),
    ...(wants('container') ? { Containers: await containerList(deps, request) } : {}),
    ...(wants('volume') ? { Volumes: await deps.volumeUsage() } : {}),
    ...(wants('build-cache') ? { BuildCache: [] } : {}),
    ...(request.atLeast('1.42') ? {} : { BuilderSize: 0 }),
  });
}

function images({ content, snapshots, containers }: DiskUsageDeps, { atLeast }: ApiRequest): unknown[] {
  const groups = imageGroups(content);
  const shared = sharedSizes(groups, snapshots);
  const users = (group: ImageGroup) => containers.list().filter(({ image }) => image.id === group.id).length;
  return groups.map((group) => {
    const counts = { containers: users(group), sharedSize: shared.get(group.id) ?? 0 };
    return imageSummary(group, imageSize(group, snapshots), counts, atLeast);
  });
}

function containerList(deps: DiskUsageDeps, { atLeast }: ApiRequest): Promise<unknown[]> {
  const context = { now: Date.now(), atLeast, linkNames: linkNames(deps.containers.list()) };
  return Promise.all(
    deps.containers.list().map(async (record) => {
      const sizes = await containerSizes(deps, record);
      return containerSummary(record, record.image.reference, deps.live, sizes, context);
    }),
  );
}

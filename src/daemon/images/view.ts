/** JSON of images: the items of GET /images/json, and GET /images/{name}/json by version of the API. */
import { inspectImage } from '../../image/inspect.js';
import { parseTime } from '../../image/list.js';
import type { ContentStore, StoredImage } from '../../image/store.js';
import type { Snapshotter } from '../../snapshot/snapshotter.js';
import { type ChainId, chainIdOf } from '../../snapshot/store.js';
import type { ApiRequest } from '../http/route.js';
import { type ImageGroup, repoDigests, repoTags } from './names.js';

type AtLeast = ApiRequest['atLeast'];

/** What its layers hold when they are unpacked, as dockerd counts; before that, the bytes as they came. */
export function imageSize({ image }: ImageGroup, { store }: Snapshotter): number {
  let chain: ChainId | null = null;
  let unpacked = 0;
  for (const diffId of image.config.diffIds) {
    chain = chainIdOf(chain, diffId);
    const layer = store.layer(chain);
    if (layer === undefined) return compressedSize(image);
    unpacked += layer.bytes;
  }
  return unpacked;
}

function compressedSize({ manifest }: ImageGroup['image']): number {
  const blobs = new Map([manifest.config, ...manifest.layers].map(({ digest, size }) => [digest, size]));
  return [...blobs.values()].reduce((sum, size) => sum + size, 0);
}

export const createdSeconds = ({ image }: ImageGroup): number =>
  Math.floor((parseTime(image.config.created)?.getTime() ?? 0) / 1000);

export interface Counts {
  /** −1: not asked for. */
  readonly containers: number;
  readonly sharedSize: number;
}

export const NOT_COUNTED: Counts = { containers: -1, sharedSize: -1 };

export function imageSummary(group: ImageGroup, size: number, counts: Counts, atLeast: AtLeast) {
  const { id, image } = group;
  const { labels } = image.config.config;
  const [tags, digests] = [repoTags(group), repoDigests(group)];
  const bare = atLeast('1.43'); // before, a list was never empty
  return {
    Containers: counts.containers,
    Created: createdSeconds(group),
    Id: id,
    Labels: Object.keys(labels).length > 0 ? labels : null,
    ParentId: '',
    RepoDigests: digests.length > 0 || bare ? digests : tags.length > 0 ? null : ['<none>@<none>'],
    RepoTags: tags.length > 0 || bare ? tags : ['<none>:<none>'],
    SharedSize: counts.sharedSize,
    Size: size,
    ...(atLeast('1.44') ? {} : { VirtualSize: size }),
    ...(atLeast('1.48') ? { Descriptor: descriptorOf(group) } : {}),
  };
}

function descriptorOf({ image }: ImageGroup) {
  const { mediaType, digest, size } = image.descriptor;
  return { mediaType, digest, size };
}

/** What a container made of the image was said to be, in every field: older clients expect them. */
const LEGACY_CONFIG = {
  Hostname: '',
  Domainname: '',
  User: '',
  AttachStdin: false,
  AttachStdout: false,
  AttachStderr: false,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Env: null,
  Cmd: null,
  Image: '',
  Volumes: null,
  WorkingDir: '',
  Entrypoint: null,
  OnBuild: null,
  Labels: null,
};

export interface InspectSources {
  readonly content: ContentStore;
  readonly snapshots: Snapshotter;
}

export function imageInspect(
  { content, snapshots }: InspectSources,
  stored: StoredImage,
  group: ImageGroup,
  atLeast: AtLeast,
) {
  const { Config, Descriptor, Comment, Author, ...rest } = inspectImage(content, stored);
  const config = typeof Config === 'object' && Config !== null ? Config : {};
  const size = imageSize(group, snapshots);
  const old = atLeast('1.50') ? config : { ...LEGACY_CONFIG, ...config };
  return {
    ...rest,
    RepoTags: repoTags(group),
    RepoDigests: repoDigests(group),
    Parent: '',
    Comment,
    DockerVersion: '',
    Author,
    Config: old,
    Size: size,
    GraphDriver: { Name: snapshots.driver.name, Data: null },
    Metadata: { LastTagTime: '0001-01-01T00:00:00Z' },
    ...(atLeast('1.48') ? { Descriptor } : {}),
    ...(atLeast('1.45') ? {} : { Container: '' }),
    // Gone since API 1.45, but docker-compose 1.29 looks here for volumes to keep, whatever version it speaks.
    ContainerConfig: { ...LEGACY_CONFIG, Volumes: 'Volumes' in config ? config.Volumes : null },
    ...(atLeast('1.44') ? {} : { VirtualSize: size }),
  };
}

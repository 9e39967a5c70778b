/** Images that are here: GET /images/json, /images/{name}/json and history, tag, DELETE, prune. */
import { imageHistory } from '../../image/inspect.js';
import { parseTime } from '../../image/list.js';
import { badRequest } from '../http/api-error.js';
import { type ApiRequest, empty, json, type Reply, type Route } from '../http/route.js';
import { imageFilter, LIST_FILTERS, namedBy } from '../images/filter.js';
import { familiar, findImage, groupOf, imageGroups, newName, repoTags } from '../images/names.js';
import { pruneImages, type RemoveDeps, removeImage } from '../images/remove.js';
import { createdSeconds, imageInspect, imageSize, imageSummary, NOT_COUNTED } from '../images/view.js';
import { sharedSizes } from '../view/disk-usage.js';

export type ImageDeps = RemoveDeps;

const PRUNE_FILTERS = ['dangling', 'label', 'label!', 'until'];

export function imageRoutes(deps: ImageDeps): readonly Route[] {
  return [
    { method: 'GET', path: '/images/json', handle: (request) => list(deps, request) },
    { method: 'GET', path: '/images/{name...}/json', handle: (request) => inspect(deps, request) },
    { method: 'GET', path: '/images/{name...}/history', handle: (request) => history(deps, request) },
    { method: 'POST', path: '/images/{name...}/tag', handle: (request) => tag(deps, request) },
    { method: 'POST', path: '/images/prune', since: '1.25', handle: (request) => prune(deps, request) },
    {
      method: 'DELETE',
      path: '/images/{name...}',
      handle: async (request) => json(200, await removeImage(deps, request.param('name'), request.flag('force'))),
    },
  ];
}

async function list({ content, snapshots }: ImageDeps, request: ApiRequest): Promise<Reply> {
  const filters = request.filters(LIST_FILTERS);
  const groups = imageGroups(content).filter(imageFilter(content, filters)).map(namedBy(filters));
  const shared = request.flag('shared-size') ? sharedSizes(groups, snapshots) : undefined;
  const items = groups
    .toSorted((a, b) => createdSeconds(b) - createdSeconds(a))
    .map((group) => {
      const counts = { ...NOT_COUNTED, ...(shared === undefined ? {} : { sharedSize: shared.get(group.id) ?? 0 }) };
      return imageSummary(group, imageSize(group, snapshots), counts, request.atLeast);
    });
  return json(200, items);
}

async function inspect(deps: ImageDeps, request: ApiRequest): Promise<Reply> {
  const stored = findImage(deps.content, request.param('name'));
  return json(200, imageInspect(deps, stored, groupOf(deps.content, stored), request.atLeast));
}

async function history({ content }: ImageDeps, request: ApiRequest): Promise<Reply> {
  const stored = findImage(content, request.param('name'));
  const tags = repoTags(groupOf(content, stored));
  const rows = imageHistory(content, stored).map(({ id, created, createdBy, size, comment }, index) => ({
    Comment: comment,
    Created: Math.floor((parseTime(created)?.getTime() ?? 0) / 1000),
    CreatedBy: createdBy,
    Id: id ?? '<missing>',
    Size: size,
    Tags: index === 0 && tags.length > 0 ? tags : null,
  }));
  return json(200, rows);
}

async function tag({ content, events }: ImageDeps, request: ApiRequest): Promise<Reply> {
  const repository = request.query('repo');
  if (!repository) throw badRequest('repo is missing: the new name');
  const stored = findImage(content, request.param('name'));
  const name = newName(repository, request.query('tag'));
  content.setName(name, { manifest: stored.manifest, source: undefined });
  events.publish('image', 'tag', groupOf(content, stored).id, { name: familiar(name) });
  return empty(201);
}

async function prune(deps: ImageDeps, request: ApiRequest): Promise<Reply> {
  const filters = request.filters(PRUNE_FILTERS);
  const onlyDangling = filters.boolean('dangling') ?? true;
  const fits = imageFilter(deps.content, filters.without('dangling'));
  return json(200, await pruneImages(deps, (group) => fits(group) && (!onlyDangling || repoTags(group).length === 0)));
}

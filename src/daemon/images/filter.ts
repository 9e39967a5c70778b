/**
 * The filters of image lists and of prune.
 */
import type { ContentStore } from '../../image/store.js';
import { parseReference } from '../../registry/reference.js';
import type { Filters } from '../filters.js';
import { badRequest } from '../http/api-error.js';
import { parseTimestamp } from '../timestamp.js';
import { familiar, findImage, groupOf, type ImageGroup, repoTags } from './names.js';
import { createdSeconds } from './view.js';

export const LIST_FILTERS = ['dangling', 'label', 'label!', 'before', 'since', 'reference', 'until'] as const;

/** The names that reference= asks for, which alone are shown then. */
export function namedBy(filters: Filters): (group: ImageGroup) => ImageGroup {
  const references = filters.get('reference').map(globOf);
  if (references.length === 0) return (group) => group;
  return (group) => ({
    ...group,
    entries: group.entries.filter(({ name }) => name !== undefined && references.some((fits) => fits(name))),
  });
}

/** Throws ApiError 400, 404 for before and since of what is not there. */
export function imageFilter(content: ContentStore, filters: Filters): (group: ImageGroup) => boolean {
  const dangling = filters.boolean('dangling');
  const created = (name: string) => createdSeconds(groupOf(content, findImage(content, name)));
  const before = filters.get('before').map(created);
  const since = filters.get('since').map(created);
  const until = filters.get('until').map((text) => untilSeconds(text));
  const references = filters.get('reference').map(globOf);
  return (group) => {
    const at = createdSeconds(group);
    return (
      (dangling === undefined || dangling === (repoTags(group).length === 0)) &&
      filters.labels(group.image.config.config.labels) &&
      before.every((limit) => at < limit) &&
      since.every((limit) => at > limit) &&
      until.every((limit) => at < limit) &&
      (references.length === 0 ||
        references.some((fits) => group.entries.some(({ name }) => name !== undefined && fits(name))))
    );
  };
}

function untilSeconds(text: string): number {
  const time = parseTimestamp(text);
  if (time === undefined) throw badRequest(`invalid filter 'until=${text}': it is a time or a duration`);
  return Number(time / 1_000_000_000n);
}

/** A pattern of path.Match against the name as users write it, with the tag and without. */
function globOf(pattern: string): (name: string) => boolean {
  const expression = new RegExp(`^${globSource(pattern)}$`);
  return (name) => {
    const shown = familiar(name);
    return [shown, withoutTag(shown), name, withoutTag(name)].some((form) => expression.test(form));
  };
}

function withoutTag(name: string): string {
  try {
    const { tag } = parseReference(name);
    return tag === undefined ? name : name.slice(0, -tag.length - 1);
  } catch {
    return name;
  }
}

/** "*" is anything but a slash, as in Go's path.Match; sets in brackets. Linear: no two stars without something between. */
function globSource(pattern: string): string {
  return pattern
    .replace(/\*+/g, '*')
    .replace(/\[(\^?)([^\]]*)\]|[.+?^${}()|\\/*[\]]/g, (found, not: string | undefined, set: string | undefined) => {
      if (set !== undefined) return `[${not ?? ''}${set.replace(/[\\\]^]/g, '\\$&')}]`;
      if (found === '*') return '[^/]*';
      return found === '?' ? '[^/]' : `\\${found}`;
    });
}

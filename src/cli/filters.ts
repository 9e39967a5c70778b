/**
 * --filter of the commands of images: docker's NAME=VALUE. Several of one name are alternatives, but for labels.
 *
 * Pure.
 */
import { UsageError } from '../errors.js';
import type { ListedImage } from '../image/list.js';
import { quote } from '../util/quote.js';
import { didYouMean } from '../util/suggest.js';

type Filter = (image: ListedImage) => boolean;

const MAKERS: { readonly [name: string]: (value: string) => Filter } = {
  dangling: (value) => {
    if (!['true', '1', 'false', '0'].includes(value))
      throw refuse(`dangling=${value}`, 'it is dangling=true or dangling=false');
    const wanted = value === 'true' || value === '1';
    return ({ stored }) => (stored.name === undefined) === wanted;
  },
  label: (value) => {
    const [key = '', ...rest] = value.split('=');
    return ({ labels }) => Object.hasOwn(labels, key) && (rest.length === 0 || labels[key] === rest.join('='));
  },
  reference: (value) => {
    const pattern = globOf(value);
    return ({ stored }) => [...spellings(stored.name ?? '')].some((spelling) => pattern.test(spelling));
  },
};

const ALTERNATIVES = new Set(['reference']);

function refuse(filter: string, hint: string | undefined): UsageError {
  return new UsageError(`--filter: invalid filter ${quote(filter, 64)}`, '--filter', hint);
}

/** Go's path.Match: * and ? do not go over a slash. */
function globOf(pattern: string): RegExp {
  const source = pattern.replace(/[\\^$.*+?()[\]{}|]/g, (char) =>
    char === '*' ? '[^/]*' : char === '?' ? '[^/]' : `\\${char}`,
  );
  return new RegExp(`^${source}$`);
}

/** A name and its short forms, with and without the tag. */
function* spellings(name: string): Iterable<string> {
  for (const prefix of ['', 'docker.io/', 'docker.io/library/']) {
    if (!name.startsWith(prefix)) continue;
    yield name.slice(prefix.length);
    yield name.slice(prefix.length).replace(/:[^:/]*$/, '');
  }
}

/** All must fit. Throws UsageError. */
export function readFilters(texts: readonly string[]): Filter[] {
  const groups = new Map<string, Filter[]>();
  for (const text of texts) {
    const at = text.indexOf('=');
    const name = text.slice(0, Math.max(at, 0));
    const make = Object.hasOwn(MAKERS, name) ? MAKERS[name] : undefined;
    if (make === undefined) throw refuse(text, didYouMean(name, Object.keys(MAKERS)) ?? 'it is NAME=VALUE');
    groups.set(name, [...(groups.get(name) ?? []), make(text.slice(at + 1))]);
  }
  return [...groups].map(
    ([name, filters]) =>
      (image) =>
        ALTERNATIVES.has(name) ? filters.some((fits) => fits(image)) : filters.every((fits) => fits(image)),
  );
}

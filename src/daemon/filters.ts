/**
 * The filters of lists, prunes and events: `filters={"label":{"a=b":true},"status":{"exited":true}}`, or the older form
 * `{"label":["a=b"]}`. Values of a key are alternatives, but all labels must hold.
 *
 * Pure.
 */
import { quoteName } from '../util/quote.js';
import { badRequest } from './http/api-error.js';

const MOST_VALUES = 10_000;

export class Filters {
  constructor(private readonly values: ReadonlyMap<string, readonly string[]>) {}

  without(key: string): Filters {
    return new Filters(new Map([...this.values].filter(([other]) => other !== key)));
  }

  has(key: string): boolean {
    return this.values.has(key);
  }

  get(key: string): readonly string[] {
    return this.values.get(key) ?? [];
  }

  /** Whether one of the values fits; true where the key was not asked for. */
  any(key: string, fits: (value: string) => boolean): boolean {
    const values = this.values.get(key);
    return values === undefined || values.length === 0 || values.some(fits);
  }

  /** "label" and "label!". */
  labels(labels: { readonly [key: string]: string }): boolean {
    return (
      this.get('label').every((wanted) => hasLabel(labels, wanted)) &&
      !this.get('label!').some((wanted) => hasLabel(labels, wanted))
    );
  }

  /** Of a filter that is true or false; undefined where it was not asked for. Throws ApiError 400. */
  boolean(key: string): boolean | undefined {
    const values = this.values.get(key);
    if (values === undefined || values.length === 0) return undefined;
    const [value, ...others] = values.map((text) => TRUTH[text]);
    if (value !== undefined && others.every((other) => other === value)) return value;
    throw badRequest(`invalid filter '${key}=${JSON.stringify(values)}': it is true or false`);
  }
}

const TRUTH: { readonly [text: string]: boolean | undefined } = {
  1: true,
  true: true,
  True: true,
  TRUE: true,
  t: true,
  0: false,
  false: false,
  False: false,
  FALSE: false,
  f: false,
};

function hasLabel(labels: { readonly [key: string]: string }, wanted: string): boolean {
  const equals = wanted.indexOf('=');
  const key = equals < 0 ? wanted : wanted.slice(0, equals);
  if (!Object.hasOwn(labels, key)) return false;
  return equals < 0 || labels[key] === wanted.slice(equals + 1);
}

/** text: of the query; allowed: keys that the endpoint knows. Throws ApiError 400. */
export function parseFilters(text: string | undefined, allowed: readonly string[]): Filters {
  if (text === undefined || text === '') return new Filters(new Map());
  const entries = Object.entries(object(parse(text) ?? {})); // null is none, as in Go
  const values = new Map<string, readonly string[]>();
  let count = 0;
  for (const [key, value] of entries) {
    if (!allowed.includes(key)) throw badRequest(`invalid filter ${quoteName(key, 64)}`);
    const list = valuesOf(key, value);
    count += list.length;
    if (count > MOST_VALUES) throw badRequest(`invalid filters: more than ${MOST_VALUES} values`);
    values.set(key, list);
  }
  return new Filters(values);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof SyntaxError ? error.message : '';
    throw badRequest(`invalid filters: not JSON: ${reason}`);
  }
}

function object(value: unknown): object {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw badRequest('invalid filters: must be an object of lists');
}

function valuesOf(key: string, value: unknown): readonly string[] {
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const entries = Object.entries(value);
    if (entries.every(([, on]) => typeof on === 'boolean')) return entries.flatMap(([name, on]) => (on ? [name] : []));
  }
  throw badRequest(`invalid filter ${quoteName(key, 64)}: its values are a list of texts`);
}

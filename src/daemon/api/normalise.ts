/**
 * A request body as Go's decoder would take it, before the schema sees it: null is the zero value, a name counts whatever
 * its case, a text where words are wanted is one word. Names that the API does not have stay and are not looked at.
 *
 * Pure, but changes the body in place.
 */
import { SHAPES } from './shapes.gen.js';

type Fields = { [key: string]: unknown };

const ZEROS: { readonly [shape: string]: unknown } = { text: '', number: 0, boolean: false, any: null };

/** Go's zero value of a list's or a map's item; of an object one without fields. */
function zero(shape: string): unknown {
  if (shape in ZEROS) return ZEROS[shape];
  return shape.startsWith('[]') || shape === 'words' ? [] : {};
}

/** shape: of shapes.gen.ts. Returns the value that takes the place of the one given. */
export function normalise(value: unknown, shape: string): unknown {
  if (shape === 'words') return typeof value === 'string' ? [value] : normalise(value, '[]text');
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    if (shape.startsWith('[]')) replaceItems(value, shape.slice(2));
  } else if (shape.startsWith('{}')) {
    const map = value as Fields;
    for (const [key, item] of Object.entries(map)) set(map, key, itemOf(item, shape.slice(2)));
  } else if (SHAPES[shape] !== undefined) {
    normaliseObject(value as Fields, SHAPES[shape]);
  }
  return value;
}

const itemOf = (item: unknown, shape: string): unknown => (item === null ? zero(shape) : normalise(item, shape));

function replaceItems(list: unknown[], shape: string): void {
  for (let index = 0; index < list.length; index++) list[index] = itemOf(list[index], shape);
}

function normaliseObject(object: Fields, properties: { readonly [property: string]: string }): void {
  for (const [key, item] of Object.entries(object)) {
    const name = Object.hasOwn(properties, key) ? key : named(key, properties);
    if (name === undefined) continue;
    if (name !== key) delete object[key];
    if (item === null) delete object[name];
    else set(object, name, normalise(item, properties[name] ?? 'any'));
  }
}

/** The property that a name means which is written in another case. */
function named(key: string, properties: object): string | undefined {
  const folded = key.toLowerCase();
  return Object.keys(properties).find((name) => name.toLowerCase() === folded);
}

/** An own property whatever its name: `__proto__` is a label like any other. */
function set(object: Fields, key: string, value: unknown): void {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}

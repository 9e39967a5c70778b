/**
 * One walk over a document before the schema sees it: null for "unset" goes (as Go's decoder has it, which every engine
 * relies on), 64-bit integers become bigint, NUL in what the kernel gets is an error, and a property that is nearly one
 * of the spec's is a warning (runtime-spec: unknown properties must be ignored).
 *
 * Pure, but changes the document's value in place.
 */
import { pointer } from '../util/pointer.js';
import { didYouMean } from '../util/suggest.js';
import { type Issues, issue } from './issues.js';
import type { Reading } from './valid.js';
import { SHAPES } from './values.gen.js';

type Fields = { [key: string]: unknown };

interface Walk extends Reading {
  readonly issues: Issues;
  readonly at: (string | number)[];
  /** How many properties more are compared with those of the spec: a document may hold a million of them. */
  comparisons: number;
}

const MAX_COMPARISONS = 1000;

/** shape: of values.gen.ts, "Config" for a whole config.json. */
export function normalise(value: unknown, shape: string, issues: Issues, reading: Reading = {}): void {
  walk(value, shape, { ...reading, issues, at: [], comparisons: MAX_COMPARISONS });
}

function walk(value: unknown, shape: string, state: Walk): void {
  if (typeof value === 'string') checkText(value, state);
  else if (typeof value !== 'object' || value === null) return;
  else if (Array.isArray(value)) walkList(value, shape, state);
  else if (shape.startsWith('{}')) walkMap(value as Fields, shape.slice(2), state);
  else if (SHAPES[shape] !== undefined) walkObject(value as Fields, SHAPES[shape], state);
}

function walkList(list: readonly unknown[], shape: string, state: Walk): void {
  if (!shape.startsWith('[]')) return;
  const items = shape.slice(2);
  for (let index = 0; index < list.length; index++) {
    const item = list[index];
    if (typeof item === 'string' && !item.includes('\0')) continue;
    state.at.push(index);
    walk(item, items, state);
    state.at.pop();
  }
}

function walkMap(map: Fields, items: string, state: Walk): void {
  // Annotations are free text that only JSON carries on.
  if (state.at.length === 1 && state.at[0] === 'annotations') return;
  for (const [key, item] of Object.entries(map)) {
    state.at.push(key);
    checkText(key, state);
    walk(item, items, state);
    state.at.pop();
  }
}

function walkObject(object: Fields, properties: { readonly [property: string]: string }, state: Walk): void {
  for (const [key, item] of Object.entries(object)) {
    const shape = Object.hasOwn(properties, key) ? properties[key] : undefined;
    state.at.push(key);
    if (shape === undefined) checkUnknown(key, properties, state);
    else if (item === null) delete object[key];
    else if (shape === 'wide') object[key] = widen(item);
    else walk(item, shape, state);
    state.at.pop();
  }
}

const widen = (item: unknown): unknown => (Number.isSafeInteger(item) ? BigInt(item as number) : item);

function checkUnknown(key: string, properties: object, state: Walk): void {
  const { at, issues, everyUnknown = false } = state;
  const hint = state.comparisons-- > 0 ? didYouMean(key, Object.keys(properties)) : undefined;
  if (hint === undefined && !everyUnknown) return;
  issues.warnings.push(
    issue('UNKNOWN_PROPERTY', pointer(...at), 'is no property of the OCI spec and is ignored', { hint }),
  );
}

function checkText(text: string, { at, issues }: Walk): void {
  if (!text.includes('\0')) return;
  issues.errors.push(issue('NUL_BYTE', pointer(...at), 'must not contain a NUL byte', { value: text }));
}

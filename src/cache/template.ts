/**
 * A plan whose strings are put together from constants and slots. It is found by compiling a config a second time with
 * a marker in each slot: where a marker comes out, the value goes in.
 *
 * Pure.
 */
import { encodePlan } from '../plan/encode.js';
import { type Field, HEADER_SIZE, LISTS, OP_SHAPES, type Op, RECORD_SIZE } from '../plan/op.gen.js';
import { EXEC_LISTS, type ExecLists, type Plan } from '../plan/plan.js';
import type { Slot } from './slots.js';

/** A constant, or the number of a slot. */
export type Piece = string | number;

/** A text, or the texts of a vector with a NUL behind each, that the launcher puts together. */
export interface Patch {
  /** Where its offset stands in the plan's bytes; that of a vector is followed by its count. */
  readonly at: number;
  /** undefined: no vector. */
  readonly count: number | undefined;
  readonly pieces: readonly Piece[];
}

export interface Template {
  /** Encoded, with empty texts and vectors where the patches go. It holds no value of a slot. */
  readonly plan: Uint8Array;
  readonly patches: readonly Patch[];
}

/** No config has it, or it gets no template. */
const SIGN = 'Zq9x';
const MARKER = /\/?Zq9x(\d{4})x9qZ/g;
const MAX_SLOTS = 4096;

export const canMark = (slots: readonly Slot[], text: string): boolean =>
  slots.length <= MAX_SLOTS && !text.includes(SIGN);

/** A value of the slot's class which nothing else is equal to. */
export function markers(slots: readonly Slot[]): string[] {
  return slots.map(({ kind }, index) => `${kind === 'path' ? '/' : ''}${SIGN}${String(index).padStart(4, '0')}x9qZ`);
}

/** undefined: a marker did not come out as it went in. */
export function piecesOf(text: string, slots: readonly Slot[]): Piece[] | undefined {
  const pieces: Piece[] = [];
  let end = 0;
  for (const match of text.matchAll(MARKER)) {
    const number = Number(match[1]);
    const isPath = slots[number]?.kind === 'path';
    if (isPath && !match[0].startsWith('/')) return undefined;
    const at = match.index + (!isPath && match[0].startsWith('/') ? 1 : 0);
    if (at > end) pieces.push(text.slice(end, at));
    pieces.push(number);
    end = match.index + match[0].length;
  }
  if (end < text.length) pieces.push(text.slice(end));
  return pieces.some((piece) => typeof piece === 'string' && piece.includes(SIGN)) ? undefined : pieces;
}

const fill = (pieces: readonly Piece[], values: readonly string[]): string =>
  pieces.map((piece) => (typeof piece === 'number' ? (values[piece] ?? '') : piece)).join('');

type Values = { readonly [field: string]: unknown };

const isMarked = (value: unknown): boolean =>
  Array.isArray(value) ? value.some(isMarked) : typeof value === 'string' && value.includes(SIGN);

/** Every text of a plan that has a marker, replaced. */
function replaceMarked(plan: Plan, replace: (value: string | readonly string[], at: number) => unknown): Plan {
  let at = HEADER_SIZE;
  const edit = (op: Op): Op => {
    const values = op as unknown as Values;
    const changed = OP_SHAPES[op.op].fields.flatMap((field: Field) => {
      const value = values[field.name] as string | readonly string[];
      return isMarked(value) ? [[field.name, replace(value, at + field.offset)]] : [];
    });
    at += RECORD_SIZE;
    return changed.length === 0 ? op : ({ ...op, ...Object.fromEntries(changed) } as Op);
  };
  const lists = Object.fromEntries(LISTS.map((list) => [list, plan.lists[list].map(edit)])) as unknown as Plan['lists'];
  const exec =
    plan.exec &&
    (Object.fromEntries(EXEC_LISTS.map((list) => [list, plan.exec?.[list].map(edit)])) as unknown as ExecLists);
  const stateJson = isMarked(plan.stateJson) ? (replace(plan.stateJson, STATE_JSON_AT) as string) : plan.stateJson;
  return { stateJson, lists, ...(exec === undefined ? {} : { exec }) };
}

const STATE_JSON_AT = 24;

/**
 * marked: the plan of the config with markers. undefined when it is not, with the values put back, the very plan that the
 * config itself has.
 */
export function makeTemplate(
  plan: Plan,
  marked: Plan,
  slots: readonly Slot[],
  values: readonly string[],
): Template | undefined {
  const patches: Patch[] = [];
  let sound = true;
  const cut = (text: string): readonly Piece[] => {
    const pieces = piecesOf(text, slots);
    sound &&= pieces !== undefined;
    return pieces ?? [];
  };
  const restored = replaceMarked(marked, (value) =>
    typeof value === 'string' ? fill(cut(value), values) : value.map((text) => fill(cut(text), values)),
  );
  if (!sound || !sameBytes(encodePlan(restored), encodePlan(plan))) return undefined;
  const skeleton = replaceMarked(marked, (value, at) => {
    if (typeof value === 'string') {
      patches.push({ at, count: undefined, pieces: cut(value) });
      return '';
    }
    patches.push({ at, count: value.length, pieces: value.flatMap((text) => [...cut(text), '\0']) });
    return [];
  });
  const bytes = encodePlan(skeleton);
  // An origin, or a blob: no place for a slot.
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(SIGN)
    ? undefined
    : { plan: bytes, patches };
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

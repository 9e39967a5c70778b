/**
 * A question of the launcher (csrc/launcher/question.c) as literals with slots between them: what the compiler does not
 * look into may be different the next time.
 *
 * Pure.
 */
import { traceJson } from '../spec/json.js';
import { fits, type Slot, type SlotFinder } from './slots.js';

interface Place {
  readonly at: number;
  readonly slot: Slot;
  readonly value: string;
}

/** Of a question: text, with slots at these places. */
export interface Part {
  readonly text: string;
  readonly places: readonly Place[];
}

export interface Pattern {
  /** One more than slots: they stand before, between and behind. */
  readonly literals: readonly string[];
  readonly slots: readonly Slot[];
  /** What was in the slots. */
  readonly values: readonly string[];
}

export const literalPart = (text: string): Part => ({ text, places: [] });

/** A literal where the value is not of the slot's class. */
export const slotPart = (slot: Slot, value: string): Part => ({
  text: value,
  places: fits(slot, value) ? [{ at: 0, slot, value }] : [],
});

/** A JSON text: strings with slots in them, in the order of the text. */
export function documentPart(text: string, slotsAt: SlotFinder): Part {
  const places: Place[] = [];
  for (const [pointer, at] of traceJson(text).offsets) {
    if (text[at] !== '"') continue;
    const string = text.slice(at + 1, text.indexOf('"', at + 1));
    for (const { from, to, ...slot } of slotsAt(pointer, string))
      places.push({ at: at + 1 + from, slot, value: string.slice(from, to) });
  }
  return { text, places: places.sort((a, b) => a.at - b.at) };
}

export function patternOf(parts: readonly Part[]): Pattern {
  const literals = [''];
  const add = (text: string) => literals.push(`${literals.pop() ?? ''}${text}`);
  for (const { text, places } of parts) {
    let end = 0;
    for (const { at, value } of places) {
      add(text.slice(end, at));
      literals.push('');
      end = at + value.length;
    }
    add(text.slice(end));
  }
  const places = parts.flatMap((part) => part.places);
  return { literals, slots: places.map(({ slot }) => slot), values: places.map(({ value }) => value) };
}

/** The texts of the parts with other values, one for each slot. */
export function fillParts(parts: readonly Part[], values: readonly string[]): string[] {
  let next = 0;
  return parts.map(({ text, places }) => {
    let end = 0;
    const pieces = places.flatMap(({ at, value }) => {
      const literal = text.slice(end, at);
      end = at + value.length;
      return [literal, values[next++] ?? ''];
    });
    return `${pieces.join('')}${text.slice(end)}`;
  });
}

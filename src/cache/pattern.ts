/**
 * A question of the launcher (csrc/launcher/question.c) as literals with slots between them: what the compiler does not
 * look into may be different the next time.
 *
 * Pure.
 */
import { traceJson } from '../spec/json.js';
import { BUNDLE, type Slot, type SlotFinder } from './slots.js';

export interface Pattern {
  /** One more than slots: they stand before, between and behind. */
  readonly literals: readonly string[];
  readonly slots: readonly Slot[];
  /** What was in the slots. */
  readonly values: readonly string[];
  /** The literal in which the text of the config begins is that behind the first slot, from here on. */
  readonly configAt: number;
}

interface Place {
  readonly at: number;
  readonly slot: Slot;
  readonly value: string;
}

/** The slots in strings of the config, in the order of the text. */
function placesIn(config: string, slotsAt: SlotFinder): Place[] {
  const places: Place[] = [];
  for (const [pointer, at] of traceJson(config).offsets) {
    if (config[at] !== '"') continue;
    const text = config.slice(at + 1, config.indexOf('"', at + 1));
    for (const { from, to, ...slot } of slotsAt(pointer, text))
      places.push({ at: at + 1 + from, slot, value: text.slice(from, to) });
  }
  return places.sort((a, b) => a.at - b.at);
}

const BEFORE_CONFIG = '\n\n';

/** head: of the question, up to the path, of the bundle or of a process' file, which config is the text of. */
export function findPattern(head: string, path: string, config: string, slotsAt: SlotFinder): Pattern {
  const places = placesIn(config, slotsAt);
  const ends = places.map(({ at, value }) => at + value.length);
  const between = [...places.map(({ at }) => at), config.length].map((at, index) =>
    config.slice(index === 0 ? 0 : ends[index - 1], at),
  );
  const [first = '', ...rest] = between;
  return {
    literals: [head, `${BEFORE_CONFIG}${first}`, ...rest],
    slots: [BUNDLE, ...places.map(({ slot }) => slot)],
    values: [path, ...places.map(({ value }) => value)],
    configAt: BEFORE_CONFIG.length,
  };
}

/** The same question without slots: only this very path and text match. */
export function exactPattern(head: string, path: string, config: string): Pattern {
  return { literals: [`${head}${path}${BEFORE_CONFIG}${config}`], slots: [], values: [], configAt: 0 };
}

/** The config with other values in its slots: one value for each slot, that of the bundle included. */
export function fillConfig({ literals, configAt }: Pattern, values: readonly string[]): string {
  const [, first = '', ...rest] = literals;
  return rest.reduce((text, literal, index) => `${text}${values[index + 1] ?? ''}${literal}`, first.slice(configAt));
}

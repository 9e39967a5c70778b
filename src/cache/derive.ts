/**
 * From one plan to the plans of all questions that differ in slots alone. It is compiled a second time with a marker in
 * each slot; what comes out is a template only if putting the values back gives the first plan, byte for byte.
 *
 * Pure.
 */
import { encodePlan } from '../plan/encode.js';
import type { Plan } from '../plan/plan.js';
import type { Entry } from './entry.js';
import { fillParts, literalPart, type Part, patternOf } from './pattern.js';
import { canMark, makeTemplate, markers, type Piece, piecesOf, sameBytes } from './template.js';

export interface Source {
  /** Of the question, behind its head. */
  readonly parts: readonly Part[];
  readonly plan: Plan;
  /** As plan was compiled, from other texts of the parts. Throws NotCacheable for what depends on more than they say. */
  readonly compile: (texts: readonly string[]) => Compiled;
  readonly terminal: boolean;
  /** For people. */
  readonly label: string;
}

interface Compiled {
  readonly plan: Plan;
  /** See Entry. */
  readonly apart: readonly string[];
}

export class NotCacheable extends Error {}

export type Derived = Omit<Entry, 'witnesses'>;

/** undefined: the plan is never the same. Throws NotCacheable, and what compile throws. */
export function derive(head: string, source: Source): Derived | undefined {
  return deriveWithSlots(head, source) ?? deriveExact(head, source);
}

function deriveWithSlots(head: string, { parts, plan, compile, terminal, label }: Source): Derived | undefined {
  const pattern = patternOf([literalPart(head), ...parts]);
  const { slots, values, literals } = pattern;
  if (!canMark(slots, literals.join(''))) return undefined;
  const marked = compile(fillParts(parts, markers(slots)));
  const template = makeTemplate(plan, marked.plan, slots, values);
  const apart = marked.apart.map((text) => piecesOf(text, slots));
  if (template === undefined || apart.includes(undefined)) return undefined;
  return { pattern, template, apart: apart as (readonly Piece[])[], terminal, label };
}

/** For this very question: a bundle's own paths lie one below the other, for example. */
function deriveExact(head: string, { parts, plan, compile, terminal, label }: Source): Derived | undefined {
  const first = encodePlan(plan);
  const texts = parts.map(({ text }) => text);
  if (!sameBytes(first, encodePlan(compile(texts).plan))) return undefined;
  return {
    pattern: patternOf([literalPart(`${head}${texts.join('')}`)]),
    template: { plan: first, patches: [] },
    apart: [],
    terminal,
    label,
  };
}

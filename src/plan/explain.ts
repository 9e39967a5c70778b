/**
 * A plan as an explanation (`tsrun plan`): phase by phase, each op with what it is for and the field of the config that
 * asked for it. A reason is given once in a phase.
 *
 * Pure.
 */
import { LISTS, type ListName, type Op } from './op.gen.js';
import type { Plan } from './plan.js';
import { RUNS } from './print.js';
import { PHASES, type PhaseName, phaseOf, whyOf } from './story.js';
import { opText } from './text.js';

export interface Chapter {
  readonly phase: PhaseName;
  readonly list: ListName;
  readonly ops: readonly Op[];
}

/** Where a list begins when its first op belongs to several phases. */
const FIRST: { readonly [list in ListName]: PhaseName } = {
  setup: 'prepare',
  spawn: 'clone',
  settle: 'attend',
  init: 'settle',
  started: 'after',
  teardown: 'remove',
};

/** Neighbouring ops of one phase. A phase can come up twice: waiting interrupts another. */
export function chaptersOf(plan: Plan): Chapter[] {
  return LISTS.flatMap((list) => {
    const chapters: { phase: PhaseName; list: ListName; ops: Op[] }[] = [];
    for (const op of plan.lists[list]) {
      const last = chapters.at(-1);
      const phase = phaseOf(op, last?.phase ?? FIRST[list]);
      if (last?.phase === phase) last.ops.push(op);
      else chapters.push({ phase, list, ops: [op] });
    }
    return chapters;
  });
}

const COLUMN = 72;

function opLines(op: Op, told: Set<string>): string[] {
  const text = opText(op);
  const why = whyOf(op);
  const line = op.origin === '' ? `   ${text}` : `   ${text.padEnd(COLUMN)}  ← ${op.origin}`;
  if (told.has(why)) return [line];
  told.add(why);
  return [line, `       ${why}`];
}

export function explainPlan(plan: Plan): string {
  const told = new Map<PhaseName, Set<string>>();
  const sections = chaptersOf(plan).map(({ phase, list, ops }, index) => {
    const again = told.has(phase);
    const reasons = told.get(phase) ?? new Set<string>();
    told.set(phase, reasons);
    const { title, sentence } = PHASES[phase];
    const heading = [`${index + 1}. ${title}${again ? ', continued' : ''}`, `   (${RUNS[list]})`];
    return [...heading, ...(again ? [] : [`   ${sentence}`]), '', ...ops.flatMap((op) => opLines(op, reasons))].join(
      '\n',
    );
  });
  return `${sections.join('\n\n')}\n`;
}

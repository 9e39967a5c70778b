/**
 * What two plans do differently: ops that one has and the other has not, list by list, in the order in which they would
 * run. Where an op comes from does not count: a mount put in at the front moves all others by one.
 *
 * Pure.
 */
import { LISTS, type ListName, OP_SHAPES, type Op } from './op.gen.js';
import type { Plan } from './plan.js';
import { fieldsToJson, opToJson, RUNS } from './print.js';
import { opText } from './text.js';

export interface Change {
  readonly list: ListName;
  /** Of the first plan; undefined for what only the second does. */
  readonly before: Op | undefined;
  readonly after: Op | undefined;
}

/** bundles: their paths, so that the same file below each counts as the same. */
export function diffPlans(before: Plan, after: Plan, bundles: readonly [string, string]): Change[] {
  return LISTS.flatMap((list) => {
    const [a, b] = [before.lists[list], after.lists[list]];
    const keys = [a.map((op) => keyOf(op, bundles[0])), b.map((op) => keyOf(op, bundles[1]))] as const;
    return pairUp(walk(a, b, keys)).map((change) => ({ list, ...change }));
  });
}

type Step = Omit<Change, 'list'>;

/** All that an op does, without its origin; the record of the config is no effect of its own. */
function keyOf(op: Op, bundle: string): string {
  const fields = fieldsToJson(op).filter(([name]) => op.op !== 'STATE_FILE' || name !== 'data');
  const text = JSON.stringify([op.op, fields]);
  if (bundle === '' || bundle === '/') return text;
  const path = JSON.stringify(bundle).slice(1, -1);
  return text.replaceAll(`"${path}"`, '"<bundle>"').replaceAll(`"${path}/`, '"<bundle>/');
}

/** length[i][j]: of the longest common subsequence of a from i on and b from j on. */
function lengths(a: readonly string[], b: readonly string[]): number[][] {
  const table = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const row = table[i];
      if (row === undefined) continue;
      row[j] = a[i] === b[j] ? at(table, i + 1, j + 1) + 1 : Math.max(at(table, i + 1, j), at(table, i, j + 1));
    }
  }
  return table;
}

const at = (table: readonly (readonly number[])[], i: number, j: number): number => table[i]?.[j] ?? 0;

function walk(a: readonly Op[], b: readonly Op[], [keysA, keysB]: readonly [string[], string[]]): Step[] {
  const table = lengths(keysA, keysB);
  const steps: Step[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && keysA[i] === keysB[j]) {
      i++;
      j++;
    } else if (j >= b.length || (i < a.length && at(table, i + 1, j) >= at(table, i, j + 1))) {
      steps.push({ before: a[i++], after: undefined });
    } else {
      steps.push({ before: undefined, after: b[j++] });
    }
  }
  return steps;
}

/** What an op acts on; two ops with the same subject are one that changed. */
function subjectOf(op: Op): string {
  const fields: { readonly [name: string]: unknown } = { ...op };
  const subject = fields['dest'] ?? fields['path'] ?? fields['file'] ?? fields['resource'];
  return JSON.stringify([op.op, subject]);
}

/** Removed and added ops become one changed op, at the place of the removed one, where their subject is the same. */
function pairUp(steps: readonly Step[]): Step[] {
  const added = new Map<string, Step[]>();
  for (const step of steps) {
    if (step.after === undefined) continue;
    const subject = subjectOf(step.after);
    added.set(subject, [...(added.get(subject) ?? []), step]);
  }
  const taken = new Set<Step>();
  const paired = steps.map((step) => {
    const partner = step.before === undefined ? undefined : added.get(subjectOf(step.before))?.shift();
    if (partner === undefined) return step;
    taken.add(partner);
    return { before: step.before, after: partner.after };
  });
  return paired.filter((step) => !taken.has(step));
}

function line(mark: string, op: Op, note = ''): string {
  return `${mark} ${opText(op)}${note}${op.origin === '' ? '' : `  ← ${op.origin}`}`;
}

/** One line per op, "-" of the first plan and "+" of the second; both, one below the other, for one that changed. */
export function printDiff(changes: readonly Change[]): string {
  const lists = LISTS.filter((list) => changes.some((change) => change.list === list));
  const sections = lists.map((list) => {
    const lines = changes.filter((change) => change.list === list).flatMap(changeLines);
    return [`${list}: ${RUNS[list]}`, ...lines].join('\n');
  });
  return sections.length === 0 ? 'no differences\n' : `${sections.join('\n\n')}\n`;
}

/** A filter can change and keep its length. */
function changeLines({ before, after }: Change): string[] {
  const same = before !== undefined && after !== undefined && opText(before) === opText(after);
  return [
    ...(before === undefined ? [] : [line('-', before)]),
    ...(after === undefined ? [] : [line('+', after, same ? `, other ${differing(before, after)}` : '')]),
  ];
}

function differing(before: Op | undefined, after: Op): string {
  const old = new Map(before === undefined ? [] : fieldsToJson(before));
  const names = OP_SHAPES[after.op].fields.map(({ name }) => name);
  const now = new Map(fieldsToJson(after));
  return names.filter((name) => JSON.stringify(old.get(name)) !== JSON.stringify(now.get(name))).join(', ');
}

export function diffToJson(changes: readonly Change[]): unknown {
  return changes.map(({ list, before, after }) => ({
    change: before === undefined ? 'added' : after === undefined ? 'removed' : 'changed',
    list,
    ...(before === undefined ? {} : { before: opToJson(before) }),
    ...(after === undefined ? {} : { after: opToJson(after) }),
  }));
}

/**
 * A plan as text for people (`tsrun plan`, the golden tests' plan.txt) and as JSON for programs.
 * The text reads from top to bottom as the story of how the container starts.
 *
 * Pure.
 */
import { LISTS, type ListName, OP_SHAPES, type Op } from './op.gen.js';
import { EXEC_LISTS, type Plan } from './plan.js';
import { whyOf } from './story.js';
import { opText } from './text.js';

/** Who runs a list, as in schemas/plan.json. */
export const RUNS: { readonly [list in ListName]: string } = {
  setup: 'the executor, on the host, before the container exists',
  spawn: 'the executor, to make the first process; from STAGE on in a process that may change namespaces',
  settle: 'the executor, on the host, beside the new process',
  init: 'the new process, on its way into the container',
  started: 'the start command, once the program runs',
  teardown: 'the delete command, and create when it fails',
};

const MAX_COLUMN = 100;

/** One heading per list, one line per op: what it does ← the field that asked for it; none where every container has it. */
export function printPlan(plan: Plan): string {
  const lists = LISTS.filter((list) => plan.lists[list].length > 0);
  const texts = lists.map((list) => plan.lists[list].map(opText));
  const column = Math.max(
    0,
    ...texts
      .flat()
      .map((text) => text.length)
      .filter((length) => length <= MAX_COLUMN),
  );
  const sections = lists.map((list, i) => {
    const lines = plan.lists[list].map((op, j) => line(texts[i]?.[j] ?? '', op.origin, column));
    return [`${list}: ${RUNS[list]}`, ...lines].join('\n');
  });
  return `${sections.join('\n\n')}\n`;
}

function line(text: string, origin: string, column: number): string {
  return origin === '' ? `  ${text}` : `  ${text.padEnd(column)}  ← ${origin}`;
}

/** For `tsrun plan --json`: numbers of 64 bits as decimal strings, blobs as base64, beside each op what it does and why. */
export function planToJson(plan: Plan): unknown {
  const { exec } = plan;
  return {
    lists: Object.fromEntries(LISTS.map((list) => [list, plan.lists[list].map(opToJson)])),
    ...(exec === undefined
      ? {}
      : { exec: Object.fromEntries(EXEC_LISTS.map((list) => [list, exec[list].map(opToJson)])) }),
    state: plan.stateJson,
  };
}

export function opToJson(op: Op): unknown {
  const story = { text: opText(op), why: whyOf(op) };
  return { op: op.op, ...Object.fromEntries(fieldsToJson(op)), origin: op.origin, ...story };
}

export function fieldsToJson(op: Op): (readonly [name: string, value: unknown])[] {
  const values = op as unknown as { readonly [field: string]: unknown };
  return OP_SHAPES[op.op].fields.map(({ name }) => [name, valueToJson(values[name])]);
}

function valueToJson(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value;
}

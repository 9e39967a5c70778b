// Random plans for property tests: every op of the catalogue in every list that allows it, with any value its fields take.
import fc from 'fast-check';
import { type Field, LISTS, OP_SHAPES, type Op, type OpName } from '../../src/plan/op.gen.js';
import type { Plan } from '../../src/plan/plan.js';

const NAMES = Object.keys(OP_SHAPES) as OpName[];

/** Well-formed Unicode without NUL, which is what a config can hold. */
const text = fc.string({ unit: 'grapheme', maxLength: 20 }).map((s) => s.replaceAll('\0', ''));

function value(field: Field): fc.Arbitrary<unknown> {
  switch (field.type) {
    case 'u32':
      return fc.integer({ min: 0, max: 0xffff_ffff });
    case 'i32':
      return fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });
    case 'u64':
      return fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn });
    case 'i64':
      return fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n });
    case 'str':
      return text;
    case 'strv':
      return fc.array(text, { maxLength: 5 });
    case 'blob':
      return fc.uint8Array({ maxLength: 40 });
  }
}

export function opOf(name: OpName): fc.Arbitrary<Op> {
  const fields = OP_SHAPES[name].fields.map((field) => [field.name, value(field)]);
  return fc.record({ op: fc.constant(name), ...Object.fromEntries(fields), origin: text }) as fc.Arbitrary<Op>;
}

export const anyPlan: fc.Arbitrary<Plan> = fc.record({
  stateJson: text,
  lists: fc.record(
    Object.fromEntries(
      LISTS.map((list) => {
        const allowed = NAMES.filter((name) => OP_SHAPES[name].lists.includes(list));
        return [list, fc.array(fc.oneof(...allowed.map(opOf)), { maxLength: 8 })];
      }),
    ),
  ),
}) as unknown as fc.Arbitrary<Plan>;

/**
 * Plan → the bytes that the executor maps: a header, fixed-size records, a string area; little endian, offsets
 * instead of pointers. Fields and their places come from schemas/plan.json by way of op.gen.ts.
 *
 * Pure.
 */
import { SpecError } from '../errors.js';
import { asPointer } from '../util/pointer.js';
import {
  type Field,
  HEADER_SIZE,
  LISTS,
  MAGIC,
  MAX_PLAN_BYTES,
  OP_SHAPES,
  type Op,
  RECORD_SIZE,
  VERSION,
} from './op.gen.js';
import { EXEC_LISTS, type Plan } from './plan.js';
import { StringArea } from './string-area.js';

/** Throws SpecError for a plan over 16 MiB, RangeError for what no validated config leads to: a NUL, a number too wide. */
export function encodePlan(plan: Plan): Uint8Array {
  const area = new StringArea();
  const lists = [...LISTS.map((list) => plan.lists[list]), ...EXEC_LISTS.map((list) => plan.exec?.[list] ?? [])];
  const count = lists.reduce((sum, ops) => sum + ops.length, 0);
  const strings = HEADER_SIZE + count * RECORD_SIZE;
  const head = new Uint8Array(strings);
  const view = new DataView(head.buffer);
  const stateJson = area.text(plan.stateJson);
  let at = HEADER_SIZE;
  lists.forEach((ops, index) => {
    view.setUint32(32 + index * 8, at, true);
    view.setUint32(36 + index * 8, ops.length, true);
    for (const op of ops) {
      writeRecord(new DataView(head.buffer, at, RECORD_SIZE), op, area);
      at += RECORD_SIZE;
    }
  });
  const tail = area.bytes();
  if (strings + tail.length > MAX_PLAN_BYTES) throw tooLarge(strings + tail.length);
  writeHeader(view, { size: strings + tail.length, strings, stringsSize: tail.length, stateJson });
  const bytes = new Uint8Array(strings + tail.length);
  bytes.set(head);
  bytes.set(tail, strings);
  return bytes;
}

function tooLarge(bytes: number): SpecError {
  const message = `becomes a plan of ${bytes} bytes, the most is ${MAX_PLAN_BYTES}`;
  return new SpecError([{ code: 'PLAN_TOO_LARGE', path: asPointer(''), message }]);
}

interface Header {
  readonly size: number;
  readonly strings: number;
  readonly stringsSize: number;
  readonly stateJson: number;
}

function writeHeader(view: DataView, header: Header): void {
  for (let i = 0; i < MAGIC.length; i++) view.setUint8(i, MAGIC.charCodeAt(i));
  view.setUint32(8, VERSION, true);
  view.setUint32(12, header.size, true);
  view.setUint32(16, header.strings, true);
  view.setUint32(20, header.stringsSize, true);
  view.setUint32(24, header.stateJson, true);
}

function writeRecord(record: DataView, op: Op, area: StringArea): void {
  const shape = OP_SHAPES[op.op];
  record.setUint32(0, shape.code, true);
  record.setUint32(4, area.text(op.origin), true);
  const values = op as unknown as { readonly [field: string]: unknown };
  for (const field of shape.fields) writeField(record, field, values[field.name], area, op);
}

function writeField(record: DataView, field: Field, value: unknown, area: StringArea, op: Op): void {
  const at = field.offset;
  switch (field.type) {
    case 'u32':
      record.setUint32(at, within(value, 0, 0xffff_ffff, field, op), true);
      break;
    case 'i32':
      record.setInt32(at, within(value, -0x8000_0000, 0x7fff_ffff, field, op), true);
      break;
    case 'u64':
    case 'i64':
      writeWide(record, field, value as bigint, op);
      break;
    case 'str':
      record.setUint32(at, area.text(value as string), true);
      break;
    case 'strv':
      record.setUint32(at, area.texts(value as readonly string[]), true);
      record.setUint32(at + 4, (value as readonly string[]).length, true);
      break;
    case 'blob':
      record.setUint32(at, area.blob(value as Uint8Array), true);
      record.setUint32(at + 4, (value as Uint8Array).length, true);
  }
}

function writeWide(record: DataView, field: Field, value: bigint, op: Op): void {
  const fits = field.type === 'u64' ? BigInt.asUintN(64, value) === value : BigInt.asIntN(64, value) === value;
  if (!fits) throw new RangeError(`${op.op}.${field.name}: ${value} is not a ${field.type}`);
  if (field.type === 'u64') record.setBigUint64(field.offset, value, true);
  else record.setBigInt64(field.offset, value, true);
}

function within(value: unknown, min: number, max: number, field: Field, op: Op): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
  throw new RangeError(`${op.op}.${field.name}: ${String(value)} is not a ${field.type}`);
}

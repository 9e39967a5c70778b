/**
 * The bytes of a plan → Plan, as strictly as the executor's plan_verify(): for joining a failure record with its op's
 * origin, for finding a container's cgroup again, and for the round trip in tests.
 *
 * Pure.
 */
import { asPointer } from '../util/pointer.js';
import {
  type Field,
  HEADER_SIZE,
  LISTS,
  type ListName,
  MAGIC,
  OP_SHAPES,
  type Op,
  type OpName,
  RECORD_SIZE,
  VERSION,
} from './op.gen.js';
import { EXEC_LISTS, type ExecLists, type Plan } from './plan.js';

/** What is wrong with the bytes, and where. */
export class PlanFormatError extends Error {
  readonly offset: number;
  constructor(message: string, offset: number) {
    super(`bad plan: ${message} at byte ${offset}`);
    this.name = 'PlanFormatError';
    this.offset = offset;
  }
}

interface Source {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Where the string area starts. */
  readonly strings: number;
}

let names: ReadonlyMap<number, OpName> | undefined;

/** Made at the first use: a create loads this file and decodes nothing. */
function nameOf(code: number): OpName | undefined {
  names ??= new Map((Object.keys(OP_SHAPES) as OpName[]).map((name) => [OP_SHAPES[name].code, name]));
  return names.get(code);
}

const decoder = new TextDecoder();

export function decodePlan(bytes: Uint8Array): Plan {
  const source = readHeader(bytes);
  const stateJson = readText(source, source.view.getUint32(24, true), 24);
  const read = (names: readonly ListName[], first: number) =>
    Object.fromEntries(names.map((list, index) => [list, readList(source, list, 32 + (first + index) * 8)]));
  const lists = read(LISTS, 0) as unknown as Plan['lists'];
  const exec = read(EXEC_LISTS, LISTS.length) as unknown as ExecLists;
  return { stateJson, lists, ...(exec.init.length === 0 ? {} : { exec }) };
}

function readHeader(bytes: Uint8Array): Source {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEADER_SIZE) throw new PlanFormatError('too short', 0);
  if (decoder.decode(bytes.subarray(0, 8)) !== MAGIC) throw new PlanFormatError('no magic', 0);
  if (view.getUint32(8, true) !== VERSION) throw new PlanFormatError(`version is not ${VERSION}`, 8);
  if (view.getUint32(12, true) !== bytes.length) throw new PlanFormatError('size', 12);
  const strings = view.getUint32(16, true);
  if (strings < HEADER_SIZE || strings % 8 !== 0 || strings >= bytes.length) {
    throw new PlanFormatError('string area', 16);
  }
  if (view.getUint32(20, true) !== bytes.length - strings) throw new PlanFormatError('size of the string area', 20);
  if (bytes[strings] !== 0 || bytes[bytes.length - 1] !== 0) throw new PlanFormatError('no NUL', strings);
  return { bytes, view, strings };
}

function readList(source: Source, list: ListName, at: number): Op[] {
  const first = source.view.getUint32(at, true);
  const count = source.view.getUint32(at + 4, true);
  if (first < HEADER_SIZE || first % 8 !== 0 || first + count * RECORD_SIZE > source.strings) {
    throw new PlanFormatError(`list ${list}`, at);
  }
  return Array.from({ length: count }, (_, index) => readRecord(source, list, first + index * RECORD_SIZE));
}

function readRecord(source: Source, list: ListName, at: number): Op {
  const name = nameOf(source.view.getUint32(at, true));
  if (name === undefined || !OP_SHAPES[name].lists.includes(list)) throw new PlanFormatError(`opcode in ${list}`, at);
  const origin = asPointer(readText(source, source.view.getUint32(at + 4, true), at + 4));
  const fields = OP_SHAPES[name].fields.map((field) => [field.name, readField(source, field, at + field.offset)]);
  return { op: name, ...Object.fromEntries(fields), origin } as Op;
}

function readField(source: Source, field: Field, at: number): unknown {
  const { view } = source;
  switch (field.type) {
    case 'u32':
      return view.getUint32(at, true);
    case 'i32':
      return view.getInt32(at, true);
    case 'u64':
      return view.getBigUint64(at, true);
    case 'i64':
      return view.getBigInt64(at, true);
    case 'str':
      return readText(source, view.getUint32(at, true), at);
    case 'strv':
      return readTexts(source, view.getUint32(at, true), view.getUint32(at + 4, true), at);
    case 'blob':
      return readBlob(source, view.getUint32(at, true), view.getUint32(at + 4, true), at);
  }
}

function readText(source: Source, offset: number, at: number): string {
  const start = source.strings + offset;
  if (start >= source.bytes.length) throw new PlanFormatError('string', at);
  // The area's last byte is NUL, so a string that starts inside ends inside.
  return decoder.decode(source.bytes.subarray(start, source.bytes.indexOf(0, start)));
}

function readTexts(source: Source, offset: number, count: number, at: number): string[] {
  const texts: string[] = [];
  let start = offset;
  for (let i = 0; i < count; i++) {
    const text = readText(source, start, at);
    texts.push(text);
    start += source.bytes.indexOf(0, source.strings + start) - source.strings - start + 1;
  }
  return texts;
}

function readBlob(source: Source, offset: number, length: number, at: number): Uint8Array {
  const start = source.strings + offset;
  if (offset % 8 !== 0 || start + length > source.bytes.length) throw new PlanFormatError('blob', at);
  return source.bytes.slice(start, start + length);
}

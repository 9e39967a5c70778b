/**
 * The door through which documents of others enter: bytes to an `unknown` value with exact integers, and the line and
 * column of each part for messages. Refuses what is not one JSON object in UTF-8.
 *
 * Pure.
 */
import { isUtf8 } from 'node:buffer';
import { SpecError, type SpecIssue, type SpecIssueCode } from '../errors.js';
import { asPointer, type JsonPointer } from '../util/pointer.js';
import { JsonError, type JsonProblem, parseJson, type Trace, traceJson } from './json.js';
import { parseFast } from './json-fast.js';

export const MAX_BYTES = 16 * 1024 * 1024;

export interface Position {
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 units. */
  readonly column: number;
}

export interface SourceDocument {
  /** For messages: "config.json". */
  readonly name: string;
  readonly value: unknown;
  /** Where the value at this pointer begins, if it is there. */
  locate(path: JsonPointer): Position | undefined;
  /** What the reader noticed without refusing it: keys given twice. */
  readonly warnings?: readonly SpecIssue[];
}

const ROOT = asPointer('');

const CODES: { readonly [P in JsonProblem]: SpecIssueCode } = {
  empty: 'NOT_AN_OBJECT',
  truncated: 'JSON_TRUNCATED',
  syntax: 'JSON_SYNTAX',
  'too-deep': 'JSON_TOO_DEEP',
  'trailing-data': 'JSON_TRAILING_DATA',
  'bad-character': 'JSON_ENCODING',
};

/** Throws SpecError for bytes that are no JSON object, with the line and column. */
export function readDocument(bytes: Uint8Array, name: string): SourceDocument {
  const text = decodeUtf8(bytes, name);
  const positionAt = positions(text);
  const { value, duplicates } = parse(text, name, positionAt);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw refusal(name, 'NOT_AN_OBJECT', `not a JSON object, but ${kindOf(value)}`, positionAt(text.search(/\S/)));
  }
  let trace: Trace | undefined;
  const traced = (): Trace => {
    trace ??= traceJson(text);
    return trace;
  };
  return {
    name,
    value,
    locate: (path) => {
      const offset = traced().offsets.get(path);
      return offset === undefined ? undefined : positionAt(offset);
    },
    warnings: duplicates ? traced().duplicates.map(({ path, at }) => duplicate(path, positionAt(at))) : [],
  };
}

/** A document of a value that was never text (options, tests): same checks, no positions. */
export function documentOf(value: unknown, name: string): SourceDocument {
  return { name, value, locate: () => undefined };
}

function parse(text: string, name: string, positionAt: (offset: number) => Position): ReturnType<typeof parseJson> {
  const value = parseFast(text);
  if (value !== undefined) return { value, duplicates: false };
  try {
    return parseJson(text);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw refusal(name, CODES[error.problem], explain(error, text), positionAt(error.at));
  }
}

function explain({ problem, at, message }: JsonError, text: string): string {
  const byte = Buffer.byteLength(text.slice(0, at));
  if (problem === 'empty') return 'empty, not a JSON object';
  if (problem === 'truncated') return `unexpected end at byte ${byte}: ${message}`;
  return `${message} at byte ${byte}`;
}

function decodeUtf8(bytes: Uint8Array, name: string): string {
  if (bytes.length > MAX_BYTES) {
    throw refusal(name, 'JSON_TOO_LARGE', `larger than ${MAX_BYTES / 1024 / 1024} MiB (${bytes.length} bytes)`);
  }
  const mark = byteOrderMark(bytes);
  if (mark !== undefined) {
    throw refusal(
      name,
      'JSON_ENCODING',
      `${mark} at byte 0`,
      { line: 1, column: 1 },
      'save it as UTF-8 without a byte order mark',
    );
  }
  const zero = bytes.indexOf(0);
  if (zero >= 0) throw refusal(name, 'JSON_ENCODING', `NUL at byte ${zero}`, undefined, 'save it as UTF-8 text');
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (!isUtf8(buffer)) throw badUtf8(buffer, name);
  return buffer.toString('utf8');
}

function byteOrderMark(bytes: Uint8Array): string | undefined {
  const [a, b, c] = bytes;
  if (a === 0xef && b === 0xbb && c === 0xbf) return 'byte order mark';
  if ((a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff)) return 'UTF-16 byte order mark';
  return undefined;
}

function badUtf8(buffer: Buffer, name: string): SpecError {
  const at = invalidByte(buffer);
  const [lead = 0, ...rest] = buffer.subarray(at, at + 4);
  const size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  const cut = lead >= 0xc2 && at + size > buffer.length && rest.every((byte) => byte >= 0x80 && byte <= 0xbf);
  if (cut) return refusal(name, 'JSON_TRUNCATED', `unexpected end at byte ${buffer.length}: within a character`);
  return refusal(name, 'JSON_ENCODING', `invalid UTF-8 at byte ${at}`);
}

/** Where decoding first had to put U+FFFD that was not in the bytes. */
function invalidByte(buffer: Buffer): number {
  let at = 0;
  for (const character of buffer.toString('utf8')) {
    if (character === '\ufffd' && buffer.subarray(at, at + 3).toString('latin1') !== '\xef\xbf\xbd') return at;
    at += Buffer.byteLength(character);
  }
  return at;
}

/** Answers for many offsets; the table of line starts is made at the first question. */
function positions(text: string): (offset: number) => Position {
  let starts: number[] | undefined;
  return (offset) => {
    starts ??= lineStarts(text);
    let line = 0;
    for (let step = starts.length; step >= 1; step = Math.floor(step / 2)) {
      while ((starts[line + step] ?? Number.POSITIVE_INFINITY) <= offset) line += step;
    }
    return { line: line + 1, column: offset - (starts[line] ?? 0) + 1 };
  };
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  return value === null ? 'null' : `a ${typeof value === 'bigint' ? 'number' : typeof value}`;
}

function duplicate(path: JsonPointer, position: Position): SpecIssue {
  return {
    code: 'DUPLICATE_KEY',
    path,
    message: 'is given more than once; the last one counts',
    ...position,
  };
}

function refusal(name: string, code: SpecIssueCode, message: string, position?: Position, hint?: string): SpecError {
  const issue: SpecIssue = { code, path: ROOT, message, ...position, ...(hint === undefined ? {} : { hint }) };
  return new SpecError([issue], name);
}

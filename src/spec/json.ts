/**
 * JSON text to values (RFC 8259) with what JSON.parse loses: integers are exact (a bigint where a number would round),
 * a key given twice is noticed, `__proto__` is a key like any other, and depth is bounded.
 *
 * Pure.
 */
import { asPointer, type JsonPointer, pointer } from '../util/pointer.js';

export const MAX_DEPTH = 128;

export type JsonProblem = 'empty' | 'truncated' | 'syntax' | 'too-deep' | 'trailing-data' | 'bad-character';

/** Thrown for text that is not JSON. at: index in the text. */
export class JsonError extends Error {
  readonly problem: JsonProblem;
  readonly at: number;

  constructor(problem: JsonProblem, at: number, message: string) {
    super(message);
    this.problem = problem;
    this.at = at;
  }
}

/** Where each value begins, by JSON pointer; of a key given twice the last one. */
export interface Trace {
  readonly offsets: Map<JsonPointer, number>;
  readonly duplicates: { readonly path: JsonPointer; readonly at: number }[];
}

/** What makes a string more than a slice of the text. */
const SPECIAL = /[\\\u0000-\u001f]/;

const NUMBER = /-?(?:0|[1-9][0-9]*)((?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)/y;

interface Cursor {
  readonly text: string;
  at: number;
  depth: number;
  duplicates: boolean;
  path: JsonPointer;
  readonly trace: Trace | undefined;
}

const cursor = (text: string, trace?: Trace): Cursor => ({
  text,
  at: 0,
  depth: 0,
  duplicates: false,
  path: asPointer(''),
  trace,
});

/** The value, and whether some object has a key twice. Objects have no prototype. Throws JsonError. */
export function parseJson(text: string): { readonly value: unknown; readonly duplicates: boolean } {
  const state = cursor(text);
  return { value: parseDocument(state), duplicates: state.duplicates };
}

/** Positions for text that parseJson accepts: a second pass, because only refused documents need them. */
export function traceJson(text: string): Trace {
  const trace: Trace = { offsets: new Map(), duplicates: [] };
  parseDocument(cursor(text, trace));
  return trace;
}

function parseDocument(state: Cursor): unknown {
  skipSpace(state);
  if (state.at === state.text.length) throw new JsonError('empty', state.at, 'is empty');
  const value = parseValue(state);
  skipSpace(state);
  if (state.at < state.text.length) {
    throw new JsonError('trailing-data', state.at, 'something follows the JSON value');
  }
  return value;
}

function parseValue(state: Cursor): unknown {
  state.trace?.offsets.set(state.path, state.at);
  switch (state.text.charCodeAt(state.at)) {
    case 0x7b:
      return nested(state, parseObject);
    case 0x5b:
      return nested(state, parseArray);
    case 0x22:
      return parseString(state);
    case 0x74:
      return parseWord(state, 'true', true);
    case 0x66:
      return parseWord(state, 'false', false);
    case 0x6e:
      return parseWord(state, 'null', null);
    default:
      return parseNumber(state);
  }
}

function nested(state: Cursor, parse: (state: Cursor) => unknown): unknown {
  state.depth++;
  if (state.depth > MAX_DEPTH) throw new JsonError('too-deep', state.at, `nesting deeper than ${MAX_DEPTH}`);
  state.at++;
  skipSpace(state);
  const path = state.path;
  const value = parse(state);
  state.path = path;
  state.depth--;
  return value;
}

function parseObject(state: Cursor): object {
  const path = state.path;
  const object: { [key: string]: unknown } = Object.create(null);
  if (take(state, 0x7d)) return object;
  do {
    skipSpace(state);
    const at = state.at;
    if (state.text.charCodeAt(at) !== 0x22) throw unexpected(state, 'a property name in double quotes');
    const key = parseString(state);
    if (state.trace) state.path = (path + pointer(key)) as JsonPointer;
    if (key in object) {
      state.duplicates = true;
      state.trace?.duplicates.push({ path: state.path, at });
    }
    skipSpace(state);
    if (!take(state, 0x3a)) throw unexpected(state, '":"');
    skipSpace(state);
    object[key] = parseValue(state);
    skipSpace(state);
  } while (take(state, 0x2c));
  if (!take(state, 0x7d)) throw unexpected(state, '"," or "}"');
  return object;
}

function parseArray(state: Cursor): unknown[] {
  const path = state.path;
  const list: unknown[] = [];
  if (take(state, 0x5d)) return list;
  do {
    skipSpace(state);
    if (state.trace) state.path = (path + pointer(list.length)) as JsonPointer;
    list.push(parseValue(state));
    skipSpace(state);
  } while (take(state, 0x2c));
  if (!take(state, 0x5d)) throw unexpected(state, '"," or "]"');
  return list;
}

/** The text between two quotes; most strings have no escape and are a slice. */
function parseString(state: Cursor): string {
  const { text, at } = state;
  const end = text.indexOf('"', at + 1);
  const plain = end < 0 ? undefined : text.slice(at + 1, end);
  if (plain === undefined || SPECIAL.test(plain)) return parseEscaped(state);
  state.at = end + 1;
  return plain;
}

/** Finds the end by hand and leaves decoding to JSON.parse. */
function parseEscaped(state: Cursor): string {
  const { text, at } = state;
  let end = at + 1;
  for (let code = text.charCodeAt(end); code !== 0x22; code = text.charCodeAt(end)) {
    if (Number.isNaN(code)) throw unexpectedAt(state, text.length, 'the closing double quote');
    if (code < 0x20) throw new JsonError('syntax', end, 'control character in a string');
    end += code === 0x5c ? 2 : 1;
  }
  state.at = end + 1;
  const value = decode(text.slice(at, end + 1), at);
  // Half a surrogate pair has no UTF-8: writing it would silently become U+FFFD.
  if (/\p{Surrogate}/u.test(value)) throw new JsonError('bad-character', at, 'half of a surrogate pair in a string');
  return value;
}

function decode(literal: string, at: number): string {
  try {
    return JSON.parse(literal) as string;
  } catch (error) {
    if (error instanceof SyntaxError) throw new JsonError('syntax', at, 'bad escape in a string');
    throw error;
  }
}

function parseWord<T>(state: Cursor, word: string, value: T): T {
  if (!state.text.startsWith(word, state.at)) throw unexpected(state, 'a value', word);
  state.at += word.length;
  return value;
}

/** An integer is a number where that is exact, else a bigint; the rest is what Number makes of it (1e309: Infinity). */
function parseNumber(state: Cursor): number | bigint {
  NUMBER.lastIndex = state.at;
  const found = NUMBER.exec(state.text);
  if (found === null) throw unexpected(state, 'a value');
  state.at = NUMBER.lastIndex;
  const [digits, fraction] = found;
  const value = Number(digits);
  if (fraction === '' && !Number.isSafeInteger(value)) return BigInt(digits);
  return value === 0 ? 0 : value;
}

function take(state: Cursor, code: number): boolean {
  if (state.text.charCodeAt(state.at) !== code) return false;
  state.at++;
  return true;
}

function skipSpace(state: Cursor): void {
  const { text } = state;
  let { at } = state;
  for (let code = text.charCodeAt(at); code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09; ) {
    code = text.charCodeAt(++at);
  }
  state.at = at;
}

/** The error for what stands at the cursor; the end of the text counts as truncation, even within a word. */
function unexpected(state: Cursor, wanted: string, word = ''): JsonError {
  const rest = state.text.slice(state.at, state.at + word.length);
  return unexpectedAt(state, word.startsWith(rest) ? state.at + rest.length : state.at, wanted);
}

function unexpectedAt(state: Cursor, at: number, wanted: string): JsonError {
  const { length } = state.text;
  // A number that ends with the text ("-", "1.", "1e+") is cut off, too.
  const cut = at >= length || (length - at < 32 && /^[-+.eE0-9]+$/.test(state.text.slice(at)));
  return new JsonError(cut ? 'truncated' : 'syntax', cut ? length : at, `expected ${wanted}`);
}

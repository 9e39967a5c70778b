/**
 * GVariant text, the notation of property values in annotations: `'text'`, `true`, `uint64 5`, `['a', 'b']`,
 * `@as []`, `{'key': <1>}`. A number without a type is an int32, or a double if it has a point or an exponent.
 *
 * GLib, "GVariant Text Format". Pure.
 */
import { type DbusValue, splitSignature, type Variant } from './dbus.js';

const KEYWORDS: { readonly [keyword: string]: string } = {
  boolean: 'b',
  byte: 'y',
  int16: 'n',
  uint16: 'q',
  int32: 'i',
  uint32: 'u',
  handle: 'h',
  int64: 'x',
  uint64: 't',
  double: 'd',
  string: 's',
  objectpath: 'o',
  signature: 'g',
};

const RANGES: { readonly [type: string]: readonly [least: bigint, most: bigint] } = {
  y: [0n, 0xffn],
  n: [-0x8000n, 0x7fffn],
  q: [0n, 0xffffn],
  i: [-0x8000_0000n, 0x7fff_ffffn],
  u: [0n, 0xffff_ffffn],
  h: [0n, 0xffff_ffffn],
  x: [-(1n << 63n), (1n << 63n) - 1n],
  t: [0n, (1n << 64n) - 1n],
};

const ESCAPES: { readonly [letter: string]: string } = {
  ...{ a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' },
};

const MAX_DEPTH = 32;

interface Input {
  readonly text: string;
  at: number;
  depth: number;
}

function fail(input: Input, what: string): never {
  throw new RangeError(`${what} at character ${input.at + 1}`);
}

function take(input: Input, pattern: RegExp): string | undefined {
  const sticky = new RegExp(pattern.source, 'y');
  sticky.lastIndex = input.at;
  const found = sticky.exec(input.text)?.[0];
  input.at += found?.length ?? 0;
  return found;
}

function skipSpace(input: Input): void {
  take(input, /\s+/);
}

function expect(input: Input, literal: string): void {
  skipSpace(input);
  if (!input.text.startsWith(literal, input.at)) fail(input, `expected '${literal}'`);
  input.at += literal.length;
}

function found(input: Input, literal: string): boolean {
  skipSpace(input);
  if (!input.text.startsWith(literal, input.at)) return false;
  input.at += literal.length;
  return true;
}

function checked(input: Input, type: string, wanted: string | undefined, value: DbusValue): Variant {
  if (wanted !== undefined && wanted !== type) fail(input, `a value of type '${type}' instead of '${wanted}'`);
  return { signature: type, value };
}

function readText(input: Input): string {
  const quote = input.text[input.at] ?? '';
  let text = '';
  input.at++;
  for (;;) {
    const letter = input.text[input.at++];
    if (letter === undefined) fail(input, 'unterminated text');
    if (letter === quote) return text;
    text += letter === '\\' ? readEscape(input) : letter;
  }
}

function readEscape(input: Input): string {
  const code = take(input, /u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}/);
  const letter = code === undefined ? input.text[input.at++] : '';
  if (letter === undefined) fail(input, 'unterminated text');
  if (code === undefined) return ESCAPES[letter] ?? letter;
  const point = Number.parseInt(code.slice(1), 16);
  if (point === 0 || point > 0x10ffff) fail(input, 'an impossible character');
  return String.fromCodePoint(point);
}

function readString(input: Input, wanted: string | undefined): Variant {
  const text = readText(input);
  const type = wanted === 'o' || wanted === 'g' ? wanted : 's';
  if (text.includes('\0')) fail(input, 'a NUL');
  if (type === 'o' && !/^\/$|^(?:\/[A-Za-z0-9_]+)+$/.test(text)) fail(input, 'no object path');
  if (type === 'g') splitSignature(text);
  return checked(input, type, wanted, text);
}

/** b'...' is an array of bytes with a NUL at its end. */
function readBytes(input: Input, wanted: string | undefined): Variant {
  input.at++;
  return checked(input, 'ay', wanted, [...Buffer.from(readText(input)), 0]);
}

function readNumber(input: Input, wanted: string | undefined): Variant {
  const text = take(input, /[-+]?(?:0[xX][0-9a-fA-F]+|inf|nan|[0-9.]+(?:[eE][-+]?[0-9]+)?)/) ?? '';
  const isWhole = /^[-+]?(?:0[xX][0-9a-fA-F]+|[0-9]+)$/.test(text);
  const type = wanted ?? (isWhole ? 'i' : 'd');
  if (type === 'd') return checked(input, type, wanted, toDouble(input, text));
  const range = RANGES[type];
  if (range === undefined) fail(input, `a number instead of '${type}'`);
  if (!isWhole) fail(input, 'no whole number');
  const size = BigInt(text.replace(/^[-+]/, ''));
  const value = text.startsWith('-') ? -size : size;
  if (value < range[0] || value > range[1]) fail(input, `${text} does not fit into type '${type}'`);
  return checked(input, type, wanted, value);
}

function toDouble(input: Input, text: string): number {
  const value = Number(text.replace('inf', 'Infinity').replace(/^[-+]?nan$/, 'NaN'));
  if (text === '' || (Number.isNaN(value) && !text.endsWith('nan'))) fail(input, 'no number');
  return value;
}

/** The first element says the type of all. */
function readArray(input: Input, wanted: string | undefined): Variant {
  const items: DbusValue[] = [];
  let element = wanted?.startsWith('a') ? wanted.slice(1) : undefined;
  if (wanted !== undefined && element === undefined) fail(input, `an array instead of '${wanted}'`);
  expect(input, '[');
  while (!found(input, ']')) {
    if (items.length > 0) expect(input, ',');
    const item = readValue(input, element);
    element = item.signature;
    items.push(item.value);
  }
  if (element === undefined) fail(input, 'an empty array needs its type, such as @as []: none');
  return { signature: `a${element}`, value: items };
}

function readTuple(input: Input, wanted: string | undefined): Variant {
  const members = wanted?.startsWith('(') ? splitSignature(wanted.slice(1, -1)) : undefined;
  const items: Variant[] = [];
  expect(input, '(');
  while (!found(input, ')')) {
    if (items.length > 0) expect(input, ',');
    if (items.length > 0 && found(input, ')')) break;
    items.push(readValue(input, members?.[items.length]));
  }
  const type = `(${items.map(({ signature }) => signature).join('')})`;
  const values = items.map(({ value }) => value);
  if (items.length === 0) fail(input, 'D-Bus has no empty tuple:');
  return checked(input, type, wanted, values);
}

function readDictionary(input: Input, wanted: string | undefined): Variant {
  const types = wanted?.startsWith('a{') ? splitSignature(wanted.slice(2, -1)) : [];
  let [key, value] = types;
  const entries: DbusValue[] = [];
  expect(input, '{');
  while (!found(input, '}')) {
    if (entries.length > 0) expect(input, ',');
    const left = readValue(input, key);
    expect(input, ':');
    const right = readValue(input, value);
    [key, value] = [left.signature, right.signature];
    entries.push([left.value, right.value]);
  }
  if (key === undefined || value === undefined)
    fail(input, 'an empty dictionary needs its type, such as @a{sv} {}: none');
  return checked(input, `a{${key}${value}}`, wanted, entries);
}

function readVariant(input: Input, wanted: string | undefined): Variant {
  expect(input, '<');
  const inner = readValue(input, undefined);
  expect(input, '>');
  return checked(input, 'v', wanted, inner);
}

function readWord(input: Input, wanted: string | undefined): Variant {
  const begin = input.at;
  const word = take(input, /[a-z]+[0-9]*/) ?? '';
  if (word === 'true' || word === 'false') return checked(input, 'b', wanted, word === 'true');
  const type = Object.hasOwn(KEYWORDS, word) ? KEYWORDS[word] : undefined;
  if (type !== undefined) return declared(input, type, wanted);
  input.at = begin;
  return readNumber(input, wanted);
}

function readDeclared(input: Input, wanted: string | undefined): Variant {
  input.at++;
  const type = take(input, /[a-z(){}]+/) ?? '';
  if (splitSignature(type).length !== 1) fail(input, 'no single type');
  return declared(input, type, wanted);
}

function declared(input: Input, type: string, wanted: string | undefined): Variant {
  if (wanted !== undefined && wanted !== type) fail(input, `type '${type}' instead of '${wanted}'`);
  return readValue(input, type);
}

function readerOf({ text, at }: Input): (input: Input, wanted: string | undefined) => Variant {
  const first = text[at] ?? '';
  if (first === "'" || first === '"') return readString;
  if (first === 'b' && /['"]/.test(text[at + 1] ?? '')) return readBytes;
  if (first === '[') return readArray;
  if (first === '(') return readTuple;
  if (first === '{') return readDictionary;
  if (first === '<') return readVariant;
  if (first === '@') return readDeclared;
  return readWord;
}

function readValue(input: Input, wanted: string | undefined): Variant {
  skipSpace(input);
  if (input.at >= input.text.length) fail(input, 'a value is missing');
  if (++input.depth > MAX_DEPTH) fail(input, 'nested too deep');
  const value = readerOf(input)(input, wanted);
  input.depth--;
  return value;
}

/** The value and its type. Throws RangeError that says what is wrong and where. */
export function parseVariant(text: string): Variant {
  const input = { text, at: 0, depth: 0 };
  const value = readValue(input, undefined);
  skipSpace(input);
  if (input.at < text.length) fail(input, 'more than one value');
  return value;
}

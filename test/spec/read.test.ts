import fc from 'fast-check';
import t, { type Test } from 'tap';
import { SpecError, type SpecIssue } from '../../src/errors.js';
import { MAX_DEPTH, parseJson } from '../../src/spec/json.js';
import { parseFast } from '../../src/spec/json-fast.js';
import { MAX_BYTES, readDocument } from '../../src/spec/read.js';
import { stringifyJson } from '../../src/util/json-write.js';
import { asPointer, pointer } from '../../src/util/pointer.js';

const bytes = (text: string): Uint8Array => Buffer.from(text);
const read = (text: string): unknown => readDocument(bytes(text), 'config.json').value;

/** The one issue with which a document is refused. */
function refusal(input: string | Uint8Array): SpecIssue {
  try {
    readDocument(typeof input === 'string' ? bytes(input) : input, 'config.json');
  } catch (error) {
    if (error instanceof SpecError && error.issues.length === 1) return error.issues[0] as SpecIssue;
    throw error;
  }
  throw new Error('was not refused');
}

function refuses(t: Test, input: string | Uint8Array, code: string, message: RegExp): void {
  t.match(refusal(input), { code, path: '', message });
}

/** Plain data of the reader (no prototypes) as JSON.parse would give it. */
const plain = (value: unknown): unknown => JSON.parse(stringifyJson(value));

t.test('readDocument reads what JSON.parse reads', async (t) => {
  const property = fc.property(fc.json(), (text) => {
    const wrapped = `{"x": ${text}}`;
    t.same(plain(read(wrapped)), JSON.parse(wrapped));
  });
  t.doesNotThrow(() => fc.assert(property, { numRuns: 300 }));
});

t.test('readDocument and stringifyJson give every integer back, digit by digit', async (t) => {
  const property = fc.property(fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }), (integer) => {
    const text = `{"x":${integer}}`;
    return stringifyJson(read(text)) === text;
  });
  t.doesNotThrow(() => fc.assert(property, { numRuns: 500 }));
  for (const integer of ['18446744073709551615', '9223372036854771712', '-9223372036854775808', '9007199254740993']) {
    t.equal(stringifyJson(read(`{"x":${integer}}`)), `{"x":${integer}}`);
  }
});

t.test('readDocument gives a number where it is exact and a bigint where it is not', async (t) => {
  const value = read('{"a": 9007199254740991, "b": 9007199254740992, "c": 1.5, "d": -0, "e": 1e3, "f": 1e309}');
  t.match(value, { a: 9007199254740991, b: 9007199254740992n, c: 1.5, e: 1000, f: Number.POSITIVE_INFINITY });
  t.ok(Object.is((value as { d: number }).d, 0), '-0 is 0');
});

t.test('readDocument keeps __proto__, constructor and toString as plain data', async (t) => {
  const value = read('{"__proto__": {"polluted": 1}, "constructor": 2, "toString": 3}') as object;
  t.same(Object.keys(value), ['__proto__', 'constructor', 'toString']);
  t.equal(Object.getPrototypeOf(value), null);
  t.equal(({} as { polluted?: number }).polluted, undefined);
});

t.test('readDocument: the last of a key given twice counts, with a warning at each', async (t) => {
  const document = readDocument(bytes('{"a": {"b": 1,\n "b": 2},\n "c": 0}'), 'config.json');
  t.same(plain(document.value), { a: { b: 2 }, c: 0 });
  t.match(document.warnings, [{ code: 'DUPLICATE_KEY', path: '/a/b', line: 2, column: 2 }]);
});

t.test('readDocument refuses a document cut at any byte', async (t) => {
  const whole = bytes('{"a": [1, -2.5e+3, true, null, "x\\u00e9\\n", "é€😀"],\n "b": {"c": false}}');
  for (let length = 0; length < whole.length; length++) {
    const { code, message } = refusal(whole.subarray(0, length));
    if (length === 0) t.equal(code, 'NOT_AN_OBJECT');
    else t.match([code, message], ['JSON_TRUNCATED', `unexpected end at byte ${length}`], `${length} bytes`);
  }
});

t.test('readDocument names the byte where UTF-8 breaks', async (t) => {
  const broken: readonly (readonly [number[], string])[] = [
    [[0xc3, 0x28], 'a continuation is missing'],
    [[0xc0, 0xaf], 'overlong'],
    [[0xed, 0xa0, 0x80], 'a surrogate'],
    [[0xf5, 0x80, 0x80, 0x80], 'above U+10FFFF'],
    [[0x80], 'a lone continuation'],
  ];
  for (const [sequence, name] of broken) {
    const input = Buffer.concat([bytes('{"\ufffdé": "'), Buffer.from(sequence), bytes('"}')]);
    t.match(refusal(input), { code: 'JSON_ENCODING', message: 'invalid UTF-8 at byte 11' }, name);
  }
});

t.test('readDocument refuses other encodings, NUL and halves of surrogate pairs', async (t) => {
  refuses(
    t,
    Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), bytes('{}')]),
    'JSON_ENCODING',
    /byte order mark at byte 0/,
  );
  refuses(t, Buffer.from('\ufeff{}', 'utf16le'), 'JSON_ENCODING', /UTF-16/);
  refuses(t, '{"a": "\0"}', 'JSON_ENCODING', /NUL at byte 7/);
  refuses(t, '{"a": "\\udc00"}', 'JSON_ENCODING', /surrogate/);
  t.same(plain(read('{"a": "\\ud83d\\ude00"}')), { a: '😀' });
});

t.test('readDocument refuses what is no JSON, with line and column', async (t) => {
  for (const text of [
    '{,}',
    '{"a" 1}',
    '{"a": 1 "b": 2}',
    '{"a": [1,]}',
    "{'a': 1}",
    '{"a": 01}',
    '{"a": +1}',
    '{"a": NaN}',
  ]) {
    t.equal(refusal(text).code, 'JSON_SYNTAX', text);
  }
  t.match(refusal('{\n  "a": "b\tc"\n}'), { code: 'JSON_SYNTAX', line: 2, column: 10 });
  t.match(refusal('{"a": "\\q"}'), { code: 'JSON_SYNTAX', line: 1, column: 7 });
  t.match(refusal('{}\n x'), { code: 'JSON_TRAILING_DATA', line: 2, column: 2 });
});

t.test('readDocument refuses what is no object', async (t) => {
  for (const text of ['', ' \n', 'null', '[]', '"x"', 'true', '1']) {
    t.equal(refusal(text).code, 'NOT_AN_OBJECT', JSON.stringify(text));
  }
});

t.test('readDocument bounds depth and size', async (t) => {
  const nested = (depth: number): string => `{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`;
  t.doesNotThrow(() => read(nested(MAX_DEPTH)));
  refuses(t, nested(MAX_DEPTH + 1), 'JSON_TOO_DEEP', /nesting deeper than 128/);
  refuses(t, nested(100_000), 'JSON_TOO_DEEP', /nesting deeper than 128/);
  refuses(t, Buffer.alloc(MAX_BYTES + 1, ' '), 'JSON_TOO_LARGE', /larger than 16 MiB/);
});

t.test('readDocument takes a million keys within seconds', async (t) => {
  const members = Array.from({ length: 1_000_000 }, (_, index) => `"${index}":1`);
  t.equal(Object.keys(read(`{${members.join(',')}}`) as object).length, 1_000_000);
});

t.test('locate finds every value of a document, escaped keys and the last of duplicates too', async (t) => {
  const text = '{\n  "a": [1,\n    {"b/c": 2, "~": 3}],\n  "d": 4,\n  "d": 5\n}';
  const { locate } = readDocument(bytes(text), 'config.json');
  t.same(locate(asPointer('')), { line: 1, column: 1 });
  t.same(locate(pointer('a', 1, 'b/c')), { line: 3, column: 13 });
  t.same(locate(pointer('a', 1, '~')), { line: 3, column: 21 });
  t.same(locate(pointer('d')), { line: 5, column: 8 });
  t.equal(locate(pointer('e')), undefined);
  t.equal(locate(pointer('a', 2)), undefined);
});

t.test('locate points at the first byte of the value for any JSON', async (t) => {
  const property = fc.property(fc.array(fc.jsonValue(), { minLength: 1, maxLength: 5 }), (values) => {
    const text = JSON.stringify({ values }, null, 2);
    const { locate } = readDocument(bytes(text), 'config.json');
    const lines = text.split('\n');
    return values.every((value, index) => {
      const at = locate(pointer('values', index));
      const rest = lines[(at?.line ?? 0) - 1]?.slice((at?.column ?? 0) - 1) ?? '';
      const first = JSON.stringify(value).slice(0, 1);
      return rest.startsWith(first);
    });
  });
  t.doesNotThrow(() => fc.assert(property, { numRuns: 200 }));
});

t.test('parseFast gives what parseJson gives, or leaves the text to it', async (t) => {
  const key = fc.constantFrom('a', 'b', '"', '":', 'é', '__proto__', 'toString');
  const leaf = fc.oneof(fc.string(), fc.integer(), fc.constantFrom('x":', '\\ud83d', 1e21, 0.5, -0.5));
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof({ maxDepth: 4 }, leaf, fc.array(tie('tree')), fc.dictionary(key, tie('tree'))),
  }));
  const property = fc.property(tree, fc.constantFrom(0, 1, '\t'), (value, indent) => {
    const text = JSON.stringify({ value }, null, indent);
    const fast = parseFast(text);
    return fast === undefined || stringifyJson(fast) === stringifyJson(parseJson(text).value);
  });
  t.doesNotThrow(() => fc.assert(property, { numRuns: 500 }));
  t.same(parseFast('{"a": {"b" : [1, -5, 1.5, null]}}'), { a: { b: [1, -5, 1.5, null] } }, 'takes the usual');
});

t.test('parseFast leaves to parseJson what JSON.parse would not keep', async (t) => {
  const texts = [
    '{"a":1234567890123456}',
    '{"a":-0}',
    '{"a":"\\udc00"}',
    '{"a":1,"a":2}',
    '{"__proto__":1}',
    '{',
    '1',
    '{"a":"b":"}',
  ];
  for (const text of texts) t.equal(parseFast(text), undefined, text);
  t.equal(parseFast(`{"a":${'['.repeat(MAX_DEPTH)}${']'.repeat(MAX_DEPTH)}}`), undefined, 'too deep');
});

t.test('parseJson says whether a key came twice', async (t) => {
  t.equal(parseJson('{"a":1,"b":{"a":1}}').duplicates, false);
  t.equal(parseJson('{"a":1,"b":{"a":1,"a":2}}').duplicates, true);
});

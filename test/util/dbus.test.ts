// D-Bus values and GVariant text: the marshaller against bytes that busctl put on a bus, and against its own reader.
import fc from 'fast-check';
import t from 'tap';
import { type DbusValue, elements, PID_SLOT, splitSignature } from '../../src/util/dbus.js';
import { readElements } from '../../src/util/dbus-read.js';
import { parseVariant } from '../../src/util/gvariant.js';

const PROPERTIES: readonly (readonly [name: string, signature: string, value: DbusValue])[] = [
  ['Description', 's', 'tsrun container c1'],
  ['Delegate', 'b', true],
  ['PIDs', 'au', [0x1234]],
  ['MemoryMax', 't', (1n << 64n) - 1n],
  ['AllowedCPUs', 'ay', [3, 129]],
  [
    'DeviceAllow',
    'a(ss)',
    [
      ['/dev/char/1:3', 'rwm'],
      ['char-pts', 'rw'],
    ],
  ],
];

const listed = (properties: typeof PROPERTIES) =>
  elements(
    '(sv)',
    properties.map(([name, signature, value]): DbusValue => [name, { signature, value }]),
  );

// busctl call … StartTransientUnit 'ssa(sv)a(sa(sv))' tsrun-c1.scope replace 6 Description s … 0, as `dbus-monitor --binary`
// saw it: the list of properties. The whole call is in csrc/test/test_systemd_calls.c.
const OF_BUSCTL =
  '0b0000004465736372697074696f6e0001730000' +
  '12000000747372756e20636f6e7461696e65722063310000000000000800000044656c6567617465000162000100000000000000040000005049447300' +
  '026175000000000400000034120000090000004d656d6f72794d61780001740000000000000000ffffffffffffffff0b000000416c6c6f776564435055' +
  '7300026179000200000003810000000000000b000000446576696365416c6c6f7700056128737329000037000000000000000d0000002f6465762f6368' +
  '61722f313a330000000300000072776d000000000008000000636861722d70747300000000020000007277' +
  '00';

t.test('elements writes properties as busctl writes them', async (t) => {
  t.equal(Buffer.from(listed(PROPERTIES).bytes).toString('hex'), OF_BUSCTL);
});

t.test('elements notes where the pid goes', async (t) => {
  const { bytes, pidAt } = listed(
    PROPERTIES.map(([name, type, value]) => [name, type, name === 'PIDs' ? [PID_SLOT] : value]),
  );
  const view = new DataView(bytes.buffer);
  t.equal(view.getUint32(pidAt, true), 0);
  view.setUint32(pidAt, 0x1234, true);
  t.strictSame(bytes, listed(PROPERTIES).bytes);
  t.equal(listed([]).pidAt, 0);
});

t.test('elements throws where value and type differ', async (t) => {
  const wrong: readonly (readonly [type: string, value: DbusValue])[] = [
    ['s', 1],
    ['u', 'x'],
    ['as', 'x'],
    ['(ss)', ['x']],
    ['b', 1n],
    ['?', 1],
  ];
  for (const [type, value] of wrong) t.throws(() => elements(type, [value]), RangeError, type);
  t.strictSame(splitSignature('sa(sv)a{sv}ay(ii)'), ['s', 'a(sv)', 'a{sv}', 'ay', '(ii)']);
});

const plain = { noNullPrototype: true };
const simple = fc.oneof(
  fc.record({ signature: fc.constant('s'), value: fc.string().filter((text) => !text.includes('\0')) }, plain),
  fc.record({ signature: fc.constant('b'), value: fc.boolean() }, plain),
  fc.record({ signature: fc.constant('t'), value: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }) }, plain),
  fc.record({ signature: fc.constant('x'), value: fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }) }, plain),
  fc.record({ signature: fc.constant('n'), value: fc.bigInt({ min: -32768n, max: 32767n }) }, plain),
  fc.record({ signature: fc.constant('ay'), value: fc.array(fc.bigInt({ min: 0n, max: 255n })) }, plain),
  fc.record({ signature: fc.constant('d'), value: fc.double({ noNaN: true }) }, plain),
  fc.record(
    { signature: fc.constant('a(st)'), value: fc.array(fc.tuple(fc.constant('io'), fc.bigInt({ min: 0n, max: 9n }))) },
    plain,
  ),
);

t.test('readElements undoes elements', async (t) => {
  const property = fc.property(fc.array(fc.tuple(fc.constantFrom('A', 'Bcd', 'Efghijk'), simple)), (list) => {
    t.strictSame(readElements('(sv)', elements('(sv)', list).bytes), list);
  });
  t.doesNotThrow(() => fc.assert(property, { numRuns: 200 }));
});

t.test('parseVariant reads GVariant text', async (t) => {
  const reads = (text: string, signature: string, value: DbusValue) =>
    t.strictSame(parseVariant(text), { signature, value }, text);
  reads("'inactive-or-failed'", 's', 'inactive-or-failed');
  reads('"a \\"b\\" \\u00e4\\n"', 's', 'a "b" ä\n');
  reads('true', 'b', true);
  reads(' false ', 'b', false);
  reads('5', 'i', 5n);
  reads('-0x10', 'i', -16n);
  reads('1.5', 'd', 1.5);
  reads('1e3', 'd', 1000);
  reads('uint64 18446744073709551615', 't', (1n << 64n) - 1n);
  reads('byte 0xff', 'y', 255n);
  reads('double 3', 'd', 3);
  reads('@t 7', 't', 7n);
  reads('@as []', 'as', []);
  reads("['a.service', 'b.service']", 'as', ['a.service', 'b.service']);
  reads('[uint32 1, 2]', 'au', [1n, 2n]);
  reads("[('/dev/null', 'rw')]", 'a(ss)', [['/dev/null', 'rw']]);
  reads("{'k': <1>}", 'a{sv}', [['k', { signature: 'i', value: 1n }]]);
  reads("b'ab'", 'ay', [97, 98, 0]);
  reads("objectpath '/a/b'", 'o', '/a/b');
});

t.test('parseVariant says what is wrong and where', async (t) => {
  const refused: readonly (readonly [text: string, message: RegExp])[] = [
    ['', /a value is missing at character 1/],
    ['nonsense', /no number at character 1/],
    ["'open", /unterminated text/],
    ['1 2', /more than one value at character 3/],
    ['[]', /empty array needs its type/],
    ["[1, 'a']", /instead of 'i'/],
    ['byte 256', /256 does not fit into type 'y'/],
    ['4294967296', /does not fit into type 'i'/],
    ['uint32 1.5', /no whole number/],
    ['@s 5', /a number instead of 's'/],
    ['@ [1]', /no single type/],
    ["objectpath 'x'", /no object path/],
    ['{}', /empty dictionary/],
    [`${'['.repeat(40)}1${']'.repeat(40)}`, /nested too deep/],
  ];
  for (const [text, message] of refused) t.throws(() => parseVariant(text), { name: 'RangeError', message }, text);
});

t.test('parseVariant throws nothing but RangeError', async (t) => {
  const text = fc.string({ unit: fc.constantFrom(...'[](){}<>@\'"\\,: au1x-.etrbsy') });
  const property = fc.property(text, (input) => {
    try {
      parseVariant(input);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
  });
  t.doesNotThrow(() => fc.assert(property, { numRuns: 3000 }));
});

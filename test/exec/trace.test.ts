import t from 'tap';
import { decodeTrace } from '../../src/exec/trace.js';

/** Header and records as csrc/executor/trace.h has them. */
function area(
  used: number,
  records: readonly (readonly [list: number, code: number, start: bigint, end: bigint])[],
): Buffer {
  const bytes = Buffer.alloc(32 + records.length * 32);
  bytes.writeUInt32LE(0x43525354, 0);
  bytes.writeUInt32LE(records.length, 4);
  bytes.writeUInt32LE(used, 8);
  records.forEach(([list, code, start, end], i) => {
    const at = 32 + i * 32;
    bytes.writeUInt32LE(list, at);
    bytes.writeUInt32LE(i, at + 4);
    bytes.writeUInt32LE(code, at + 8);
    bytes.writeBigUInt64LE(start, at + 16);
    bytes.writeBigUInt64LE(end, at + 24);
  });
  return bytes;
}

t.test('decodeTrace reads ops and marks', async (t) => {
  const records = decodeTrace(
    area(2, [
      [3, 60, 5n, 9n],
      [0xffffffff, 1, 10n, 10n],
    ]),
  );
  t.match(records, [
    { list: 'init', index: 0, code: 60, role: 0, start: 5n, end: 9n },
    { list: undefined, index: 1, code: 1 },
  ]);
});

t.test('decodeTrace trusts no count: a full area, a foreign one and a short one', async (t) => {
  t.equal(decodeTrace(area(1000, [[0, 1, 1n, 2n]])).length, 1, 'more were wanted than there was room for');
  t.equal(decodeTrace(area(0, [[0, 1, 1n, 2n]])).length, 0);
  t.same(decodeTrace(Buffer.alloc(64)), []);
  t.same(decodeTrace(area(1, []).subarray(0, 16)), []);
});

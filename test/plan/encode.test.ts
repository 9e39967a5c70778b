import fc from 'fast-check';
import t from 'tap';
import { decodePlan, PlanFormatError } from '../../src/plan/decode.js';
import { encodePlan } from '../../src/plan/encode.js';
import { HEADER_SIZE, type Op, RECORD_SIZE } from '../../src/plan/op.gen.js';
import { NO_OPS, type Plan } from '../../src/plan/plan.js';
import { asPointer } from '../../src/util/pointer.js';
import { anyPlan } from './arbitrary.js';

const origin = asPointer('/x');
const plan = (...init: Op[]): Plan => ({ stateJson: '{}', lists: { ...NO_OPS, init } });
const u32 = (bytes: Uint8Array, at: number) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true);

t.test('decodePlan gives back any plan that encodePlan took', (t) => {
  fc.assert(
    fc.property(anyPlan, (plan) => {
      t.same(decodePlan(encodePlan(plan)), plan);
    }),
    { numRuns: 300 },
  );
  t.end();
});

t.test('encodePlan lays a plan out as the executor reads it', (t) => {
  const bytes = encodePlan(plan({ op: 'UMASK', mode: 0o22, origin }, { op: 'HOSTNAME', name: 'box', origin }));
  t.equal(Buffer.from(bytes.subarray(0, 8)).toString(), 'TSRPLAN1', 'magic');
  t.equal(u32(bytes, 8), 4, 'version');
  t.equal(u32(bytes, 12), bytes.length, 'size of all');
  const strings = u32(bytes, 16);
  t.equal(strings, HEADER_SIZE + 2 * RECORD_SIZE, 'the string area follows the records');
  t.equal(strings % 8, 0);
  t.equal(u32(bytes, 20), bytes.length - strings, 'size of the string area');
  t.equal(bytes[strings], 0, 'offset 0 is the empty string');
  t.equal(bytes.at(-1), 0, 'the area ends with NUL');
  t.same([u32(bytes, 32 + 3 * 8), u32(bytes, 36 + 3 * 8)], [HEADER_SIZE, 2], 'init: first record and count');
  t.equal(u32(bytes, HEADER_SIZE + 4), u32(bytes, HEADER_SIZE + RECORD_SIZE + 4), 'equal strings share an offset');
  t.end();
});

t.test('encodePlan puts blobs at multiples of 8', (t) => {
  const filter = (byte: number) => new Uint8Array(8).fill(byte);
  const bytes = encodePlan(
    plan(
      { op: 'SECCOMP', flags: 0, filter: filter(1), origin },
      { op: 'SECCOMP', flags: 0, filter: filter(2), origin },
    ),
  );
  t.equal(u32(bytes, HEADER_SIZE + 12) % 8, 0);
  t.equal(u32(bytes, HEADER_SIZE + RECORD_SIZE + 12) % 8, 0);
  t.end();
});

t.test('encodePlan keeps vectors of empty strings apart from blobs and texts', (t) => {
  const ops: Op[] = [
    { op: 'SECCOMP', flags: 0, filter: new Uint8Array(3), origin },
    { op: 'EXEC', args: ['', 'AAAA'], env: [], origin },
    { op: 'EXEC', args: [''], env: ['', ''], origin },
  ];
  t.same(decodePlan(encodePlan(plan(...ops))).lists.init, ops);
  t.end();
});

t.test('encodePlan refuses what does not fit', (t) => {
  const refuses = (op: Op, pattern: RegExp) => t.throws(() => encodePlan(plan(op)), { message: pattern });
  refuses({ op: 'UMASK', mode: -1, origin }, /UMASK.mode: -1 is not a u32/);
  refuses({ op: 'UMASK', mode: 1.5, origin }, /is not a u32/);
  refuses({ op: 'BOUNDING_SET', mask: 1n << 64n, origin }, /is not a u64/);
  refuses({ op: 'HOSTNAME', name: 'a\0b', origin }, /a NUL in "a\\u0000b"/);
  refuses({ op: 'EXEC', args: ['a', 'b\0'], env: [], origin }, /a NUL in/);
  const large: Op = { op: 'SECCOMP', flags: 0, filter: new Uint8Array(17 << 20), origin };
  t.throws(() => encodePlan(plan(large)), { code: 'SPEC_INVALID', path: '' });
  t.end();
});

t.test('decodePlan refuses damaged bytes and says where', (t) => {
  const good = encodePlan(plan({ op: 'HOSTNAME', name: 'box', origin }));
  const damaged = (at: number, number: number) => {
    const bytes = good.slice();
    new DataView(bytes.buffer).setUint32(at, number, true);
    return bytes;
  };
  const refuses = (bytes: Uint8Array, offset: number, what: RegExp) =>
    t.throws(() => decodePlan(bytes), { name: 'PlanFormatError', message: what, offset });
  refuses(good.subarray(0, 100), 0, /too short/);
  refuses(damaged(0, 0), 0, /no magic/);
  refuses(damaged(8, 1), 8, /version/);
  refuses(damaged(12, 5), 12, /size/);
  refuses(damaged(16, 0xffff_fff8), 16, /string area/);
  refuses(damaged(20, 1), 20, /size of the string area/);
  refuses(damaged(24, 0xffff), 24, /string/);
  refuses(damaged(32 + 3 * 8, 4), 32 + 3 * 8, /list init/);
  refuses(damaged(36 + 3 * 8, 1000), 32 + 3 * 8, /list init/);
  refuses(damaged(HEADER_SIZE, 9999), HEADER_SIZE, /opcode in init/);
  refuses(damaged(HEADER_SIZE, 1), HEADER_SIZE, /opcode in init/);
  refuses(damaged(HEADER_SIZE + 8, 0xffff), HEADER_SIZE + 8, /string/);
  t.end();
});

t.test('decodePlan of random damage either throws PlanFormatError or gives a plan', (t) => {
  const good = encodePlan(plan({ op: 'EXEC', args: ['a', 'b'], env: ['C=d'], origin }));
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 }), (at, byte) => {
      const bytes = good.slice();
      bytes[at] = byte;
      try {
        decodePlan(bytes);
      } catch (error) {
        if (!(error instanceof PlanFormatError)) throw error;
      }
    }),
  );
  t.end();
});

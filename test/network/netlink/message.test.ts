import { test } from 'tap';
import {
  decodeAttributes,
  decodeError,
  decodeMessages,
  encodeAttributes,
  encodeMessage,
  nested,
  readText,
  readU32,
  text,
  u8,
  u32,
} from '../../../src/network/netlink/message.js';

test('encodeMessage pads to four bytes and decodeMessages finds each message again', async (t) => {
  const bytes = Buffer.concat([encodeMessage(16, 5, 7, Buffer.from('abc')), encodeMessage(3, 0, 8)]);
  t.equal(bytes.length, 20 + 16);
  const [first, second] = decodeMessages(bytes);
  t.match(first, { type: 16, flags: 5, sequence: 7 });
  t.equal(first?.payload.toString(), 'abc');
  t.match(second, { type: 3, sequence: 8 });
});

test('encodeAttributes nests, and decodeAttributes takes it apart', async (t) => {
  const bytes = encodeAttributes([text(3, 'eth0'), u8(4, 1), nested(18, text(1, 'veth'), u32(2, 70000))]);
  t.equal(bytes.length % 4, 0);
  const found = decodeAttributes(bytes);
  t.equal(readText(found.get(3)), 'eth0');
  const inner = decodeAttributes(found.get(18) ?? Buffer.alloc(0));
  t.equal(readText(inner.get(1)), 'veth');
  t.equal(readU32(inner.get(2)), 70000);
});

test('decodeMessages and decodeAttributes refuse lengths that lead out of the bytes', async (t) => {
  const message = encodeMessage(16, 0, 1, Buffer.from('abcd'));
  message.writeUInt32LE(1000, 0);
  t.throws(() => decodeMessages(message), RangeError);
  t.throws(() => decodeMessages(Buffer.alloc(16)), RangeError);
  t.throws(() => decodeAttributes(Buffer.from([200, 0, 1, 0])), RangeError);
  t.throws(() => decodeAttributes(Buffer.from([1, 0, 1, 0])), RangeError);
});

test('decodeError has the errno and the words of the kernel', async (t) => {
  const code = Buffer.alloc(4);
  code.writeInt32LE(-17);
  const capped = Buffer.concat([code, encodeMessage(16, 0, 9), encodeAttributes([text(1, 'no such thing')])]);
  const [message] = decodeMessages(encodeMessage(2, 0x100, 9, capped));
  t.same(message && decodeError(message), { errno: 17, words: 'no such thing' });
});

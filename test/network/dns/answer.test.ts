import { decode, encode, type Packet, RECURSION_DESIRED, type RecordType } from 'dns-packet';
import fc from 'fast-check';
import { test } from 'tap';
import { answer, reverseAddress, serverFailure, udpSize } from '../../../src/network/dns/answer.js';

const NAMES = {
  lookUp: (name: string) =>
    name.toLowerCase() === 'web' ? { ipv4: ['172.18.0.2', '172.18.0.3'], ipv6: [] } : undefined,
  lookUpAddress: (address: string) => (address === '172.18.0.2' ? 'web.net1' : undefined),
};
const AS_IS = <T>(items: readonly T[]): T[] => [...items];

function query(name: string, type: RecordType): Buffer {
  return encode({ type: 'query', id: 77, flags: RECURSION_DESIRED, questions: [{ name, type, class: 'IN' }] });
}

function answered(bytes: Buffer): Packet {
  const verdict = answer(bytes, NAMES, AS_IS);
  if (verdict.kind !== 'answer') throw new Error('forwarded');
  return decode(verdict.bytes);
}

const rcode = (packet: Packet): number => (packet.flags ?? 0) & 0xf;

test('answer gives all addresses of a name, whatever its case', async (t) => {
  const packet = answered(query('WEB', 'A'));
  t.equal(packet.id, 77);
  t.equal(packet.type, 'response');
  t.same(
    packet.answers?.map((one) => 'data' in one && one.data),
    ['172.18.0.2', '172.18.0.3'],
  );
  t.same(packet.questions?.[0]?.name, 'WEB', 'as it was asked: some resolvers mix cases against forgers');
});

test('answer of a family that a known name has not is empty, not an error', async (t) => {
  for (const type of ['AAAA', 'MX', 'TXT'] as const) {
    const packet = answered(query('web', type));
    t.equal(rcode(packet), 0);
    t.same(packet.answers, []);
  }
});

test('answer shuffles', async (t) => {
  const verdict = answer(query('web', 'A'), NAMES, (items) => [...items].reverse());
  const [first] = verdict.kind === 'answer' ? (decode(verdict.bytes).answers ?? []) : [];
  t.match(first, { data: '172.18.0.3' });
});

test('answer finds the name of an address, and leaves the others to somebody else', async (t) => {
  t.match(answered(query('2.0.18.172.in-addr.arpa', 'PTR')).answers?.[0], { data: 'web.net1' });
  t.same(answer(query('9.0.18.172.in-addr.arpa', 'PTR'), NAMES, AS_IS), { kind: 'forward' });
  t.same(answer(query('example.org', 'A'), NAMES, AS_IS), { kind: 'forward' });
});

test('reverseAddress reads both families and nothing else', async (t) => {
  t.equal(reverseAddress('2.0.17.172.in-addr.arpa'), '172.17.0.2');
  t.equal(reverseAddress(`2.${'0.'.repeat(29)}d.f.ip6.arpa`), 'fd00::2'.replace('fd00', 'fd00'));
  for (const name of ['999.0.17.172.in-addr.arpa', '0.17.172.in-addr.arpa', 'x.ip6.arpa', 'web'])
    t.equal(reverseAddress(name), undefined);
});

test('answer refuses what is no query with FORMERR, and never throws', async (t) => {
  t.equal(rcode(answered(Buffer.alloc(12))), 1);
  t.equal(
    rcode(answered(encode({ type: 'response', id: 1, questions: [{ name: 'web', type: 'A', class: 'IN' }] }))),
    1,
  );
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 12, maxLength: 100 }), (bytes) => {
      const verdict = answer(Buffer.from(bytes), NAMES, AS_IS);
      return verdict.kind === 'forward' || verdict.bytes.length >= 12;
    }),
  );
});

test('serverFailure repeats the question', async (t) => {
  const packet = decode(serverFailure(query('example.org', 'A')));
  t.equal(rcode(packet), 2);
  t.equal(packet.id, 77);
  t.equal(packet.questions?.[0]?.name, 'example.org');
});

test('udpSize is what the asker says, and 512 where it says nothing', async (t) => {
  t.equal(udpSize(query('web', 'A')), 512);
  const option = { type: 'OPT', name: '.', udpPayloadSize: 1232, flags: 0, options: [] } as never;
  t.equal(udpSize(encode({ type: 'query', questions: [{ name: 'web', type: 'A' }], additionals: [option] })), 1232);
});

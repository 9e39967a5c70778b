import { isIPv6 } from 'node:net';
import fc from 'fast-check';
import { test } from 'tap';
import {
  addressBytes,
  addressOfBytes,
  contains,
  formatAddress,
  formatPrefix,
  overlap,
  parseAddress,
  parseInterface,
  parsePrefix,
} from '../../src/network/address.js';

const prefix = (text: string) => parsePrefix(text, 'test');

test('formatAddress writes what parseAddress read, IPv6 as RFC 5952 wants it', async (t) => {
  const same = ['0.0.0.0', '172.17.0.2', '255.255.255.255', '::', '::1', 'fd00::2', 'fe80::1:0:0:1', '1:2:3:4:5:6:7:8'];
  for (const text of same) t.equal(formatAddress(parseAddress(text)), text);
  t.equal(formatAddress(parseAddress('FD00:0:0:0::0002')), 'fd00::2');
  t.equal(formatAddress(parseAddress('::ffff:192.0.2.1')), '::ffff:c000:201');
  t.equal(formatAddress(parseAddress('1:0:0:2:0:0:0:3')), '1:0:0:2::3');
  t.equal(formatAddress(parseAddress('2001:db8:0:1:1:1:1:1')), '2001:db8:0:1:1:1:1:1');
});

test('any IPv6 address comes back from its text and from its bytes', async () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }), (value) => {
      const address = { family: 6 as const, value };
      const text = formatAddress(address);
      return (
        isIPv6(text) && parseAddress(text).value === value && addressOfBytes(addressBytes(address)).value === value
      );
    }),
  );
});

test('parsePrefix cuts host bits off, parseInterface keeps them', async (t) => {
  t.equal(formatPrefix(prefix('172.17.5.9/16')), '172.17.0.0/16');
  t.equal(formatPrefix(parseInterface('172.17.5.9/16', 'bip')), '172.17.5.9/16');
  for (const text of ['172.17.0.0', '172.17.0.0/33', 'fd00::/129', '/8', '10.0.0.0/8/8', '10.0.0.0/-1', 'x/8'])
    t.throws(() => prefix(text), { code: 'NETWORK_INVALID', message: /test: invalid CIDR address/ });
});

test('contains and overlap keep families apart', async (t) => {
  t.ok(contains(prefix('10.0.0.0/8'), parseAddress('10.255.255.255')));
  t.notOk(contains(prefix('10.0.0.0/8'), parseAddress('11.0.0.0')));
  t.notOk(contains(prefix('::/0'), parseAddress('10.0.0.1')));
  t.ok(overlap(prefix('10.0.0.0/8'), prefix('10.1.0.0/16')));
  t.ok(overlap(prefix('10.1.0.0/16'), prefix('10.0.0.0/8')));
  t.notOk(overlap(prefix('10.0.0.0/16'), prefix('10.1.0.0/16')));
});

import t from 'tap';
import { credentialsOfHeader } from '../../../src/daemon/images/auth-header.js';
import { progressBar } from '../../../src/daemon/images/progress.js';
import { isInsecure } from '../../../src/daemon/images/registry.js';
import { parseTimestamp } from '../../../src/daemon/timestamp.js';
import { parseRfc3339, rfc3339Nano } from '../../../src/util/nanoseconds.js';

t.test('credentialsOfHeader: what cannot be read is none', async (t) => {
  const header = (value: unknown) => credentialsOfHeader(Buffer.from(JSON.stringify(value)).toString('base64url'));
  t.same(header({ username: 'me', password: 'pä' }), { kind: 'password', username: 'me', password: 'pä' });
  t.same(header({ identitytoken: 'x' }), { kind: 'identity-token', token: 'x' });
  t.same(header({ auth: Buffer.from('me:a:b').toString('base64') }), {
    kind: 'password',
    username: 'me',
    password: 'a:b',
  });
  for (const value of [{}, [], null, { username: 1 }]) t.equal(header(value), undefined, JSON.stringify(value));
  t.equal(credentialsOfHeader('%%%'), undefined);
  t.equal(credentialsOfHeader('x'.repeat(100_000)), undefined);
});

t.test('isInsecure: hosts, hosts with a port, networks', async (t) => {
  t.ok(isInsecure(['10.0.0.0/8'], '10.1.2.3:5000'));
  t.notOk(isInsecure(['10.0.0.0/8'], '11.1.2.3:5000'));
  t.ok(isInsecure(['reg.example:5000'], 'reg.example:5000'));
  t.notOk(isInsecure(['reg.example:5000'], 'reg.example'));
  t.ok(isInsecure(['reg.example'], 'reg.example:5000'));
  t.ok(isInsecure(['fd00::/8'], '[fd00::1]:5000'));
  t.notOk(isInsecure(['10.0.0.0/8'], 'ten.example'), 'names are not resolved');
});

t.test('progressBar: as docker draws it', async (t) => {
  t.equal(progressBar(0, 2000), `[>${' '.repeat(49)}]  0B/2kB`);
  t.equal(progressBar(1000, 2000), `[${'='.repeat(25)}>${' '.repeat(24)}]  1kB/2kB`);
  t.equal(progressBar(2000, 2000), `[${'='.repeat(50)}]  2kB/2kB`);
});

t.test('parseTimestamp: seconds, RFC 3339, dates, durations', async (t) => {
  t.equal(parseTimestamp('1700000000.5'), 1_700_000_000_500_000_000n);
  t.equal(parseTimestamp('2023-11-14T22:13:20.000000001Z'), 1_700_000_000_000_000_001n);
  t.equal(parseTimestamp('2023-11-14T23:13:20+01:00'), 1_700_000_000_000_000_000n);
  t.equal(parseTimestamp('10m', 600_000_000_000n), 0n);
  t.equal(parseTimestamp('2023-11-14Z'), 1_699_920_000_000_000_000n);
  for (const text of ['', 'x', '12:00', '2023-13-01', '1e5']) t.equal(parseTimestamp(text), undefined, text);
});

t.test('rfc3339Nano: without zeros at the end', async (t) => {
  t.equal(rfc3339Nano(1_700_000_000_120_000_000n), '2023-11-14T22:13:20.12Z');
  t.equal(rfc3339Nano(1_700_000_000_000_000_000n), '2023-11-14T22:13:20Z');
  t.equal(rfc3339Nano(parseRfc3339('2023-11-14T22:13:20.000000007Z') ?? 0n), '2023-11-14T22:13:20.000000007Z');
});

import { test } from 'tap';
import {
  copiedResolvConf,
  embeddedResolvConf,
  hostResolvConf,
  hostsFile,
  parseExtraHosts,
  parseResolvConf,
} from '../../src/network/files.js';

const NONE = { dns: [], dnsSearch: [], dnsOptions: [] };
const HOST = parseResolvConf(
  '# comment\nnameserver 127.0.0.53\nnameserver 192.0.2.53 ; why\nnameserver junk\nnameserver 2001:db8::53\nsearch a.example b.example\noptions edns0\n',
);

function rows(text: string): string[] {
  return text.split('\n').filter((row) => row !== '' && !row.startsWith('#'));
}

test('parseResolvConf reads servers, domains and options, and leaves out what is none', async (t) => {
  t.same(HOST, {
    nameservers: ['127.0.0.53', '192.0.2.53', '2001:db8::53'],
    search: ['a.example', 'b.example'],
    options: ['edns0'],
  });
});

test('embeddedResolvConf names the resolver alone, with search and options of the host', async (t) => {
  const expected = ['nameserver 127.0.0.11', 'search a.example b.example', 'options edns0 ndots:0'];
  t.same(rows(embeddedResolvConf(HOST, NONE)), expected);
  const own = embeddedResolvConf(HOST, { dns: ['192.0.2.9'], dnsSearch: ['c.example'], dnsOptions: ['ndots:2'] });
  t.same(rows(own), ['nameserver 127.0.0.11', 'search c.example', 'options ndots:2']);
  t.same(rows(embeddedResolvConf(HOST, { ...NONE, dnsSearch: ['.'] }))[1], 'options edns0 ndots:0');
});

test('copiedResolvConf leaves out servers that a container cannot reach', async (t) => {
  t.same(rows(copiedResolvConf(HOST, NONE, { hasIpv6: false }))[0], 'nameserver 192.0.2.53');
  t.same(rows(copiedResolvConf(HOST, NONE, { hasIpv6: true })).slice(0, 2), [
    'nameserver 192.0.2.53',
    'nameserver 2001:db8::53',
  ]);
  const stub = parseResolvConf('nameserver 127.0.0.53\n');
  t.same(rows(copiedResolvConf(stub, NONE, { hasIpv6: false })), ['nameserver 8.8.8.8', 'nameserver 8.8.4.4']);
  t.same(
    rows(copiedResolvConf(stub, { ...NONE, dns: ['127.0.0.1'] }, { hasIpv6: false })),
    ['nameserver 127.0.0.1'],
    'asked for',
  );
});

test('copiedResolvConf has the servers of whoever knows better in place of public ones', async (t) => {
  const stub = parseResolvConf('nameserver 127.0.0.53\n');
  const reach = { hasIpv6: false, fallback: ['10.0.2.3'] };
  t.same(rows(copiedResolvConf(stub, NONE, reach)), ['nameserver 10.0.2.3']);
  t.same(rows(copiedResolvConf(HOST, NONE, reach))[0], 'nameserver 192.0.2.53', 'only where the host has none');
});

test('hostResolvConf is the file of the host unless something else was asked for', async (t) => {
  t.equal(hostResolvConf('anything\n', NONE), 'anything\n');
  t.same(rows(hostResolvConf('nameserver 192.0.2.53\n', { ...NONE, dns: ['192.0.2.9'] })), ['nameserver 192.0.2.9']);
});

test('hostsFile has the container under each of its addresses, and the extra hosts', async (t) => {
  const extra = parseExtraHosts(['db:192.0.2.7', 'v6=[2001:db8::7]', 'me:host-gateway'], ['172.17.0.1']);
  const text = hostsFile({ hostname: 'web', domainname: 'example.org' }, ['172.17.0.2', 'fd00::2'], extra);
  t.same(text.split('\n').slice(6, -1), [
    '192.0.2.7\tdb',
    '2001:db8::7\tv6',
    '172.17.0.1\tme',
    '172.17.0.2\tweb.example.org web',
    'fd00::2\tweb.example.org web',
  ]);
  t.match(hostsFile({ hostname: 'web', domainname: '' }, ['172.17.0.2'], []), /\n172\.17\.0\.2\tweb\n$/);
  t.match(hostsFile({ hostname: 'web.org', domainname: '' }, ['192.0.2.1'], []), /\n192\.0\.2\.1\tweb\.org web\n$/);
});

test('parseExtraHosts refuses what would make another row of the file', async (t) => {
  for (const text of [
    'db',
    'db:',
    ':192.0.2.1',
    'db:name',
    'a b:192.0.2.1',
    'db\n6.6.6.6 evil:192.0.2.1',
    'db:192.0.2.1\n6.6.6.6 evil',
  ])
    t.throws(() => parseExtraHosts([text], []), { code: 'NETWORK_INVALID', message: /bad format for add-host/ });
  t.throws(() => parseExtraHosts(['me:host-gateway'], []), { message: /host-gateway/ });
});

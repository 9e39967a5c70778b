// Networks as containers see them: names, addresses, ways in and out, asked with the programs that people use.
import t, { test } from 'tap';
import type { ContainerNetwork } from '../../src/network/index.js';
import { needCommand, needRoot, skipUnless } from '../helpers/host.js';
import { container, HOST, Lab, OUTSIDE } from '../helpers/network-lab.js';
import { askUdp, get, tcpServer, udpServer } from '../helpers/network-programs.js';

const skip = skipUnless(
  needRoot(),
  needCommand('nft', 'nftables'),
  needCommand('ip', 'iproute2'),
  needCommand('dig', 'bind9-dnsutils'),
  needCommand('busybox', 'busybox-static'),
);
let lab: Lab;

t.before(async () => {
  if (!skip) lab = await Lab.open();
});
t.teardown(() => lab?.close());

const ANY_WEB = [
  { protocol: 'tcp', containerPort: 80, hostPorts: { first: 8080, last: 8080 } },
  { protocol: 'udp', containerPort: 53, hostPorts: { first: 5353, last: 5353 } },
  { protocol: 'tcp', containerPort: 80, hostIp: '127.0.0.1', hostPorts: { first: 9090, last: 9090 } },
] as const;

test('a published port is reached from everywhere, and the container sees who calls', { skip }, async (t) => {
  const web = await lab.call('prepare', container('web', ['bridge'], { ports: ANY_WEB }));
  await lab.serve(web, tcpServer(80));
  await lab.serve(web, udpServer(53));
  t.match(lab.outside(get(HOST.ipv4, 8080)).output, `from ::ffff:${OUTSIDE.ipv4}`);
  t.match(lab.outside(askUdp(HOST.ipv4, 5353)).output, `from ::ffff:${OUTSIDE.ipv4}`);
  t.match(lab.host(get(HOST.ipv4, 8080)).output, `from ::ffff:${HOST.ipv4}`, 'the host by its own address');
  t.match(lab.outside(get(HOST.ipv6, 8080)).output, 'from ', 'IPv6, by the daemon: the container has none');
  t.match(lab.host(get('127.0.0.1', 8080)).output, 'from ');
  t.match(lab.host(get('::1', 8080)).output, 'from ');
  t.match(lab.host(askUdp('127.0.0.1', 5353)).output, 'from ');
  t.match(lab.host(askUdp('::1', 5353)).output, 'from ');
  t.match(lab.inside(web, get(HOST.ipv4, 8080)).output, 'from ', 'the container calls itself by the host');
  t.match(lab.inside(web, askUdp(HOST.ipv4, 5353)).output, 'from ');
  await lab.call('release', web.record.containerId);
  t.match(lab.outside(get(HOST.ipv4, 8080)).output, /refused/, 'and no more once the container is gone');
});

test('a port published on 127.0.0.1 is not reached from outside, whatever happens to the rules', {
  skip,
}, async (t) => {
  const web = await lab.call('prepare', container('web', ['bridge'], { ports: ANY_WEB }));
  await lab.serve(web, tcpServer(80));
  t.match(lab.host(get('127.0.0.1', 9090)).output, 'from ');
  for (let round = 0; round < 10; round++) {
    lab.host('nft flush ruleset');
    t.match(lab.outside(get(HOST.ipv4, 9090, 1)).output, /refused/);
    t.notMatch(
      lab.outside(`ip route replace 127.1.0.0/16 via ${HOST.ipv4}; ${get('127.1.0.1', 9090, 1)}`).output,
      'from ',
    );
  }
  await lab.call('release', web.record.containerId);
});

test('rules that somebody flushed come back, and unpublished ports stay closed', { skip }, async (t) => {
  const web = await lab.call('prepare', container('web', ['bridge'], { ports: ANY_WEB }));
  await lab.serve(web, tcpServer(80));
  const direct = `ip route replace 172.16.0.0/12 via ${HOST.ipv4}; ${get('172.17.0.2', 80, 1)}`;
  t.match(lab.outside(direct).output, /timed out/, "not by the container's own address");
  const before = lab.host('nft -s list table inet tsrun').output;
  lab.host('nft flush ruleset');
  t.ok(await eventually(() => lab.host('nft -s list table inet tsrun').output === before));
  t.match(lab.outside(direct).output, /timed out/);
  t.match(lab.outside(get(HOST.ipv4, 8080)).output, `from ::ffff:${OUTSIDE.ipv4}`);
  lab.host('nft flush chain inet tsrun forward');
  t.ok(
    await eventually(() => lab.host('nft -s list table inet tsrun').output === before),
    'also when only a part went',
  );
  lab.host('nft add table inet other; nft add chain inet other x');
  t.equal(lab.host('nft -s list table inet tsrun').output, before, 'what others do elsewhere is theirs');
  await lab.call('release', web.record.containerId);
});

test('what the firewall of the user closes stays closed', { skip }, async (t) => {
  const web = await lab.call('prepare', container('web', ['bridge'], { ports: ANY_WEB }));
  await lab.serve(web, tcpServer(80));
  lab.host(`nft -f - <<E
table inet user {
  chain forward {
    type filter hook forward priority 10; policy accept;
    ip saddr ${OUTSIDE.ipv4} drop
  }
}
E`);
  t.match(lab.outside(get(HOST.ipv4, 8080, 1)).output, /timed out/);
  lab.host('nft delete table inet user');
  t.match(lab.outside(get(HOST.ipv4, 8080)).output, 'from ');
  await lab.call('release', web.record.containerId);
});

test('containers of one network reach each other by name, those of two do not at all', { skip }, async (t) => {
  await lab.call('create', { name: 'net1', driver: 'bridge', enableIPv6: true });
  const web = await lab.call('prepare', container('web', ['bridge']));
  const alice = await lab.call('prepare', container('alice', [{ network: 'net1', aliases: ['db'] }]));
  const bob = await lab.call('prepare', container('bob', ['net1']));
  for (const one of [web, alice]) await lab.serve(one, tcpServer(80));
  await lab.serve('outside', tcpServer(7000));
  for (const name of ['alice', 'db', 'alice.net1', alice.record.hostname])
    t.match(lab.inside(bob, get(name, 80)).output, 'from ', name);
  t.match(lab.inside(bob, get('172.17.0.2', 80, 1)).output, /timed out/);
  t.match(lab.inside(bob, get('web', 80, 1)).output, /bad address/);
  t.match(lab.inside(bob, get(OUTSIDE.ipv4, 7000)).output, `from ::ffff:${HOST.ipv4}`, 'out by the host');
  t.match(lab.inside(bob, get(OUTSIDE.ipv6, 7000)).output, `from ${HOST.ipv6}`);
  for (const one of [web, alice, bob]) await lab.call('release', one.record.containerId);
  await lab.call('remove', 'net1');
});

test('enable_icc=false keeps containers of one bridge apart, and leaves them the way out', { skip }, async (t) => {
  await lab.call('create', {
    name: 'apart',
    driver: 'bridge',
    options: { 'com.docker.network.bridge.enable_icc': 'false' },
  });
  const [one, two] = await both('apart');
  await lab.serve(one, tcpServer(80));
  const address = one.record.endpoints[0]?.ipv4?.address ?? '';
  t.match(lab.inside(two, get(address, 80, 1)).output, /timed out|unreachable|No route/);
  t.match(lab.inside(two, get(OUTSIDE.ipv4, 7000)).output, 'from ');
  for (const { record } of [one, two]) await lab.call('release', record.containerId);
  await lab.call('remove', 'apart');
});

test('an internal network has no way out, not even for names', { skip }, async (t) => {
  await lab.call('create', { name: 'inner', driver: 'bridge', internal: true });
  const [one, two] = await both('inner');
  await lab.serve(one, tcpServer(80));
  t.match(lab.inside(two, get('one', 80)).output, 'from ');
  t.notMatch(lab.inside(two, 'ip route').output, 'default');
  t.match(lab.inside(two, get(OUTSIDE.ipv4, 7000, 1)).output, /unreachable/);
  const gateway = `ip route add default via ${(await lab.call('find', 'inner')).ipam.config[0]?.gateway}`;
  t.match(
    lab.inside(two, `${gateway}; ${get(OUTSIDE.ipv4, 7000, 1)}`).output,
    /timed out/,
    'one with CAP_NET_ADMIN neither',
  );
  t.match(lab.inside(two, 'dig +tries=1 +time=3 example.org').output, 'SERVFAIL');
  for (const { record } of [one, two]) await lab.call('release', record.containerId);
  await lab.call('remove', 'inner');
});

test('connect and disconnect change a container that runs, and its way out', { skip }, async (t) => {
  await lab.call('create', { name: 'inner', driver: 'bridge', internal: true });
  await lab.call('create', { name: 'outer', driver: 'bridge' });
  const [, two] = await both('inner');
  await lab.call('prepare', container('three', ['outer']));
  const connected = await lab.call('connect', two.record.containerId, { network: 'outer' });
  t.same(
    connected.record.endpoints.map(({ ifname }) => ifname),
    ['eth0', 'eth1'],
  );
  t.match(connected.files.hosts, connected.record.endpoints[1]?.ipv4?.address ?? 'none');
  t.match(lab.inside({ ...two, ...connected }, get(OUTSIDE.ipv4, 7000)).output, 'from ');
  t.match(lab.inside({ ...two, ...connected }, 'dig +short three one').output, /172\..*\n172\./);
  await t.rejects(lab.call('connect', two.record.containerId, { network: 'outer' }), { code: 'NETWORK_FORBIDDEN' });
  await t.rejects(lab.call('remove', 'outer'), { message: /has active endpoints \(name:"two"/ });
  const alone = await lab.call('disconnect', two.record.containerId, 'outer');
  t.notMatch(lab.inside({ ...two, ...alone }, 'ip route; ip -br link').output, /default|eth1/);
  await t.rejects(lab.call('disconnect', two.record.containerId, 'outer'), {
    message: /is not connected to network outer/,
  });
  for (const name of ['one', 'two', 'three']) await lab.call('release', container(name, []).containerId);
  for (const name of ['inner', 'outer']) await lab.call('remove', name);
});

test('several addresses of a name are answered in turn', { skip }, async (t) => {
  await lab.call('create', { name: 'net1', driver: 'bridge' });
  const all = [];
  for (const name of ['one', 'two', 'three'])
    all.push(await lab.call('prepare', container(name, [{ network: 'net1', aliases: ['pool'] }])));
  const [first] = all;
  if (!first) throw new Error('no container');
  const answers = new Set(Array.from({ length: 20 }, () => lab.inside(first, 'dig +short pool').output));
  t.ok(answers.size > 1, [...answers].join(' | '));
  t.ok([...answers].every((answer) => answer.split('\n').length === 3));
  t.match(lab.inside(first, 'dig +tcp +short pool; busybox nslookup two; getent hosts three').output, /two/);
  t.match(lab.inside(first, 'dig +short -x 172.18.0.3').output, 'two.net1.');
  for (const { record } of all) await lab.call('release', record.containerId);
  await lab.call('remove', 'net1');
});

test('a container binds port 53 itself, and its resolver answers on', { skip }, async (t) => {
  await lab.call('create', { name: 'net1', driver: 'bridge' });
  const one = (await both('net1'))[0];
  await lab.serve(one, udpServer(53));
  await lab.serve(one, tcpServer(53));
  t.match(lab.inside(one, askUdp('127.0.0.1', 53)).output, 'from ', 'its own server');
  t.match(lab.inside(one, 'dig +short two').output, /^172\./);
  for (const name of ['one', 'two']) await lab.call('release', container(name, []).containerId);
  await lab.call('remove', 'net1');
});

async function both(network: string): Promise<[ContainerNetwork, ContainerNetwork]> {
  return [
    await lab.call('prepare', container('one', [network])),
    await lab.call('prepare', container('two', [network])),
  ];
}

async function eventually(holds: () => boolean): Promise<boolean> {
  for (let attempt = 0; attempt < 40; attempt++) {
    if (holds()) return true;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return false;
}

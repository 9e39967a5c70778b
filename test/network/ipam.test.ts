import { test } from 'tap';
import { parsePrefix } from '../../src/network/address.js';
import { allocate, planSubnets, type SubnetWishes, type TakenPrefix } from '../../src/network/ipam.js';
import type { IpamConfig, NetworkRecord } from '../../src/network/types.js';

const WISHES: SubnetWishes = { networkId: 'ab'.repeat(32), families: [4], config: [], sharesLink: false };

function taken(subnet: string, by = 'network other', hostRoute?: 'link' | 'gateway'): TakenPrefix {
  return { prefix: parsePrefix(subnet, 'test'), by, ...(hostRoute ? { hostRoute } : {}) };
}

const planned = (config: readonly IpamConfig[], around: readonly TakenPrefix[] = []) =>
  planSubnets({ ...WISHES, config }, around);

test('planSubnets takes the first part of the pools that nobody has', async (t) => {
  t.same(planned([]), [{ subnet: '172.17.0.0/16', gateway: '172.17.0.1' }]);
  t.same(planned([], [taken('172.17.0.0/16'), taken('172.18.4.0/24')]), [
    { subnet: '172.19.0.0/16', gateway: '172.19.0.1' },
  ]);
  t.same(planned([], [taken('172.16.0.0/12', 'route of the host by tun0', 'gateway')]), [
    { subnet: '192.168.0.0/20', gateway: '192.168.0.1' },
  ]);
});

test('planSubnets says who has the pools when all are taken', async (t) => {
  const all = [taken('172.16.0.0/12', 'route of the host by tun0', 'gateway'), taken('192.168.0.0/16', 'network lab')];
  t.throws(() => planned([], all), {
    code: 'NETWORK_FORBIDDEN',
    message: /all predefined address pools have been fully subnetted: .*tun0 \(172\.16\.0\.0\/12\), network lab/,
  });
});

test('planSubnets cuts pools of the configuration', async (t) => {
  const pools = [{ base: '10.5.0.0/23', size: 24 }];
  t.same(planSubnets(WISHES, [taken('10.5.0.0/24')], pools), [{ subnet: '10.5.1.0/24', gateway: '10.5.1.1' }]);
  t.throws(() => planSubnets(WISHES, [taken('10.5.0.0/16')], pools), { code: 'NETWORK_FORBIDDEN' });
});

test('planSubnets keeps what a user asked for, and refuses what cannot be', async (t) => {
  const full = {
    subnet: '10.9.0.0/16',
    ipRange: '10.9.5.0/24',
    gateway: '10.9.0.254',
    auxiliaryAddresses: { a: '10.9.5.1' },
  };
  t.same(planned([full]), [full]);
  t.same(planned([{ subnet: '10.9.0.0/16', auxiliaryAddresses: { router: '10.9.0.1' } }])[0]?.gateway, '10.9.0.2');
  const refused = (config: IpamConfig, message: RegExp) =>
    t.throws(() => planned([config]), { code: 'NETWORK_INVALID', message });
  refused({ subnet: '10.9.0.1/16' }, /invalid subnet 10\.9\.0\.1\/16: it should be 10\.9\.0\.0\/16/);
  refused({ subnet: '10.9.0.0/33' }, /invalid CIDR address/);
  refused({ subnet: '10.9.0.0/32' }, /no room/);
  refused({ subnet: '10.9.0.0/16', gateway: '10.8.0.1' }, /gateway 10\.8\.0\.1: it is not within the subnet/);
  for (const edge of ['10.9.0.0', '10.9.255.255'])
    refused(
      { subnet: '10.9.0.0/16', gateway: edge },
      /invalid gateway 10\.9\.\S+: it is the network's or the broadcast/,
    );
  t.same(planned([{ subnet: '10.9.0.0/31', gateway: '10.9.0.0' }])[0]?.gateway, '10.9.0.0', 'RFC 3021');
  refused(
    { subnet: '10.9.0.0/16', gateway: '10.9.0.1', auxiliaryAddresses: { a: '10.9.0.1' } },
    /auxiliary address too/,
  );
  for (const [subnet, use] of Object.entries({ '127.9.0.0/24': 'loopback', '225.0.0.0/24': 'multicast' }))
    refused({ subnet }, new RegExp(`invalid subnet ${subnet}: .* is for ${use}`));
  refused({ subnet: '0.0.0.0/0' }, /invalid subnet/);
  refused({ subnet: '10.9.0.0/16', ipRange: '10.8.0.0/24' }, /ip-range .* not within the subnet/);
  refused({ subnet: '10.9.0.0/16', ipRange: '10.0.0.0/8' }, /ip-range .* not within the subnet/);
  refused({ subnet: '10.9.0.0/16', auxiliaryAddresses: { x: '10.8.0.1' } }, /auxiliary address/);
});

test('planSubnets refuses a subnet of another network or of a link of the host, and names it', async (t) => {
  const wish = [{ subnet: '10.9.0.0/16' }];
  const words =
    /Pool overlaps with other one on this address space: 10\.9\.0\.0\/16 overlaps with 10\.9\.1\.0\/24 \((.*)\)/;
  t.throws(() => planned(wish, [taken('10.9.1.0/24')]), { code: 'NETWORK_FORBIDDEN', message: words });
  t.throws(() => planned(wish, [taken('10.9.1.0/24', 'route of the host by eth0', 'link')]), { message: words });
  t.ok(planned(wish, [taken('10.0.0.0/8', 'route of the host by tun0', 'gateway')]), 'a longer prefix of a far route');
  t.ok(planSubnets({ ...WISHES, config: wish, sharesLink: true }, [taken('10.9.1.0/24', 'eth0', 'link')]), 'macvlan');
  t.throws(() => planned([...wish, { subnet: '10.9.4.0/24' }]), { message: /another subnet of the same request/ });
});

test('planSubnets makes unique local IPv6 prefixes of the network id', async (t) => {
  const wishes: SubnetWishes = { ...WISHES, families: [4, 6] };
  const [, first] = planSubnets(wishes, []);
  t.match(first?.subnet, /^fd[0-9a-f:]+::\/64$/);
  t.same(planSubnets(wishes, [])[1], first);
  t.not(planSubnets(wishes, [taken(first?.subnet ?? '')])[1]?.subnet, first?.subnet);
  t.not(planSubnets({ ...wishes, networkId: 'cd'.repeat(32) }, [])[1]?.subnet, first?.subnet);
});

function network(...config: IpamConfig[]): NetworkRecord {
  const plain = { internal: false, attachable: false, enableIPv4: true, enableIPv6: true, options: {}, labels: {} };
  const ipam = { driver: 'default', options: {}, config };
  return { id: 'ef'.repeat(32), name: 'n', driver: 'bridge', created: '', predefined: false, ipam, ...plain };
}

test('allocate gives the lowest free address, never the gateway, an auxiliary, the first or the last one', async (t) => {
  const small = network({ subnet: '10.0.0.0/29', gateway: '10.0.0.1', auxiliaryAddresses: { a: '10.0.0.2' } });
  t.same(allocate(small, 4, new Set(), undefined), { address: '10.0.0.3', prefixLength: 29, gateway: '10.0.0.1' });
  t.equal(allocate(small, 4, new Set(['10.0.0.3', '10.0.0.5']), undefined).address, '10.0.0.4');
  const full = new Set(['10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.6']);
  t.throws(() => allocate(small, 4, full, undefined), {
    code: 'NETWORK_FORBIDDEN',
    message: /no available IPv4 addresses on this network's address pools: n \(efefefefefef\)/,
  });
  const ranged = network({ subnet: '10.0.0.0/16', ipRange: '10.0.5.0/30', gateway: '10.0.0.1' });
  t.equal(allocate(ranged, 4, new Set(['10.0.5.0']), undefined).address, '10.0.5.1');
  t.equal(allocate(network({ subnet: 'fd00::/64', gateway: 'fd00::1' }), 6, new Set(), undefined).address, 'fd00::2');
});

test('allocate gives a second subnet of a family when the first is full', async (t) => {
  const two = network({ subnet: '10.0.0.0/30', gateway: '10.0.0.1' }, { subnet: '10.1.0.0/30', gateway: '10.1.0.1' });
  t.equal(allocate(two, 4, new Set(['10.0.0.2']), undefined).address, '10.1.0.2');
});

test('allocate gives the address that was asked for, or says why not', async (t) => {
  const net = network({ subnet: '10.0.0.0/24', gateway: '10.0.0.1' });
  t.equal(allocate(net, 4, new Set(), '10.0.0.77').address, '10.0.0.77');
  t.throws(() => allocate(net, 4, new Set(['10.0.0.77']), '10.0.0.77'), {
    message: /Address already in use: 10\.0\.0\.77/,
  });
  t.throws(() => allocate(net, 4, new Set(), '10.0.0.1'), { message: /Address already in use/ });
  t.throws(() => allocate(net, 4, new Set(), '10.0.1.5'), {
    message: /no configured subnet .* contains IP address 10\.0\.1\.5/,
  });
  t.throws(() => allocate(net, 4, new Set(), '10.0.0.255'), { message: /broadcast/ });
  t.throws(() => allocate(net, 4, new Set(), 'ten'), { code: 'NETWORK_INVALID' });
});

// The daemon's options from command line and file, without a daemon.
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import t, { type Test } from 'tap';
import { readConfig, readReload } from '../../../src/daemon/config/config.js';
import type { Given } from '../../../src/daemon/config/given.js';
import { PLACES_OF_ROOT } from '../../../src/daemon/config/places.js';
import { networkingOptions } from '../../../src/daemon/network/options.js';
import { UsageError } from '../../../src/errors.js';

const log = { debug() {}, info() {}, warn() {}, error() {} };

function request(t: Test, file: unknown, flags: Given = {}) {
  const path = join(t.testdir({}), 'daemon.json');
  writeFileSync(path, JSON.stringify(file));
  const absolute = (one: string) => resolve(one);
  return { flags: { ...flags, 'config-file': path }, home: '/root', places: PLACES_OF_ROOT, rootless: false, absolute };
}

t.test("readConfig takes dockerd's names of networks, logs and limits from the file", async (t) => {
  const config = readConfig(
    request(t, {
      bip: '10.9.0.1/16',
      'fixed-cidr': '10.9.8.0/24',
      mtu: 1400,
      icc: false,
      'ip-masq': false,
      iptables: false,
      'ip-forward': false,
      'default-address-pools': [{ base: '10.200.0.0/16', size: 24 }],
      'live-restore': true,
      'log-driver': 'local',
      'log-opts': { 'max-size': '1m' },
      'max-concurrent-downloads': 2,
      dns: ['192.0.2.1'],
    }),
  );
  t.strictSame(config.layersAtOnce, { down: 2, up: 4 });
  t.strictSame(config.logging, { driver: 'local', options: [['max-size', '1m']] });
  const options = networkingOptions(config, log, undefined);
  t.match(options, {
    defaultBridgeAddress: '10.9.0.1/16',
    defaultBridgeRange: '10.9.8.0/24',
    addressPools: [{ base: '10.200.0.0/16', size: 24 }],
    firewall: false,
    ipForward: false,
    dns: ['192.0.2.1'],
  });
  t.strictSame(options.defaultBridgeOptions, {
    'com.docker.network.driver.mtu': '1400',
    'com.docker.network.bridge.enable_icc': 'false',
    'com.docker.network.bridge.enable_ip_masquerade': 'false',
  });
});

t.test('readConfig has rules, forwarding and everything that lives on where nothing is said', async (t) => {
  const config = readConfig(request(t, {}));
  t.match(config.network, { firewall: true, forwarding: true, icc: true, masquerade: true, pools: [] });
  t.strictSame(networkingOptions(config, log, undefined).defaultBridgeOptions, {});
  const flags = request(t, {}, { 'default-address-pool': ['base=10.0.0.0/8,size=24'], iptables: 'false' });
  t.match(readConfig(flags).network, { firewall: false, pools: [{ base: '10.0.0.0/8', size: 24 }] });
});

/** The file, and what is said of it. */
const REFUSED: readonly (readonly [object, RegExp])[] = [
  [{ iptable: false }, /"iptable" is no option of this daemon \(did you mean "iptables"\?\)/],
  [{ iptables: 'no' }, /iptables: must be true or false \(got "no"\)/],
  [{ mtu: 10 }, /--mtu: "10" is not a number of bytes from 68/],
  [{ 'fixed-cidr': '10.0.0.0/24' }, /--fixed-cidr: .* is part of no network/],
  [{ bip: '10.0.0.1/8', 'fixed-cidr': '10.0.0.0' }, /--fixed-cidr: .* is not a network/],
  [{ 'default-address-pools': ['10.0.0.0/8'] }, /default-address-pools: must be a list of objects with base and size/],
  [{ 'default-address-pools': { base: '10.0.0.0/8', size: 24 } }, /must be a list of objects/],
  [{ 'default-address-pools': [{ base: '10.0.0.0/8' }] }, /is not base=NETWORK,size=BITS/],
  [{ 'default-address-pools': [{ base: '10.0.0.0/8', size: 4 }] }, /has a size that is not from 8 .* to 32/],
  [{ 'log-opts': ['max-size=1m'] }, /log-opts: must be an object of texts/],
  [{ 'live-restore': false }, /containers always go on while the daemon does not run/],
  [{ 'max-concurrent-downloads': 0 }, /--max-concurrent-downloads: "0" is not a number from 1 to 100/],
  [{ 'shutdown-timeout': 'soon' }, /--shutdown-timeout: "soon" is not a number/],
  [{ mtu: true }, /mtu: must be a text/],
];

t.test('readConfig says what is wrong with the file', async (t) => {
  for (const [file, words] of REFUSED) t.throws(() => readConfig(request(t, file)), { message: words });
  const given = request(t, { mtu: 1400 }, { mtu: '1300' });
  t.throws(() => readConfig(given), { message: /mtu is specified both as a flag and in the file/ });
});

t.test('readConfig refuses plugins that would decide who may do what, since it asks none', async (t) => {
  const refused = () => readConfig(request(t, { 'authorization-plugins': ['mine'] }));
  t.throws(refused, { message: /"authorization-plugins" is no option/ });
});

t.test('readConfig refuses an exec root that leaves no room for the paths of sockets', async (t) => {
  const longest = `/${'x'.repeat(61)}`;
  t.equal(readConfig(request(t, {}, { 'exec-root': longest })).execRoot, longest);
  const refused = () => readConfig(request(t, {}, { 'exec-root': `${longest}y` }));
  t.throws(refused, UsageError);
  t.throws(refused, { flag: '--exec-root', message: /63 bytes long, and at most 62 / });
});

t.test('readReload reads what may change while the daemon runs, and nothing else', async (t) => {
  const asked = request(t, { labels: ['a=b'], debug: true, 'insecure-registries': ['10.0.0.0/8'], mtu: 1400 });
  const changed = readReload(asked);
  t.match(changed, { logLevel: 'debug', labels: ['a=b'], insecureRegistries: ['10.0.0.0/8'] });
  t.notOk(Object.hasOwn(changed, 'network'));
});

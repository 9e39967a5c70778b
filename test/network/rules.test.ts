import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'tap';
import { type BridgeRules, type FirewallState, type PortRule, rulesText } from '../../src/network/rules.js';

const BRIDGE: BridgeRules = {
  link: 'docker0',
  internal: false,
  icc: true,
  masquerade: true,
  subnets4: ['172.17.0.0/16'],
  subnets6: [],
  mode4: 'nat',
  mode6: 'nat',
  hostIpv4: undefined,
  hostIpv6: undefined,
};
const EMPTY: FirewallState = { table: 'tsrun', bridges: [], ports4: [], ports6: [], closeTransit: false };
const PORT: PortRule = {
  protocol: 'tcp',
  hostIp: undefined,
  hostPort: 8080,
  address: '172.17.0.2',
  containerPort: 80,
  routed: false,
};

/** Golden files are reviewed like code; TSRUN_GOLDEN=write makes them anew. */
function golden(name: string): string {
  return `test/network/golden/${name}.nft`;
}

const CASES: { readonly [name: string]: FirewallState } = {
  'no-network': EMPTY,
  'default-bridge': { ...EMPTY, bridges: [BRIDGE] },
  'default-bridge-forwarding-was-off': { ...EMPTY, bridges: [BRIDGE], closeTransit: true },
  'published-ports': {
    ...EMPTY,
    bridges: [BRIDGE, { ...BRIDGE, link: 'br-two', subnets4: ['172.18.0.0/16'], subnets6: ['fd00:1::/64'] }],
    ports4: [
      PORT,
      { ...PORT, protocol: 'udp', hostPort: 53, containerPort: 5353, address: '172.18.0.2' },
      { ...PORT, hostIp: '192.0.2.2', hostPort: 443 },
    ],
    ports6: [{ ...PORT, address: 'fd00:1::2' }],
  },
  'internal-and-no-icc': {
    ...EMPTY,
    bridges: [
      { ...BRIDGE, link: 'br-int', internal: true, masquerade: false, subnets4: ['172.19.0.0/16'] },
      { ...BRIDGE, link: 'br-icc', icc: false },
    ],
  },
  'routed-and-unprotected': {
    ...EMPTY,
    bridges: [
      { ...BRIDGE, link: 'br-routed', mode4: 'routed', mode6: 'routed', subnets6: ['fd00:2::/64'], masquerade: false },
      { ...BRIDGE, link: 'br-open', mode4: 'nat-unprotected', subnets4: ['172.20.0.0/16'], hostIpv4: '192.0.2.9' },
    ],
    ports4: [{ ...PORT, routed: true }],
    ports6: [{ ...PORT, address: 'fd00:2::2', routed: true }],
  },
};

for (const [name, state] of Object.entries(CASES)) {
  test(`rulesText makes the table of ${name}`, async (t) => {
    const text = rulesText(state);
    if (process.env['TSRUN_GOLDEN'] === 'write') writeFileSync(golden(name), text);
    t.equal(text, readFileSync(golden(name), 'utf8'));
  });
}

test('rulesText never translates a loopback address', async (t) => {
  const text = rulesText(CASES['published-ports'] ?? EMPTY);
  const jumps = text.split('\n').filter((row) => row.includes('jump published'));
  t.equal(jumps.length, 4);
  t.ok(jumps.every((row) => row.includes('daddr != 127.0.0.0/8') || row.includes('daddr != ::1')));
});

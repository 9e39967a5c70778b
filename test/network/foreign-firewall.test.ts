import t from 'tap';
import { closedForwards, forwardWarning } from '../../src/network/foreign-firewall.js';

const chain = (family: string, hook: string, policy: string, name = 'forward') => ({
  chain: { family, table: 'filter', name, handle: 1, type: 'filter', hook, prio: 0, policy },
});
const text = (...nftables: readonly object[]) => JSON.stringify({ nftables: [{ metainfo: {} }, ...nftables] });

t.test('closedForwards finds chains that drop what they do not accept on its way through the host', async (t) => {
  const drops = text(chain('ip', 'forward', 'drop', 'FORWARD'), chain('inet', 'forward', 'drop'));
  t.strictSame(closedForwards(drops), ['ip filter FORWARD', 'inet filter forward']);
  t.match(forwardWarning(closedForwards(drops)), /"ip filter FORWARD", "inet filter forward" has the policy drop/);
});

t.test('closedForwards lets pass what has nothing to do with it', async (t) => {
  const others = [
    chain('inet', 'forward', 'accept'),
    chain('inet', 'input', 'drop'),
    chain('bridge', 'forward', 'drop'),
    { chain: { family: 'inet', table: 'filter', name: 'plain', handle: 2 } },
  ];
  t.strictSame(closedForwards(text(...others)), []);
  t.strictSame(closedForwards(text()), []);
});

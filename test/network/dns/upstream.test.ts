import t from 'tap';
import { openUpstream } from '../../../src/network/dns/upstream.js';

/** A question for "a", type A. */
const QUERY = Buffer.from('abcd01000001000000000000016100000100 01'.replace(' ', ''), 'hex');

t.test('a server that cannot be reached at all is one that does not answer', async (t) => {
  // connect(2) refuses a broadcast address at once, as it does any where there is no route.
  t.equal(await openUpstream({ patienceMs: 2000 }).ask(QUERY, ['255.255.255.255'], 'udp'), undefined);
});

// What an update names takes the place of what was there; 0 is mostly how engines write "unset".
import t from 'tap';
import { mergeResources } from '../../src/spec/merge.js';

t.test('mergeResources keeps what is 0, but for fields whose 0 is a value', async (t) => {
  const current = { cpu: { shares: 512n, quota: 600n, burst: 500n, idle: 1n }, memory: { limit: 5n, swappiness: 7n } };
  const named = { cpu: { shares: 0n, quota: 100n, burst: 0n, idle: 0n }, memory: { limit: 0n, swappiness: 0n } };
  t.same(mergeResources(current, named), {
    cpu: { shares: 512n, quota: 100n, burst: 0n, idle: 0n },
    memory: { limit: 5n, swappiness: 0n },
  });
  t.same(mergeResources(current, { cpu: { quota: 700n } }).cpu, { ...current.cpu, quota: 700n });
});

import t from 'tap';
import { type DaemonEvent, EventBus } from '../../../src/daemon/events.js';
import { parseFilters } from '../../../src/daemon/filters.js';
import { EVENT_FILTERS, eventFilter, eventView } from '../../../src/daemon/view/event.js';

const EVENT: DaemonEvent = {
  ...{ type: 'container', action: 'exec_create: sh -c true', id: 'abc123', time: 1_700_000_000_123_456_789n },
  attributes: { image: 'box:1', name: 'web', team: 'a' },
};

t.test('eventView: the shape of API 1.51, with what older clients read', async (t) => {
  t.same(eventView(EVENT), {
    ...{ status: EVENT.action, id: 'abc123', from: 'box:1', Type: 'container', Action: EVENT.action },
    ...{ Actor: { ID: 'abc123', Attributes: EVENT.attributes }, scope: 'local' },
    ...{ time: 1_700_000_000, timeNano: 1_700_000_000_123_456_789n },
  });
});

t.test('eventFilter: by action, id, name, image, label', async (t) => {
  const fits = (filters: object) => eventFilter(parseFilters(JSON.stringify(filters), EVENT_FILTERS))(EVENT);
  for (const filters of [
    {},
    { event: ['exec_create'] },
    { container: ['web'] },
    { container: ['abc'] },
    { image: ['box'] },
    { image: ['box:1'] },
    { label: ['team=a'] },
    { type: ['container', 'image'] },
  ])
    t.ok(fits(filters), JSON.stringify(filters));
  for (const filters of [
    { event: ['exec'] },
    { container: ['db'] },
    { image: ['bo'] },
    { label: ['team=b'] },
    { type: ['image'] },
    { network: ['web'] },
    { scope: ['swarm'] },
    { node: ['x'] },
  ])
    t.notOk(fits(filters), JSON.stringify(filters));
});

t.test('EventBus: the last 256 are kept, and a listener that does not read loses its stream', async (t) => {
  const bus = new EventBus();
  for (let n = 0; n < 300; n++) bus.publish('image', 'tag', String(n), {});
  const end = new AbortController();
  const seen: string[] = [];
  for await (const { id } of bus.stream(() => true, end.signal, 0n)) {
    seen.push(id);
    if (id === '299') end.abort();
  }
  t.same([seen.length, seen[0]], [256, '44']);
  const slow = bus.stream(() => true, new AbortController().signal);
  const first = slow.next();
  for (let n = 0; n < 2000; n++) bus.publish('image', 'tag', String(n), {});
  t.match(await first, { done: false });
  let count = 1;
  for await (const _ of slow) count++;
  t.ok(count <= 1025, `${count} came, then the stream ended`);
  t.equal(bus.listeners, 0);
});

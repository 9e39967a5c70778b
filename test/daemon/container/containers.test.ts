import t from 'tap';
import { Containers } from '../../../src/daemon/container/containers.js';
import { type ContainerRecord, CREATED } from '../../../src/daemon/container/record.js';
import type { Database, Table } from '../../../src/daemon/store/database.js';
import { digestOf } from '../../../src/util/digest.js';

const DIGEST = digestOf(Buffer.from('image'));

function record(id: string, name: string, Links: readonly string[] = []): ContainerRecord {
  return {
    ...{ id, name, created: '', restartCount: 0, stoppedByUser: false, starts: 0 },
    image: { reference: 'busybox:1', id: DIGEST, manifest: DIGEST },
    config: {},
    hostConfig: { Links },
    ...{ networks: {}, endpoints: {}, mounts: [], state: CREATED },
  };
}

/** What is on the disk; full: nothing can be written. */
function disk() {
  const kept = new Map<string, unknown>();
  const state = { full: false };
  const full = () => Promise.reject(new Error('ENOSPC'));
  const table: Table<unknown> = {
    get: (key) => kept.get(key),
    entries: () => [...kept],
    put: async (key, value) => (state.full ? full() : void kept.set(key, structuredClone(value))),
    remove: async (key) => void kept.delete(key),
  };
  const database: Database = {
    table: <T>() => table as Table<T>,
    transaction: async (action) => (state.full ? full() : action()),
    close: async () => undefined,
  };
  return { database, state, nameOf: (id: string) => (kept.get(id) as ContainerRecord).name, kept };
}

const [DB, WEB] = ['d'.repeat(64), 'e'.repeat(64)];

async function made() {
  const { database, ...rest } = disk();
  const containers = new Containers(database);
  await containers.add(record(DB, 'db'));
  await containers.add(record(WEB, 'web', ['db:store', 'db:second']));
  return { containers, ...rest };
}

t.test('find() knows a container by what another one calls it', async (t) => {
  const { containers } = await made();
  for (const text of ['db', '/db', 'web/store', '/web/second', DB, DB.slice(0, 5)])
    t.equal(containers.find(text).id, DB, text);
  for (const text of ['web/nosuch', 'db/store', 'web/', '/', 'web/store/x'])
    t.throws(() => containers.find(text), { status: 404, message: /No such container/ }, text);
});

t.test('rename() takes links along, on the disk too, and changes nothing when that is full', async (t) => {
  const { containers, state, kept } = await made();
  const links = () => containers.find('web').hostConfig.Links;
  state.full = true;
  await t.rejects(containers.rename(containers.find('db'), 'data'), /ENOSPC/);
  t.same([containers.find('web/store').name, links()], ['db', ['db:store', 'db:second']]);
  t.throws(() => containers.find('data'), { status: 404, message: /No such container/ });
  state.full = false;
  await containers.rename(containers.find('db'), 'data');
  t.same([containers.find('web/store').name, links()], ['data', ['data:store', 'data:second']]);
  t.match(kept.get(WEB), { hostConfig: { Links: ['data:store', 'data:second'] } });
  t.match(kept.get(DB), { name: 'data' });
});

t.test('unlink() takes one link away, or none when the disk is full', async (t) => {
  const { containers, state } = await made();
  state.full = true;
  await t.rejects(containers.unlink('web/store'), /ENOSPC/);
  t.equal(containers.find('web/store').id, DB);
  state.full = false;
  await containers.unlink('web/store');
  t.same(containers.find('web').hostConfig.Links, ['db:second']);
  await t.rejects(containers.unlink('web/store'), { status: 404, message: /No such container/ });
  await t.rejects(containers.unlink('web'), { status: 409, message: /default link name/ });
});

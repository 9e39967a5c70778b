/** snapshot/store: locks of layers, and what killed writers have left of records. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { SnapshotStore } from '../../src/snapshot/store.js';
import { digestOf } from '../../src/util/digest.js';

const LAYER = digestOf(Buffer.from('a layer'));

t.test('SnapshotStore.lock is held by one, also when a collector takes the file away in between', async (t) => {
  const store = new SnapshotStore(t.testdir());
  const locks = () => readdirSync(join(store.root, 'locks'));
  const first = await store.lock(LAYER);
  await store.collect(() => false);
  t.equal(locks().length, 1, 'what somebody has stays');
  let isHeld = false;
  const second = store.lock(LAYER).then((release) => {
    isHeld = true;
    return release;
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  t.equal(isHeld, false);
  first();
  await store.collect(() => false);
  const release = await second;
  t.equal(locks().length, 1, 'the file that the next one has is there');
  release();
  await store.collect(() => false);
  t.same(locks(), [], 'of a layer that is not there nothing stays');
});

t.test('SnapshotStore.collect removes records that a killed process was writing', async (t) => {
  const store = new SnapshotStore(t.testdir());
  const { pid } = spawnSync('true');
  const record = (writer: number) => join(store.root, 'layers', `.${'ab'.repeat(32)}.${writer}`);
  for (const writer of [pid, process.pid]) writeFileSync(record(writer), '{');
  await store.collect(() => false);
  t.same([existsSync(record(pid)), existsSync(record(process.pid))], [false, true]);
});

// The directory of the plan cache: bounded, for root alone.
import { chmodSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { cacheDirectory, clearEntries, listEntries, storeEntry } from '../../src/cache/store.js';
import { needRoot } from '../helpers/host.js';

const skip = needRoot();

t.test('storeEntry() keeps 256 entries, and those used last', { skip }, (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'tsrun-test-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, '.left-by-a-crash'), '');
  const names = Array.from({ length: 260 }, (_, index) => `${String(index).padStart(16, '0')}-0`);
  names.forEach((name, index) => {
    t.ok(storeEntry(directory, name, Buffer.alloc(8)));
    utimesSync(join(directory, name), index, index);
  });
  t.strictSame(readdirSync(directory).sort(), names.slice(-256));
  t.notOk(storeEntry(directory, '../escape-0', Buffer.alloc(8)), 'a name that is none');
  t.strictSame(listEntries(directory), [], 'what is no entry is not listed');
  chmodSync(directory, 0o755);
  t.notOk(storeEntry(directory, `${'f'.repeat(16)}-0`, Buffer.alloc(8)), 'a directory that others can read');
  t.equal(clearEntries(directory), 256);
  t.end();
});

t.test('storeEntry() keeps 16 MiB', { skip }, (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'tsrun-test-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  for (let index = 0; index < 6; index++)
    storeEntry(directory, `000000000000000${index}-0`, Buffer.alloc(4 * 1024 * 1024));
  t.equal(readdirSync(directory).length, 4);
  t.notOk(
    storeEntry(directory, `${'f'.repeat(16)}-0`, Buffer.alloc(4 * 1024 * 1024 + 8)),
    'no entry is larger than 4 MiB',
  );
  t.end();
});

t.test('cacheDirectory() takes TSRUN_CACHE', (t) => {
  t.equal(cacheDirectory({}), '/run/tsrun-cache');
  t.equal(cacheDirectory({ TSRUN_CACHE: '/other' }), '/other');
  t.equal(cacheDirectory({ TSRUN_CACHE: 'off' }), undefined);
  t.end();
});

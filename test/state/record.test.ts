/** state: container ids, the record, and reading state directories. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { type ContainerId, isContainerId, parseContainerId } from '../../src/state/container-id.js';
import { readStateFile } from '../../src/state/directory.js';
import { buildRecord, parseRecord } from '../../src/state/record.js';

t.test('parseContainerId accepts what can be a directory name and nothing that could be more', async (t) => {
  for (const id of ['a', 'A.b_c+d-1', '007', '1e3', '_x', '+', 'x'.repeat(255)]) t.equal(parseContainerId(id), id);
  const refused = [
    '../x',
    'a/b',
    '.',
    '..',
    '-rf',
    '.hidden',
    'a\0b',
    'x'.repeat(256),
    'x'.repeat(5000),
    'a\nb',
    'ä',
    'a b',
    '/',
    '\u202e',
    'a\\b',
  ];
  for (const id of refused)
    t.throws(() => parseContainerId(id), { code: 'USAGE', message: /invalid container ID format/ }, JSON.stringify(id));
  t.throws(() => parseContainerId(''), { message: 'container id cannot be empty' });
  t.throws(() => parseContainerId('a\nb'), { message: /"a\\nb"/ }, 'shown escaped');
});

t.test('buildRecord and parseRecord are inverse, and no value can pass for a slot', async (t) => {
  const config = { ociVersion: '1.0.2', hostname: '\u0001P', process: { rlimits: [{ soft: 18446744073709551615n }] } };
  const text = buildRecord({
    id: '\u0001I',
    created: '\u0001C',
    bundle: '/b\u0001I',
    config,
    systemd: true,
  });
  t.strictSame(
    [...text.matchAll(/\u0001./g)].map(([slot]) => slot),
    ['\u0001I', '\u0001C'],
    'only the two slots are raw',
  );
  t.match(text, /18446744073709551615/);
  const filled = text.replaceAll('\u0001I', 'c1').replaceAll('\u0001C', '2026-01-01T00:00:00Z');
  const record = parseRecord(JSON.parse(filled));
  t.match(record, {
    id: 'c1',
    created: '2026-01-01T00:00:00Z',
    bundle: '/b\u0001I',
    systemd: true,
    config: { hostname: '\u0001P' },
  });
});

t.test('parseRecord says why a record is none', async (t) => {
  t.equal(parseRecord(null), 'not a JSON object');
  t.match(parseRecord({ version: 2 }), /unknown version 2/);
  t.equal(parseRecord({ version: 1 }), 'fields are missing');
  t.match(parseRecord({ version: Object.create(null) }), /unknown version an object/);
  t.equal(parseRecord({ version: 1, id: 'a', created: 'b', bundle: 'c' }), 'config is missing');
});

t.test('readStateFile tells a missing container from a damaged one', async (t) => {
  const root = t.testdir({ c1: {} });
  const id = 'c1' as ContainerId;
  t.ok(isContainerId(id));
  t.throws(() => readStateFile(root, 'none' as ContainerId, 'plan'), {
    code: 'CONTAINER_NOT_FOUND',
    message: 'container does not exist: "none"',
  });
  t.throws(() => readStateFile(root, id, 'plan'), { code: 'RECORD_CORRUPT' });
  writeFileSync(join(root, 'c1/plan'), 'bytes');
  t.equal(readStateFile(root, id, 'plan').toString(), 'bytes');
  symlinkSync('/etc/passwd', join(root, 'c1/state.json'));
  t.throws(() => readStateFile(root, id, 'state.json'), { code: 'RECORD_CORRUPT', message: /ELOOP/ });
  mkdirSync(join(root, 'c1/runtime'));
  t.throws(() => readStateFile(root, id, 'runtime'), { code: 'RECORD_CORRUPT', message: /not a regular file/ });
});

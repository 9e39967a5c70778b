import t from 'tap';
import { parseFilters } from '../../src/daemon/filters.js';

const KEYS = ['label', 'label!', 'name', 'dangling'];

t.test('parseFilters: maps and lists mean the same', async (t) => {
  const map = parseFilters('{"name":{"a":true,"b":true,"c":false}}', KEYS);
  const list = parseFilters('{"name":["a","b"]}', KEYS);
  t.same(
    [map.get('name'), list.get('name')],
    [
      ['a', 'b'],
      ['a', 'b'],
    ],
  );
  t.ok(map.any('name', (value) => value === 'b'));
  t.notOk(map.any('name', (value) => value === 'x'));
  t.ok(
    map.any('dangling', () => false),
    'a key that nobody asked for lets everything through',
  );
});

t.test('parseFilters: all labels must hold', async (t) => {
  const filters = parseFilters('{"label":["a=1","b"],"label!":["c"]}', KEYS);
  t.ok(filters.labels({ a: '1', b: 'x' }));
  t.notOk(filters.labels({ a: '1' }));
  t.notOk(filters.labels({ a: '2', b: '' }));
  t.notOk(filters.labels({ a: '1', b: '', c: '' }));
});

t.test('parseFilters: refusals name the key', async (t) => {
  const refused = (text: string) => {
    try {
      return parseFilters(text, KEYS).boolean('dangling');
    } catch (error) {
      return error instanceof Error ? error.message : error;
    }
  };
  t.equal(refused('{"nosuch":["a"]}'), "invalid filter 'nosuch'");
  t.match(refused('{"name":'), /^invalid filters: not JSON/);
  t.match(refused('[]'), /must be an object/);
  t.match(refused('{"name":"a"}'), /invalid filter 'name': its values/);
  t.match(refused('{"name":{"a":1}}'), /invalid filter 'name'/);
  t.match(refused(`{"name":${JSON.stringify(Array(10_001).fill('x'))}}`), /more than 10000 values/);
  t.match(refused('{"dangling":["maybe"]}'), /invalid filter 'dangling=\["maybe"\]'/);
  t.equal(refused('{"dangling":["true"]}'), true);
  t.equal(refused('{"dangling":{"0":true}}'), false);
  t.equal(refused('{}'), undefined);
});

t.test('parseFilters: null, an empty text and an absent one are no filter', async (t) => {
  for (const text of ['null', '', undefined]) t.equal(parseFilters(text, KEYS).has('name'), false);
});

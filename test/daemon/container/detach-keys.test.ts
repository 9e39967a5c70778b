import { buffer } from 'node:stream/consumers';
import t from 'tap';
import { DEFAULT_KEYS, parseDetachKeys, watchKeys } from '../../../src/daemon/container/detach-keys.js';

t.test('parseDetachKeys: characters and ctrl- with a letter or one of @[\\]^_', async (t) => {
  t.same(parseDetachKeys(undefined), DEFAULT_KEYS);
  t.same(parseDetachKeys(''), DEFAULT_KEYS);
  t.same([...parseDetachKeys('ctrl-a,x,ctrl-@,ctrl-_')], [1, 120, 0, 31]);
});

t.test('parseDetachKeys refuses what is no key, with the text and what to write', async (t) => {
  for (const text of ['ctrl-', 'ab', 'ctrl-1', 'a,,b', 'ä']) {
    t.throws(() => parseDetachKeys(text), {
      status: 400,
      message: /Invalid detach keys .*single characters or ctrl-X/,
    });
  }
});

async function typed(chunks: readonly string[], keys = 'a,b,c'): Promise<{ passed: string; detached: boolean }> {
  let detached = false;
  const stream = watchKeys(parseDetachKeys(keys), () => {
    detached = true;
  });
  for (const chunk of chunks) stream.write(chunk);
  stream.end();
  return { passed: (await buffer(stream)).toString(), detached };
}

t.test('watchKeys: all of the keys one behind the other detach, over several chunks too', async (t) => {
  t.same(await typed(['xab', 'c']), { passed: 'x', detached: true });
  t.same(await typed(['x', 'a', 'b', 'c']), { passed: 'x', detached: true });
});

t.test('watchKeys: what only begins like the keys is input after all', async (t) => {
  t.same(await typed(['xab', 'd']), { passed: 'xabd', detached: false });
  t.same(await typed(['aab', 'c']), { passed: 'a', detached: true });
  t.same(await typed(['ab']), { passed: 'ab', detached: false });
});

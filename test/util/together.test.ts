import t from 'tap';
import { together } from '../../src/util/together.js';

t.test('together waits for all before it throws what the first one threw', async (t) => {
  let ended = false;
  const slow = new Promise<number>((resolve) => setImmediate(() => setImmediate(() => resolve(1)))).then((one) => {
    ended = true;
    return one;
  });
  await t.rejects(together(Promise.reject(new Error('first')), slow, Promise.reject(new Error('other'))), {
    message: 'first',
  });
  t.ok(ended, 'the slow one has ended');
  t.strictSame(await together(Promise.resolve(1), Promise.resolve('two')), [1, 'two']);
});

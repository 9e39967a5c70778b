/** image/side-by-side: streams that are given up. */
import t from 'tap';
import { untilAborted } from '../../src/image/side-by-side.js';

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of source) all.push(item);
  return all;
}

t.test('untilAborted ends a stream of which nothing comes, and one that was not begun', async (t) => {
  const controller = new AbortController();
  async function* stalls(): AsyncGenerator<number> {
    yield 1;
    await new Promise(() => undefined);
  }
  setTimeout(() => controller.abort(), 20);
  await t.rejects(collect(untilAborted(stalls(), controller.signal)), { message: /given up/ });
  let isBegun = false;
  async function* late(): AsyncGenerator<number> {
    isBegun = true;
    yield 1;
  }
  await t.rejects(collect(untilAborted(late(), controller.signal)), { message: /given up/ });
  t.equal(isBegun, false);
});

t.test('untilAborted hands on what comes, and ends the source with its reader', async (t) => {
  let isEnded = false;
  async function* counts(): AsyncGenerator<number> {
    try {
      for (let n = 0; n < 3; n++) yield n;
    } finally {
      isEnded = true;
    }
  }
  const { signal } = new AbortController();
  t.same(await collect(untilAborted(counts(), signal)), [0, 1, 2]);
  isEnded = false;
  for await (const n of untilAborted(counts(), signal)) if (n === 1) break;
  t.equal(isEnded, true);
});

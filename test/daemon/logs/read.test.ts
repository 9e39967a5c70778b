import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type LogQuery, readLog } from '../../../src/daemon/logs/read.js';

const never = new AbortController().signal;
const ALL: LogQuery = { tail: undefined, since: undefined, until: undefined, follow: false, over: never, gone: never };

function logIn(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'tsrun-logs-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  return join(directory, 'log');
}

const json = (text: string, second = 0): string =>
  `${JSON.stringify({ log: text, stream: 'stdout', time: `2026-01-01T00:00:${String(second).padStart(2, '0')}.5Z` })}\n`;

function local(text: string): Buffer {
  const head = Buffer.alloc(16);
  head.writeUInt32LE(Buffer.byteLength(text));
  head.writeUInt8(1, 4);
  head.writeBigUInt64LE(1_000_000_000n, 8);
  const tail = Buffer.alloc(4);
  tail.writeUInt32LE(Buffer.byteLength(text));
  return Buffer.concat([head, Buffer.from(text), tail]);
}

async function read(path: string, query: Partial<LogQuery> = {}, format: 'json' | 'local' = 'json'): Promise<string[]> {
  const lines: string[] = [];
  for await (const entries of readLog({ format, path }, { ...ALL, ...query }))
    lines.push(...entries.map(({ text }) => text.toString()));
  return lines;
}

t.test('readLog: rotated files are one log, the oldest first', async (t) => {
  const path = logIn(t);
  writeFileSync(`${path}.2`, json('1\n') + json('2\n'));
  writeFileSync(`${path}.1`, json('3\n'));
  writeFileSync(path, `${json('4\n')}{"log":"cut`);
  t.same(await read(path), ['1\n', '2\n', '3\n', '4\n'], 'what a crash has cut is left out');
  t.same(await read(path, { tail: 3 }), ['2\n', '3\n', '4\n']);
  t.same(await read(path, { tail: 0 }), []);
  t.same(await read(path, { tail: 100 }), ['1\n', '2\n', '3\n', '4\n']);
  t.same(await read(`${path}-none`), [], 'no log is an empty one');
});

t.test('readLog: tail in a log of many blocks', async (t) => {
  const path = logIn(t);
  const long = `${'x'.repeat(15_000)}\n`;
  writeFileSync(path, Array.from({ length: 300 }, (_, index) => json(`${index}${long}`)).join(''));
  const lines = await read(path, { tail: 200 });
  t.equal(lines.length, 200);
  t.match(lines[0], /^100x/);
  writeFileSync(path, Buffer.concat(Array.from({ length: 300 }, (_, index) => local(`${index}${long}`))));
  const others = await read(path, { tail: 250 }, 'local');
  t.equal(others.length, 250);
  t.match(others[0], /^50x/);
});

t.test('readLog: since and until', async (t) => {
  const path = logIn(t);
  writeFileSync(path, json('a', 1) + json('b', 2) + json('c', 3));
  const at = (second: number) => BigInt(Date.parse(`2026-01-01T00:00:0${second}Z`)) * 1_000_000n;
  t.same(await read(path, { since: at(2) }), ['b', 'c']);
  t.same(await read(path, { until: at(3) }), ['a', 'b']);
});

t.test('readLog follows through rotations until the container has ended, and misses nothing', async (t) => {
  const path = logIn(t);
  const over = new AbortController();
  writeFileSync(path, json('1'));
  const reading = read(path, { follow: true, over: over.signal });
  const pause = () => new Promise((resolve) => setTimeout(resolve, 60));
  await pause();
  appendFileSync(path, json('2'));
  await pause();
  appendFileSync(path, json('3'));
  renameSync(path, `${path}.1`);
  writeFileSync(path, json('4'));
  await pause();
  appendFileSync(path, json('5'));
  over.abort();
  t.same(await reading, ['1', '2', '3', '4', '5']);
});

t.test('readLog: a follower whose client is gone ends', async (t) => {
  const path = logIn(t);
  const gone = new AbortController();
  writeFileSync(path, json('1'));
  const reading = read(path, { follow: true, gone: gone.signal });
  setTimeout(() => gone.abort(), 50);
  t.same(await reading, ['1']);
});

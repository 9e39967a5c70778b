import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { compressLog } from '../../../src/daemon/logs/compress.js';
import type { LogEntry } from '../../../src/daemon/logs/entry.js';
import { type LogQuery, readLog } from '../../../src/daemon/logs/read.js';
import { tryLock } from '../../../src/image/locks.js';

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

const HUNDRED = Array.from({ length: 100 }, (_, index) => `${index}\n`);
const noAbort = new AbortController().signal;

t.test('readLog: compressed files are files of the log, for tail and since too', async (t) => {
  const path = logIn(t);
  for (const format of ['json', 'local'] as const) {
    const entries = HUNDRED.map((text) => Buffer.from(format === 'json' ? json(text) : local(text)));
    writeFileSync(`${path}.2`, Buffer.concat(entries.slice(0, 40)));
    writeFileSync(`${path}.1`, Buffer.concat(entries.slice(40, 80)));
    writeFileSync(path, Buffer.concat(entries.slice(80)));
    await compressLog(path, 3, noAbort);
    t.same(readdirSync(dirname(path)).sort(), ['log', 'log.1.gz', 'log.2.gz']);
    t.same(gunzipSync(readFileSync(`${path}.1.gz`)), Buffer.concat(entries.slice(40, 80)), 'for other programs too');
    t.same(await read(path, {}, format), HUNDRED);
    for (const tail of [0, 1, 20, 21, 60, 61, 99, 100, 101])
      t.same(await read(path, { tail }, format), tail === 0 ? [] : HUNDRED.slice(-tail), `tail ${tail}`);
    for (const number of [1, 2]) rmSync(`${path}.${number}.gz`);
  }
});

t.test('readLog: since passes over files that ended before, by what their heads say', async (t) => {
  const path = logIn(t);
  writeFileSync(`${path}.2`, json('1', 1));
  utimesSync(`${path}.2`, 1, Date.parse('2026-01-01T00:00:01.5Z') / 1000);
  writeFileSync(`${path}.1`, json('2', 10));
  writeFileSync(path, json('3', 20));
  await compressLog(path, 3, noAbort);
  truncateSync(`${path}.2.gz`, 40);
  const since = BigInt(Date.parse('2026-01-01T00:00:05Z')) * 1_000_000n;
  t.same(await read(path, { since }), ['2', '3'], 'the damaged one is not touched');
  t.match(
    await read(path),
    [/^tsrun: the rest of log\.2\.gz cannot be read: /, '2', '3'],
    'and alone is lost otherwise',
  );
});

t.test('compressLog: what was killed in the middle loses and doubles nothing', async (t) => {
  const path = logIn(t);
  writeFileSync(`${path}.1`, json('1'));
  writeFileSync(path, json('2'));
  writeFileSync(`${path}.gz`, 'half of one');
  writeFileSync(`${path}.1.gz`, gzipSync(json('1')), { flag: 'w' });
  t.same(await read(path), ['1', '2'], 'killed before the other was removed');
  await compressLog(path, 2, noAbort);
  t.same(readdirSync(dirname(path)).sort(), ['log', 'log.1.gz']);
  t.same(await read(path), ['1', '2']);
  const aborted = AbortSignal.abort();
  writeFileSync(`${path}.1`, json('3'));
  await t.rejects(compressLog(path, 2, aborted));
  t.same(readdirSync(dirname(path)).sort(), ['log', 'log.1', 'log.1.gz']);
});

t.test(
  'compressLog: the lock of the names is waited for, and a file that has moved on gets its new number',
  async (t) => {
    const path = logIn(t);
    writeFileSync(`${path}.1`, json('1'));
    writeFileSync(path, json('2'));
    const fd = openSync(dirname(path), 'r');
    t.ok(tryLock(fd));
    const compressing = compressLog(path, 3, noAbort);
    await new Promise((resolve) => setTimeout(resolve, 200));
    renameSync(`${path}.1`, `${path}.2`);
    renameSync(path, `${path}.1`);
    closeSync(fd);
    await compressing;
    t.same(
      readdirSync(dirname(path))
        .filter((name) => name.endsWith('.gz'))
        .at(-1),
      'log.2.gz',
    );
    t.same(await read(path), ['1', '2']);
  },
);

t.test('readLog: a follower that is behind finds its way through files that were compressed meanwhile', async (t) => {
  const path = logIn(t);
  const over = new AbortController();
  writeFileSync(path, json('1'));
  const lines: string[] = [];
  const reading = readLog({ format: 'json', path }, { ...ALL, follow: true, over: over.signal });
  const next = async () => lines.push(...((await reading.next()).value ?? []).map(({ text }: LogEntry) => `${text}`));
  await next();
  // It takes nothing while all this happens.
  for (const text of ['2', '3', '4']) {
    for (const number of [2, 1, 0])
      for (const suffix of ['', '.gz']) {
        const from = number === 0 ? path : `${path}.${number}${suffix}`;
        if (existsSync(from)) renameSync(from, `${path}.${number + 1}${suffix}`);
      }
    writeFileSync(path, json(text));
    await compressLog(path, 4, noAbort);
  }
  over.abort();
  for await (const entries of reading) lines.push(...entries.map(({ text }) => text.toString()));
  t.same(lines, ['1', '2', '3', '4']);
});

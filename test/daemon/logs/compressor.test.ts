import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { LogCompressor, type RotatedLog } from '../../../src/daemon/logs/compressor.js';

const PERIOD_MS = 20;

function made(t: Test) {
  const directory = mkdtempSync(join(tmpdir(), 'tsrun-compressor-'));
  const logs = new Map<string, RotatedLog>();
  const warnings: string[] = [];
  const source = { ids: () => [...logs.keys()], get: (id: string) => logs.get(id) };
  const compressor = new LogCompressor(source, (message) => warnings.push(message), PERIOD_MS);
  t.teardown(async () => {
    await compressor.close();
    rmSync(directory, { recursive: true });
  });
  const add = (id: string, change: Partial<RotatedLog> = {}) => {
    mkdirSync(join(directory, id), { recursive: true });
    logs.set(id, { id, path: join(directory, id, 'log'), files: 3, active: false, starts: 1, ...change });
  };
  const write = (id: string, name = 'log.1', text = 'x') => writeFileSync(join(directory, id, name), text);
  const names = (id: string) => readdirSync(join(directory, id)).sort();
  const until = async (id: string, wanted: readonly string[]) => {
    for (let tries = 0; tries < 200 && names(id).join() !== wanted.join(); tries++) await pause(10);
    t.same(names(id), wanted);
  };
  return { directory, logs, warnings, compressor, add, write, until, names };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

t.test('LogCompressor: one that is over is done once, and again after it was started', async (t) => {
  const { add, write, until, names } = made(t);
  add('a');
  write('a');
  await until('a', ['log.1.gz']);
  await pause(3 * PERIOD_MS); // it has noted that
  write('a', 'log.2');
  await pause(5 * PERIOD_MS);
  t.same(names('a'), ['log.1.gz', 'log.2'], 'nobody looks there any more');
  add('a', { starts: 2 });
  await until('a', ['log.1.gz', 'log.2.gz']);
  add('a', { starts: 2, active: true });
  write('a');
  await until('a', ['log.1.gz', 'log.2.gz']);
});

t.test('LogCompressor: what fails is said once, holds no other, and is tried again', async (t) => {
  const { add, write, until, warnings, directory } = made(t);
  add('a');
  mkdirSync(join(directory, 'a', 'log.1'));
  add('b');
  write('b');
  await until('b', ['log.1.gz']);
  await pause(5 * PERIOD_MS);
  t.match(warnings, [/^rotated logs of container a are not compressed: /]);
  t.equal(warnings.length, 1);
  rmSync(join(directory, 'a', 'log.1'), { recursive: true });
  write('a');
  await until('a', ['log.1.gz']);
});

t.test('LogCompressor: release() ends what is under way, and leaves the directory to its caller', async (t) => {
  const { add, write, compressor, logs, directory, names } = made(t);
  add('a');
  write('a', 'log.1', 'x'.repeat(64 * 1024 * 1024));
  for (let tries = 0; tries < 500 && !names('a').includes('log.gz'); tries++) await pause(1);
  logs.delete('a');
  await compressor.release('a');
  t.notOk(names('a').includes('log.gz'));
  rmSync(join(directory, 'a'), { recursive: true });
  await pause(3 * PERIOD_MS);
  t.same(readdirSync(directory), []);
});

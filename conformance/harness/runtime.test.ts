// Runtimes that are none: what cannot be run, and what never ends, is said and leaves no process.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { findRuntime } from './bench.js';

const dir = mkdtempSync(join(tmpdir(), 'conform-runtime-'));
t.teardown(() => rmSync(dir, { recursive: true, force: true }));

t.test('findRuntime says why something is no program', async (t) => {
  mkdirSync(join(dir, 'directory'));
  writeFileSync(join(dir, 'text'), '');
  t.throws(() => findRuntime(join(dir, 'nothing')), /does not exist/);
  t.throws(() => findRuntime(join(dir, 'directory')), /is no program/);
  t.throws(() => findRuntime(join(dir, 'text')), /may not be executed/);
  t.throws(() => findRuntime('no-such-runtime'), /not on PATH/);
});

t.test('call kills a runtime that hangs with what it started, and gives up after some', async (t) => {
  process.env['CONFORMANCE_DEADLINE'] = '0.3';
  const { call, eventually, isAlive } = await import('./runtime.js');
  const path = join(dir, 'hangs');
  writeFileSync(path, '#!/bin/sh\nsleep 600 & echo $! >>"$0.pids"\nwait\n', { mode: 0o755 });
  const runtime = { path, globalArgs: [], stdin: '/dev/null' };
  for (let times = 0; times < 3; times++) t.equal((await call(runtime, [], { dir })).status, 124);
  await t.rejects(call(runtime, [], { dir }), /does not end: 4 calls/);
  const pids = readFileSync(`${path}.pids`, 'utf8').trim().split('\n').map(Number);
  t.ok(await eventually(() => !pids.some(isAlive), 10_000), `of ${pids.join(', ')} none is left`);
});

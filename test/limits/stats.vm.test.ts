// Statistics and OOM kills on a kernel with cgroup v2 alone (runc's events, and top): runs inside `npm run vm`, where the
// memory, cpu, io and pids controllers are free. Compares with the kernel's own files.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { needVm, skipUnless } from '../helpers/host.js';
import {
  type Bundle,
  eventually,
  IS_TSRUN,
  must,
  needRuntime,
  RUNTIME,
  type Sandbox,
  sandbox,
} from '../helpers/runtime.js';

const skip = skipUnless(needVm(), needRuntime());
const onlyTsrun = skip || (IS_TSRUN ? false : 'other runtimes have no such command');

function limited(box: Sandbox, args: string[], resources: object): Bundle {
  return box.bundle(args, (config) => {
    config['linux'].resources = resources;
  });
}

const WORK = 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo >/tmp/done; sleep 1000';

t.test('events --stats tells what the kernel counts', { skip }, async (t) => {
  const box = sandbox(t);
  const resources = { memory: { limit: 64 << 20 }, pids: { limit: 20 }, cpu: { quota: 50000, period: 100000 } };
  const bundle = limited(box, ['sh', '-c', WORK], resources);
  const id = box.start(bundle);
  t.ok(eventually(() => existsSync(join(bundle.rootfs, 'tmp/done')), 30_000));
  const lines = must(box.run(['events', '--stats', id]))
    .stdout.trim()
    .split('\n');
  t.equal(lines.length, 1, 'one line');
  const event = JSON.parse(lines[0] ?? '');
  t.match(event, { type: 'stats', id });
  t.same(Object.keys(event), ['type', 'id', 'data']);
  const { cpu, memory, pids, network_interfaces: interfaces } = event.data;
  t.ok(cpu.usage.total > 1e6, 'nanoseconds');
  t.ok(cpu.usage.user + cpu.usage.kernel <= cpu.usage.total * 1.1);
  t.ok(cpu.throttling.periods >= 1);
  t.equal(memory.usage.limit, 64 << 20);
  t.ok(memory.usage.usage > 4096 && memory.usage.usage < 64 << 20);
  t.ok(memory.raw.anon > 0, 'memory.stat');
  t.match(pids, { limit: 20 });
  t.ok(pids.current >= 1 && pids.current <= 2);
  if (!IS_TSRUN) return;
  t.match(memory.events, { low: 0, high: 0, max: Number, oom: 0, oom_kill: 0 });
  t.ok(memory.usage.max >= memory.usage.usage || memory.usage.max === undefined, 'the peak, where the kernel has one');
  t.match(interfaces, [{ Name: 'lo', RxBytes: 0 }]);
});

t.test('events says that a process was killed for memory, and ends with the container', { skip }, async (t) => {
  const box = sandbox(t);
  const script = 'until [ -e /tmp/go ]; do sleep 0.05; done; tail /dev/zero; sleep 0.5';
  const bundle = limited(box, ['sh', '-c', script], { memory: { limit: 24 << 20, swap: 24 << 20 } });
  const id = box.start(bundle);
  const events = spawn(RUNTIME, ['--root', box.root, 'events', '--interval', '100ms', id], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  events.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    if (!existsSync(join(bundle.rootfs, 'tmp/go'))) must(box.run(['exec', id, 'touch', '/tmp/go']));
  });
  const status = await new Promise((resolve) => events.once('close', resolve));
  t.equal(status, 0, 'it ends by itself');
  const lines = text.trim().split('\n');
  t.ok(
    lines.some((line) => line === `{"type":"oom","id":"${id}"}`),
    'exactly as runc prints it',
  );
  t.ok(lines.some((line) => JSON.parse(line).type === 'stats'));
});

t.test('a limit too small for the runtime itself is named, with what was charged', { skip: onlyTsrun }, async (t) => {
  const box = sandbox(t);
  const create = (limit: number) =>
    box.run(['create', '--bundle', limited(box, ['true'], { memory: { limit, swap: limit } }).path, box.id()]);
  t.match(create(64 << 10), {
    status: 1,
    stderr:
      /\/linux\/resources\/memory\/limit: container init was OOM-killed: memory limit 64 KiB, [\d.]+ [KM]iB charged at most\nhint: raise/,
  });
  t.equal(create(16 << 20).status, 0);
});

t.test('top and events --format table show the same container', { skip: onlyTsrun }, async (t) => {
  const box = sandbox(t);
  const id = box.start(limited(box, ['sh', '-c', 'while :; do :; done'], { memory: { limit: 64 << 20 } }));
  const [entry] = JSON.parse(must(box.run(['top', '--format', 'json'])).stdout);
  t.match(entry, { id, status: 'running', memoryLimit: 64 << 20 });
  t.ok(entry.cpuPercent > 1, 'it is busy');
  t.ok(entry.memory > 4096);
  const [header, row] = must(box.run(['top', '--once'])).stdout.split('\n');
  t.match(header, /^NAME +STATUS +CPU %/);
  t.match(row, new RegExp(`^${id} +running +[0-9.]+ .* / 64\\.0MiB `));
  t.match(must(box.run(['events', '--stats', '--format', 'table', id])).stdout, /^CPU % .*\n- .* \/ 64\.0MiB /);
});

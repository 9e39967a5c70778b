// update on a kernel with cgroup v2 alone: every limit read back from the kernel's files, what is not named stays, and
// what is refused leaves everything as it was. Runs inside `npm run vm`.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { needVm, skipUnless } from '../helpers/host.js';
import { eventually, IS_TSRUN, must, needRuntime, type Result, type Sandbox, sandbox } from '../helpers/runtime.js';

const skip = skipUnless(needVm(), needRuntime());
const onlyTsrun = skip || (IS_TSRUN ? false : 'other runtimes do otherwise');
const MIB = 1 << 20;

interface Limited {
  readonly id: string;
  update(args: readonly string[], resources?: object): Result;
  value(file: string): string;
  /** What the container's record says. */
  kept(): { readonly [area: string]: { readonly [field: string]: unknown } };
}

function limited(box: Sandbox, resources: object = {}, args = ['sleep', '1000']): Limited {
  const id = box.start(
    box.bundle(args, (config) => {
      config['linux'].resources = resources;
    }),
  );
  const path = readFileSync(`/proc/${box.state(id).pid}/cgroup`, 'utf8')
    .trim()
    .replace(/^0::/, '');
  return {
    id,
    update: (flags, input) =>
      box.run(['update', ...flags, id], input === undefined ? {} : { input: JSON.stringify(input) }),
    value: (file) => readFileSync(join('/sys/fs/cgroup', path, file), 'utf8').trim(),
    kept: () => JSON.parse(readFileSync(join(box.root, id, 'state.json'), 'utf8')).config.linux.resources,
  };
}

const FLAGS: readonly (readonly [args: readonly string[], file: string, value: string | RegExp])[] = [
  [['--memory', '64M'], 'memory.max', String(64 * MIB)],
  [['--memory-reservation', '32m'], 'memory.low', String(32 * MIB)],
  [['--pids-limit', '77'], 'pids.max', '77'],
  [['--pids-limit', '-1'], 'pids.max', 'max'],
  [['--cpu-quota', '50000'], 'cpu.max', '50000 100000'],
  [['--cpu-period', '20000'], 'cpu.max', '50000 20000'],
  [['--cpu-quota', '-1'], 'cpu.max', 'max 20000'],
  [['--cpu-quota', '40000', '--cpu-period', '100000'], 'cpu.max', '40000 100000'],
];

t.test('update: each flag changes its file and nothing else', { skip }, async (t) => {
  const box = sandbox(t);
  const container = limited(box);
  for (const [args, file, value] of FLAGS) {
    must(container.update(args));
    t.match(container.value(file), value, args.join(' '));
  }
  t.equal(container.value('memory.max'), String(64 * MIB), 'the first one still holds');
  t.equal(container.value('memory.low'), String(32 * MIB));
});

t.test('update: shares, idle and burst', { skip: onlyTsrun }, async (t) => {
  const box = sandbox(t);
  const container = limited(box);
  must(container.update(['--cpu-share', '2048']));
  t.equal(container.value('cpu.weight'), '174');
  must(container.update(['--cpu-idle', '1']));
  t.equal(container.value('cpu.idle'), '1');
  must(container.update(['--cpu-idle', '0', '--cpu-share', '1024']));
  t.equal(container.value('cpu.idle'), '0');
  t.equal(container.value('cpu.weight'), '100');
  must(container.update(['--cpu-quota', '50000', '--cpu-burst', '20000']));
  t.equal(container.value('cpu.max.burst'), '20000');
  must(container.update(['--cpu-quota', '10000', '--cpu-burst', '5000']));
  t.same([container.value('cpu.max'), container.value('cpu.max.burst')], ['10000 100000', '5000'], 'both smaller');
  must(container.update(['--cpu-quota', '90000', '--cpu-burst', '80000']));
  t.same([container.value('cpu.max'), container.value('cpu.max.burst')], ['90000 100000', '80000'], 'both larger');
  t.match(container.update(['--cpu-idle', '2']).stderr, /--cpu-idle: /);
});

t.test('update: memory and swap are counted together', { skip }, async (t) => {
  const box = sandbox(t);
  const container = limited(box, { memory: { limit: 32 * MIB, swap: 64 * MIB } });
  const both = () => [container.value('memory.max'), container.value('memory.swap.max')];
  must(container.update(['--memory', '48M']));
  t.same(both(), [String(48 * MIB), String(16 * MIB)], 'the sum stays');
  must(container.update(['--memory', '128M', '--memory-swap', '256M']));
  t.same(both(), [String(128 * MIB), String(128 * MIB)]);
  t.not(container.update(['--memory', '300M']).status, 0, 'more than memory and swap together');
  t.same(both(), [String(128 * MIB), String(128 * MIB)]);
  must(container.update(['--memory', '-1']));
  t.same(both(), ['max', 'max'], 'unlimited memory frees swap');
});

t.test('update -r: a file or standard input, whose fields are checked', { skip }, async (t) => {
  const box = sandbox(t);
  const container = limited(box, { memory: { limit: 64 * MIB } });
  must(container.update(['--resources', '-'], { pids: { limit: 55 }, cpu: { quota: 30000, period: 60000 } }));
  t.equal(container.value('pids.max'), '55');
  t.equal(container.value('cpu.max'), '30000 60000');
  t.equal(container.value('memory.max'), String(64 * MIB), 'not named, so not changed');
  must(container.update(['-r', '-'], { unified: { 'memory.high': '33554432' } }));
  t.equal(container.value('memory.high'), '33554432');
  if (!IS_TSRUN) return;
  const throttle = { throttleReadBpsDevice: [{ major: 7, minor: 0, rate: 1048576 }] };
  must(container.update(['-r', '-'], { blockIO: throttle }));
  t.match(container.value('io.max'), /^7:0 rbps=1048576 /);
  const unknown = must(container.update(['-r', '-'], { memroy: { limit: 5 }, pids: { limit: 56 } }));
  t.match(unknown.stderr, /memroy.*no property/, 'unknown keys warn');
  const wrong = container.update(['-r', '-'], { pids: { limit: 'many' }, cpu: { period: 1 } });
  t.not(wrong.status, 0);
  t.match(wrong.stderr, /\/pids\/limit \(standard input:1:\d+\)/);
  t.match(wrong.stderr, /\/cpu\/period \(standard input:1:\d+\)/, 'all problems at once');
  t.match(container.kept(), { pids: { limit: 56 }, memory: { limit: 64 * MIB } }, 'the record follows');
});

t.test('update: one value that the kernel refuses, and all are as before', { skip: onlyTsrun }, async (t) => {
  const box = sandbox(t);
  const container = limited(box, { memory: { limit: 64 * MIB }, pids: { limit: 30 } });
  const before = ['memory.max', 'memory.swap.max', 'pids.max', 'cpu.max', 'io.max', 'memory.high'].map(container.value);
  const kept = JSON.stringify(container.kept());
  const result = container.update(['-r', '-'], {
    memory: { limit: 32 * MIB, swap: 32 * MIB },
    pids: { limit: 5 },
    cpu: { quota: 20000 },
    blockIO: { throttleReadBpsDevice: [{ major: 7, minor: 0, rate: 4096 }] },
    unified: { 'memory.high': '1048576', 'memory.min': 'nonsense' },
  });
  t.not(result.status, 0);
  t.match(result.stderr, /\/unified\/memory\.min.*EINVAL/, 'names the field');
  t.match(result.stderr, /limits of before are set back/);
  const files = ['memory.max', 'memory.swap.max', 'pids.max', 'cpu.max', 'io.max', 'memory.high'];
  t.same(files.map(container.value), before);
  t.equal(JSON.stringify(container.kept()), kept);
});

t.test('update: a paused container takes it, a stopped one does not', { skip }, async (t) => {
  const box = sandbox(t);
  const container = limited(box);
  must(box.run(['pause', container.id]));
  must(container.update(['--pids-limit', '9']));
  t.equal(container.value('pids.max'), '9');
  t.equal(box.state(container.id).status, 'paused');
  must(box.run(['resume', container.id]));
  must(box.run(['kill', container.id, 'KILL']));
  t.ok(eventually(() => box.state(container.id).status === 'stopped'));
  const stopped = container.update(['--pids-limit', '8']);
  t.not(stopped.status, 0);
  t.match(stopped.stderr, /container not running/);
});

t.test('update: checkBeforeUpdate refuses what would make the kernel kill', { skip: onlyTsrun }, async (t) => {
  const box = sandbox(t);
  const container = limited(box);
  const refused = container.update(['-r', '-'], { memory: { limit: 4096, checkBeforeUpdate: true } });
  t.not(refused.status, 0);
  t.match(refused.stderr, /rejecting memory limit 4096 <= usage \d+/);
  t.equal(container.value('memory.max'), 'max');
});

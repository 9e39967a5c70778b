// --trace FILE: the timeline of real commands, as Perfetto reads it. Of times only what holds on any machine is asserted:
// their order, that none is negative, and that the parts fit into the whole.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { IS_TSRUN, must, needRuntime, type Sandbox, sandbox } from '../helpers/runtime.js';

const skip = needRuntime() || (IS_TSRUN ? false : '--trace is only in tsrun');

interface Event {
  readonly name: string;
  readonly ph: string;
  readonly cat: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  readonly dur: number;
  readonly args: { readonly list?: string; readonly index?: number; readonly name?: string; readonly field?: string };
}

function readTrace(t: Test, path: string): Event[] {
  const { traceEvents } = JSON.parse(readFileSync(path, 'utf8')) as { traceEvents: Event[] };
  const spans = traceEvents.filter(({ ph }) => ph === 'X');
  t.ok(spans.length > 0, 'there are spans');
  t.same(
    traceEvents.filter(({ ph }) => ph !== 'X' && ph !== 'M'),
    [],
    'complete events and names only',
  );
  const bad = spans.filter(({ name, ts, dur, pid, tid }) => {
    return name === '' || !(ts >= 0) || !(dur >= 0) || !Number.isInteger(pid) || !Number.isInteger(tid);
  });
  t.same(bad, [], 'each has a name, a track, a time from 0 on and a duration that is not negative');
  const whole = spans.find(({ name }) => name.startsWith('tsrun '));
  const end = (whole?.ts ?? 0) + (whole?.dur ?? 0);
  t.same(
    spans.filter(({ ts, dur }) => ts + dur > end + 1),
    [],
    'and lies within the command',
  );
  return spans;
}

/** The ops of one list in one track: in the order of the plan, one after the other. */
function checkOrder(t: Test, spans: readonly Event[], list: string): readonly Event[] {
  const ops = spans.filter(({ args }) => args.list === list);
  t.ok(ops.length > 0, `${list}: there are ops`);
  const tracks = new Set(ops.map(({ tid }) => tid));
  t.equal(tracks.size, 1, `${list}: all in one process`);
  const wrong = ops.filter(({ args, ts }, i) => {
    const before = ops[i - 1];
    return (
      before !== undefined && ((args.index ?? 0) <= (before.args.index ?? 0) || ts + 0.001 < before.ts + before.dur)
    );
  });
  t.same(wrong, [], `${list}: in the order of the plan, none before the one ahead has ended`);
  return ops;
}

const names = (spans: readonly Event[]): string[] => spans.map(({ name }) => name);
const trace = (box: Sandbox, name: string): string => join(box.directory, `${name}.json`);

t.test('run --trace shows every phase and op, from the start of Node to the program', { skip }, async (t) => {
  const box = sandbox(t);
  const path = trace(box, 'run');
  const bundle = box.bundle(['true'], (config) => {
    config['hooks'] = { createRuntime: [{ path: '/bin/true' }] };
  });
  must(box.run(['run', '--bundle', bundle.path, '--trace', path, box.id()]));
  const spans = readTrace(t, path);
  const node = names(spans.filter(({ cat }) => cat === 'node'));
  for (const phase of [
    'start Node',
    'read config.json',
    'validate',
    'compile',
    'encode the plan',
    'executor create',
    'executor start',
  ])
    t.ok(node.includes(phase), phase);
  t.match(names(checkOrder(t, spans, 'setup'))[0], /STATE_CREATE|OPEN/);
  const init = checkOrder(t, spans, 'init');
  t.match(names(init).slice(-1), ['EXEC']);
  t.ok(
    init.some(({ name, args }) => name === 'MOUNT_FS' && args.field === '/mounts/0'),
    'with the field of each op',
  );
  const settle = checkOrder(t, spans, 'settle');
  t.ok(names(settle).includes('RUN_HOOK'), 'hooks too');
  t.ok(
    settle.some(({ name, cat }) => name === 'AWAIT' && cat === 'wait'),
    'waiting is told from working',
  );
  t.not(init[0]?.tid, settle[0]?.tid, 'the first process has a track of its own');
});

t.test('create, start, exec and delete each have their own timeline', { skip }, async (t) => {
  const box = sandbox(t);
  const id = box.id();
  must(box.run(['create', '--bundle', box.bundle().path, '--trace', trace(box, 'create'), id]));
  const created = readTrace(t, trace(box, 'create'));
  // READY is what ends create: whether the next op has begun by then is up to the scheduler.
  t.match(names(checkOrder(t, created, 'init')).slice(-1), [/^(WAIT_START|NOTIFY)$/], 'the first process waits');
  must(box.run(['start', '--trace', trace(box, 'start'), id]));
  t.ok(names(readTrace(t, trace(box, 'start'))).some((name) => name.startsWith('let the first process go on')));
  must(box.run(['exec', '--trace', trace(box, 'exec'), id, 'true']));
  const exec = readTrace(t, trace(box, 'exec'));
  t.ok(names(exec).includes('JOIN_INIT'));
  checkOrder(t, exec, 'init');
  t.ok(new Set(exec.map(({ tid }) => tid)).size >= 4, 'Node, executor, stage and the process');
  must(box.run(['delete', '--force', '--trace', trace(box, 'delete'), id]));
  const deleted = readTrace(t, trace(box, 'delete'));
  t.match(names(checkOrder(t, deleted, 'teardown')).at(-1), 'STATE_REMOVE');
  t.ok(names(deleted).includes('end the first process'));
});

t.test('the clocks of a time namespace do not shift the timeline', { skip }, async (t) => {
  const box = sandbox(t);
  const id = box.id();
  const bundle = box.bundle(undefined, ({ linux }) => {
    linux.namespaces.push({ type: 'time' });
    linux.timeOffsets = { monotonic: { secs: 86_400 }, boottime: { secs: 86_400 } };
  });
  must(box.run(['create', '--bundle', bundle.path, '--trace', trace(box, 'create'), id]));
  const created = readTrace(t, trace(box, 'create'));
  t.ok(names(checkOrder(t, created, 'init')).includes('ENTER_TIME'));
  must(box.run(['start', id]));
  must(box.run(['exec', '--trace', trace(box, 'exec'), id, 'true']));
  checkOrder(t, readTrace(t, trace(box, 'exec')), 'init');
});

t.test('a create that fails leaves a timeline up to the failure, and its undoing', { skip }, async (t) => {
  const box = sandbox(t);
  const path = trace(box, 'failed');
  const bundle = box.bundle(['/no/such/program']);
  t.not(box.run(['create', '--bundle', bundle.path, '--trace', path, box.id()]).status, 0);
  const spans = readTrace(t, path);
  t.match(names(spans.filter(({ args }) => args.list === 'init')).slice(-1), ['FIND_PROGRAM']);
  t.ok(names(spans.filter(({ args }) => args.list === 'teardown')).includes('STATE_REMOVE'));
});

t.test('a trace file that cannot be made is refused before anything is done', { skip }, async (t) => {
  const box = sandbox(t);
  const id = box.id();
  const result = box.run(['create', '--bundle', box.bundle().path, '--trace', '/nonexistent/t.json', id]);
  t.equal(result.status, 1);
  t.match(result.stderr, /--trace: "\/nonexistent\/t\.json": ENOENT/);
  t.notOk(existsSync(join(box.root, id)));
});

t.test('a traced program has no descriptor and no memory of the trace', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['sh', '-c', 'ls /proc/self/fd | wc -l; grep -c tsrun /proc/self/maps; true']);
  const plain = must(box.run(['run', '--bundle', bundle.path, box.id()]));
  const traced = must(box.run(['run', '--bundle', bundle.path, '--trace', trace(box, 'fds'), box.id()]));
  t.match(plain.stdout, /^\d+\n0\n$/);
  t.equal(traced.stdout, plain.stdout);
});

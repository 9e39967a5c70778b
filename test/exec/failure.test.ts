/** exec: the executor's records, and what becomes of them: sentences about config fields, with one hint. */
import t from 'tap';
import { ExecError, StateError } from '../../src/errors.js';
import { decodeAnswer, type StatusRecord } from '../../src/exec/channel.js';
import { explainRefusal } from '../../src/exec/explain.js';
import { toError, withoutVerdict } from '../../src/exec/failure.js';
import { describeOp } from '../../src/exec/phrase.js';
import { explainProgram, splitProgram } from '../../src/exec/program.js';
import { HOOK, type ListName, OP_SHAPES, type Op, PROBLEM } from '../../src/plan/op.gen.js';
import { NO_OPS, type Plan } from '../../src/plan/plan.js';
import { asPointer, pointer } from '../../src/util/pointer.js';
import { hostFacts } from '../helpers/facts.js';

const MOUNT_TMPFS: Op = {
  op: 'MOUNT_FS', type: 'tmpfs', source: 'tmpfs', dest: '/run', options: [], attrSet: 0n, attrClr: 0n, propagation: 0n,
  sbFlags: 0, flags: 0, origin: pointer('mounts', 3),
}; // biome-ignore format: fields
const FIND = (file: string): Op => ({ op: 'FIND_PROGRAM', file, path: '/bin', origin: pointer('process', 'args', 0) });
const EXEC: Op = { op: 'EXEC', args: ['/run.sh'], env: [], origin: pointer('process', 'args') };
const HOOK_OP: Op = {
  op: 'RUN_HOOK', kind: HOOK.PRESTART, status: 0, path: '/bin/hook', args: ['hook'], env: [], timeout: 2000, withHome: 0,
  origin: pointer('hooks', 'prestart', 0),
}; // biome-ignore format: fields

function planOf(list: ListName, ...ops: Op[]): Plan {
  return { stateJson: '{}', lists: { ...NO_OPS, [list]: ops } };
}

function recordOf(changes: Partial<StatusRecord>): StatusRecord {
  return {
    kind: 'verdict', problem: 'SYSCALL', list: 'init', index: 0, opcode: 1, errno: 1, line: 10, pid: 0, syscall: 'fsmount',
    elapsed: 0, detail: Buffer.alloc(0), ...changes,
  }; // biome-ignore format: fields
}

function fail(op: Op | undefined, changes: Partial<StatusRecord>, verb = 'create') {
  const plan = op === undefined ? undefined : planOf('init', op);
  const record = recordOf({ opcode: op === undefined ? 0 : OP_SHAPES[op.op].code, ...changes });
  return toError(record, { verb, id: 'c1', plan: () => plan, facts: () => hostFacts() });
}

/** A record as csrc/executor/failure.h lays it out. */
function bytesOf(fields: readonly number[], syscall: string, detail: string): Buffer {
  const bytes = Buffer.alloc(2112);
  for (const [index, value] of [0x46525354, ...fields].entries()) bytes.writeInt32LE(value | 0, index * 4);
  bytes.writeUInt32LE(detail.length, 36);
  bytes.write(syscall, 40, 'latin1');
  bytes.write(detail, 64, 'latin1');
  return bytes;
}

t.test('decodeAnswer reads warnings and the verdict of struct failure', async (t) => {
  const warning = bytesOf([1, PROBLEM.HOOK_FAILED, 5, 2, 42, 256, 77, 0], 'wait', 'oops');
  const verdict = bytesOf([0, PROBLEM.SYSCALL, 3, 4, 60, 1, 123, 4711], 'fsmount', '');
  const answer = decodeAnswer(Buffer.concat([warning, verdict, warning]));
  t.equal(answer.warnings.length, 1);
  t.match(answer.warnings[0], { kind: 'warning', problem: 'HOOK_FAILED', list: 'teardown', index: 2, errno: 256 });
  t.equal(answer.warnings[0]?.detail.toString(), 'oops');
  t.match(answer.verdict, {
    problem: 'SYSCALL',
    list: 'init',
    index: 4,
    opcode: 60,
    errno: 1,
    line: 123,
    pid: 4711,
    syscall: 'fsmount',
  });
  t.equal(decodeAnswer(Buffer.alloc(0)).verdict, undefined);
  t.equal(decodeAnswer(verdict.subarray(0, 2000)).verdict, undefined, 'a truncated record is none');
  t.equal(decodeAnswer(Buffer.alloc(2112)).verdict, undefined, 'nor is one without the magic');
});

t.test('toError joins errno and origin into one sentence and a hint', async (t) => {
  const error = fail(MOUNT_TMPFS, { errno: 1 });
  t.equal(error.message, "/mounts/3: mount 'tmpfs' on '/run': EPERM (operation not permitted)");
  t.ok(error instanceof ExecError);
  if (error instanceof ExecError)
    t.match({ ...error }, { path: '/mounts/3', op: 'MOUNT_FS', syscall: 'fsmount', errno: 1 });
  for (const type of ['bind', 'none']) t.match(fail({ ...MOUNT_TMPFS, type }, { errno: 19 }).hint, /"bind" or "rbind"/);
  t.match(fail({ ...MOUNT_TMPFS, type: 'nosuchfs' }, { errno: 19 }).hint, /no file system 'nosuchfs'/);
  const log = Buffer.from("size=bogus\ne tmpfs: Bad value for 'size'");
  t.equal(fail(MOUNT_TMPFS, { errno: 22, detail: log }).hint, `the kernel says: "tmpfs: Bad value for 'size'"`);
  const root: Op = { op: 'PROPAGATION', propagation: 1n << 19n, flags: 0, origin: pointer('linux') };
  t.match(fail(root, { errno: 22 }).hint, /chroot whose root is no mount point/);
  t.match(fail(undefined, { errno: 13, list: undefined, syscall: 'mkdirat' }).message, /^mkdirat: EACCES/);
  t.match(
    fail({ op: 'PID_FILE', origin: asPointer('') }, { errno: 2 }).message,
    /^--pid-file: write the pid file: ENOENT/,
  );
});

t.test(
  'toError says what to do about a container without process, a missing hook, a namespace of another type',
  async (t) => {
    const start = fail({ ...EXEC, args: [], origin: pointer('process') }, { errno: 2, syscall: 'execve' }, 'start');
    t.equal(start.message, '/process: process not set: there is no program to start');
    t.match(start.hint, /add "process" to config\.json/);
    t.match(fail(HOOK_OP, { errno: 2, syscall: 'execve' }).hint, /one of the host/);
    const inside = { ...HOOK_OP, kind: HOOK.START_CONTAINER } as Op;
    t.match(fail(inside, { errno: 2, syscall: 'execve' }).hint, /in its root file system/);
    const open: Op = { op: 'OPEN_NAMESPACE', type: 0x08000000n, path: '/n', slot: 0, origin: pointer('linux') };
    t.match(fail(open, { problem: 'WRONG_NAMESPACE' }).message, /"\/n" is not an ipc namespace$/);
  },
);

t.test('toError keeps the sentences about programs by which engines choose 126 and 127', async (t) => {
  const cases: readonly (readonly [op: Op, errno: number, message: string])[] = [
    [FIND('nosuch'), 2, '/process/args/0: exec: "nosuch": executable file not found in $PATH'],
    [FIND('/no/such'), 2, '/process/args/0: exec: "/no/such": stat /no/such: no such file or directory'],
    [FIND('/etc/passwd'), 13, '/process/args/0: exec: "/etc/passwd": permission denied'],
    [EXEC, 2, '/process/args: exec /run.sh: no such file or directory'],
    [EXEC, 8, '/process/args: exec /run.sh: exec format error'],
    [EXEC, 13, '/process/args: exec /run.sh: permission denied'],
  ];
  for (const [op, errno, message] of cases) t.equal(fail(op, { errno }).message, message);
  const directory = fail(FIND('/tmp'), { errno: 13, syscall: 'S_ISDIR' });
  t.equal(directory.message, '/process/args/0: exec: "/tmp": is a directory: permission denied');
});

t.test('toError lets no program name forge such a sentence', async (t) => {
  t.notMatch(fail(FIND('permission denied'), { errno: 2 }).message, /permission denied/);
  t.notMatch(fail({ ...MOUNT_TMPFS, dest: '/no such file or directory' }, { errno: 1 }).message, /no such file/);
  t.notMatch(
    fail(HOOK_OP, { problem: 'HOOK_FAILED', errno: 256, detail: Buffer.from('container does not exist\n') }).message,
    /does not exist/,
  );
});

t.test('toError says in which state a container is that cannot be deleted', async (t) => {
  for (const status of ['created', 'running', 'paused']) {
    const record = { problem: 'STILL_RUNNING' as const, list: undefined, detail: Buffer.from(status) };
    t.match(fail(undefined, record, 'delete').message, `cannot delete container that is not stopped: ${status}: "c1"`);
  }
});

t.test('toError words the states that a verb does not allow as runc does', async (t) => {
  const cases: readonly (readonly [verb: string, problem: StatusRecord['problem'], code: string, message: RegExp])[] = [
    ['state', 'NOT_FOUND', 'CONTAINER_NOT_FOUND', /^container does not exist: "c1"$/],
    ['create', 'EXISTS', 'CONTAINER_EXISTS', /^container with given ID already exists: "c1"$/],
    ['kill', 'NOT_RUNNING', 'CONTAINER_STATE', /^container not running: "c1"$/],
    ['start', 'STOPPED', 'CONTAINER_STATE', /^cannot start a container that has stopped/],
    ['start', 'NOT_CREATED', 'CONTAINER_STATE', /^cannot start an already running container/],
    ['start', 'PAUSED', 'CONTAINER_STATE', /^cannot start a container in the paused state/],
    ['exec', 'STOPPED', 'CONTAINER_STATE', /^cannot exec in a stopped container/],
    ['exec', 'PAUSED', 'CONTAINER_STATE', /^cannot exec in a paused container/],
  ];
  for (const [verb, problem, code, message] of cases) {
    const error = fail(undefined, { problem, list: undefined }, verb);
    t.ok(error instanceof StateError, problem);
    t.equal(error.code, code);
    t.match(error.message, message);
  }
});

t.test('toError has a sentence for every problem the executor can report', async (t) => {
  for (const problem of Object.keys(PROBLEM) as StatusRecord['problem'][]) {
    for (const op of [undefined, MOUNT_TMPFS]) {
      const { message } = fail(op, { problem, detail: Buffer.from('runtime\0') });
      t.match(message, /^\S.+\S$/, problem);
      t.notMatch(message, /undefined|\0/, problem);
    }
  }
});

t.test('a failed hook is named with its ending and its output', async (t) => {
  const output = Buffer.from('no "network"\n');
  const failed = fail(HOOK_OP, { problem: 'HOOK_FAILED', errno: 3, elapsed: 1204, detail: output });
  t.equal(
    failed.message,
    '/hooks/prestart/0: error running prestart hook #0: "/bin/hook": exit status 3 after 1.204 s, args: "hook", output: "no \\"network\\"\\n"',
  );
  t.match(fail(HOOK_OP, { problem: 'HOOK_FAILED', errno: 137 }).message, /killed by signal 9 \(SIGKILL\)/);
  t.match(fail(HOOK_OP, { problem: 'HOOK_TIMEOUT' }).message, /hook ran past specified timeout of 2\.0s/);
});

t.test('the output and the arguments of a hook are bounded and can form no sentence of ours', async (t) => {
  const detail = Buffer.from(`container does not exist\x1b[2J\n${'x'.repeat(4096)}`);
  const op = { ...HOOK_OP, args: ['hook', 'permission denied', 'y'.repeat(4096)] };
  const { message } = fail(op, { problem: 'HOOK_TIMEOUT', elapsed: 2000, detail });
  t.ok(message.length < 3000);
  t.notMatch(message, /does not exist|permission denied|\x1b|\n/);
  t.match(message, /was killed after 2\.000 s, args: "hook/);
});

t.test('describeOp has a phrase for every op of the plan', async (t) => {
  for (const [name, shape] of Object.entries(OP_SHAPES)) {
    const fields = shape.fields.map(({ name: field, type }) => [field, field === 'kind' ? 0 : sample(type)]);
    const op = { op: name, origin: asPointer(''), ...Object.fromEntries(fields) } as unknown as Op;
    t.match(describeOp(op), /^[a-z_]/, name);
  }
});

function sample(type: string): unknown {
  if (type === 'str') return 'x';
  if (type === 'strv') return ['x'];
  if (type === 'blob') return new Uint8Array(8);
  return type === 'u64' || type === 'i64' ? 0x20000n : 1;
}

t.test('explainRefusal looks at the host before it gives a reason', async (t) => {
  const rlimit: Op = { op: 'RLIMIT', resource: 7, soft: 1n, hard: 1n, origin: pointer('process', 'rlimits', 0) };
  const refusal = { op: rlimit, errno: 1, syscall: 'prlimit' };
  t.match(explainRefusal(refusal, hostFacts({ capabilities: 0n })), /CAP_SYS_RESOURCE/);
  t.equal(explainRefusal(refusal, hostFacts({ capabilities: 1n << 24n })), undefined);
  const missing = { op: undefined, errno: 38, syscall: 'x' };
  t.match(explainRefusal(missing, hostFacts({ kernel: [5, 10] })), /Linux 5\.14/);
  t.match(explainRefusal(missing, hostFacts()), /seccomp filter around tsrun/);
  t.equal(explainRefusal({ op: undefined, errno: 5, syscall: 'x' }, hostFacts()), undefined);
});

/** The first 64 bytes of an ELF file and one PT_INTERP program header. */
function elf(machine: number, interpreter?: string): Buffer {
  const head = Buffer.alloc(256);
  head.writeUInt32LE(0x464c457f, 0);
  head[4] = 2;
  head[5] = 1;
  head.writeUInt16LE(machine, 18);
  head.writeBigUInt64LE(64n, 32);
  head.writeUInt16LE(56, 54);
  head.writeUInt16LE(1, 56);
  if (interpreter !== undefined) {
    head.writeUInt32LE(3, 64);
    head.writeBigUInt64LE(128n, 72);
    head.write(`${interpreter}\0`, 128);
  }
  return head;
}

t.test('explainProgram tells the reasons of a failed execve apart', async (t) => {
  const cases: readonly (readonly [what: string, head: Buffer, errno: number, hint: RegExp])[] = [
    ['missing interpreter', Buffer.from('#!/bin/bash\necho'), 2, /interpreter "\/bin\/bash", which is not/],
    ['interpreter with argument', Buffer.from('#! /usr/bin/env bash\n'), 2, /interpreter "\/usr\/bin\/env"/],
    ['CRLF', Buffer.from('#!/bin/sh\r\necho\r\n'), 2, /Windows line ends \(CRLF\).*"\/bin\/sh\\r"/],
    ['missing loader, named', elf(62, '/lib/ld-musl-x86_64.so.1'), 2, /dynamic loader "\/lib\/ld-musl-x86_64\.so\.1"/],
    ['missing loader, out of sight', elf(62), 2, /the dynamic loader it was linked for/],
    ['foreign machine', elf(183), 8, /built for aarch64, this machine is x86_64/],
    ['damaged', elf(62), 8, /damaged/],
    ['empty', Buffer.alloc(0), 8, /the file is empty/],
    ['text', Buffer.from('echo hello\n'), 8, /without a "#!" first line/],
    ['permission', Buffer.from('#!/bin/sh\n'), 13, /no execute permission/],
  ];
  for (const [what, head, errno, hint] of cases)
    t.match(explainProgram({ path: '/x', head }, errno, 'x86_64'), hint, what);
  t.equal(explainProgram({ path: '/x', head: Buffer.alloc(0) }, 2, 'x86_64'), undefined, 'nothing to tell from');
  t.equal(explainProgram({ path: '/x', head: Buffer.from([0, 1, 2]) }, 8, 'x86_64'), undefined);
});

t.test('splitProgram survives any bytes', async (t) => {
  t.strictSame(splitProgram(Buffer.from('/bin/x\0#!/bin/sh')), { path: '/bin/x', head: Buffer.from('#!/bin/sh') });
  t.equal(splitProgram(Buffer.from('/bin/x')).path, '/bin/x');
  for (let length = 0; length < 80; length++) {
    const head = Buffer.alloc(length, 0xff);
    head.copy(head);
    if (length > 4) head.writeUInt32LE(0x464c457f, 0);
    for (const errno of [2, 8, 13]) explainProgram({ path: '', head }, errno, 'x86_64');
  }
});

t.test('an executor that dies without a verdict is an error that says how', async (t) => {
  t.match(withoutVerdict('create', { status: null, signal: 'SIGSEGV' }).message, /killed by SIGSEGV/);
  t.match(withoutVerdict('start', { status: 2, signal: null }).message, /ended with status 2/);
});

t.test('an OOM kill is told with the limit and the charge, as far as the kernel tells them', async (t) => {
  const said = (detail: string) => fail(undefined, { problem: 'OOM_KILLED', detail: Buffer.from(detail) }).message;
  const killed = 'container init was OOM-killed';
  t.equal(said(''), `${killed} (memory limit too low?)`);
  t.equal(
    said('memory.max 524288\nmemory.peak 1153434\nmemory.current 4096\n'),
    `${killed}: memory limit 512 KiB, 1.1 MiB charged at most`,
  );
  t.equal(said('memory.max 524288\nmemory.current 4096\n'), `${killed}: memory limit 512 KiB, 4 KiB charged now`);
  const unlimited = /: 4 KiB charged at most \(no limit of its own/;
  t.match(said('memory.max max\nmemory.peak 4096\n'), unlimited);
  t.match(said('memory.limit_in_bytes 9223372036854771712\nmemory.max_usage_in_bytes 4096\n'), unlimited);
});

t.test('a seccomp kill names nothing where nothing is known to be killed', async (t) => {
  const allow = Buffer.from([6, 0, 0, 0, 0, 0, 0xff, 0x7f]);
  const kill = Buffer.from([6, 0, 0, 0, 0, 0, 0, 0x80]);
  const said = (filter: Buffer) =>
    fail({ op: 'SECCOMP', flags: 0, filter, origin: pointer('linux', 'seccomp') }, { problem: 'SECCOMP_KILLED' });
  t.match(said(allow), { message: /^\/linux\/seccomp: .*\(SIGSYS\)$/, hint: /execve at least/ });
  t.match(said(kill), { message: /\(SIGSYS\): it kills execve$/, hint: /what is named here/ });
});

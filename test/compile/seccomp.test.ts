import { spawnSync } from 'node:child_process';
import t from 'tap';
import { joinPrograms } from '../../src/compile/seccomp/join.js';
import { ARCHITECTURES } from '../../src/compile/seccomp/tables.js';
import { compileSeccomp } from '../../src/compile/seccomp.js';
import { SpecError } from '../../src/errors.js';
import { filterResults, type SeccompData } from '../../src/exec/filter.js';
import type { HostFacts } from '../../src/host/facts.js';
import { compileWithLibseccomp } from '../../src/native/seccomp.js';
import type { LinuxSeccomp, LinuxSeccompArg, LinuxSyscall } from '../../src/spec/types.gen.js';
import type { SeccompPrograms, SeccompRefusal, SeccompRequest } from '../../src/util/seccomp.js';
import { hostFacts } from '../helpers/facts.js';
import { engineProfile } from '../helpers/seccomp-profile.js';

const ALLOW = 0x7fff0000;
const EPERM = 0x00050001;
const ENOSYS = 0x00050026;
const KILL_PROCESS = 0x80000000;
const X86_64 = ARCHITECTURES.SCMP_ARCH_X86_64;
const X86 = ARCHITECTURES.SCMP_ARCH_X86;
const X32_BIT = 0x40000000;
const NATIVE = { read: 0, write: 1, mkdir: 83, mount: 165, personality: 135, clone: 56, clone3: 435 };
/** The numbers above are those of x86_64. */
const skip = process.arch === 'x64' ? false : 'needs an x86_64 machine';

const services = { seccomp: compileWithLibseccomp };

/** The one answer where everything is known, arguments that are not given being 0. */
function runFilter(program: Uint8Array, data: SeccompData): number {
  const [result, ...others] = filterResults(program, { ...data, args: data.args ?? [] });
  if (result === undefined || others.length > 0) throw new Error('not one answer');
  return result;
}

function filterOf(profile: LinuxSeccomp, facts?: HostFacts): Uint8Array {
  return compileSeccomp(profile, facts ?? hostFacts(), services).op.filter;
}

function issues(profile: LinuxSeccomp, facts = hostFacts()): { code: string; path: string }[] {
  try {
    compileSeccomp(profile, facts, services);
    return [];
  } catch (error) {
    if (error instanceof SpecError) return error.issues.map(({ code, path }) => ({ code, path }));
    throw error;
  }
}

/** What libseccomp would have been asked, without it. */
function requestOf(profile: LinuxSeccomp): SeccompRequest {
  let seen: SeccompRequest | undefined;
  const empty: SeccompPrograms = { ok: true, programs: [], unknown: [] };
  const record = (request: SeccompRequest) => {
    seen = request;
    return empty;
  };
  compileSeccomp(profile, hostFacts(), { seccomp: record });
  if (seen === undefined) throw new Error('not asked');
  return seen;
}

const arg = (index: number, value: bigint, op: LinuxSeccompArg['op'] = 'SCMP_CMP_EQ'): LinuxSeccompArg => {
  return { index, value, op };
};
const allow = (names: readonly string[], args?: readonly LinuxSeccompArg[]): LinuxSyscall => {
  return { names, action: 'SCMP_ACT_ALLOW', ...(args === undefined ? {} : { args }) };
};

t.test('compileSeccomp turns names into one rule each, without those that say what the default says', async (t) => {
  const request = requestOf({
    defaultAction: 'SCMP_ACT_ERRNO',
    architectures: ['SCMP_ARCH_AARCH64'],
    syscalls: [
      allow(['read', 'write', 'read']),
      { names: ['mkdir'], action: 'SCMP_ACT_ERRNO', errnoRet: 1 },
      { names: ['mkdir'], action: 'SCMP_ACT_ERRNO', errnoRet: 13 },
      { names: ['ptrace'], action: 'SCMP_ACT_TRACE', errnoRet: 0xffff },
      { names: ['reboot'], action: 'SCMP_ACT_KILL' },
    ],
  });
  t.same(
    request.rules.map(({ name, action }) => [name, action]),
    [
      ['read', ALLOW],
      ['write', ALLOW],
      ['mkdir', 0x0005000d],
      ['ptrace', 0x7ff0ffff],
      ['reboot', 0],
    ],
  );
  t.match(request, { defaultAction: EPERM, architectures: [0, 0xc00000b7], binaryTree: false });
  t.same(request.names, ['read', 'write', 'mkdir', 'ptrace', 'reboot']);
  t.equal(requestOf(engineProfile()).binaryTree, true);
});

t.test('compileSeccomp reads several conditions on one argument as alternatives, on others as and', async (t) => {
  const args = [arg(0, 1n), arg(1, 5n), arg(0, 2n), { ...arg(2, 0xf0n, 'SCMP_CMP_MASKED_EQ'), valueTwo: 0x10n }];
  const { rules } = requestOf({ defaultAction: 'SCMP_ACT_KILL', syscalls: [allow(['read'], args)] });
  const shown = rules.map(({ conditions }) =>
    conditions.map(({ index, op, one, two }) => `${index}:${op}:${one}:${two}`),
  );
  t.same(shown, [
    ['0:4:1:0', '1:4:5:0', '2:7:240:16'],
    ['0:4:2:0', '1:4:5:0', '2:7:240:16'],
  ]);
});

t.test('compileSeccomp counts flags, with SPEC_ALLOW for an unset list', async (t) => {
  const flagsOf = (flags?: LinuxSeccomp['flags'], facts = hostFacts()) => {
    const profile: LinuxSeccomp = { defaultAction: 'SCMP_ACT_ALLOW', ...(flags === undefined ? {} : { flags }) };
    return compileSeccomp(profile, facts, services).op.flags;
  };
  t.equal(flagsOf(), 4);
  t.equal(flagsOf([]), 0);
  t.equal(flagsOf(['SECCOMP_FILTER_FLAG_TSYNC', 'SECCOMP_FILTER_FLAG_LOG', 'SECCOMP_FILTER_FLAG_SPEC_ALLOW']), 6);
  t.equal(flagsOf(undefined, hostFacts({ seccomp: { ...hostFacts().seccomp, flags: [] } })), 0);
});

t.test('compileSeccomp refuses what this kernel or libseccomp cannot do, with the field', async (t) => {
  const seccomp = hostFacts().seccomp;
  const old = hostFacts({ seccomp: { ...seccomp, flags: [], actions: ['kill_thread', 'trap', 'errno', 'allow'] } });
  const profile: LinuxSeccomp = {
    defaultAction: 'SCMP_ACT_LOG',
    flags: ['SECCOMP_FILTER_FLAG_LOG'],
    syscalls: [{ names: ['read'], action: 'SCMP_ACT_LOG' }],
  };
  t.same(issues(profile, old), [
    { code: 'SECCOMP_FLAG', path: '/linux/seccomp/flags/0' },
    { code: 'SECCOMP_ACTION', path: '/linux/seccomp/defaultAction' },
    { code: 'SECCOMP_ACTION', path: '/linux/seccomp/syscalls/0/action' },
  ]);
  const none = hostFacts({ seccomp: { ...seccomp, enabled: false } });
  t.same(issues(profile, none), [{ code: 'SECCOMP_UNAVAILABLE', path: '/linux/seccomp' }]);
  const foreign: LinuxSeccomp = {
    defaultAction: 'SCMP_ACT_ERRNO',
    architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_SHEB'],
    syscalls: [allow(['read'])],
  };
  t.same(issues(foreign), [{ code: 'SECCOMP_ARCHITECTURE', path: '/linux/seccomp/architectures/1' }]);
});

t.test('compileSeccomp kills the thread where the kernel cannot kill the process', async (t) => {
  const actions = hostFacts().seccomp.actions.filter((name) => name !== 'kill_process');
  const old = hostFacts({ seccomp: { ...hostFacts().seccomp, actions } });
  const { op, warnings } = compileSeccomp({ defaultAction: 'SCMP_ACT_KILL_PROCESS' }, old, services);
  t.equal(runFilter(op.filter, { number: 0, architecture: X86_64 }), 0);
  t.match(warnings, [{ code: 'SECCOMP_ACTION', path: '/linux/seccomp/defaultAction' }]);
});

t.test('compileSeccomp asks for a listener where a rule notifies, and warns of one that has no use', async (t) => {
  const notify: LinuxSyscall = { names: ['mkdir'], action: 'SCMP_ACT_NOTIFY' };
  const base: LinuxSeccomp = { defaultAction: 'SCMP_ACT_ALLOW', listenerPath: '/run/listener' };
  const flags: LinuxSeccomp['flags'] = ['SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'];
  const asks = compileSeccomp({ ...base, flags, syscalls: [notify] }, hostFacts(), services);
  t.match(asks, { notifies: true, warnings: [], op: { flags: 8 | 32 } });
  const plain = compileSeccomp({ ...base, flags, syscalls: [] }, hostFacts(), services);
  t.match(plain, { notifies: false, op: { flags: 0 } });
  t.match(plain.warnings, [
    { code: 'NO_EFFECT', path: '/linux/seccomp/flags/0' },
    { code: 'NO_EFFECT', path: '/linux/seccomp/listenerPath' },
  ]);
  const seccomp = hostFacts().seccomp;
  const old = hostFacts({ seccomp: { ...seccomp, actions: seccomp.actions.filter((name) => name !== 'user_notif') } });
  t.same(issues({ ...base, syscalls: [notify] }, old), [
    { code: 'SECCOMP_ACTION', path: '/linux/seccomp/syscalls/0/action' },
  ]);
});

t.test('a notify rule answers as the profile says, also below a default that refuses', { skip }, async (t) => {
  const filter = filterOf({
    defaultAction: 'SCMP_ACT_ERRNO',
    listenerPath: '/run/listener',
    architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
    syscalls: [
      allow(['read', 'clone3']),
      { names: ['mkdir'], action: 'SCMP_ACT_NOTIFY', args: [arg(1, 0o700n), arg(1, 0o755n)] },
    ],
  });
  const decide = (number: number, args: readonly bigint[] = [], architecture = X86_64) =>
    runFilter(filter, { number, architecture, args });
  t.equal(decide(NATIVE.mkdir, [0n, 0o700n]), 0x7fc00000);
  t.equal(decide(NATIVE.mkdir, [0n, 0o755n]), 0x7fc00000);
  t.equal(decide(NATIVE.mkdir, [0n, 0o777n]), EPERM);
  t.equal(decide(39, [0n, 0o755n], X86), 0x7fc00000, 'mkdir of x86');
  t.equal(decide(X32_BIT + NATIVE.mkdir, [0n, 0o755n]), 0x7fc00000, 'x32');
  t.equal(decide(999), ENOSYS);
});

t.test('compileSeccomp refuses profiles without measure quickly (SECCOMP_TOO_LARGE)', async (t) => {
  const many = (count: number) => Array.from({ length: count }, (_, i) => arg(0, BigInt(i)));
  const rules = Array.from({ length: 100_000 }, (_, i) => allow([`call${i}`]));
  const path = '/linux/seccomp/syscalls';
  t.same(issues({ defaultAction: 'SCMP_ACT_ERRNO', syscalls: rules }), [{ code: 'SECCOMP_TOO_LARGE', path }]);
  t.same(issues({ defaultAction: 'SCMP_ACT_ERRNO', syscalls: [allow(['read'], many(257))] }), [
    { code: 'SECCOMP_TOO_LARGE', path: `${path}/0/args` },
  ]);
  const programs = [{ architecture: X86_64, filter: new Uint8Array(4096 * 8), highest: -1 }];
  const huge: SeccompPrograms = { ok: true, programs, unknown: [] };
  t.throws(() => compileSeccomp({ defaultAction: 'SCMP_ACT_KILL' }, hostFacts(), { seccomp: () => huge }), SpecError);
});

t.test('compileSeccomp skips names that libseccomp does not know, with one warning', async (t) => {
  const { op, warnings } = compileSeccomp(
    { defaultAction: 'SCMP_ACT_ERRNO', syscalls: [allow(['read', 'no_such_call', 'nor_this'])] },
    hostFacts(),
    services,
  );
  t.ok(op.filter.length > 0);
  t.match(warnings, [{ code: 'SECCOMP_UNKNOWN_SYSCALL', path: '/linux/seccomp/syscalls', message: /2 system calls/ }]);
});

t.test(
  'compileSeccomp names the rule that contradicts an earlier one (SECCOMP_RULE), or libseccomp keeps the first',
  { skip },
  async (t) => {
    const profile: LinuxSeccomp = {
      defaultAction: 'SCMP_ACT_KILL',
      syscalls: [allow(['mkdir']), { names: ['mkdir'], action: 'SCMP_ACT_ERRNO' }],
    };
    const found = issues(profile);
    if (found.length > 0) t.same(found, [{ code: 'SECCOMP_RULE', path: '/linux/seccomp/syscalls/1' }]);
    else t.equal(runFilter(filterOf(profile), { number: NATIVE.mkdir, architecture: X86_64 }), ALLOW);
  },
);

t.test('compileSeccomp lays a refusal of libseccomp on the field (SECCOMP_RULE, SECCOMP_PROFILE)', async (t) => {
  const profile: LinuxSeccomp = {
    defaultAction: 'SCMP_ACT_KILL',
    syscalls: [{ names: ['reboot'], action: 'SCMP_ACT_KILL' }, allow(['read', 'write'])],
  };
  const refused = (refusal: Omit<SeccompRefusal, 'ok'>) => {
    const expected = refusal.at === 'rule' ? 'SECCOMP_RULE' : 'SECCOMP_PROFILE';
    const path = refusal.at === 'rule' ? '/linux/seccomp/syscalls/1' : '/linux/seccomp';
    try {
      compileSeccomp(profile, hostFacts(), { seccomp: () => ({ ok: false, ...refusal }) });
      t.fail('compiled');
    } catch (error) {
      t.match(error, { issues: [{ code: expected, path }] });
    }
  };
  refused({ at: 'rule', index: 1, errno: 17 });
  refused({ at: 'export', index: 0, errno: 12 });
});

t.test('a filter of an engine profile decides as the profile says', { skip }, async (t) => {
  const filter = filterOf(engineProfile());
  const decide = (number: number, args: readonly bigint[] = [], architecture = X86_64) =>
    runFilter(filter, { number, architecture, args });
  t.equal(decide(NATIVE.read), ALLOW);
  t.equal(decide(NATIVE.mount), EPERM);
  t.equal(decide(NATIVE.clone3), ENOSYS, 'errnoRet');
  t.equal(decide(NATIVE.personality, [8n]), ALLOW);
  t.equal(decide(NATIVE.personality, [9n]), EPERM);
  t.equal(decide(NATIVE.personality, [0x1_0000_0008n]), EPERM, 'all 64 bits count');
  t.equal(decide(NATIVE.clone, [0x11n]), ALLOW);
  t.equal(decide(NATIVE.clone, [0x10000011n]), EPERM, 'CLONE_NEWUSER');
  t.equal(decide(3, [], X86), ALLOW, 'read of x86');
  t.equal(decide(21, [], X86), EPERM, 'mount of x86');
  t.equal(decide(X32_BIT + NATIVE.write), ALLOW, 'x32');
  t.equal(decide(0, [], ARCHITECTURES.SCMP_ARCH_AARCH64), 0, 'an architecture that is not listed is killed');
});

t.test('calls newer than the profile get ENOSYS, older ones the default', { skip }, async (t) => {
  const filter = filterOf(engineProfile());
  for (const [architecture, bit] of [
    [X86_64, 0],
    [X86, 0],
    [X86_64, X32_BIT],
  ] as const) {
    t.equal(runFilter(filter, { number: bit + 999, architecture }), ENOSYS);
  }
  t.equal(runFilter(filter, { number: 448, architecture: X86_64 }), ALLOW, 'process_mrelease, the newest but one');
  t.equal(runFilter(filter, { number: 0xffffffff, architecture: X86_64 }), ENOSYS, 'as the kernel says to -1');
  const only64 = { ...engineProfile(), architectures: [] };
  t.equal(runFilter(filterOf(only64), { number: X32_BIT + 1, architecture: X86_64 }), 0, 'x32 is not listed: killed');
  t.equal(runFilter(filterOf(only64), { number: 999, architecture: X86_64 }), ENOSYS);
});

/** A filter that allows everything, and the same with the lowest bit of the action's data set. */
const allowing = (data: number) => Uint8Array.from([6, 0, 0, 0, data, 0, 0xff, 0x7f]);

t.test('joinPrograms adds no ENOSYS where the default lets unknown calls happen or says ENOSYS itself', async (t) => {
  const decide = (defaultAction: number, highest: number) => {
    const program = joinPrograms(defaultAction, [{ architecture: X86_64, filter: allowing(0), highest }]);
    return runFilter(program, { number: 101, architecture: X86_64 });
  };
  for (const action of [ALLOW, 0x7ffc0000, 0x7ff00001, ENOSYS]) t.equal(decide(action, 100), ALLOW);
  for (const action of [EPERM, 0, KILL_PROCESS, 0x00030000]) t.equal(decide(action, 100), ENOSYS);
  t.equal(decide(EPERM, 101), ALLOW);
  t.equal(decide(EPERM, -1), ALLOW, 'the profile has no name of this architecture');
});

t.test('joinPrograms sends each architecture to its own filter', async (t) => {
  const order = ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM', 'SCMP_ARCH_X32', 'SCMP_ARCH_X86_64', 'SCMP_ARCH_X86'] as const;
  const programs = order.map((name, index) => {
    const bit = name === 'SCMP_ARCH_X32' ? X32_BIT : 0;
    return { architecture: ARCHITECTURES[name], filter: allowing(index), highest: bit + 400 };
  });
  const program = joinPrograms(EPERM, programs);
  const decide = (number: number, architecture: number) => runFilter(program, { number, architecture });
  for (const [index, name] of order.entries()) {
    const [architecture, bit] = name === 'SCMP_ARCH_X32' ? [X86_64, X32_BIT] : [ARCHITECTURES[name], 0];
    t.equal(decide(bit + 400, architecture), ALLOW + index, name);
    t.equal(decide(bit + 401, architecture), ENOSYS, name);
  }
  t.equal(decide(0x0f0005, ARCHITECTURES.SCMP_ARCH_ARM), ALLOW + 1, 'set_tls, a private call of ARM');
  t.equal(decide(1, ARCHITECTURES.SCMP_ARCH_RISCV64), 0, 'not listed: killed');
});

t.test('the filter of an engine profile is small and made in a moment', { skip }, async (t) => {
  filterOf(engineProfile());
  const start = process.hrtime.bigint();
  const filter = filterOf(engineProfile());
  const milliseconds = Number(process.hrtime.bigint() - start) / 1e6;
  t.comment(`${filter.length / 8} instructions, ${milliseconds.toFixed(1)} ms`);
  t.ok(filter.length / 8 < 2000);
  t.ok(milliseconds < 500);
});

t.test('the kernel takes the filter and it does what it says', { skip }, async (t) => {
  const filter = filterOf(engineProfile());
  const python = `
import ctypes, os, sys
program = bytes.fromhex(sys.argv[1])
class fprog(ctypes.Structure): _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
libc = ctypes.CDLL(None, use_errno=True)
buffer = ctypes.create_string_buffer(program, len(program))
prog = fprog(len(program) // 8, ctypes.cast(buffer, ctypes.c_void_p))
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.syscall(317, 1, 4, ctypes.byref(prog)) == 0, ctypes.get_errno()
libc.mount(None, b"/", None, 4096, None); print("mount", ctypes.get_errno())
libc.syscall(999); print("new", ctypes.get_errno())
print("pid", os.getpid() > 0)`;
  const child = spawnSync('python3', ['-c', python, Buffer.from(filter).toString('hex')], { encoding: 'utf8' });
  if (child.error !== undefined) return t.comment('python3 is not installed');
  t.equal(child.stdout, 'mount 1\nnew 38\npid True\n', child.stderr);
});

/**
 * Why the first process was killed before it was the program: by which system calls its seccomp filter does, and against
 * which memory limit.
 *
 * seccomp(2); the C library's calls as strace(1) shows them. Pure.
 */
import { TsrunError } from '../errors.js';
import type { Op, SeccompOp } from '../plan/op.gen.js';
import type { Plan } from '../plan/plan.js';
import { byteSize } from '../util/byte-size.js';
import { pointer } from '../util/pointer.js';
import type { ProblemName, StatusRecord } from './channel.js';
import { filterResults } from './filter.js';

interface Killed {
  readonly record: Pick<StatusRecord, 'detail'>;
  readonly op: Op | undefined;
  readonly plan: () => Plan | undefined;
  readonly arch: () => string;
  readonly at: string;
}

/** Number on x86_64, and in the table that aarch64 and riscv64 share; undefined where there is no such call. */
const NUMBERS = {
  capset: [126, 91],
  clone: [56, 220],
  close: [3, 57],
  execve: [59, 221],
  faccessat2: [439, 439],
  fcntl: [72, 25],
  fork: [57, undefined],
  getcwd: [79, 17],
  getpid: [39, 172],
  mmap: [9, 222],
  newfstatat: [262, 79],
  openat: [257, 56],
  pidfd_open: [434, 434],
  pipe2: [293, 59],
  poll: [7, undefined],
  ppoll: [undefined, 73],
  prctl: [157, 167],
  read: [0, 63],
  rt_sigaction: [13, 134],
  rt_sigprocmask: [14, 135],
  sendto: [44, 206],
  setgroups: [116, 159],
  setresgid: [119, 149],
  setresuid: [117, 147],
  stat: [4, undefined],
  wait4: [61, 260],
  write: [1, 64],
} as const;

type CallName = keyof typeof NUMBERS;

/** AUDIT_ARCH_* by uname -m, and the column above. */
const ARCHITECTURES: { readonly [arch: string]: { readonly audit: number; readonly column: 0 | 1 } } = {
  x86_64: { audit: 0xc000003e, column: 0 },
  aarch64: { audit: 0xc00000b7, column: 1 },
  riscv64: { audit: 0xc00000f3, column: 1 },
};

/**
 * What init calls for the ops that may follow SECCOMP; those that every one of them makes. glibc and musl differ in
 * stat(2) and fork(2).
 */
const CALLS: { readonly [name in Op['op']]?: readonly CallName[] } = {
  BOUNDING_SET: ['prctl'],
  SET_USER: ['prctl', 'setgroups', 'setresgid', 'setresuid'],
  CAPABILITIES: ['capset', 'prctl'],
  AMBIENT: ['prctl'],
  CHDIR: ['getcwd'],
  FIND_PROGRAM: ['newfstatat', 'stat', 'faccessat2'],
  NOTIFY: ['sendto'],
  WAIT_START: ['rt_sigaction', 'close', 'openat', 'write'],
  RUN_HOOK: ['mmap', 'getpid', 'pipe2', 'fcntl', 'clone', 'fork', 'pidfd_open', 'wait4', 'poll', 'ppoll', 'read'],
};

/** The actions that end in SIGSYS: KILL_PROCESS, KILL_THREAD, and TRAP, whose signal nobody handles. */
const DEADLY: readonly number[] = [0x80000000, 0x00000000, 0x00030000];

const LIMIT = pointer('linux', 'resources', 'memory', 'limit');

/** The op to blame, whatever the executor was waiting for when the process died. */
export function blamedOp(problem: ProblemName, plan: () => Plan | undefined): Op | undefined {
  if (problem === 'SECCOMP_KILLED') return plan()?.lists.init.find(({ op }) => op === 'SECCOMP');
  if (problem !== 'OOM_KILLED') return undefined;
  return Object.values(plan()?.lists ?? {})
    .flat()
    .find(({ origin }) => origin === LIMIT);
}

interface DeadlyCalls {
  readonly always: readonly string[];
  /** Where the filter looks at the arguments. */
  readonly maybe: readonly string[];
}

/** Those that init makes between SECCOMP and the program, and execve(2) itself, that the filter kills. */
export function deadlyCalls({ filter }: SeccompOp, after: readonly Op[], arch: string): DeadlyCalls {
  const native = ARCHITECTURES[arch];
  const always: CallName[] = [];
  const maybe: CallName[] = [];
  if (native === undefined) return { always, maybe };
  for (const name of callsOf(after)) {
    const number = NUMBERS[name][native.column];
    if (number === undefined) continue;
    const results = [...filterResults(filter, { number, architecture: native.audit })];
    const deadly = results.filter((result) => DEADLY.includes((result & 0xffff0000) >>> 0)).length;
    if (deadly > 0) (deadly === results.length ? always : maybe).push(name);
  }
  return { always, maybe };
}

/** WAIT_START spoils what SECCOMP did to the signals, so that EXEC does it again. */
function callsOf(after: readonly Op[]): CallName[] {
  const names = after.flatMap((op) => CALLS[op.op] ?? []);
  const waits = after.some(({ op }) => op === 'WAIT_START');
  return [...new Set<CallName>([...names, ...(waits ? (['rt_sigprocmask'] as const) : []), 'execve'])];
}

const GENERIC =
  'linux.seccomp must allow what the runtime itself still calls once the filter is loaded, execve at least';

const NAMED = 'allow in linux.seccomp what is named here: the runtime itself still calls it once the filter is loaded';

/** A call that we do not know of killed it if none is named. */
export function killedBySeccomp({ op, plan, arch, at }: Killed): TsrunError {
  const init = plan()?.lists.init ?? [];
  const after = init.slice(init.findIndex(({ op: name }) => name === 'SECCOMP') + 1);
  const { always, maybe } = op?.op === 'SECCOMP' ? deadlyCalls(op, after, arch()) : { always: [], maybe: [] };
  const kills = always.length > 0 ? `it kills ${always.join(', ')}` : '';
  const may = maybe.length > 0 ? `it may kill ${maybe.join(', ')}, by the arguments` : '';
  const named = [kills, may].filter((text) => text !== '').join('; ');
  const message = `${at}the first process was killed by its seccomp profile (SIGSYS)${named === '' ? '' : `: ${named}`}`;
  return new TsrunError('EXEC_FAILED', message, { hint: named === '' ? GENERIC : NAMED });
}

/** memory.limit_in_bytes without a limit is the largest number of whole pages. */
const UNLIMITED = 2n ** 62n;

/** The detail has lines such as "memory.max 524288". */
export function killedForMemory({ record, at }: Killed): TsrunError {
  const lines = record.detail.toString('latin1').matchAll(/^memory\.(\S+) (\d+)$/gm);
  const values = new Map<string, string>();
  for (const [, name = '', value = ''] of lines)
    if (BigInt(value) < UNLIMITED) values.set(name, byteSize(BigInt(value)));
  const limit = values.get('max') ?? values.get('limit_in_bytes');
  const peak = values.get('peak') ?? values.get('max_usage_in_bytes');
  const current = values.get('current');
  const told = [
    ...(limit === undefined ? [] : [`memory limit ${limit}`]),
    ...(peak === undefined ? [] : [`${peak} charged at most`]),
    ...(current === undefined || peak !== undefined ? [] : [`${current} charged now`]),
  ].join(', ');
  const why = limit === undefined ? ' (no limit of its own: that of a parent cgroup, or no memory left?)' : '';
  const message = `${at}container init was OOM-killed${told === '' ? ' (memory limit too low?)' : `: ${told}${why}`}`;
  return new TsrunError('EXEC_FAILED', message, { hint: 'raise linux.resources.memory.limit' });
}

/** config-linux.md, "Seccomp": what each action does to a call, which calls a rule matches, and what is refused. */
import { join } from 'node:path';
import { must, STATUS, same, statusLine } from '../harness/check.js';
import { startHelper } from '../harness/helper.js';
import { type Lab, parseObject, readText, refused, succeeded } from '../harness/lab.js';
import {
  type Answer,
  type Group,
  type Observation,
  type Patch,
  type Refusal,
  type Script,
  table,
} from '../harness/model.js';
import { once } from '../harness/once.js';
import type { Area } from '../harness/run.js';
import { eventually } from '../harness/runtime.js';

const requirements = table('config-linux.md', [
  ['seccomp.action', 'MUST', 'seccomp', 'a call that a rule matches meets the action of the rule'],
  ['seccomp.default', 'MUST', 'seccomp', 'a call that no rule matches meets defaultAction'],
  [
    'seccomp.errno',
    'MUST',
    'seccomp',
    'errnoRet and defaultErrnoRet are the error of the call, EPERM if they are not set',
  ],
  ['seccomp.errno-action', 'MUST', 'seccomp', 'errnoRet with an action that has no error number is an error'],
  ['seccomp.args', 'MUST', 'seccomp', 'a rule with args matches by index, operator and values'],
  ['seccomp.names', 'MUST', 'seccomp', 'names has at least one entry'],
  ['seccomp.values', 'MUST', 'seccomp', 'an action, operator, architecture or flag that does not exist is an error'],
  ['seccomp.flags', 'MUST', 'seccomp', 'the flags of the list are accepted'],
  [
    'seccomp.listener',
    'MUST',
    'seccomp',
    'with SCMP_ACT_NOTIFY the container process state goes to listenerPath, once a connection, which is closed',
  ],
  [
    'seccomp.listener-fd',
    'MUST',
    'the-container-process-state',
    'the descriptor seccompFd comes with the first message',
  ],
  ['seccomp.listener-metadata', 'MUST', 'seccomp', 'listenerMetadata is the metadata of the container process state'],
  ['seccomp.metadata-alone', 'MUST NOT', 'seccomp', 'listenerMetadata is not set without listenerPath'],
  ['seccomp.listener-fails', 'MUST', 'seccomp', 'a listenerPath that cannot be reached is an error'],
  ['seccomp.listener-unused', 'MUST', 'seccomp', 'listenerPath means nothing without SCMP_ACT_NOTIFY'],
]);

/** Numbers of calls that a filter may touch: nothing else of the probe uses them. x86_64 and the generic table. */
const CALL =
  process.arch === 'x64'
    ? {
        getppid: 110,
        getsid: 124,
        getpgid: 121,
        sethostname: 170,
        personality: 135,
        getpriority: 140,
        chroot: 161,
        setdomainname: 171,
        acct: 163,
      }
    : {
        getppid: 173,
        getsid: 156,
        getpgid: 155,
        sethostname: 161,
        personality: 92,
        getpriority: 141,
        chroot: 51,
        setdomainname: 162,
        acct: 89,
      };

const rule = (name: string, action: string, more: object = {}): object => ({ names: [name], action, ...more });
const profile = (syscalls: readonly object[], more: object = {}): Patch => ({
  '/linux/seccomp': { defaultAction: 'SCMP_ACT_ALLOW', syscalls, ...more },
});

const SIGSYS = 31;

/** The answer of getpriority(2) is a number of the caller's nice value, which is not ours to know. */
const worked: Observation['check'] = ({ answer }) =>
  must(typeof answer['ok'] === 'number', `the call was not made: ${JSON.stringify(answer)}`);

/** Rules that do not get into each other's way share one filter. */
const actions: Group = {
  name: 'seccomp actions',
  patch: profile([
    rule('getsid', 'SCMP_ACT_ERRNO', { errnoRet: 42 }),
    rule('getpgid', 'SCMP_ACT_ERRNO'),
    rule('sethostname', 'SCMP_ACT_KILL_PROCESS'),
    rule('setdomainname', 'SCMP_ACT_KILL_THREAD'),
    rule('chroot', 'SCMP_ACT_TRAP'),
    rule('acct', 'SCMP_ACT_TRACE', { errnoRet: 7 }),
    rule('getpriority', 'SCMP_ACT_LOG'),
  ]),
  observations: [
    { id: 'seccomp.errno', requirement: 'seccomp.errno', ask: `try|${CALL.getsid}|0`, want: { errno: 'ENOMSG' } },
    {
      id: 'seccomp.errno-default',
      requirement: 'seccomp.errno',
      ask: `try|${CALL.getpgid}|0`,
      want: { errno: 'EPERM' },
    },
    {
      id: 'seccomp.kill-process',
      requirement: 'seccomp.action',
      ask: `try|${CALL.sethostname}|0|0`,
      want: { signal: SIGSYS },
    },
    {
      id: 'seccomp.kill-thread',
      requirement: 'seccomp.action',
      ask: `try|${CALL.setdomainname}|0|0`,
      want: { signal: SIGSYS },
    },
    { id: 'seccomp.trap', requirement: 'seccomp.action', ask: `try|${CALL.chroot}|0`, want: { signal: SIGSYS } },
    // seccomp(2): without a tracer the call is not there.
    { id: 'seccomp.trace', requirement: 'seccomp.action', ask: `try|${CALL.acct}|0`, want: { errno: 'ENOSYS' } },
    {
      id: 'seccomp.log',
      requirement: 'seccomp.action',
      ...{ ask: `try|${CALL.getpriority}|0|0`, want: { signal: 0 } },
      check: worked,
    },
    {
      id: 'seccomp.default-allow',
      requirement: 'seccomp.default',
      ask: `try|${CALL.personality}|0xffffffff`,
      want: { ok: 0 },
    },
    {
      id: 'seccomp.mode',
      requirement: 'seccomp.action',
      ask: STATUS,
      check: ({ answer }) => same(statusLine(answer, 'Seccomp'), '2', 'the mode'),
    },
  ],
};

const killed: Group = {
  name: 'SCMP_ACT_KILL',
  patch: { ...profile([rule('chroot', 'SCMP_ACT_KILL')]), '/process/noNewPrivileges': true },
  observations: [
    { id: 'seccomp.kill', requirement: 'seccomp.action', ask: `try|${CALL.chroot}|0`, want: { signal: SIGSYS } },
    {
      id: 'seccomp.with-no-new-privileges',
      requirement: 'seccomp.action',
      ask: STATUS,
      check: ({ answer }) => {
        same(
          [statusLine(answer, 'Seccomp'), statusLine(answer, 'NoNewPrivs')],
          ['2', '1'],
          'seccomp mode and no new privileges',
        );
      },
    },
  ],
};

/** What a static program of glibc and every runtime's last steps need. */
const NEEDED = [
  'access',
  'arch_prctl',
  'brk',
  'capget',
  'capset',
  'chdir',
  'clock_gettime',
  'close',
  'close_range',
  'clone',
  'clone3',
  'dup',
  'dup2',
  'dup3',
  'epoll_create1',
  'epoll_ctl',
  'epoll_pwait',
  'execve',
  'execveat',
  'exit',
  'exit_group',
  'fchdir',
  'fchown',
  'fcntl',
  'fstat',
  'fstatfs',
  'futex',
  'getcwd',
  'getdents64',
  'geteuid',
  'getegid',
  'getgid',
  'getgroups',
  'getpid',
  'getrandom',
  'gettid',
  'getuid',
  'ioctl',
  'lseek',
  'lstat',
  'madvise',
  'mmap',
  'mprotect',
  'munmap',
  'nanosleep',
  'newfstatat',
  'open',
  'openat',
  'openat2',
  'pipe',
  'pipe2',
  'poll',
  'ppoll',
  'prctl',
  'pread64',
  'prlimit64',
  'read',
  'readlink',
  'readlinkat',
  'recvmsg',
  'rseq',
  'rt_sigaction',
  'rt_sigprocmask',
  'rt_sigreturn',
  'sched_getaffinity',
  'sched_yield',
  'sendmsg',
  'set_robust_list',
  'set_tid_address',
  'setgid',
  'setgroups',
  'setresgid',
  'setresuid',
  'setuid',
  'sigaltstack',
  'stat',
  'statfs',
  'statx',
  'tgkill',
  'umask',
  'uname',
  'unlink',
  'unlinkat',
  'wait4',
  'write',
  'writev',
  'ftruncate',
  'fsync',
  'rename',
  'renameat',
  'setsid',
  'kill',
  'faccessat',
  'faccessat2',
  'socket',
  'connect',
  'sendto',
  'memfd_create',
  'epoll_wait',
  'eventfd2',
  'keyctl',
  'seccomp',
  'mknodat',
  'pidfd_open',
  'pidfd_send_signal',
  'fchmod',
  'fchownat',
  'getppid',
  'membarrier',
  'timer_settime',
  'timer_create',
  'timer_delete',
  'sigreturn',
  'setitimer',
  'nanosleep',
  'clock_nanosleep',
  'restart_syscall',
  'select',
  'pselect6',
  'mincore',
];

const denied: readonly Group[] = [
  ['SCMP_ACT_ERRNO', {}, 'EPERM', 'default-errno'],
  ['SCMP_ACT_ERRNO', { defaultErrnoRet: 38 }, 'ENOSYS', 'default-errno-set'],
].map(
  ([action, more, errno, id]): Group => ({
    name: `seccomp ${id}`,
    patch: {
      '/linux/seccomp': {
        defaultAction: action,
        ...(more as object),
        syscalls: [{ names: NEEDED, action: 'SCMP_ACT_ALLOW' }],
      },
    },
    observations: [
      {
        id: `seccomp.${id}`,
        requirement: 'seccomp.errno',
        ask: `try|${CALL.getpriority}|0|0`,
        want: { errno: String(errno) },
      },
      { id: `seccomp.${id}.allowed`, requirement: 'seccomp.default', ask: `try|${CALL.getppid}`, want: { ok: 1 } },
    ],
  }),
);

/** getpriority(which, who) fails or works whatever `who` is; a match gives error 42. */
const OPERATORS: { readonly [op: string]: readonly [value: number, match: number, other: number, two?: number] } = {
  SCMP_CMP_NE: [5, 6, 5],
  SCMP_CMP_LT: [5, 4, 5],
  SCMP_CMP_LE: [5, 5, 6],
  SCMP_CMP_EQ: [5, 5, 6],
  SCMP_CMP_GE: [5, 5, 4],
  SCMP_CMP_GT: [5, 6, 5],
  SCMP_CMP_MASKED_EQ: [0xf0, 0x5a, 0x6a, 0x50],
};

/** Index 3 is nothing to getpriority, so the kernel does not look at it. */
const operators: readonly Group[] = Object.entries(OPERATORS).map(([op, [value, match, other, two]]) => ({
  name: op,
  patch: profile([
    rule('getpriority', 'SCMP_ACT_ERRNO', {
      errnoRet: 42,
      args: [{ index: 3, value, op, ...(two === undefined ? {} : { valueTwo: two }) }],
    }),
  ]),
  observations: [
    {
      id: `seccomp.args.${op}.matches`,
      requirement: 'seccomp.args',
      ask: `try|${CALL.getpriority}|0|0|0|${match}`,
      want: { errno: 'ENOMSG' },
    },
    {
      id: `seccomp.args.${op}.else`,
      requirement: 'seccomp.args',
      ...{ ask: `try|${CALL.getpriority}|0|0|0|${other}`, check: worked },
    },
  ],
}));

const EQ = (index: number, value: number | string): object => ({ index, value, op: 'SCMP_CMP_EQ' });

const several: Group = {
  name: 'several args',
  patch: profile([
    rule('getpriority', 'SCMP_ACT_ERRNO', { errnoRet: 42, args: [EQ(3, 7), EQ(4, 8)] }),
    rule('getpgid', 'SCMP_ACT_ERRNO', { errnoRet: 42, args: [EQ(2, '@18446744073709551615')] }),
    { names: ['acct', 'chroot'], action: 'SCMP_ACT_ERRNO', errnoRet: 43 },
  ]),
  observations: [
    {
      id: 'seccomp.args.all',
      requirement: 'seccomp.args',
      ask: `try|${CALL.getpriority}|0|0|0|7|8`,
      want: { errno: 'ENOMSG' },
    },
    {
      id: 'seccomp.args.one-of-two',
      requirement: 'seccomp.args',
      ...{ ask: `try|${CALL.getpriority}|0|0|0|7|9`, check: worked },
    },
    {
      id: 'seccomp.args.64-bits',
      requirement: 'seccomp.args',
      ask: `try|${CALL.getpgid}|0|0|0xffffffffffffffff`,
      want: { errno: 'ENOMSG' },
    },
    {
      id: 'seccomp.args.upper-half',
      requirement: 'seccomp.args',
      ask: `try|${CALL.getpgid}|0|0|0xffffffff`,
      want: { signal: 0, errno: undefined },
    },
    { id: 'seccomp.names.first', requirement: 'seccomp.action', ask: `try|${CALL.acct}|0`, want: { errno: 'EIDRM' } },
    {
      id: 'seccomp.names.second',
      requirement: 'seccomp.action',
      ask: `try|${CALL.chroot}|0`,
      want: { errno: 'EIDRM' },
    },
  ],
};

const FLAGS = ['SECCOMP_FILTER_FLAG_TSYNC', 'SECCOMP_FILTER_FLAG_LOG', 'SECCOMP_FILTER_FLAG_SPEC_ALLOW'];

const flagged: readonly Group[] = FLAGS.map((flag) => ({
  name: flag,
  patch: profile([rule('getpgid', 'SCMP_ACT_ERRNO', { errnoRet: 42 })], { flags: [flag] }),
  observations: [
    {
      id: `seccomp.flags.${flag}`,
      requirement: 'seccomp.flags',
      ask: `try|${CALL.getpgid}|0`,
      want: { errno: 'ENOMSG' },
    },
  ],
}));

const bad = (id: string, requirement: string, patch: Patch): Refusal => ({
  id: `seccomp.refuses.${id}`,
  requirement,
  patch,
});

const values: Group = {
  name: 'values of seccomp',
  refusals: [
    bad('names-empty', 'seccomp.names', profile([{ names: [], action: 'SCMP_ACT_ERRNO' }])),
    bad('names-missing', 'seccomp.names', profile([{ action: 'SCMP_ACT_ERRNO' }])),
    bad('action', 'seccomp.values', profile([rule('getpgid', 'SCMP_ACT_NOTHING')])),
    bad('action-missing', 'seccomp.values', profile([{ names: ['getpgid'] }])),
    bad('default-action', 'seccomp.values', profile([], { defaultAction: 'SCMP_ACT_NOTHING' })),
    bad('default-action-missing', 'seccomp.values', profile([], { defaultAction: undefined })),
    bad(
      'operator',
      'seccomp.values',
      profile([rule('getpgid', 'SCMP_ACT_ERRNO', { args: [{ index: 0, value: 1, op: 'SCMP_CMP_NOTHING' }] })]),
    ),
    bad('index', 'seccomp.values', profile([rule('getpgid', 'SCMP_ACT_ERRNO', { args: [EQ(6, 1)] })])),
    bad(
      'architecture',
      'seccomp.values',
      profile([rule('getpgid', 'SCMP_ACT_ERRNO')], { architectures: ['SCMP_ARCH_NOTHING'] }),
    ),
    bad(
      'flag',
      'seccomp.values',
      profile([rule('getpgid', 'SCMP_ACT_ERRNO')], { flags: ['SECCOMP_FILTER_FLAG_NOTHING'] }),
    ),
    bad(
      'metadata-alone',
      'seccomp.metadata-alone',
      profile([rule('getpgid', 'SCMP_ACT_ERRNO')], { listenerMetadata: 'text' }),
    ),
    ...['SCMP_ACT_ALLOW', 'SCMP_ACT_KILL_PROCESS', 'SCMP_ACT_LOG'].map((action) =>
      bad(
        `errno-of-${action}`,
        'seccomp.errno-action',
        profile([rule('getpgid', action, { errnoRet: 1 })], { defaultAction: 'SCMP_ACT_TRAP' }),
      ),
    ),
    bad(
      'default-errno-of-allow',
      'seccomp.errno-action',
      profile([rule('getpgid', 'SCMP_ACT_ERRNO')], { defaultErrnoRet: 1 }),
    ),
  ],
};

interface Notified {
  readonly message: Answer;
  readonly state: Answer;
  readonly pid: number;
  readonly answers: readonly Answer[];
  readonly id: string;
}

/** An agent of ours gets the descriptor and answers getpgid with EXFULL. */
async function notified(lab: Lab): Promise<Notified> {
  const socket = join(lab.dir, 'agent.sock');
  const output = join(lab.dir, 'agent');
  await startHelper(lab, ['seccomp', socket, output]);
  await lab.created(
    [`try|${CALL.getpgid}|0`],
    profile([rule('getpgid', 'SCMP_ACT_NOTIFY')], { listenerPath: socket, listenerMetadata: 'opaque text' }),
  );
  const { pid } = lab;
  succeeded(await lab.start(), 'start');
  const answers = await lab.answered();
  must(await eventually(() => readText(output).endsWith('\n')), 'nothing came to the listener');
  const message = parseObject(readText(output));
  return { message, state: parseObject(String(message['payload'])), pid, answers, id: lab.id };
}

const listener = (id: string, requirement: string, check: (seen: Notified) => void): Script<Lab> => ({
  ...{ id: `seccomp.listener.${id}`, requirement },
  run: async (lab) => check(await once(lab, 'seccomp listener', () => notified(lab))),
});

const scripts: readonly Script<Lab>[] = [
  listener('call', 'seccomp.action', ({ answers }) => same(answers[0]?.['errno'], 'EXFULL', 'the answer to the call')),
  listener('version', 'seccomp.listener', ({ state }) =>
    must(/^\d+\.\d+\.\d+/.test(String(state['ociVersion'])), `ociVersion is ${state['ociVersion']}`),
  ),
  listener('fds', 'seccomp.listener-fd', ({ state }) => same(state['fds'], ['seccompFd'], 'fds')),
  listener('descriptor', 'seccomp.listener-fd', ({ message }) =>
    same(
      [message['descriptors'], message['descriptorsInFirst']],
      [1, 1],
      'descriptors, and those of the first message',
    ),
  ),
  listener('closed', 'seccomp.listener', ({ message }) => same(message['closed'], 1, 'the connection is closed: that')),
  listener('metadata', 'seccomp.listener-metadata', ({ state }) => same(state['metadata'], 'opaque text', 'metadata')),
  listener('pid', 'seccomp.listener', ({ state, pid }) => same(state['pid'], pid, 'pid')),
  listener('state', 'seccomp.listener', ({ state, id }) =>
    same((state['state'] as { id?: unknown } | undefined)?.id, id, 'state.id'),
  ),
  {
    ...{ id: 'seccomp.listener.missing', requirement: 'seccomp.listener-fails' },
    run: async (lab) => {
      lab.configure(
        ['self'],
        profile([rule('getpgid', 'SCMP_ACT_NOTIFY')], { listenerPath: join(lab.dir, 'nobody.sock') }),
      );
      const created = await lab.create();
      if (created.status === 0) refused(await lab.start(), 'start');
    },
  },
  {
    ...{ id: 'seccomp.listener.unused', requirement: 'seccomp.listener-unused' },
    run: async (lab) => {
      await lab.created(
        ['self'],
        profile([rule('getpgid', 'SCMP_ACT_ERRNO')], { listenerPath: join(lab.dir, 'nobody.sock') }),
      );
      succeeded(await lab.start(), 'start');
    },
  },
];

export const seccompArea: Area = {
  name: 'seccomp',
  requirements,
  groups: [actions, killed, ...denied, ...operators, several, ...flagged, values],
  scripts,
};

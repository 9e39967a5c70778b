/** config.md, "Process": arguments, environment, user, terminal, limits, privileges, scheduling. */
import { listOf, must, STATUS, same, statusLine } from '../harness/check.js';
import { type Lab, succeeded } from '../harness/lab.js';
import { type Group, type Observation, type Patch, type Refusal, type Script, table } from '../harness/model.js';
import type { Area } from '../harness/run.js';
import { type Caller, OF_CALLER } from '../harness/runtime.js';
import { terminalScripts } from './terminal.js';

const requirements = table('config.md', [
  ['process.args', 'MUST', 'process', 'the program gets args as its argument vector, whatever bytes are in them'],
  ['process.args-search', 'MUST', 'process', 'args[0] is looked for as execvp does: without a slash along PATH'],
  ['process.args-needed', 'MUST', 'process', 'there is at least one argument'],
  ['process.args-exist', 'MUST', 'process', 'a program that is not there is an error of create or of start'],
  ['process.env', 'MUST', 'process', 'the environment has the entries of env, with the meaning of environ'],
  ['process.cwd', 'MUST', 'process', 'the program starts in cwd'],
  ['process.cwd-absolute', 'MUST', 'process', 'cwd is an absolute path'],
  ['process.terminal', 'MUST', 'process', 'with terminal the standard streams are a pseudoterminal of the container'],
  ['process.terminal-off', 'MUST', 'process', 'without terminal no terminal is attached'],
  ['process.console-size', 'MUST', 'process', 'the terminal has the size that consoleSize says'],
  ['process.console-size-ignored', 'MUST', 'process', 'consoleSize means nothing without terminal'],
  ['process.user', 'MUST', 'user', 'the program has the uid, gid and additional gids of user, in the container'],
  ['process.umask', 'MUST', 'user', 'the program has the umask of user'],
  ['process.umask-unset', 'SHOULD', 'user', "without user.umask the umask is the caller's"],
  ['process.rlimits', 'MUST', 'posix-process', 'soft and hard limit of each type are exactly as configured'],
  ['process.rlimits-type', 'MUST', 'posix-process', 'a type of limit that does not exist is an error'],
  ['process.rlimits-once', 'MUST', 'posix-process', 'a type of limit that is listed twice is an error'],
  ['process.capabilities', 'MUST', 'linux-process', 'each of the five capability sets is what the configuration says'],
  [
    'process.capabilities-names',
    'MUST',
    'linux-process',
    'each capability of capabilities(7) can be given by its name',
  ],
  [
    'process.capabilities-unknown',
    'SHOULD NOT',
    'linux-process',
    'a capability that cannot be given is no reason to fail',
  ],
  ['process.capabilities-warning', 'MUST', 'linux-process', 'a capability that cannot be given is logged as a warning'],
  ['process.no-new-privileges', 'MUST', 'linux-process', 'noNewPrivileges keeps the program from gaining privileges'],
  ['process.oom-score', 'MUST', 'linux-process', 'oom_score_adj has the value of oomScoreAdj'],
  ['process.oom-score-unset', 'MUST NOT', 'linux-process', 'without oomScoreAdj the value is not changed'],
  ['process.scheduler', 'MUST', 'linux-process', 'policy, nice value, priority and flags are those of scheduler'],
  ['process.scheduler-values', 'MUST', 'linux-process', 'a scheduling policy or flag that does not exist is an error'],
  ['process.io-priority', 'MUST', 'linux-process', 'class and priority of input and output are those of ioPriority'],
  ['process.io-priority-values', 'MUST', 'linux-process', 'a class or priority that does not exist is an error'],
  ['process.apparmor', 'MUST', 'linux-process', 'an AppArmor profile that cannot be applied is an error'],
  ['process.selinux', 'MUST', 'linux-process', 'an SELinux label that cannot be applied is an error'],
  [
    ...(['process.apparmor-applied', 'MUST', 'linux-process', 'the program runs under apparmorProfile'] as const),
    'needs a kernel with AppArmor and a loaded profile',
  ],
  [
    ...(['process.selinux-applied', 'MUST', 'linux-process', 'the program runs with selinuxLabel'] as const),
    'needs a host with an SELinux policy',
  ],
  [
    ...([
      'process.exec-affinity',
      'MUST',
      'linux-process',
      'execCPUAffinity binds programs that are added later',
    ] as const),
    'exec is no operation of the specification',
  ],
  ['process.affinity', 'MUST NOT', 'linux-process', 'execCPUAffinity does not bind the container process'],
]);

const ENV = ['PATH=/bin', 'EMPTY=', 'EQUALS=a=b=c', 'SPACES= a b ', 'LINE=a\nb', 'lower_case=1', 'QUOTE="\'\\'];

const basics: Group = {
  name: 'process',
  patch: {
    '/process/env': ENV,
    '/process/cwd': '/work',
    '/process/args/-': 'text|with "quotes" and \\ and $HOME',
    '/process/user': { uid: 1001, gid: 1002, additionalGids: [1003, 1004], umask: 0o027 },
    '/process/consoleSize': { height: 11, width: 22 },
    '/process/capabilities': {},
    '/process/noNewPrivileges': true,
    '/process/oomScoreAdj': 500,
    '/mounts/-': { destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: ['mode=1777'] },
  },
  observations: [
    {
      ...{ id: 'process.args', requirement: 'process.args', ask: 'self' },
      check: ({ answer }) => {
        const args = listOf(answer, 'args');
        same(args[0], '/probe', 'argv[0]');
        same(args.at(-1), 'text|with "quotes" and \\ and $HOME', 'the last argument');
      },
    },
    ...ENV.map((entry): Observation => {
      const [name = ''] = entry.split('=');
      return {
        ...{ id: `process.env.${name}`, requirement: 'process.env', ask: 'self' },
        check: ({ answer }) =>
          must(
            listOf(answer, 'env').includes(entry),
            `${JSON.stringify(entry)} is not in the environment: ${JSON.stringify(answer['env'])}`,
          ),
      };
    }),
    {
      ...{ id: 'process.env.order', requirement: 'process.env', ask: 'self' },
      check: ({ answer }) =>
        same(
          listOf(answer, 'env').filter((entry) => ENV.includes(String(entry))),
          ENV,
          'env',
        ),
    },
    {
      ...{ id: 'process.env.not-the-callers', requirement: 'process.env', ask: 'self' },
      check: ({ answer }) =>
        same(
          listOf(answer, 'env').filter((entry) => String(entry).startsWith(`${OF_CALLER}=`)),
          [],
          'what the runtime had in its own environment',
        ),
    },
    { id: 'process.cwd', requirement: 'process.cwd', ask: 'self', want: { cwd: '/work' } },
    { id: 'process.user.uid', requirement: 'process.user', ask: 'self', want: { uid: 1001, euid: 1001 } },
    { id: 'process.user.gid', requirement: 'process.user', ask: 'self', want: { gid: 1002, egid: 1002 } },
    ...['saved', 'file system'].flatMap((kind, index): Observation[] =>
      ['Uid', 'Gid'].map((line) => ({
        ...{
          id: `process.user.${kind === 'saved' ? 'saved' : 'fs'}-${line.toLowerCase()}`,
          requirement: 'process.user',
        },
        ask: STATUS,
        check: ({ answer }) =>
          same(
            statusLine(answer, line).split(/\s+/)[index + 2],
            line === 'Uid' ? '1001' : '1002',
            `the ${kind} ${line}`,
          ),
      })),
    ),
    ...[1003, 1004].map(
      (gid): Observation => ({
        ...{ id: `process.user.additional-gid-${gid}`, requirement: 'process.user', ask: 'self' },
        check: ({ answer }) =>
          must(listOf(answer, 'groups').includes(gid), `groups are ${JSON.stringify(answer['groups'])}`),
      }),
    ),
    {
      ...{ id: 'process.user.no-other-groups', requirement: 'process.user', ask: 'self' },
      check: ({ answer }) =>
        same(
          listOf(answer, 'groups').filter((gid) => ![1002, 1003, 1004].includes(Number(gid))),
          [],
          'groups that nobody asked for',
        ),
    },
    { id: 'process.umask', requirement: 'process.umask', ask: 'self', want: { umask: 0o027 } },
    {
      ...{ id: 'process.umask.files', requirement: 'process.umask' },
      ...{ ask: 'make|/tmp/made|666', want: { mode: 0o640, uid: 1001, gid: 1002 } },
    },
    ...[0, 1, 2].map(
      (fd): Observation => ({
        ...{
          id: `process.terminal-off.fd-${fd}`,
          requirement: 'process.terminal-off',
          ask: `tty|${fd}`,
          want: { tty: 0 },
        },
      }),
    ),
    {
      ...{ id: 'process.console-size.ignored', requirement: 'process.console-size-ignored', ask: 'tty|1' },
      want: { rows: 0, columns: 0 },
    },
    {
      ...{ id: 'process.no-new-privileges', requirement: 'process.no-new-privileges', ask: STATUS },
      check: ({ answer }) => same(statusLine(answer, 'NoNewPrivs'), '1', 'NoNewPrivs'),
    },
    {
      ...{ id: 'process.oom-score', requirement: 'process.oom-score', ask: 'text|/proc/self/oom_score_adj' },
      want: { text: '500\n' },
    },
  ],
};

const defaults: Group = {
  name: 'process defaults',
  patch: { '/process/args/0': 'by-path', '/process/env': ['PATH=/nowhere:/bin'] },
  observations: [
    {
      ...{ id: 'process.args.search-path', requirement: 'process.args-search', ask: 'self' },
      check: ({ answer }) => same(listOf(answer, 'args')[0], 'by-path', 'argv[0]'),
    },
    { id: 'process.cwd.root', requirement: 'process.cwd', ask: 'self', want: { cwd: '/' } },
    {
      ...{ id: 'process.no-new-privileges.off', requirement: 'process.no-new-privileges', ask: STATUS },
      check: ({ answer }) => same(statusLine(answer, 'NoNewPrivs'), '0', 'NoNewPrivs'),
    },
    {
      ...{ id: 'process.user.root', requirement: 'process.user', ask: 'self' },
      want: { uid: 0, gid: 0, euid: 0, egid: 0 },
    },
  ],
  refusals: [
    ...broken('process.args-needed', {
      'args-empty': ['/process/args', []],
      'args-missing': ['/process/args', undefined],
    }),
    ...broken('process.args-exist', {
      'args-no-file': ['/process/args', ['/no/such/program']],
      'args-not-on-path': ['/process/args', ['no-such-program']],
      'args-directory': ['/process/args', ['/data']],
      'args-not-executable': ['/process/args', ['/inside']],
    }),
    ...broken('process.cwd-absolute', {
      'cwd-relative': ['/process/cwd', 'work'],
      'cwd-empty': ['/process/cwd', ''],
      'cwd-missing': ['/process/cwd', undefined],
    }),
  ],
};

/** Cases for values that are refused: id after "process.", then pointer and value. */
function broken(requirement: string, rows: { readonly [id: string]: readonly [string, unknown] }): readonly Refusal[] {
  return Object.entries(rows).map(([id, [pointer, value]]) => ({
    ...{ id: `process.refuses.${id}`, requirement, patch: { [pointer]: value } },
  }));
}

/** Soft and hard values that a program of this size lives with. NICE and RTPRIO can only be raised with a capability. */
const RLIMITS: { readonly [name: string]: readonly [soft: number, hard: number] } = {
  CPU: [600, 700],
  FSIZE: [1048576, 2097152],
  DATA: [268435456, 536870912],
  STACK: [4194304, 6291456],
  CORE: [4096, 8192],
  RSS: [268435456, 536870912],
  NPROC: [501, 1002],
  NOFILE: [111, 222],
  MEMLOCK: [32768, 49152],
  AS: [1073741824, 2147483648],
  LOCKS: [333, 444],
  SIGPENDING: [555, 666],
  MSGQUEUE: [400000, 500000],
  NICE: [3, 7],
  RTPRIO: [4, 9],
  RTTIME: [500000, 600000],
};

const limits: Group = {
  name: 'rlimits',
  observations: Object.entries(RLIMITS).flatMap(([name, values]) =>
    (['soft', 'hard'] as const).map(
      (side, index): Observation => ({
        ...{ id: `process.rlimits.${name}.${side}`, requirement: 'process.rlimits', ask: 'limits' },
        needs: [`rlimit:${name}>=${values[1]}`],
        // One entry for both cases: a type may be there only once.
        patch: {
          [`/process/rlimits/${Object.keys(RLIMITS).indexOf(name)}`]: {
            type: `RLIMIT_${name}`,
            soft: values[0],
            hard: values[1],
          },
        },
        check: ({ answer }) => same(listOf(answer, name)[index], values[index], `the ${side} limit of RLIMIT_${name}`),
      }),
    ),
  ),
  patch: { '/process/rlimits': [] },
  refusals: [
    ...broken('process.rlimits-type', {
      'rlimit-unknown': ['/process/rlimits/-', { type: 'RLIMIT_UNKNOWN', soft: 1, hard: 1 }],
      'rlimit-lower-case': ['/process/rlimits/-', { type: 'rlimit_nofile', soft: 64, hard: 64 }],
      'rlimit-empty': ['/process/rlimits/-', { type: '', soft: 1, hard: 1 }],
    }),
    ...broken('process.rlimits-once', {
      'rlimit-twice': ['/process/rlimits', [1, 2].map((n) => ({ type: 'RLIMIT_NOFILE', soft: 60 * n, hard: 200 }))],
      'rlimit-twice-same': ['/process/rlimits', [1, 2].map(() => ({ type: 'RLIMIT_NOFILE', soft: 64, hard: 64 }))],
    }),
    ...broken('process.rlimits', {
      'rlimit-soft-above-hard': ['/process/rlimits/-', { type: 'RLIMIT_NOFILE', soft: 200, hard: 100 }],
    }),
  ],
};

const unlimited: Group = {
  name: 'unlimited',
  patch: {
    '/process/rlimits': [{ type: 'RLIMIT_CORE', soft: '@18446744073709551615', hard: '@18446744073709551615' }],
  },
  needs: ['rlimit:CORE>=18446744073709551615'],
  observations: [
    {
      ...{ id: 'process.rlimits.unlimited', requirement: 'process.rlimits', ask: 'limits' },
      check: ({ answer }) => same(listOf(answer, 'CORE'), [-1, -1], 'RLIMIT_CORE'),
    },
  ],
};

const SCHEDULERS: {
  readonly [id: string]: readonly [scheduler: object, want: { [name: string]: number }, need?: string];
} = {
  other: [
    { policy: 'SCHED_OTHER', nice: 5 },
    { policy: 0, nice: 5 },
  ],
  batch: [
    { policy: 'SCHED_BATCH', nice: 7 },
    { policy: 3, nice: 7 },
  ],
  idle: [{ policy: 'SCHED_IDLE' }, { policy: 5 }],
  fifo: [{ policy: 'SCHED_FIFO', priority: 11 }, { policy: 1, priority: 11 }, 'realtime'],
  rr: [{ policy: 'SCHED_RR', priority: 12 }, { policy: 2, priority: 12 }, 'realtime'],
  'reset-on-fork': [
    { policy: 'SCHED_OTHER', flags: ['SCHED_FLAG_RESET_ON_FORK'] },
    { policy: 0, flags: 1 },
  ],
  deadline: [
    { policy: 'SCHED_DEADLINE', runtime: 1000000, deadline: 50000000, period: 60000000 },
    { policy: 6, runtime: 1000000, deadline: 50000000, period: 60000000 },
    'capability:CAP_SYS_NICE',
  ],
};

const schedulers: readonly Group[] = Object.entries(SCHEDULERS).map(([id, [scheduler, want, need]]) => ({
  name: `scheduler ${id}`,
  needs: need === undefined ? [] : [need],
  patch: { '/process/scheduler': scheduler },
  observations: [{ id: `process.scheduler.${id}`, requirement: 'process.scheduler', ask: 'sched', want }],
}));

/** ioprio_set(2): class in the upper three bits, priority in the lower 13. */
const IO_CLASSES = { IOPRIO_CLASS_RT: [1, 2], IOPRIO_CLASS_BE: [2, 6], IOPRIO_CLASS_IDLE: [3, 7] } as const;

const ioPriorities: readonly Group[] = Object.entries(IO_CLASSES).map(([name, [number, priority]]) => ({
  name,
  needs: name === 'IOPRIO_CLASS_RT' ? ['capability:CAP_SYS_NICE'] : [],
  patch: { '/process/ioPriority': { class: name, priority } },
  observations: [
    {
      ...{ id: `process.io-priority.${name}`, requirement: 'process.io-priority', ask: 'sched' },
      check: ({ answer }) => same(Number(answer['ioprio']) >> 13, number, 'the class'),
    },
    {
      ...{ id: `process.io-priority.${name}.priority`, requirement: 'process.io-priority', ask: 'sched' },
      check: ({ answer }) => same(Number(answer['ioprio']) & 7, priority, 'the priority'),
    },
  ],
}));

const values: Group = {
  name: 'values of process',
  refusals: [
    ...broken('process.scheduler-values', {
      'scheduler-policy': ['/process/scheduler', { policy: 'SCHED_UNKNOWN' }],
      'scheduler-no-policy': ['/process/scheduler', { nice: 1 }],
      'scheduler-flag': ['/process/scheduler', { policy: 'SCHED_OTHER', flags: ['SCHED_FLAG_UNKNOWN'] }],
    }),
    ...broken('process.io-priority-values', {
      'io-class': ['/process/ioPriority', { class: 'IOPRIO_CLASS_UNKNOWN', priority: 1 }],
      'io-priority-above': ['/process/ioPriority', { class: 'IOPRIO_CLASS_BE', priority: 8 }],
      'io-priority-below': ['/process/ioPriority', { class: 'IOPRIO_CLASS_BE', priority: -1 }],
    }),
    {
      ...{ id: 'process.refuses.apparmor', requirement: 'process.apparmor' },
      patch: { '/process/apparmorProfile': 'no-such-profile' },
    },
    {
      ...{ id: 'process.refuses.selinux', requirement: 'process.selinux', needs: ['no-path:/sys/fs/selinux/enforce'] },
      patch: { '/process/selinuxLabel': 'system_u:system_r:container_t:s0' },
    },
  ],
};

/** Values that no runtime has of its own, and what a container is to have of them. */
const CALLER: Required<Caller> = { umask: 0o037, oomScore: 321, nice: 3 };

function ofCaller(id: string, requirement: string, ask: string, member: string, want: unknown, patch: Patch = {}) {
  const run = async (lab: Lab): Promise<void> => {
    lab.configure([ask], patch);
    succeeded(await lab.create({ caller: CALLER }), 'create');
    succeeded(await lab.start(lab.id, CALLER), 'start');
    const [answer] = await lab.answered();
    same(answer?.[member], want, member);
  };
  return { id, requirement, run };
}

const affinity: Script<Lab> = {
  ...{ id: 'process.exec-affinity.not-init', requirement: 'process.affinity', needs: ['processors:2'] },
  run: async (lab) => {
    await lab.created([STATUS], { '/process/execCPUAffinity': { initial: '0', final: '0' } });
    succeeded(await lab.start(), 'start');
    const [answer = {}] = await lab.answered();
    must(statusLine(answer, 'Cpus_allowed_list') !== '0', 'the program may run on processor 0 alone');
  },
};

const callers: readonly Script<Lab>[] = [
  ofCaller('process.umask.unset', 'process.umask-unset', 'self', 'umask', CALLER.umask),
  ofCaller('process.oom-score.unset', 'process.oom-score-unset', 'text|/proc/self/oom_score_adj', 'text', '321\n'),
  ofCaller('process.scheduler.nice-unset', 'process.scheduler', 'sched', 'nice', 0, {
    '/process/scheduler': { policy: 'SCHED_BATCH' },
  }),
];

export const processArea: Area = {
  name: 'process',
  requirements,
  groups: [basics, defaults, limits, unlimited, ...schedulers, ...ioPriorities, values],
  scripts: [...terminalScripts, ...callers, affinity],
};

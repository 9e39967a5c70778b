/** What the host offers, by the names that cases use in `needs`. Each name has one function, which says what is missing. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, rmdirSync } from 'node:fs';
import { release } from 'node:os';
import { delimiter, join } from 'node:path';
import { cgroupVersion, controllerDirectory, isUnified } from './cgroup.js';
import type { Need } from './model.js';

const CHECKS: { readonly [kind: string]: (name: string) => string | undefined } = {
  root: () => (process.geteuid?.() === 0 ? undefined : 'needs root'),
  /** A capability of the runtime. */
  capability: (name) => (hasCapability(name) ? undefined : `the host gives no ${name}`),
  controller: (name) => (controllerDirectory(name) ? undefined : `no cgroup controller ${name}`),
  /** The controller has another name in each version. */
  'block-io': () => CHECKS['controller']?.(isUnified('io') ? 'io' : 'blkio'),
  unified: (name) => (isUnified(name) ? undefined : `no cgroup2 controller ${name}`),
  namespace: (name) => (existsSync(`/proc/self/ns/${name}`) ? undefined : `no ${name} namespaces`),
  command: (name) => (findCommand(name) ? undefined : `${name} is not installed`),
  path: (path) => (existsSync(path) ? undefined : `no ${path}`),
  'no-path': (path) => (existsSync(path) ? `${path} is there` : undefined),
  'file-system': (name) =>
    new RegExp(`\\t${name}$`, 'm').test(read('/proc/filesystems')) ? undefined : `no file system ${name}`,
  /** "rlimit:NOFILE>=100": the hard limit that the suite itself has. */
  rlimit: (condition) => rlimitProblem(condition),
  realtime: () => realtimeProblem(),
  /** "linux:6.3": by its number, where nothing of the kernel tells more. */
  linux: (version) => (isSince(version) ? undefined : `needs Linux ${version}`),
  /** personality(2): whether uname(2) tells another machine in it. */
  'machine-of': (personality) =>
    machineIn(personality) === machineIn('linux64') ? `uname(2) tells the same machine in ${personality}` : undefined,
  processors: (count) => (onlineProcessors() >= Number(count) ? undefined : `needs ${count} processors`),
};

const answers = new Map<Need, string | undefined>();

/** Why this host does not have it, or undefined. */
export function needProblem(need: Need): string | undefined {
  if (!answers.has(need)) {
    const [kind = '', ...rest] = need.split(':');
    const check = CHECKS[kind];
    if (check === undefined) throw new Error(`unknown need '${need}'`);
    answers.set(need, check(rest.join(':')));
  }
  return answers.get(need);
}

/** The conditions of lists of deviations: expected.ts. */
export function holds(condition: string): boolean {
  if (condition === 'v1' || condition === 'v2') return cgroupVersion() === condition;
  if (condition.startsWith('!')) return !holds(condition.slice(1));
  return needProblem(condition) === undefined;
}

/** "Linux 6.1, cgroup v2 alone". */
export function describeHost(): string {
  const [version = ''] = /^\d+\.\d+/.exec(release()) ?? [];
  return `Linux ${version}, ${cgroupVersion() === 'v1' ? 'controllers on cgroup v1' : 'cgroup v2 alone'}`;
}

/** capabilities(7): the numbers that are needed here. */
export const CAPABILITY_NUMBERS: readonly string[] = [
  ...['CHOWN', 'DAC_OVERRIDE', 'DAC_READ_SEARCH', 'FOWNER', 'FSETID', 'KILL', 'SETGID', 'SETUID', 'SETPCAP'],
  ...['LINUX_IMMUTABLE', 'NET_BIND_SERVICE', 'NET_BROADCAST', 'NET_ADMIN', 'NET_RAW', 'IPC_LOCK', 'IPC_OWNER'],
  ...['SYS_MODULE', 'SYS_RAWIO', 'SYS_CHROOT', 'SYS_PTRACE', 'SYS_PACCT', 'SYS_ADMIN', 'SYS_BOOT', 'SYS_NICE'],
  ...['SYS_RESOURCE', 'SYS_TIME', 'SYS_TTY_CONFIG', 'MKNOD', 'LEASE', 'AUDIT_WRITE', 'AUDIT_CONTROL', 'SETFCAP'],
  ...['MAC_OVERRIDE', 'MAC_ADMIN', 'SYSLOG', 'WAKE_ALARM', 'BLOCK_SUSPEND', 'AUDIT_READ', 'PERFMON', 'BPF'],
  'CHECKPOINT_RESTORE',
].map((name) => `CAP_${name}`);

function hasCapability(name: string): boolean {
  const line = /^CapPrm:\s*(\w+)/m.exec(read('/proc/self/status'))?.[1] ?? '0';
  return ((BigInt(`0x${line}`) >> BigInt(CAPABILITY_NUMBERS.indexOf(name))) & 1n) === 1n;
}

const RLIMIT_ROWS: { readonly [name: string]: string } = {
  CPU: 'Max cpu time',
  FSIZE: 'Max file size',
  DATA: 'Max data size',
  STACK: 'Max stack size',
  CORE: 'Max core file size',
  RSS: 'Max resident set',
  NPROC: 'Max processes',
  NOFILE: 'Max open files',
  MEMLOCK: 'Max locked memory',
  AS: 'Max address space',
  LOCKS: 'Max file locks',
  SIGPENDING: 'Max pending signals',
  MSGQUEUE: 'Max msgqueue size',
  NICE: 'Max nice priority',
  RTPRIO: 'Max realtime priority',
  RTTIME: 'Max realtime timeout',
};

function rlimitProblem(condition: string): string | undefined {
  const [name = '', value = '0'] = condition.split('>=');
  if (hasCapability('CAP_SYS_RESOURCE')) return undefined;
  const row = read('/proc/self/limits')
    .split('\n')
    .find((line) => line.startsWith(RLIMIT_ROWS[name] ?? '?'));
  const hard = row?.slice(47).trim().split(/\s+/)[0] ?? '0';
  if (hard === 'unlimited' || Number(hard) >= Number(value)) return undefined;
  return `the hard limit RLIMIT_${name} is ${hard} here, and CAP_SYS_RESOURCE is missing`;
}

/**
 * sched(7): a kernel with real-time groups lets no real-time process into a cgroup until it has a budget, which cgroup2 has
 * no file for.
 */
function realtimeProblem(): string | undefined {
  const directory = controllerDirectory('cpu');
  if (existsSync(join(directory ?? '/', 'cpu.rt_runtime_us'))) return 'a new cgroup (v1) has no real-time budget here';
  if (directory === undefined || !isUnified('cpu')) return undefined;
  const cgroup = join(directory, `conformance-realtime-${process.pid}`);
  const script = 'echo +cpu >"$1/cgroup.subtree_control" && mkdir "$2" && echo 0 >"$2/cgroup.procs" && chrt -f 1 true';
  const { status } = spawnSync('sh', ['-c', script, 'sh', directory, cgroup], { stdio: 'ignore' });
  if (existsSync(cgroup)) rmdirSync(cgroup);
  return status === 0 ? undefined : 'a new cgroup (v2) may run no real-time process here';
}

function isSince(version: string): boolean {
  const [major = 0, minor = 0] = release().split('.', 2).map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = version.split('.').map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

/** Empty where it cannot be asked. */
function machineIn(personality: string): string {
  return spawnSync('setarch', [personality, 'uname', '-m'], { encoding: 'utf8' }).stdout ?? '';
}

function onlineProcessors(): number {
  return (read('/proc/cpuinfo').match(/^processor\s*:/gm) ?? []).length;
}

function findCommand(name: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

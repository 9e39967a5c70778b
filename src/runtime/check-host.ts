/**
 * What a plan will meet on this machine, op by op, before it runs: only what can be seen without touching anything, and
 * nothing below a rootfs, which may change under us (only the executor resolves paths there).
 */
import { accessSync, constants, lstatSync, readFileSync, readlinkSync, statfsSync, statSync } from 'node:fs';
import { posix } from 'node:path';
import type { SpecIssue, SpecIssueCode } from '../errors.js';
import type { HostFacts } from '../host/facts.js';
import { namespaceWords } from '../plan/names.js';
import { HOOK, type Op, type OpName } from '../plan/op.gen.js';
import type { Plan } from '../plan/plan.js';
import { issue } from '../spec/issues.js';
import { describeSystemError } from '../util/errno.js';
import { CLONE_NEW } from '../util/kernel.js';
import { asPointer } from '../util/pointer.js';

export interface Finding {
  readonly level: 'error' | 'warning';
  readonly issue: SpecIssue;
}

interface Look {
  readonly facts: HostFacts;
  /** Absolute path of the root file system. */
  readonly rootfs: string;
  /** The cgroups that create makes, which the container may be shown. */
  readonly cgroups: readonly string[];
}

type Checks = { readonly [K in OpName]?: (op: Extract<Op, { op: K }>, look: Look) => readonly Finding[] };

function found(
  level: Finding['level'],
  code: SpecIssueCode,
  op: Op,
  message: string,
  details: { readonly value?: unknown; readonly hint?: string } = {},
): Finding[] {
  return [{ level, issue: issue(code, op.origin, message, details) }];
}

function errorCodeOf(look: () => unknown): { readonly code: string; readonly text: string } | undefined {
  try {
    look();
    return undefined;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    return { code: String(error.code), text: describeSystemError(error) };
  }
}

function readLines(path: string): string[] | undefined {
  try {
    return readFileSync(path, 'utf8').trimEnd().split('\n');
  } catch {
    return undefined; // a file system that is not mounted, or not for this user: then nobody can tell
  }
}

const isBelow = (path: string, directory: string): boolean => path === directory || path.startsWith(`${directory}/`);
const hasSlot = (path: string): boolean => path.includes('\u0001');

/** A source below the rootfs may be made by an earlier mount. */
function checkSource(op: Op, source: string, { rootfs, cgroups }: Look): readonly Finding[] {
  if (source === '' || hasSlot(source) || (source !== rootfs && isBelow(source, rootfs))) return [];
  if (cgroups.some((cgroup) => isBelow(source, cgroup))) return [];
  const failed = errorCodeOf(() => statSync(source));
  if (failed === undefined) return [];
  if (source === rootfs) return checkRootfs(op, rootfs);
  const hint = 'a bind mount needs an existing source: create it first';
  return found('error', 'SOURCE_MISSING', op, `the source cannot be mounted: ${failed.text}`, { value: source, hint });
}

function checkRootfs(op: Op, path: string): readonly Finding[] {
  const hint = 'root.path must name an existing directory; a relative path starts at the bundle';
  const failed = errorCodeOf(() => lstatSync(path));
  if (failed !== undefined) return found('error', 'ROOTFS_MISSING', op, failed.text, { value: path, hint });
  const isDirectory = lstatSync(path).isDirectory();
  return isDirectory ? [] : found('error', 'ROOTFS_MISSING', op, 'is no directory', { value: path, hint });
}

const NSFS_MAGIC = 0x6e736673;
const NS_FILES: { readonly [link: string]: keyof typeof CLONE_NEW } = {
  pid: 'pid',
  net: 'network',
  mnt: 'mount',
  ipc: 'ipc',
  uts: 'uts',
  user: 'user',
  cgroup: 'cgroup',
  time: 'time',
};

/** Files of /proc/PID/ns are links that name their type; of one bound elsewhere only the kernel's ioctl could tell. */
function typeOfNamespace(path: string): bigint | undefined {
  try {
    const name = NS_FILES[readlinkSync(path).split(':', 1)[0] ?? ''];
    return name === undefined ? undefined : CLONE_NEW[name];
  } catch {
    return undefined;
  }
}

function checkNamespace(op: Extract<Op, { op: 'OPEN_NAMESPACE' }>): readonly Finding[] {
  const failed = errorCodeOf(() => statSync(op.path));
  const wrong = (message: string) => found('error', 'NAMESPACE_FILE', op, message, { value: op.path });
  if (failed !== undefined) return wrong(failed.text);
  if (statfsSync(op.path).type !== NSFS_MAGIC) return wrong('is no namespace file');
  const type = typeOfNamespace(op.path);
  return type === undefined || type === op.type
    ? []
    : wrong(`is of another type: ${namespaceWords(type)}, not ${namespaceWords(op.type)}`);
}

/** startContainer hooks are programs of the container. */
function checkHook(op: Extract<Op, { op: 'RUN_HOOK' }>): readonly Finding[] {
  if (op.kind === HOOK.START_CONTAINER) return [];
  const failed = errorCodeOf(() => accessSync(op.path, constants.X_OK));
  return failed === undefined
    ? []
    : found('error', 'HOOK_MISSING', op, `the hook cannot be executed: ${failed.text}`, { value: op.path });
}

/** A module may bring the file system when it is mounted. */
function checkFileSystem(op: Op & { readonly type: string }): readonly Finding[] {
  const name = op.type.split('.', 1)[0] ?? '';
  const known = readLines('/proc/filesystems')?.map((line) => line.split('\t').at(-1));
  if (known === undefined || known.includes(name)) return [];
  const hint = 'the kernel may load a module for it; if not, the mount fails';
  return found('warning', 'FILE_SYSTEM_UNKNOWN', op, 'the kernel does not have this file system', {
    value: op.type,
    hint,
  });
}

function checkSysctl(op: Extract<Op, { op: 'SYSCTL' }>): readonly Finding[] {
  const path = posix.join('/proc/sys', op.path);
  return errorCodeOf(() => lstatSync(path))?.code === 'ENOENT'
    ? found('warning', 'SYSCTL_UNKNOWN', op, 'the kernel does not have this parameter', { value: op.path })
    : [];
}

function checkProfile(op: Extract<Op, { op: 'APPARMOR' }>): readonly Finding[] {
  const loaded = readLines('/sys/kernel/security/apparmor/profiles')?.map((line) => line.replace(/ \(\w+\)$/, ''));
  return loaded === undefined || op.profile === 'unconfined' || loaded.includes(op.profile)
    ? []
    : found('error', 'APPARMOR_PROFILE', op, 'the profile is not loaded', {
        value: op.profile,
        hint: 'load it with apparmor_parser',
      });
}

const NAMESPACE_LIMITS: { readonly [name in keyof typeof CLONE_NEW]: string } = {
  pid: 'pid',
  network: 'net',
  mount: 'mnt',
  ipc: 'ipc',
  uts: 'uts',
  user: 'user',
  cgroup: 'cgroup',
  time: 'time',
};

function checkClone(op: Extract<Op, { op: 'CLONE' }>): readonly Finding[] {
  return Object.entries(CLONE_NEW).flatMap(([name, flag]) => {
    if ((op.namespaces & flag) === 0n) return [];
    const path = `/proc/sys/user/max_${NAMESPACE_LIMITS[name as keyof typeof CLONE_NEW]}_namespaces`;
    if (readLines(path)?.[0] !== '0') return [];
    return found('error', 'NAMESPACE_LIMIT', op, `no ${name} namespace can be made: ${path} is 0`);
  });
}

const CAP_SYS_RESOURCE = 24n;

function checkOomScore(op: Extract<Op, { op: 'OOM_SCORE_ADJ' }>, { facts }: Look): readonly Finding[] {
  const own = Number(readLines('/proc/self/oom_score_adj')?.[0] ?? -1000);
  if (op.value >= own || ((facts.capabilities >> CAP_SYS_RESOURCE) & 1n) === 1n) return [];
  const message = `lower than the runtime's own (${own}), which needs CAP_SYS_RESOURCE`;
  return found('error', 'OOM_SCORE_TOO_LOW', op, message, { value: op.value });
}

const CHECKS: Checks = {
  OPEN_ROOTFS: (op) => checkRootfs(op, op.path),
  OPEN_SOURCE: (op, look) => checkSource(op, op.path, look),
  MOUNT_BIND: (op, look) => checkSource(op, op.source, look),
  OPEN_NAMESPACE: checkNamespace,
  RUN_HOOK: checkHook,
  MOUNT_FS: checkFileSystem,
  MOUNT_LEGACY: checkFileSystem,
  SYSCTL: checkSysctl,
  APPARMOR: checkProfile,
  CLONE: checkClone,
  OOM_SCORE_ADJ: checkOomScore,
};

function check(op: Op, look: Look): readonly Finding[] {
  // The table has each op's own check; the cast joins the two.
  return (CHECKS[op.op] as ((op: Op, look: Look) => readonly Finding[]) | undefined)?.(op, look) ?? [];
}

/** Kernel versions the executor needs: README.md. */
const OLDEST_KERNEL = [5, 14] as const;

export function checkKernel({ kernel: [major, minor] }: HostFacts): readonly Finding[] {
  const old = major < OLDEST_KERNEL[0] || (major === OLDEST_KERNEL[0] && minor < OLDEST_KERNEL[1]);
  if (!old) return [];
  const message = `tsrun needs Linux ${OLDEST_KERNEL.join('.')} or later, this is ${major}.${minor}`;
  return [{ level: 'error', issue: issue('KERNEL_TOO_OLD', asPointer(''), message) }];
}

function rootfsOf({ lists }: Plan): string {
  const op = lists.init.find((candidate) => candidate.op === 'OPEN_ROOTFS');
  return op?.op === 'OPEN_ROOTFS' ? op.path : '/';
}

function cgroupsOf({ lists }: Plan): string[] {
  return lists.setup.flatMap((op) =>
    op.op === 'CGROUP_CREATE' || op.op === 'CGROUP_CREATE_V1' ? [posix.join(op.mount, op.path)] : [],
  );
}

/** only: ops whose check holds for any machine, because they are about the bundle. */
export function checkOps(plan: Plan, facts: HostFacts, only?: readonly OpName[]): Finding[] {
  const look = { facts, rootfs: rootfsOf(plan), cgroups: cgroupsOf(plan) };
  const { setup, spawn, settle, init, started, teardown } = plan.lists;
  return [...setup, ...spawn, ...settle, ...init, ...started, ...teardown]
    .filter(({ op }) => only === undefined || only.includes(op))
    .flatMap((op) => check(op, look));
}

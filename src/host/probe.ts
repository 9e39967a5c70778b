/**
 * Makes HostFacts: the only reader of the host. Some twenty small reads of /proc and /sys and a few system calls that
 * change nothing, about a millisecond in all.
 */
import { accessSync, constants, readdirSync, readFileSync } from 'node:fs';
import { machine, release, userInfo } from 'node:os';
import { posix } from 'node:path';
import { TsrunError } from '../errors.js';
import { type Addon, addon } from '../native/addon.js';
import { findTool } from '../util/tools.js';
import type { CgroupFacts, HostFacts, IdMapFacts, SeccompFacts } from './facts.js';
import {
  findCgroups,
  isInitialUidMap,
  parseCapabilities,
  parseCgroupLines,
  parseHardLimits,
  parseHugepageSize,
  parseKernel,
  parseMountinfo,
  parseNamespaces,
  parseSubordinate,
  parseWords,
} from './parse.js';
import { probeSystemd } from './systemd.js';

export function probeHost(): HostFacts {
  const native = tryAddon();
  const kernel = parseKernel(release());
  const cgroup = probeCgroup();
  const euid = process.geteuid?.() ?? 0;
  const inUserNamespace = !isInitialUidMap(readText('/proc/self/uid_map') ?? '0 0 4294967295');
  const capabilities = parseCapabilities(readText('/proc/self/status') ?? '');
  return {
    kernel,
    arch: machine(),
    euid,
    egid: process.getegid?.() ?? 0,
    inUserNamespace,
    rootless: euid !== 0 || inUserNamespace,
    mayMount: mayMount(native, capabilities),
    idMaps: probeIdMaps(euid),
    capabilities,
    lastCap: Number(readText('/proc/sys/kernel/cap_last_cap') ?? 40),
    namespaces: parseNamespaces(list('/proc/self/ns')),
    cgroup,
    systemd: probeSystemd(cgroup, process.env),
    seccomp: probeSeccomp(native),
    lsm: probeLsm(),
    resctrl: probeResctrl(),
    mountApi: probeMountApi(native, kernel),
    hardLimits: parseHardLimits(readText('/proc/self/limits') ?? ''),
  };
}

const CAP_SYS_ADMIN = 1n << 21n;

/** mount_setattr(2) asks this first, whatever it is told to do. */
function mayMount(native: Addon | undefined, capabilities: bigint): boolean {
  return (capabilities & CAP_SYS_ADMIN) !== 0n && native?.mountSetattrErrno(0) !== EPERM;
}

function probeIdMaps(euid: number): IdMapFacts {
  const setgroupsDenied = readText('/proc/self/setgroups') === 'deny';
  if (euid === 0) return { newuidmap: null, newgidmap: null, setgroupsDenied, user: 'root', uids: [], gids: [] };
  const user = userName(euid);
  const ranges = (file: string) => parseSubordinate(readText(file) ?? '', [user, String(euid)]);
  const tools = { newuidmap: findTool('newuidmap') ?? null, newgidmap: findTool('newgidmap') ?? null };
  return { ...tools, setgroupsDenied, user, uids: ranges('/etc/subuid'), gids: ranges('/etc/subgid') };
}

function userName(euid: number): string {
  try {
    return userInfo().username;
  } catch {
    return String(euid); // no entry in passwd(5)
  }
}

/** Facts must be had without the addon too, so that what does not need it works before it is built. */
function tryAddon(): Addon | undefined {
  try {
    return addon();
  } catch (error) {
    if (error instanceof TsrunError) return undefined;
    throw error;
  }
}

function probeCgroup(): CgroupFacts {
  const mounts = parseMountinfo(readText('/proc/self/mountinfo') ?? '');
  const { v1, ...v2 } = findCgroups(mounts, parseCgroupLines(readText('/proc/self/cgroup') ?? ''));
  const { mount, own } = v2;
  return {
    ...v2,
    writable: mount !== null && isWritable(posix.join(mount, posix.dirname(own))),
    controllers: mount === null ? [] : parseWords(readText(`${mount}/cgroup.controllers`) ?? ''),
    v1: v1.map((one) => ({ ...one, writable: isWritable(posix.join(one.mount, one.own)) || isWritable(one.mount) })),
    hugepageSizes: list('/sys/kernel/mm/hugepages').flatMap((name) => parseHugepageSize(name) ?? []),
  };
}

function probeResctrl(): HostFacts['resctrl'] {
  const mount = parseMountinfo(readText('/proc/self/mountinfo') ?? '').findLast(
    ({ type }) => type === 'resctrl',
  )?.point;
  return mount === undefined
    ? null
    : { mount, info: list(`${mount}/info`).filter((name) => name !== 'last_cmd_status') };
}

const FLAG_LOG = 2;
const FLAG_SPEC_ALLOW = 4;
const FLAG_NEW_LISTENER = 8;
const FLAG_WAIT_KILLABLE_RECV = 32;

/** WAIT_KILLABLE_RECV is only valid together with NEW_LISTENER. */
const SECCOMP_FLAGS: readonly (readonly [name: string, probe: number])[] = [
  ['SECCOMP_FILTER_FLAG_TSYNC', 1],
  ['SECCOMP_FILTER_FLAG_LOG', FLAG_LOG],
  ['SECCOMP_FILTER_FLAG_SPEC_ALLOW', FLAG_SPEC_ALLOW],
  ['SECCOMP_FILTER_FLAG_NEW_LISTENER', FLAG_NEW_LISTENER],
  ['SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV', FLAG_NEW_LISTENER | FLAG_WAIT_KILLABLE_RECV],
];

const EPERM = 1;
const EBADF = 9;
const EFAULT = 14;
const EINVAL = 22;

function probeSeccomp(native: Addon | undefined): SeccompFacts {
  const actions = readText('/proc/sys/kernel/seccomp/actions_avail');
  const known = SECCOMP_FLAGS.filter(([, probe]) => native?.seccompFlagsErrno(probe) === EFAULT);
  return {
    enabled: actions !== undefined,
    actions: parseWords(actions ?? ''),
    flags: known.map(([name]) => name),
    libseccomp: native?.seccompVersion() ?? null,
  };
}

/** The list of active modules needs securityfs, which many containers lack; each module has a sign of its own too. */
function probeLsm(): HostFacts['lsm'] {
  const active = readText('/sys/kernel/security/lsm')?.split(',') ?? [];
  const apparmor = readText('/sys/module/apparmor/parameters/enabled')?.startsWith('Y') ?? false;
  const selinux = readText('/sys/fs/selinux/enforce') !== undefined;
  return { apparmor: apparmor || active.includes('apparmor'), selinux: selinux || active.includes('selinux') };
}

const MOUNT_ATTR_IDMAP = 0x00100000;
const MOUNT_ATTR_NOSYMFOLLOW = 0x00200000;

/** Asked of the kernel; a caller that may not mount gets EPERM to any question, then the version must do. */
function probeMountApi(native: Addon | undefined, kernel: readonly [number, number]): HostFacts['mountApi'] {
  const knows = (attribute: number, since: readonly [number, number]) => {
    const errno = native?.mountSetattrErrno(attribute);
    if (errno === EBADF || errno === EINVAL) return errno === EBADF;
    return kernel[0] > since[0] || (kernel[0] === since[0] && kernel[1] >= since[1]);
  };
  return { idmap: knows(MOUNT_ATTR_IDMAP, [5, 12]), nosymfollow: knows(MOUNT_ATTR_NOSYMFOLLOW, [5, 14]) };
}

/** undefined when the file is not there or not for this user: a fact is then what its absence means. */
function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trimEnd();
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    if (isAbsence(error)) return [];
    throw error;
  }
}

function isWritable(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK);
    return true;
  } catch (error) {
    if (isAbsence(error)) return false;
    throw error;
  }
}

const ABSENCES = ['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM', 'EROFS', 'EINVAL', 'EIO', 'ENODEV', 'EOPNOTSUPP'];

function isAbsence(error: unknown): boolean {
  return error instanceof Error && 'code' in error && ABSENCES.includes(String(error.code));
}

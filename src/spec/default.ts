/**
 * The config.json that `tsrun spec` writes: a shell in a read-only root file system, as a template to edit.
 *
 * Pure.
 */
import type { Config, Linux, LinuxNamespace, Mount, Process } from './types.gen.js';

/** The runtime-spec version that tsrun implements; every 1.x document is accepted. */
export const OCI_VERSION = '1.3.0';

export interface DefaultOptions {
  /** For a user without privileges: a user namespace with one id, the host's network, no limits. */
  readonly rootless: boolean;
  /** With a cgroup namespace (hosts with cgroup v2). */
  readonly cgroupNamespace: boolean;
  /** The ids that root of a rootless container stands for. */
  readonly euid: number;
  readonly egid: number;
}

const CAPABILITIES: readonly string[] = ['CAP_AUDIT_WRITE', 'CAP_KILL', 'CAP_NET_BIND_SERVICE'];

const PROCESS: Process = {
  terminal: true,
  user: { uid: 0, gid: 0 },
  args: ['sh'],
  env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'TERM=xterm'],
  cwd: '/',
  // No inheritable set: programs with file capabilities would regain them (CVE-2022-24769).
  capabilities: { bounding: CAPABILITIES, effective: CAPABILITIES, permitted: CAPABILITIES },
  rlimits: [{ type: 'RLIMIT_NOFILE', hard: 1024n, soft: 1024n }],
  noNewPrivileges: true,
};

const HARDENED = ['nosuid', 'noexec', 'nodev'] as const;

const SYS: Mount = { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...HARDENED, 'ro'] };

/** sysfs belongs to a network namespace; without one the container can only get the host's, with all below: CVE-2023-25809. */
const ROOTLESS_SYS: Mount = {
  destination: '/sys',
  type: 'none',
  source: '/sys',
  options: ['rbind', ...HARDENED, 'rro'],
};

function mounts(rootless: boolean): readonly Mount[] {
  const pts = ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620'];
  return [
    { destination: '/proc', type: 'proc', source: 'proc' },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    // gid 5 is tty on the host; a rootless container has no such id.
    { destination: '/dev/pts', type: 'devpts', source: 'devpts', options: rootless ? pts : [...pts, 'gid=5'] },
    { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: [...HARDENED, 'mode=1777', 'size=65536k'] },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: HARDENED },
    rootless ? ROOTLESS_SYS : SYS,
    { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: [...HARDENED, 'relatime', 'ro'] },
  ];
}

const MASKED: readonly string[] = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/sys/firmware',
  '/proc/scsi',
];

const READONLY: readonly string[] = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

function namespaces({ rootless, cgroupNamespace }: DefaultOptions): readonly LinuxNamespace[] {
  const own = rootless ? [{ type: 'user' } as const] : [];
  const network = rootless ? [] : [{ type: 'network' } as const];
  const cgroup = cgroupNamespace ? [{ type: 'cgroup' } as const] : [];
  return [{ type: 'pid' }, ...network, { type: 'ipc' }, { type: 'uts' }, { type: 'mount' }, ...own, ...cgroup];
}

function linux(options: DefaultOptions): Linux {
  const rest = { namespaces: namespaces(options), maskedPaths: MASKED, readonlyPaths: READONLY };
  if (!options.rootless) return { resources: { devices: [{ allow: false, access: 'rwm' }] }, ...rest };
  return {
    uidMappings: [{ containerID: 0, hostID: options.euid, size: 1 }],
    gidMappings: [{ containerID: 0, hostID: options.egid, size: 1 }],
    ...rest,
  };
}

export function defaultSpec(options: DefaultOptions): Config {
  return {
    ociVersion: OCI_VERSION,
    process: PROCESS,
    root: { path: 'rootfs', readonly: true },
    hostname: 'tsrun',
    mounts: mounts(options.rootless),
    linux: linux(options),
  };
}

/**
 * What containers get whose makers do not ask for something else: that of dockerd, and the same for containers of
 * `image run` and of the daemon.
 *
 * Pure.
 */
import type { LinuxDeviceCgroup, Mount } from '../spec/types.gen.js';

export const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export const DEFAULT_CAPABILITIES: readonly string[] =
  'CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE'
    .split(' ')
    .map((name) => `CAP_${name}`);

export const DEFAULT_MASKED_PATHS: readonly string[] = [
  ...['acpi', 'asound', 'interrupts', 'kcore', 'keys', 'latency_stats', 'sched_debug', 'scsi', 'timer_list'].map(
    (name) => `/proc/${name}`,
  ),
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
];
export const DEFAULT_READONLY_PATHS: readonly string[] = ['bus', 'fs', 'irq', 'sys', 'sysrq-trigger'].map(
  (name) => `/proc/${name}`,
);

const HARDENED = ['nosuid', 'noexec', 'nodev'] as const;

export const DEFAULT_MOUNTS: readonly Mount[] = [
  { destination: '/proc', type: 'proc', source: 'proc', options: HARDENED },
  {
    destination: '/dev',
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
  },
  {
    destination: '/dev/pts',
    type: 'devpts',
    source: 'devpts',
    options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
  },
  { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...HARDENED, 'ro'] },
  { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['ro', ...HARDENED] },
  { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: HARDENED },
  { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: [...HARDENED, 'mode=1777', 'size=67108864'] },
];

/** Keys that engines or this runtime act upon: an image must not speak to them (CVE-2026-53488). */
export const RESERVED_LABELS =
  /^(io\.containerd|containerd\.io|io\.cri-containerd|io\.kubernetes|io\.podman|run\.oci|org\.systemd|org\.criu|tsrun)\b/;

/** null, zero, full, tty, random, urandom: the others of every container the runtime adds. */
export const DEFAULT_DEVICES: readonly LinuxDeviceCgroup[] = [
  { allow: false, access: 'rwm' },
  { allow: true, type: 'c' as const, access: 'm' },
  { allow: true, type: 'b' as const, access: 'm' },
  ...(
    [
      [1, 3],
      [1, 5],
      [1, 7],
      [1, 8],
      [1, 9],
      [5, 0],
    ] as const
  ).map(([major, minor]) => ({
    allow: true,
    type: 'c' as const,
    major: BigInt(major),
    minor: BigInt(minor),
    access: 'rwm',
  })),
];

/** Ports and pings of unprivileged programs concern nobody else in a network of the container's own. */
export const NETWORK_SYSCTLS: { readonly [name: string]: string } = {
  'net.ipv4.ip_unprivileged_port_start': '0',
  'net.ipv4.ping_group_range': '0 2147483647',
};

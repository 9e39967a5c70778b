/**
 * An image's config and what the command line says become the config.json of a bundle; what neither says is as dockerd
 * has it. image-spec conversion.md.
 *
 * Pure.
 */
import { TsrunError, UsageError } from '../errors.js';
import type { ImageConfig } from '../image/config.js';
import { OCI_VERSION } from '../spec/default.js';
import type { Config, Hook, Linux, LinuxNamespace, Mount, Process } from '../spec/types.gen.js';
import { quote } from '../util/quote.js';
import { defaultSeccomp } from './seccomp.js';
import type { Account } from './users.js';

export interface RunChoices {
  readonly id: string;
  /** What stands behind the image; empty: the image's own. */
  readonly args: readonly string[];
  /** undefined: the image's; empty text: none. */
  readonly entrypoint: string | undefined;
  /** NAME=value */
  readonly env: readonly string[];
  readonly workingDir: string | undefined;
  readonly terminal: boolean;
  readonly readOnly: boolean;
  readonly hostNetwork: boolean;
  readonly hostname: string;
  /** Labels of the command line; the image's are added under them. */
  readonly labels: { readonly [key: string]: string };
  readonly mounts: readonly Mount[];
  readonly poststop: readonly Hook[];
}

export interface HostTraits {
  readonly cgroupNamespace: boolean;
  /** node's process.arch */
  readonly arch: string;
}

const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

const CAPABILITIES: readonly string[] =
  'CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE'
    .split(' ')
    .map((name) => `CAP_${name}`);

const MASKED: readonly string[] = [
  ...['acpi', 'asound', 'interrupts', 'kcore', 'keys', 'latency_stats', 'sched_debug', 'scsi', 'timer_list'].map(
    (name) => `/proc/${name}`,
  ),
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
];
const READONLY: readonly string[] = ['bus', 'fs', 'irq', 'sys', 'sysrq-trigger'].map((name) => `/proc/${name}`);

const HARDENED = ['nosuid', 'noexec', 'nodev'] as const;

const MOUNTS: readonly Mount[] = [
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
const RESERVED =
  /^(io\.containerd|containerd\.io|io\.cri-containerd|io\.kubernetes|io\.podman|run\.oci|org\.systemd|org\.criu|tsrun)\b/;

export interface Converted {
  readonly config: Config;
  /** Labels that were left out. */
  readonly dropped: readonly string[];
}

/** Throws TsrunError IMAGE_INVALID, UsageError. */
export function imageSpec(image: ImageConfig, account: Account, choices: RunChoices, host: HostTraits): Converted {
  const entries = Object.entries(image.config.labels);
  const kept = entries.filter(([key]) => key !== '' && !RESERVED.test(key));
  const { poststop } = choices;
  const stopSignal = image.config.stopSignal === '' ? [] : [[STOP_SIGNAL, image.config.stopSignal] as const];
  return {
    config: {
      ociVersion: OCI_VERSION,
      process: processOf(image, account, choices),
      root: { path: 'rootfs', readonly: choices.readOnly },
      hostname: choices.hostname,
      mounts: [...MOUNTS, ...choices.mounts],
      annotations: { ...Object.fromEntries([...kept, ...stopSignal]), ...choices.labels },
      ...(poststop.length === 0 ? {} : { hooks: { poststop } }),
      linux: linuxOf(choices, host),
    },
    dropped: entries.filter(([key]) => RESERVED.test(key)).map(([key]) => key),
  };
}

/** conversion.md names it so. */
const STOP_SIGNAL = 'org.opencontainers.image.stopSignal';

function processOf(image: ImageConfig, account: Account, choices: RunChoices): Process {
  const effective = account.uid === 0 ? CAPABILITIES : [];
  return {
    terminal: choices.terminal,
    user: { uid: account.uid, gid: account.gid, additionalGids: account.additionalGids, umask: 0o022 },
    args: argsOf(image, choices),
    env: environmentOf(image, account, choices),
    cwd: workingDirOf(image, choices),
    // Of another user than root the sets are emptied by execve(2) anyway; the bounding set is what setuid programs get.
    capabilities: { bounding: CAPABILITIES, effective, permitted: effective },
    oomScoreAdj: 0,
  };
}

/** A new entrypoint takes the image's command away too: what would it do with it. */
function argsOf({ config }: ImageConfig, { args, entrypoint }: RunChoices): string[] {
  const own = entrypoint === undefined ? config.entrypoint : entrypoint === '' ? [] : [entrypoint];
  const command = args.length > 0 || entrypoint !== undefined ? args : config.cmd;
  const all = [...own, ...command];
  if (all.length > 0) return all;
  throw new UsageError('the image has neither entrypoint nor command', undefined, 'name a program behind the image');
}

/** Later ones replace earlier ones of the same name, where these stand. */
function environmentOf({ config }: ImageConfig, account: Account, choices: RunChoices): string[] {
  const defaults = [PATH, `HOSTNAME=${choices.hostname}`, `HOME=${account.home}`];
  const found = new Map<string, string>();
  for (const entry of [...defaults, ...(choices.terminal ? ['TERM=xterm'] : []), ...config.env, ...choices.env]) {
    found.set(entry.slice(0, entry.indexOf('=')), entry);
  }
  return [...found.values()];
}

function workingDirOf({ config }: ImageConfig, { workingDir }: RunChoices): string {
  const asked = workingDir ?? (config.workingDir === '' ? '/' : config.workingDir);
  if (asked.startsWith('/')) return asked;
  if (workingDir !== undefined) throw new UsageError(`--workdir: ${quote(asked)} is not an absolute path`, '--workdir');
  throw new TsrunError('IMAGE_INVALID', `image config: WorkingDir: ${quote(asked)} is not an absolute path`, {
    hint: 'name another one with --workdir',
  });
}

function linuxOf({ hostNetwork }: RunChoices, { cgroupNamespace, arch }: HostTraits): Linux {
  const namespaces: LinuxNamespace[] = [{ type: 'mount' }, { type: 'uts' }, { type: 'pid' }, { type: 'ipc' }];
  if (!hostNetwork) namespaces.push({ type: 'network' });
  if (cgroupNamespace) namespaces.push({ type: 'cgroup' });
  return {
    namespaces,
    maskedPaths: MASKED,
    readonlyPaths: READONLY,
    resources: { devices: DEVICES },
    seccomp: defaultSeccomp(CAPABILITIES, arch),
    // Ports and pings of unprivileged programs concern nobody else in a network of the container's own.
    ...(hostNetwork
      ? {}
      : { sysctl: { 'net.ipv4.ip_unprivileged_port_start': '0', 'net.ipv4.ping_group_range': '0 2147483647' } }),
  };
}

/** null, zero, full, tty, random, urandom: the others of every container the runtime adds. */
const DEVICES = [
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

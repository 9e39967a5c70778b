/**
 * HostFacts: all that the compiler may know of the machine, as one plain value. src/host/probe.ts makes it;
 * golden tests read it from host.json. Part of the plan cache's key, so it holds nothing that changes by the minute.
 *
 * Pure: types only.
 */
export type NamespaceType = 'pid' | 'network' | 'mount' | 'ipc' | 'uts' | 'user' | 'cgroup' | 'time';

/** A mounted hierarchy of cgroup v1 with its controllers, or with a name alone. */
export interface CgroupV1Facts {
  /** As /proc/PID/cgroup has it: "memory", "cpu,cpuacct", "name=systemd". */
  readonly controllers: string;
  readonly mount: string;
  /** The runtime's own cgroup below that mount. */
  readonly own: string;
  /** Whether the runtime may make cgroups there. */
  readonly writable: boolean;
}

export interface CgroupFacts {
  /** unified: cgroup2 alone; hybrid: cgroup2 beside v1 controllers; legacy: v1 alone; none: not mounted. */
  readonly layout: 'unified' | 'hybrid' | 'legacy' | 'none';
  /** Mount point of cgroup2, wherever it is, or null. */
  readonly mount: string | null;
  /** The runtime's own cgroup below that mount ("/" at the root). */
  readonly own: string;
  /** Whether the runtime may make cgroups beside its own, below the parent of `own`. */
  readonly writable: boolean;
  /** Controllers in the cgroup2 root's cgroup.controllers. */
  readonly controllers: readonly string[];
  /** The hierarchies of cgroup v1, in the order they were mounted; none on a unified host. */
  readonly v1: readonly CgroupV1Facts[];
  /** Huge page sizes as in the hugetlb.SIZE.max file names: "2MB", "1GB". */
  readonly hugepageSizes: readonly string[];
}

/** A manager that answers on D-Bus: the system's for root, the user's own for everybody else. */
export interface SystemdFacts {
  readonly manager: 'system' | 'user';
  /** 252; null when it cannot be told without asking it. */
  readonly version: number | null;
  /** The cgroup it begins at, below the cgroup2 mount. */
  readonly root: string;
  /** Controllers it may hand on. */
  readonly controllers: readonly string[];
  /** Sockets of the manager itself, and of a bus where it can be reached, "@" before an abstract name; tried in order. */
  readonly direct: readonly string[];
  readonly bus: readonly string[];
  /** /proc/devices: the name of the driver of each major number. */
  readonly drivers: { readonly [kind in 'block' | 'char']: { readonly [major: number]: string } };
}

export interface SeccompFacts {
  readonly enabled: boolean;
  /** Names without SECCOMP_RET_, from /proc/sys/kernel/seccomp/actions_avail: "kill_process", "errno", … */
  readonly actions: readonly string[];
  /** Flags the kernel takes, by full name: "SECCOMP_FILTER_FLAG_LOG". */
  readonly flags: readonly string[];
  /** "2.5.4", or null when the addon was built without libseccomp. */
  readonly libseccomp: string | null;
}

/** subuid(5), newuidmap(1): how a user without rights gets more ids than its own. */
export interface IdMapFacts {
  /** Absolute paths, null when the tool is not installed. */
  readonly newuidmap: string | null;
  readonly newgidmap: string | null;
  /** setgroups(2) is closed in the runtime's own user namespace, and so in all below: /proc/self/setgroups. */
  readonly setgroupsDenied: boolean;
  /** The name of the runtime's user, by which /etc/subuid grants ranges; its number when it has none. */
  readonly user: string;
  /** What /etc/subuid and /etc/subgid grant: first id and count. Another source may grant more: nsswitch.conf(5). */
  readonly uids: readonly (readonly [number, number])[];
  readonly gids: readonly (readonly [number, number])[];
}

export interface HostFacts {
  /** uname -r parts, major and minor. */
  readonly kernel: readonly [number, number];
  /** x86_64, aarch64, riscv64, … as uname -m. */
  readonly arch: string;
  readonly euid: number;
  readonly egid: number;
  /** True when the runtime itself runs in a user namespace other than the initial one. */
  readonly inUserNamespace: boolean;
  /** Whether a container may go without a cgroup that this user may not make: --rootless, or what auto found. */
  readonly rootless: boolean;
  /** CAP_SYS_ADMIN in the user namespace that owns the runtime's mount namespace, which need not be its own. */
  readonly mayMount: boolean;
  readonly idMaps: IdMapFacts;
  /** Effective capability mask of the runtime. */
  readonly capabilities: bigint;
  /** Highest capability number the kernel knows. */
  readonly lastCap: number;
  readonly namespaces: readonly NamespaceType[];
  readonly cgroup: CgroupFacts;
  /** null: this host or this user has none. */
  readonly systemd: SystemdFacts | null;
  readonly seccomp: SeccompFacts;
  readonly lsm: { readonly apparmor: boolean; readonly selinux: boolean };
  /** Intel RDT's file system: its mount point and the directories of info/ ("L3", "L3_MON", "MB"); null: not mounted. */
  readonly resctrl: { readonly mount: string; readonly info: readonly string[] } | null;
  /** Mount API features beyond the floor of Linux 5.14. */
  readonly mountApi: { readonly idmap: boolean; readonly nosymfollow: boolean };
  /** Parsed limits the executor cannot exceed: the runtime's own hard rlimits, by RLIMIT_ name. */
  readonly hardLimits: { readonly [name: string]: bigint };
}

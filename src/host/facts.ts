/**
 * HostFacts: all that the compiler may know of the machine, as one plain value. src/host/probe.ts makes it;
 * golden tests read it from host.json. Part of the plan cache's key, so it holds nothing that changes by the minute.
 *
 * Pure: types only.
 */
export type NamespaceType = 'pid' | 'network' | 'mount' | 'ipc' | 'uts' | 'user' | 'cgroup' | 'time';

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
  /** v1 controllers by name with their mount points; empty on a unified host. */
  readonly v1: { readonly [controller: string]: string };
  /** Huge page sizes as in the hugetlb.SIZE.max file names: "2MB", "1GB". */
  readonly hugepageSizes: readonly string[];
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

export interface HostFacts {
  /** uname -r parts, major and minor. */
  readonly kernel: readonly [number, number];
  /** x86_64, aarch64, riscv64, … as uname -m. */
  readonly arch: string;
  readonly euid: number;
  readonly egid: number;
  /** True when the runtime itself runs in a user namespace other than the initial one. */
  readonly inUserNamespace: boolean;
  /** Effective capability mask of the runtime. */
  readonly capabilities: bigint;
  /** Highest capability number the kernel knows. */
  readonly lastCap: number;
  readonly namespaces: readonly NamespaceType[];
  readonly cgroup: CgroupFacts;
  readonly seccomp: SeccompFacts;
  readonly lsm: { readonly apparmor: boolean; readonly selinux: boolean };
  /** Mount API features beyond the floor of Linux 5.14. */
  readonly mountApi: { readonly idmap: boolean; readonly nosymfollow: boolean };
  /** Parsed limits the executor cannot exceed: the runtime's own hard rlimits, by RLIMIT_ name. */
  readonly hardLimits: { readonly [name: string]: bigint };
}

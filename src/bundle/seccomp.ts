/**
 * The seccomp profile of a container whose maker asks for none: in effect that of dockerd. Decided when the bundle is
 * made, for the capabilities that the container has.
 *
 * Pure.
 */
import type { LinuxSeccomp, LinuxSyscall, SeccompArch } from '../spec/types.gen.js';
import { ALLOWED_CALLS } from './seccomp-calls.js';

/** By node's process.arch. The others of a machine run there too. */
const ARCHITECTURES: { readonly [arch: string]: readonly SeccompArch[] } = {
  x64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
  arm64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
  riscv64: ['SCMP_ARCH_RISCV64'],
  s390x: ['SCMP_ARCH_S390X', 'SCMP_ARCH_S390'],
};

const OF_ARCHITECTURE: { readonly [arch: string]: readonly string[] } = {
  x64: ['arch_prctl', 'modify_ldt'],
  ia32: ['modify_ldt'],
  s390x: ['s390_pci_mmio_read', 's390_pci_mmio_write', 's390_runtime_instr'],
};

const OF_CAPABILITY: { readonly [capability: string]: readonly string[] } = {
  CAP_DAC_READ_SEARCH: ['open_by_handle_at'],
  CAP_SYS_ADMIN: [
    ...['bpf', 'clone', 'clone3', 'fanotify_init', 'fsconfig', 'fsmount', 'fsopen', 'fspick', 'lookup_dcookie'],
    ...['lsm_get_self_attr', 'lsm_list_modules', 'lsm_set_self_attr', 'mount', 'mount_setattr', 'move_mount'],
    ...['open_tree', 'perf_event_open', 'quotactl', 'quotactl_fd', 'setdomainname', 'sethostname', 'setns', 'syslog'],
    ...['umount', 'umount2', 'unshare'],
  ],
  CAP_SYS_BOOT: ['reboot'],
  CAP_SYS_CHROOT: ['chroot'],
  CAP_SYS_MODULE: ['delete_module', 'finit_module', 'init_module'],
  CAP_SYS_PACCT: ['acct'],
  CAP_SYS_PTRACE: ['kcmp', 'pidfd_getfd', 'process_madvise'],
  CAP_SYS_RAWIO: ['ioperm', 'iopl'],
  CAP_SYS_TIME: ['clock_settime', 'clock_settime64', 'settimeofday', 'stime'],
  CAP_SYS_TTY_CONFIG: ['vhangup'],
  CAP_SYS_NICE: ['get_mempolicy', 'mbind', 'set_mempolicy', 'set_mempolicy_home_node'],
  CAP_SYSLOG: ['syslog'],
  CAP_BPF: ['bpf'],
  CAP_PERFMON: ['perf_event_open'],
};

/** PER_LINUX, PER_LINUX32, and both with UNAME26; all ones asks. personality(2). */
const PERSONALITIES = [0x0n, 0x8n, 0x20000n, 0x20008n, 0xffffffffn];

/** All flags of clone(2) that make a namespace, but CLONE_NEWTIME, which shares its bit with the exit signal. */
const NAMESPACE_FLAGS = 0x7e020000n;
/** Sockets that reach the hypervisor, and the kernel's crypto, which nobody needs and holes were in. */
const AF_ALG = 38n;
const AF_VSOCK = 40n;
const ENOSYS = 38;

const allow = (names: readonly string[]): LinuxSyscall => ({ names, action: 'SCMP_ACT_ALLOW' });

/** Below, between and above the two: a rule's conditions must all hold, so each range is a rule. */
const SOCKETS: readonly LinuxSyscall[] = [
  { ...allow(['socket']), args: [{ index: 0, value: AF_ALG, op: 'SCMP_CMP_LT' }] },
  { ...allow(['socket']), args: [{ index: 0, value: AF_ALG + 1n, op: 'SCMP_CMP_EQ' }] },
  { ...allow(['socket']), args: [{ index: 0, value: AF_VSOCK, op: 'SCMP_CMP_GT' }] },
];

/** clone3 hides its flags behind a pointer; with ENOSYS the C library falls back on clone. */
const withoutNamespaces = (arch: string): readonly LinuxSyscall[] => [
  {
    ...allow(['clone']),
    args: [{ index: arch === 's390x' ? 1 : 0, value: NAMESPACE_FLAGS, valueTwo: 0n, op: 'SCMP_CMP_MASKED_EQ' }],
  },
  { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS },
];

/** arch: node's process.arch. */
export function defaultSeccomp(capabilities: readonly string[], arch: string): LinuxSeccomp {
  const held = capabilities.flatMap((name) => OF_CAPABILITY[name] ?? []);
  const names = new Set([
    ...ALLOWED_CALLS,
    ...['ptrace', 'process_vm_readv', 'process_vm_writev'], // safe since Linux 4.8
    ...(OF_ARCHITECTURE[arch] ?? []),
    ...held,
  ]);
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: 1,
    ...(ARCHITECTURES[arch] === undefined ? {} : { architectures: ARCHITECTURES[arch] }),
    syscalls: [
      allow([...names].sort()),
      ...SOCKETS,
      ...PERSONALITIES.map(
        (value): LinuxSyscall => ({ ...allow(['personality']), args: [{ index: 0, value, op: 'SCMP_CMP_EQ' }] }),
      ),
      ...(capabilities.includes('CAP_SYS_ADMIN') ? [] : withoutNamespaces(arch)),
    ],
  };
}

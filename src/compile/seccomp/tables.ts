/**
 * The words of linux.seccomp and their numbers: actions, comparisons, architectures, filter flags.
 *
 * OCI runtime-spec, config-linux "Seccomp"; seccomp(2), linux/seccomp.h, linux/audit.h. Pure: data.
 */
import type { SeccompAction, SeccompArch, SeccompFlag, SeccompOperator } from '../../spec/types.gen.js';

export interface ActionEntry {
  /** SECCOMP_RET_* */
  readonly value: number;
  /** As in /proc/sys/kernel/seccomp/actions_avail. */
  readonly kernelName: string;
  /** Whether the low 16 bits hold an errno, or a number for the tracer. */
  readonly takesData: boolean;
}

export const ACTIONS: { readonly [action in SeccompAction]: ActionEntry } = {
  SCMP_ACT_KILL: { value: 0x00000000, kernelName: 'kill_thread', takesData: false },
  SCMP_ACT_KILL_THREAD: { value: 0x00000000, kernelName: 'kill_thread', takesData: false },
  SCMP_ACT_KILL_PROCESS: { value: 0x80000000, kernelName: 'kill_process', takesData: false },
  SCMP_ACT_TRAP: { value: 0x00030000, kernelName: 'trap', takesData: false },
  SCMP_ACT_ERRNO: { value: 0x00050000, kernelName: 'errno', takesData: true },
  SCMP_ACT_NOTIFY: { value: 0x7fc00000, kernelName: 'user_notif', takesData: false },
  SCMP_ACT_TRACE: { value: 0x7ff00000, kernelName: 'trace', takesData: true },
  SCMP_ACT_LOG: { value: 0x7ffc0000, kernelName: 'log', takesData: false },
  SCMP_ACT_ALLOW: { value: 0x7fff0000, kernelName: 'allow', takesData: false },
};

/** enum scmp_compare of seccomp.h. */
export const OPERATORS: { readonly [operator in SeccompOperator]: number } = {
  SCMP_CMP_NE: 1,
  SCMP_CMP_LT: 2,
  SCMP_CMP_LE: 3,
  SCMP_CMP_EQ: 4,
  SCMP_CMP_GE: 5,
  SCMP_CMP_GT: 6,
  SCMP_CMP_MASKED_EQ: 7,
};

/**
 * AUDIT_ARCH_*: the ELF machine number, with bit 31 for 64 bit and bit 30 for little endian. x32 has no number of its
 * own (it is x86_64 with another pointer size), so libseccomp leaves bit 31 out for it.
 */
export const ARCHITECTURES: { readonly [architecture in SeccompArch]: number } = {
  SCMP_ARCH_X86: 0x40000003,
  SCMP_ARCH_X86_64: 0xc000003e,
  SCMP_ARCH_X32: 0x4000003e,
  SCMP_ARCH_ARM: 0x40000028,
  SCMP_ARCH_AARCH64: 0xc00000b7,
  SCMP_ARCH_MIPS: 0x00000008,
  SCMP_ARCH_MIPS64: 0x80000008,
  SCMP_ARCH_MIPS64N32: 0xa0000008,
  SCMP_ARCH_MIPSEL: 0x40000008,
  SCMP_ARCH_MIPSEL64: 0xc0000008,
  SCMP_ARCH_MIPSEL64N32: 0xe0000008,
  SCMP_ARCH_PPC: 0x00000014,
  SCMP_ARCH_PPC64: 0x80000015,
  SCMP_ARCH_PPC64LE: 0xc0000015,
  SCMP_ARCH_S390: 0x00000016,
  SCMP_ARCH_S390X: 0x80000016,
  SCMP_ARCH_PARISC: 0x0000000f,
  SCMP_ARCH_PARISC64: 0x8000000f,
  SCMP_ARCH_RISCV64: 0xc00000f3,
  SCMP_ARCH_LOONGARCH64: 0xc0000102,
  SCMP_ARCH_M68K: 0x00000004,
  SCMP_ARCH_SH: 0x4000002a,
  SCMP_ARCH_SHEB: 0x0000002a,
};

/** SECCOMP_FILTER_FLAG_* of linux/seccomp.h. */
export const NEW_LISTENER = 8;

export const FLAGS: { readonly [flag in SeccompFlag]: number } = {
  // The filter is loaded by a process of one thread: there is nothing to synchronise.
  SECCOMP_FILTER_FLAG_TSYNC: 0,
  SECCOMP_FILTER_FLAG_LOG: 2,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 4,
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: 32,
};

/**
 * What the compiler needs from outside to stay pure: today only libseccomp, which the addon calls (ADR 0003).
 * src/native/seccomp.ts implements it; golden tests hand in a recorded one.
 *
 * Pure: types only.
 */

/** One libseccomp rule. All conditions must hold; action is a SECCOMP_RET_* value with its data. */
export interface SeccompRule {
  readonly name: string;
  readonly action: number;
  readonly conditions: readonly SeccompCondition[];
}

/** A comparison of a system call argument; op is SCMP_CMP_*; two is only read by MASKED_EQ (one is then the mask). */
export interface SeccompCondition {
  readonly index: number;
  readonly op: number;
  readonly one: bigint;
  readonly two: bigint;
}

export interface SeccompRequest {
  readonly defaultAction: number;
  /** AUDIT_ARCH_* values as libseccomp's SCMP_ARCH_*; the native architecture is always in the filter. */
  readonly architectures: readonly number[];
  /** Rules whose action is not defaultAction. */
  readonly rules: readonly SeccompRule[];
  /** Every system call name the profile mentions, those without a rule too. */
  readonly names: readonly string[];
  /** Binary tree over system call numbers instead of a list. */
  readonly binaryTree: boolean;
}

export interface SeccompFilter {
  readonly ok: true;
  /** struct sock_filter[], 8 bytes each. */
  readonly filter: Uint8Array;
  /** Names that libseccomp does not know. */
  readonly unknown: readonly string[];
  /** By architecture (SCMP_ARCH_*, the native one first) the highest system call number the names stand for; -1: none. */
  readonly highest: readonly { readonly architecture: number; readonly number: number }[];
}

/** What libseccomp refused: at is the call; index is that of the rule or architecture. */
export interface SeccompRefusal {
  readonly ok: false;
  readonly at: 'init' | 'architecture' | 'rule' | 'export';
  readonly index: number;
  readonly errno: number;
}

export type SeccompCompiler = (request: SeccompRequest) => SeccompFilter | SeccompRefusal;

export interface CompileServices {
  readonly seccomp: SeccompCompiler;
}

/**
 * What the compiler asks of libseccomp and what it answers: src/compile/seccomp.ts asks, the addon answers (ADR 0003).
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
  /** AUDIT_ARCH_* values as libseccomp's SCMP_ARCH_*; 0 is the native one and comes first. */
  readonly architectures: readonly number[];
  /** Rules whose action is not defaultAction. */
  readonly rules: readonly SeccompRule[];
  /** Every system call name the profile mentions, those without a rule too. */
  readonly names: readonly string[];
  /** Binary tree over system call numbers instead of a list. */
  readonly binaryTree: boolean;
}

/** A filter for one architecture. */
export interface SeccompProgram {
  /** SCMP_ARCH_*, never 0. */
  readonly architecture: number;
  /** struct sock_filter[], 8 bytes each; refuses any other architecture by itself. */
  readonly filter: Uint8Array;
  /** The highest system call number that the names stand for; -1: none is a call of this architecture. */
  readonly highest: number;
}

export interface SeccompPrograms {
  readonly ok: true;
  /** In the order of the request, an architecture that is asked for twice once. */
  readonly programs: readonly SeccompProgram[];
  /** Names that libseccomp does not know. */
  readonly unknown: readonly string[];
}

/** What libseccomp refused: at is the call; index is that of the rule or architecture. */
export interface SeccompRefusal {
  readonly ok: false;
  readonly at: 'init' | 'architecture' | 'rule' | 'export';
  readonly index: number;
  readonly errno: number;
}

export type SeccompCompiler = (request: SeccompRequest) => SeccompPrograms | SeccompRefusal;

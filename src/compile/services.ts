/**
 * What the compiler needs from outside to stay pure: today only libseccomp, which the addon calls (ADR 0003).
 * src/native/seccomp.ts implements it; golden tests hand in a recorded one.
 *
 * Pure: types only.
 */
import type { SeccompCompiler } from '../util/seccomp.js';

export interface CompileServices {
  readonly seccomp: SeccompCompiler;
}

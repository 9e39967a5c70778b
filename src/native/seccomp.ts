/**
 * The seccomp service of the compiler: libseccomp through the addon (docs/adr/0003-libseccomp-at-compile-time.md).
 */
import type { SeccompCompiler } from '../util/seccomp.js';
import { addon } from './addon.js';

export const compileWithLibseccomp: SeccompCompiler = (request) => addon().seccompCompile(request);

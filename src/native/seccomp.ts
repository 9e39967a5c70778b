/**
 * The seccomp service of the compiler: libseccomp through the addon (docs/adr/0003-libseccomp-at-compile-time.md). The last
 * few answers are kept: a process that makes many containers makes them of one or two profiles, and libseccomp takes
 * longer for one than all of the compiler.
 */
import { stringifyJson } from '../util/json-write.js';
import type { SeccompCompiler } from '../util/seccomp.js';
import { addon } from './addon.js';

const MOST_KEPT = 8;
/** The least recently used first. */
const kept = new Map<string, ReturnType<SeccompCompiler>>();

export const compileWithLibseccomp: SeccompCompiler = (request) => {
  const key = stringifyJson(request);
  const answer = kept.get(key) ?? addon().seccompCompile(request);
  kept.delete(key);
  kept.set(key, answer);
  for (const oldest of [...kept.keys()].slice(0, -MOST_KEPT)) kept.delete(oldest);
  return answer;
};

/**
 * Expressions that a client wrote, which Go's engine matches in linear time: what that engine has not is refused (back
 * references, looking ahead and behind), and V8 is told to take its own linear engine once backtracking gets long.
 */
import { setFlagsFromString } from 'node:v8';

const MAX_LENGTH = 512;
const NOT_IN_GO = /\\[1-9]|\\k<|\(\?[=!]|\(\?<[=!]/;

let isLinear = false;

/** Undefined for what is no expression, or too long. */
export function safeRegExp(source: string): RegExp | undefined {
  if (source.length > MAX_LENGTH || NOT_IN_GO.test(source)) return undefined;
  if (!isLinear) setFlagsFromString('--enable-experimental-regexp-engine-on-excessive-backtracks');
  isLinear = true;
  try {
    return new RegExp(source);
  } catch {
    return undefined;
  }
}

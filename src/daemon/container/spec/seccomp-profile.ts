/**
 * A seccomp profile in Docker's format (JSON, as `--security-opt seccomp=FILE` sends it) for one container: rules for other
 * architectures, capabilities and kernels are left out. Also takes the OCI's own form.
 *
 * Pure.
 */

import { parseJson } from '../../../spec/json.js';
import type { LinuxSeccomp, LinuxSyscall, SeccompArch } from '../../../spec/types.gen.js';
import { SECCOMP_ACTIONS, SECCOMP_ARCHS, SECCOMP_OPERATORS } from '../../../spec/values.gen.js';
import { refuse } from '../options/refuse.js';

/** node's process.arch to the names that profiles use: Go's GOARCH and libseccomp's. */
const ARCHES: { readonly [arch: string]: readonly [go: string, native: SeccompArch] } = {
  x64: ['amd64', 'SCMP_ARCH_X86_64'],
  arm64: ['arm64', 'SCMP_ARCH_AARCH64'],
  riscv64: ['riscv64', 'SCMP_ARCH_RISCV64'],
  s390x: ['s390x', 'SCMP_ARCH_S390X'],
};
const MOST_CALLS = 100_000;

type Fields = { readonly [name: string]: unknown };

const bad = (why: string) => refuse(`Decoding seccomp profile failed: ${why}`);

/** Throws TsrunError REQUEST_INVALID with the place. */
export function seccompProfile(text: string, capabilities: readonly string[], arch: string): LinuxSeccomp {
  const profile = object(parse(text), 'the profile');
  const [go, native] = ARCHES[arch] ?? ['', undefined];
  const calls = list(profile['syscalls'], 'syscalls');
  if (calls.length > MOST_CALLS) throw bad(`more than ${MOST_CALLS} rules`);
  const applies = (rule: Fields, at: string): boolean =>
    matches(object(rule['includes'] ?? {}, `${at}.includes`), capabilities, go, true) &&
    !matches(object(rule['excludes'] ?? {}, `${at}.excludes`), capabilities, go, false);
  const architectures = architecturesOf(profile, native);
  const errno = profile['defaultErrnoRet'];
  return {
    defaultAction: oneOf(profile['defaultAction'], SECCOMP_ACTIONS, 'defaultAction'),
    ...(errno === undefined || errno === null ? {} : { defaultErrnoRet: integer(errno, 'defaultErrnoRet') }),
    ...(architectures.length > 0 ? { architectures } : {}),
    syscalls: calls.flatMap((item, index) => {
      const at = `syscalls.${index}`;
      const rule = object(item, at);
      return applies(rule, at) ? [syscall(rule, at)] : [];
    }),
  };
}

function parse(text: string): unknown {
  try {
    return parseJson(text).value;
  } catch (error) {
    throw bad(error instanceof Error ? error.message : 'not JSON');
  }
}

function architecturesOf(profile: Fields, native: SeccompArch | undefined): SeccompArch[] {
  const named = list(profile['architectures'], 'architectures').map((one) =>
    oneOf(one, SECCOMP_ARCHS, 'architectures'),
  );
  if (named.length > 0) return named;
  for (const [index, item] of list(profile['archMap'], 'archMap').entries()) {
    const entry = object(item, `archMap.${index}`);
    if (entry['architecture'] !== native) continue;
    const others = list(entry['subArchitectures'], `archMap.${index}.subArchitectures`);
    return [entry['architecture'], ...others].map((one) => oneOf(one, SECCOMP_ARCHS, `archMap.${index}`));
  }
  return [];
}

/** Of includes all that is given must hold, of excludes any: an empty filter holds for includes and not for excludes. */
function matches(filter: Fields, capabilities: readonly string[], arch: string, all: boolean): boolean {
  const caps = list(filter['caps'], 'caps');
  const arches = list(filter['arches'], 'arches');
  const held = caps.map((name) => capabilities.includes(String(name)));
  const tests = [
    ...(caps.length > 0 ? [all ? held.every(Boolean) : held.some(Boolean)] : []),
    ...(arches.length > 0 ? [arches.includes(arch)] : []),
    // The oldest kernel that tsrun runs on, 5.14, is newer than any that a profile asks for.
    ...(filter['minKernel'] !== undefined && filter['minKernel'] !== null ? [true] : []),
  ];
  return all ? tests.every(Boolean) : tests.some(Boolean);
}

function syscall(rule: Fields, at: string): LinuxSyscall {
  const single = rule['name'];
  const names = [
    ...(typeof single === 'string' && single !== '' ? [single] : []),
    ...list(rule['names'], `${at}.names`),
  ];
  if (names.length === 0) throw bad(`${at}: no names`);
  const args = list(rule['args'], `${at}.args`).map((item, index) =>
    argument(object(item, `${at}.args.${index}`), `${at}.args.${index}`),
  );
  const errno = rule['errnoRet'];
  return {
    names: names.map((name) => string(name, `${at}.names`)),
    action: oneOf(rule['action'], SECCOMP_ACTIONS, `${at}.action`),
    ...(errno === undefined || errno === null ? {} : { errnoRet: integer(errno, `${at}.errnoRet`) }),
    ...(args.length > 0 ? { args } : {}),
  };
}

function argument(arg: Fields, at: string): NonNullable<LinuxSyscall['args']>[number] {
  const two = arg['valueTwo'];
  return {
    index: integer(arg['index'], `${at}.index`),
    value: wide(arg['value'], `${at}.value`),
    ...(two === undefined || two === null ? {} : { valueTwo: wide(two, `${at}.valueTwo`) }),
    op: oneOf(arg['op'], SECCOMP_OPERATORS, `${at}.op`),
  };
}

function object(value: unknown, at: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw bad(`${at} must be an object`);
}

function list(value: unknown, at: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  throw bad(`${at} must be a list`);
}

function string(value: unknown, at: string): string {
  if (typeof value === 'string') return value;
  throw bad(`${at} must be a text`);
}

function integer(value: unknown, at: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value;
  throw bad(`${at} must be a number`);
}

function wide(value: unknown, at: string): bigint {
  if (typeof value === 'bigint') return value;
  return BigInt(integer(value, at));
}

function oneOf<T extends string>(value: unknown, allowed: readonly T[], at: string): T {
  const found = allowed.find((one) => one === value);
  if (found === undefined) throw bad(`${at}: ${JSON.stringify(value)?.slice(0, 64)} is not supported`);
  return found;
}

/**
 * linux.seccomp to the SECCOMP op: rules are normalised here, compiled by libseccomp (a service, so that this stays
 * pure), joined and given a prologue for system calls the profile cannot know.
 *
 * OCI runtime-spec, config-linux "Seccomp"; docs/adr/0003-libseccomp-at-compile-time.md. Pure.
 */
import { SpecError, type SpecIssue } from '../errors.js';
import type { HostFacts } from '../host/facts.js';
import type { SeccompOp } from '../plan/op.gen.js';
import type { LinuxSeccomp } from '../spec/types.gen.js';
import { describeErrno } from '../util/errno.js';
import { append } from '../util/pointer.js';
import type { SeccompRefusal } from '../util/seccomp.js';
import { type Report, refuse, warn } from './report.js';
import { joinPrograms } from './seccomp/join.js';
import { type Normalized, normalizeProfile, refuseSize, SECCOMP } from './seccomp/rules.js';
import { FLAGS, NEW_LISTENER } from './seccomp/tables.js';
import type { CompileServices } from './services.js';

/** BPF_MAXINSNS of linux/bpf_common.h. */
const MAX_INSTRUCTIONS = 4096;
const EEXIST = 17;
const SPEC_ALLOW = 'SECCOMP_FILTER_FLAG_SPEC_ALLOW';
const WAIT_KILLABLE = 'SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV';

export interface CompiledSeccomp {
  readonly op: SeccompOp;
  /** Whether a rule asks the agent at listenerPath. */
  readonly notifies: boolean;
  readonly warnings: readonly SpecIssue[];
}

/** Throws SpecError with all the issues of the profile on this host. */
export function compileSeccomp(profile: LinuxSeccomp, facts: HostFacts, services: CompileServices): CompiledSeccomp {
  const report: Report = { issues: [], warnings: [] };
  if (!facts.seccomp.enabled) {
    const hint = 'it needs CONFIG_SECCOMP_FILTER';
    refuse(report, 'SECCOMP_UNAVAILABLE', SECCOMP, 'this kernel has no seccomp filters', { hint });
    throw new SpecError(report.issues);
  }
  const notifies = profile.syscalls?.some(({ action }) => action === 'SCMP_ACT_NOTIFY') ?? false;
  const flags = filterFlags(profile, facts, report, notifies);
  checkListener(profile, report, notifies);
  const normalized = normalizeProfile(profile, facts, report);
  const filter = report.issues.length === 0 ? makeFilter(normalized, services, report) : undefined;
  if (filter === undefined || report.issues.length > 0) throw new SpecError(report.issues);
  return { op: { op: 'SECCOMP', flags, filter, origin: SECCOMP }, notifies, warnings: report.warnings };
}

/**
 * Unset means speculation as without a filter, where the kernel can do that; an empty list means no flag at all. The
 * kernel takes WAIT_KILLABLE_RECV only together with a listener.
 */
function filterFlags(profile: LinuxSeccomp, facts: HostFacts, report: Report, notifies: boolean): number {
  const supported = facts.seccomp.flags;
  const listener = notifies ? NEW_LISTENER : 0;
  if (profile.flags === undefined) return listener | (supported.includes(SPEC_ALLOW) ? FLAGS[SPEC_ALLOW] : 0);
  const hint = `it has: ${supported.join(', ') || 'none'}`;
  for (const [index, flag] of profile.flags.entries()) {
    const path = append(SECCOMP, 'flags', index);
    if (!supported.includes(flag)) {
      refuse(report, 'SECCOMP_FLAG', path, 'this kernel does not have the flag', { value: flag, hint });
    } else if (flag === WAIT_KILLABLE && !notifies) {
      warn(report, 'NO_EFFECT', path, 'has no effect without SCMP_ACT_NOTIFY', { value: flag });
    }
  }
  const wanted = profile.flags.filter((flag) => notifies || flag !== WAIT_KILLABLE);
  return wanted.reduce((flags, flag) => flags | FLAGS[flag], listener);
}

/** One that nobody would ever tell anything: engines write the path into every profile. */
function checkListener({ listenerPath = '' }: LinuxSeccomp, report: Report, notifies: boolean): void {
  if (notifies || listenerPath === '') return;
  warn(report, 'NO_EFFECT', append(SECCOMP, 'listenerPath'), 'has no effect without SCMP_ACT_NOTIFY', {
    value: listenerPath,
  });
}

function makeFilter(normalized: Normalized, services: CompileServices, report: Report): Uint8Array | undefined {
  const compiled = services.seccomp(normalized.request);
  if (!compiled.ok) {
    explainRefusal(compiled, normalized, report);
    return undefined;
  }
  warnUnknown(compiled.unknown, report);
  const filter = joinPrograms(normalized.request.defaultAction, compiled.programs);
  const instructions = filter.length / 8;
  if (instructions > MAX_INSTRUCTIONS) {
    refuseSize(report, `become a filter of ${instructions} instructions, the kernel takes ${MAX_INSTRUCTIONS}`);
  }
  return filter;
}

/** One warning for all: an older libseccomp misses dozens of the names in a distribution's profile. */
function warnUnknown(unknown: readonly string[], report: Report): void {
  if (unknown.length === 0) return;
  const which = unknown.length === 1 ? 'a system call' : `${unknown.length} system calls`;
  const message = `this libseccomp does not know ${which}: skipped`;
  warn(report, 'SECCOMP_UNKNOWN_SYSCALL', append(SECCOMP, 'syscalls'), message, { value: unknown.join(' ') });
}

function explainRefusal({ at, index, errno }: SeccompRefusal, { request, sources }: Normalized, report: Report): void {
  const reason = errno === EEXIST ? 'contradicts an earlier rule' : `libseccomp refused it: ${describeErrno(errno)}`;
  if (at === 'architecture') {
    const path = append(SECCOMP, 'architectures', index - 1);
    refuse(report, 'SECCOMP_ARCHITECTURE', path, 'this libseccomp does not know the architecture');
  } else if (at === 'rule') {
    const path = append(SECCOMP, 'syscalls', sources[index] ?? 0);
    refuse(report, 'SECCOMP_RULE', path, reason, { value: request.rules[index]?.name ?? '' });
  } else {
    refuse(report, 'SECCOMP_PROFILE', SECCOMP, reason);
  }
}

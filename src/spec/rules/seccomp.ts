/**
 * Rules of linux.seccomp (runtime-spec config-linux.md, "Seccomp").
 *
 * Pure.
 */
import { type Rule, rulesOf, type Site } from '../rule.js';
import type { Config, LinuxSeccomp, LinuxSyscall, SeccompAction } from '../types.gen.js';

/** What the data half of a return value holds, by action: an errno (MAX_ERRNO), or any 16 bits for a tracer. */
const DATA: { readonly [A in SeccompAction]?: number } = { SCMP_ACT_ERRNO: 4095, SCMP_ACT_TRACE: 65535 };

/** sockaddr_un's path has 108 bytes with the NUL: unix(7). */
const SOCKET_BYTES = 107;

const rule = rulesOf<Config>();

function errnoFits(action: SeccompAction, errno: number | undefined, at: string, on: Site<Config>): void {
  if (errno === undefined) return;
  const most = DATA[action];
  if (most === undefined) on.error('ERRNO_UNUSED', at, `cannot be used with ${action}, which returns no errno`);
  else if (errno > most) on.error('OUT_OF_RANGE', at, `out of range 0..${most}`);
}

function defaults(seccomp: LinuxSeccomp, on: Site<Config>): void {
  errnoFits(seccomp.defaultAction, seccomp.defaultErrnoRet, '/defaultErrnoRet', on);
  if (seccomp.defaultAction === 'SCMP_ACT_NOTIFY') {
    on.error('NOTIFY_DEFAULT', '/defaultAction', 'SCMP_ACT_NOTIFY cannot be used as default action');
  }
}

function syscall({ names, action, errnoRet }: LinuxSyscall, on: Site<Config>): void {
  if (names.length === 0) on.error('EMPTY', '/names', 'must not be empty');
  // indexOf, for profiles have hundreds of names.
  const unnamed = names.indexOf('');
  if (unnamed >= 0) on.error('EMPTY', `/names/${unnamed}`, 'must not be empty');
  // The init process still writes to exec.fifo after the filter is loaded.
  const write = action === 'SCMP_ACT_NOTIFY' ? names.indexOf('write') : -1;
  if (write >= 0) on.error('NOTIFY_WRITE', `/names/${write}`, 'SCMP_ACT_NOTIFY cannot be used for the write syscall');
  errnoFits(action, errnoRet, '/errnoRet', on);
}

function listener(seccomp: LinuxSeccomp, on: Site<Config>): void {
  const path = seccomp.listenerPath ?? '';
  const notified = seccomp.syscalls?.some(({ action }) => action === 'SCMP_ACT_NOTIFY') ?? false;
  if (notified && path === '') on.error('REQUIRED', '/listenerPath', 'is required for SCMP_ACT_NOTIFY');
  if (path === '' && (seccomp.listenerMetadata ?? '') !== '') {
    on.error('METADATA_WITHOUT_LISTENER', '/listenerMetadata', 'must not be set without listenerPath');
  }
  if (Buffer.byteLength(path) > SOCKET_BYTES)
    on.error('TOO_LONG', '/listenerPath', `unix socket path longer than ${SOCKET_BYTES} bytes`);
}

export const seccompRules: readonly Rule<Config>[] = [
  rule('/linux/seccomp', defaults),
  rule('/linux/seccomp/syscalls/*', syscall),
  rule('/linux/seccomp', listener),
];

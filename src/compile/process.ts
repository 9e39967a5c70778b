/**
 * The last part of init's way, the same for create and exec: from a process that may do everything to the program.
 * This is the order; each area has its file.
 *
 *   no_new_privs  before the filter, and after the LSM profile, whose change it could forbid
 *   HOME, CHDIR   as root first: the image's /etc/passwd and the directory may be closed to the program's user
 *   seccomp       without no_new_privs it needs CAP_SYS_ADMIN, so it comes before the user changes, and the profile
 *                 must allow what follows here; with it, it is the last thing before the container's own programs,
 *                 which startContainer hooks are (with SCMP_ACT_NOTIFY it comes before READY, as the agent is told by
 *                 create)
 *   limits        after what opens files, before the user changes
 *   bounding set  while CAP_SETPCAP is there; the other sets after the change of user, which would clear them
 *   FIND_PROGRAM  as the program's user, whose permissions decide whether create fails with "permission denied"
 *
 * Pure.
 */
import { CHDIR, type Op, PHASE } from '../plan/op.gen.js';
import { append } from '../util/pointer.js';
import { compileCapabilities } from './capabilities.js';
import type { ProcessScope } from './context.js';
import { compileHome, execute, findProgram } from './environment.js';
import { compileMemoryPolicy, compilePersonality } from './execution.js';
import { compileLsm } from './lsm.js';
import { awaitLimits } from './rlimits.js';
import type { Filter } from './seccomp-listener.js';
import { compileUmask, setUser } from './user.js';

/** What a create does between being ready and running the program. */
export interface Start {
  readonly wait: readonly Op[];
  readonly hooks: readonly Op[];
}

const AT_ONCE: Start = { wait: [], hooks: [] };

export function compileProcess(scope: ProcessScope, filter: Filter, start: Start = AT_ONCE): Op[] {
  const { process, base } = scope;
  const noNewPrivileges = process.noNewPrivileges === true;
  const seccomp = place(filter, noNewPrivileges, start.wait.length > 0);
  const capabilities = compileCapabilities(scope);
  const chdir = (flags: number): Op => ({ op: 'CHDIR', path: process.cwd, flags, origin: append(base, 'cwd') });
  return [
    compileUmask(scope),
    ...compilePersonality(scope),
    ...compileLsm(scope),
    ...(noNewPrivileges ? [{ op: 'NO_NEW_PRIVS', origin: append(base, 'noNewPrivileges') } as const] : []),
    ...compileHome(scope),
    { op: 'CLOSE_FDS', origin: base },
    chdir(CHDIR.FIRST_TRY),
    ...awaitLimits(scope),
    ...compileMemoryPolicy(scope),
    ...seccomp.asRoot,
    capabilities.bounding,
    setUser(scope),
    ...capabilities.sets,
    chdir(0),
    ...findProgram(scope),
    ...seccomp.beforeReady,
    { op: 'NOTIFY', phase: PHASE.READY, origin: base },
    ...start.wait,
    ...seccomp.last,
    ...start.hooks,
    execute(scope),
  ];
}

interface Placed {
  readonly asRoot: readonly Op[];
  readonly beforeReady: readonly Op[];
  readonly last: readonly Op[];
}

/** A created container's notify descriptor is sent by create, so its filter cannot wait for start. */
function place({ ops, notifies }: Filter, noNewPrivileges: boolean, waits: boolean): Placed {
  const nowhere: Placed = { asRoot: [], beforeReady: [], last: [] };
  if (!noNewPrivileges) return { ...nowhere, asRoot: ops };
  return notifies && waits ? { ...nowhere, beforeReady: ops } : { ...nowhere, last: ops };
}

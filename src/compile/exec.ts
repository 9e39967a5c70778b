/**
 * exec: one more process in a running container. The namespaces are those of its first process, joined by a stage
 * process; the rest is the same way to the program (process.ts).
 *
 * OCI runtime-spec has no exec; the behaviour is that of other runtimes. Pure.
 */
import { SpecError } from '../errors.js';
import type { HostFacts } from '../host/facts.js';
import { type Op, PHASE } from '../plan/op.gen.js';
import { type ExecLists, NO_OPS, type Plan } from '../plan/plan.js';
import type { Process } from '../spec/types.gen.js';
import type { ValidProcess, ValidSpec } from '../spec/valid.js';
import { append, asPointer } from '../util/pointer.js';
import type { CgroupPlace } from './cgroup.js';
import { joinCgroups, openCgroups } from './cgroup-ops.js';
import { connectConsole, openConsole } from './console.js';
import { type Context, type ProcessScope, ROOT_ORIGIN } from './context.js';
import type { Compiled } from './index.js';
import { joinIntelRdt, openIntelRdt } from './intel-rdt.js';
import { joinKeyring } from './lsm.js';
import { NAMESPACES, privateNamespaces, readNamespaces } from './namespaces.js';
import { compileProcess } from './process.js';
import { sendPidfd } from './protocols.js';
import type { Report } from './report.js';
import { compileLimits, oomScoreAdj } from './rlimits.js';
import { finalAffinity, initialAffinity } from './scheduling.js';
import { compileFilter, type Filter, listenerPage, sendListener } from './seccomp-listener.js';
import type { CompileServices } from './services.js';
import { joinUnit } from './systemd/cgroup.js';
import { becomeRoot } from './user.js';

/** The option that asked for it. */
const SUB_CGROUP = asPointer('--cgroup');

export interface ExecTarget {
  /** The container's, from its record. */
  readonly spec: ValidSpec;
  /** Absolute, from its record too. */
  readonly bundle: string;
  /** Absolute path of a socket that wants a pidfd of the process. */
  readonly pidfdSocket?: string | undefined;
  /** The cgroups to start in. */
  readonly cgroups: readonly CgroupPlace[];
  /** The scope that systemd made for it. */
  readonly unit: string | null;
  /** Whether its first process joined a session keyring of its own. */
  readonly ownKeyring: boolean;
  /** exec --cgroup: for a hierarchy the path below the container's cgroup; the cgroup itself where it has none. */
  readonly subCgroups?: ReadonlyMap<number, string> | undefined;
}

/** Throws SpecError; its paths are those of the process document. */
export function compileExec(
  process: ValidProcess,
  target: ExecTarget,
  facts: HostFacts,
  services: CompileServices,
): Compiled {
  const namespaces = readNamespaces(target.spec);
  const report: Report = { issues: [], warnings: [] };
  const inherited = inherit(process, target.spec.process);
  const scope = { process: inherited, base: ROOT_ORIGIN, spec: target.spec, facts, services, namespaces, report };
  const lists = { ...NO_OPS, ...execLists(scope, compileFilter(scope), target) };
  if (report.issues.length > 0) throw new SpecError(report.issues, 'process.json');
  return { plan: { stateJson: '', lists }, warnings: report.warnings };
}

/**
 * What a plain `exec ID COMMAND` will do in the container that these lists create; undefined when that is to be compiled
 * at the time. The filter is that of create.
 */
export function compilePlainExec(c: Context, filter: Filter, lists: Plan['lists']): ExecLists | undefined {
  const { exec: process, bundle } = c.options;
  if (process === undefined || filter.notifies) return undefined;
  const report: Report = { issues: [], warnings: [] };
  const scope = { ...c, base: ROOT_ORIGIN, process: { ...process, terminal: false }, report };
  const compiled = execLists(scope, filter, { spec: c.spec, bundle, ...plannedBy(lists) });
  return report.issues.length > 0 ? undefined : compiled;
}

/** What lists of create say about the container they make: nobody has to compute it a second time. */
export function plannedBy({ setup, settle, init }: ExecLists): Pick<ExecTarget, 'cgroups' | 'unit' | 'ownKeyring'> {
  const units = settle.flatMap((op) => (op.op === 'SYSTEMD_START_UNIT' ? [op.unit] : []));
  const ownKeyring = init.some(({ op }) => op === 'SESSION_KEYRING');
  return { cgroups: [...setup, ...settle].flatMap(placeOf), unit: units[0] ?? null, ownKeyring };
}

function placeOf(op: Op): CgroupPlace[] {
  if (op.op === 'CGROUP_CREATE' || op.op === 'CGROUP_ADOPT')
    return [{ hierarchy: 0, controllers: '', mount: op.mount, path: op.path }];
  if (op.op !== 'CGROUP_CREATE_V1') return [];
  const { hierarchy, controllers, mount, path } = op;
  return [{ hierarchy, controllers, mount, path }];
}

function execLists(scope: ProcessScope, filter: Filter, target: ExecTarget): ExecLists {
  const tell = sendListener(scope, filter, target.bundle, true);
  // With no_new_privs the filter is loaded after READY.
  const late = scope.process.noNewPrivileges === true;
  const move = target.subCgroups === undefined ? joinUnit(target.unit, scope.facts) : [];
  return {
    setup: [
      ...listenerPage(filter),
      ...(move.length > 0 ? [] : enterCgroups(target)),
      ...connectConsole(scope),
      ...openIntelRdt(scope),
      ...initialAffinity(scope),
      ...(scope.namespaces.has('mount') ? [] : [{ op: 'OPEN_INIT_ROOT', origin: NAMESPACES } as const]),
    ],
    spawn: spawnInto(scope),
    settle: [
      ...move,
      ...(move.length > 0 ? [] : joinCgroups(target.cgroups, ROOT_ORIGIN)),
      finalAffinity(scope),
      ...joinIntelRdt(scope),
      ...oomScoreAdj(scope),
      { op: 'NOTIFY', phase: PHASE.MAPPED, origin: NAMESPACES } as const,
      ...compileLimits(scope),
      ...(late ? [] : tell),
      { op: 'AWAIT', phase: PHASE.READY, origin: ROOT_ORIGIN } as const,
      ...(late ? tell : []),
      ...sendPidfd(target.pidfdSocket, 'setns'),
      { op: 'PID_FILE', origin: ROOT_ORIGIN } as const,
    ],
    init: [...enter(scope, target.ownKeyring), ...compileProcess(scope, filter)],
  };
}

function enterCgroups({ cgroups, subCgroups }: ExecTarget): Op[] {
  if (subCgroups === undefined) return openCgroups(cgroups, ROOT_ORIGIN);
  return cgroups.map(({ hierarchy, mount, path }): Op => {
    return { op: 'CGROUP_ENTER', hierarchy, mount, path, sub: subCgroups.get(hierarchy) ?? '', origin: SUB_CGROUP };
  });
}

/** What the process does not say about its confinement is that of the container. */
function inherit(process: ValidProcess, first: Process | undefined): Process {
  const umask = process.user.umask ?? first?.user.umask;
  const labels = {
    apparmorProfile: process.apparmorProfile ?? first?.apparmorProfile,
    selinuxLabel: process.selinuxLabel ?? first?.selinuxLabel,
    capabilities: process.capabilities ?? first?.capabilities,
    rlimits: process.rlimits ?? first?.rlimits,
    oomScoreAdj: process.oomScoreAdj ?? first?.oomScoreAdj,
    scheduler: process.scheduler ?? first?.scheduler,
    ioPriority: process.ioPriority ?? first?.ioPriority,
    execCPUAffinity: process.execCPUAffinity ?? first?.execCPUAffinity,
  };
  const set = Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== undefined));
  return { ...process, ...set, user: { ...process.user, ...(umask === undefined ? {} : { umask }) } };
}

/** The stage keeps the executor itself out of the container's namespaces. */
function spawnInto({ namespaces }: ProcessScope): Op[] {
  const flags = privateNamespaces(namespaces);
  return [
    { op: 'STAGE', origin: NAMESPACES },
    ...(flags === 0n ? [] : [{ op: 'JOIN_INIT', namespaces: flags, origin: NAMESPACES } as const]),
    { op: 'CLONE', namespaces: 0n, origin: NAMESPACES },
  ];
}

/** From the first moment among processes that might trace it (CVE-2016-9962) to a session and stdio of its own. */
function enter(scope: ProcessScope, ownKeyring: boolean): Op[] {
  const { process, namespaces } = scope;
  const needsProc = process.terminal === true || (process.apparmorProfile ?? '') + (process.selinuxLabel ?? '') !== '';
  return [
    { op: 'NOT_DUMPABLE', origin: ROOT_ORIGIN },
    { op: 'AWAIT', phase: PHASE.MAPPED, origin: NAMESPACES },
    ...(namespaces.has('mount') ? [] : [{ op: 'CHROOT', origin: NAMESPACES } as const]),
    ...becomeRoot(scope),
    { op: 'NEW_SESSION', origin: ROOT_ORIGIN },
    ...(needsProc ? [{ op: 'PRIVATE_PROC', origin: ROOT_ORIGIN } as const] : []),
    ...(ownKeyring ? joinKeyring(scope) : []),
    ...openConsole(scope, false),
    { op: 'STDIO_OWNER', uid: process.user.uid, origin: append(ROOT_ORIGIN, 'user', 'uid') },
  ];
}

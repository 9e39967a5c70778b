/**
 * THE order in which a container starts: six lists of ops, each area compiled by its own file. What runs where is in
 * ARCHITECTURE.md; the last part of init, which exec shares, is process.ts.
 *
 * Until PIVOT_ROOT init sees the host's tree, so that hooks, bind sources and the device node that masks files come
 * from there; from OPEN_ROOTFS on the container's paths are resolved below the rootfs only.
 *
 * Pure.
 */
import { SpecError, type SpecIssue } from '../errors.js';
import type { HostFacts } from '../host/facts.js';
import { type Op, PHASE } from '../plan/op.gen.js';
import type { Plan } from '../plan/plan.js';
import type { ValidSpec } from '../spec/valid.js';
import { CLONE_NEW } from '../util/kernel.js';
import { append, pointer } from '../util/pointer.js';
import { type CompiledCgroup, compileCgroup } from './cgroup.js';
import { connectConsole, openConsole } from './console.js';
import { type Context, type CreateOptions, createContext, ROOT_ORIGIN } from './context.js';
import { compileDelegation } from './delegation.js';
import { compileDevices, compileDevSymlinks } from './devices.js';
import { compilePlainExec } from './exec.js';
import { compileHooks } from './hooks.js';
import { compileHostname } from './hostname.js';
import { compileIdMaps, containerRoot } from './id-maps.js';
import { compileIntelRdt, joinIntelRdt, removeIntelRdt } from './intel-rdt.js';
import { checkMountLabel, joinKeyring } from './lsm.js';
import { compileMaskedPaths } from './masked-paths.js';
import { compileMounts, type MountOps } from './mounts.js';
import { checkNamespaces, enterCgroupNamespace, isNew, NAMESPACES, openNamespaces, spawn } from './namespaces.js';
import { compileNetDevices, returnNetDevices } from './net-devices.js';
import { compileProcess } from './process.js';
import { exitFile, mountNotify, notifyDirectory, sendPidfd } from './protocols.js';
import { compileReadonlyPaths } from './readonly-paths.js';
import { collect } from './report.js';
import { compileLimits, oomScoreAdj } from './rlimits.js';
import { compileHostPropagation, enterRootfs, makeCwd, openRootfs, readOnlyRootfs, rootfsPath } from './rootfs.js';
import { resetAffinity } from './scheduling.js';
import { compileFilter, type Filter, listenerPage, sendListener } from './seccomp-listener.js';
import type { CompileServices } from './services.js';
import { createSources } from './sources.js';
import { stateJson } from './state-json.js';
import { compileSysctl } from './sysctl.js';
import { compileSystemdCgroup } from './systemd/cgroup.js';
import { compileTimeOffsets, enterTime, lateNamespaces, unshareTime } from './time.js';
import { becomeRoot } from './user.js';

export type { CreateOptions } from './context.js';

export interface Compiled {
  readonly plan: Plan;
  readonly warnings: readonly SpecIssue[];
}

export interface Attempt extends Compiled {
  /** What this host, or this version, cannot do; with any of these the plan is not whole, and must not be run. */
  readonly issues: readonly SpecIssue[];
}

/** Throws SpecError with everything in the config that this host, or this version, cannot do. */
export function compileCreate(...input: Parameters<typeof attemptCreate>): Compiled {
  const { issues, ...compiled } = attemptCreate(...input);
  if (issues.length > 0) throw new SpecError(issues, undefined, compiled.warnings);
  return compiled;
}

/** As far as it goes, for check, which looks at the rest of the plan too. */
export function attemptCreate(
  spec: ValidSpec,
  facts: HostFacts,
  options: CreateOptions,
  services: CompileServices,
): Attempt {
  const c = createContext(spec, facts, options, services);
  checkNamespaces(c);
  checkMountLabel(c);
  const cgroup = collect(c.report, () => chooseDriver(spec, facts, options));
  const delegation = compileDelegation(c, cgroup?.places ?? []);
  const late = cgroup?.settle ?? [];
  const early = cgroup?.setup ?? [];
  const filter = compileFilter(c);
  const sources = createSources(c);
  const rootfs = openRootfs(c, sources);
  const mounts = compileMounts(c, {
    sources,
    cgroups: cgroup?.places ?? [],
    rootfs: rootfsPath(spec, options.bundle),
    live: false,
  });
  const lists: Plan['lists'] = {
    setup: [
      ...listenerPage(filter),
      ...setup(c, sources.ops, [...rootfs.setup, ...early, ...(early.length > 0 ? delegation : [])]),
    ],
    spawn: spawn(c, lateNamespaces(c) | CLONE_NEW.cgroup),
    settle: settle(c, filter, [...late, ...(early.length > 0 ? [] : delegation)]),
    init: init(c, rootfs.init, mounts, filter),
    started: compileHooks(spec, 'poststart'),
    teardown: teardown(c, [...(cgroup?.teardown ?? []), ...rootfs.teardown]),
  };
  const { issues } = c.report;
  const exec = issues.length > 0 ? undefined : compilePlainExec(c, filter, lists);
  return {
    plan: { stateJson: stateJson({ spec, bundle: options.bundle }), lists, ...(exec === undefined ? {} : { exec }) },
    warnings: [...c.report.warnings, ...(cgroup?.warnings ?? [])],
    issues,
  };
}

const chooseDriver = (spec: ValidSpec, facts: HostFacts, { systemd }: CreateOptions): CompiledCgroup =>
  systemd === null ? compileCgroup(spec, facts) : compileSystemdCgroup(spec, facts, systemd.id);

/** What only opens something comes before STATE_CREATE, the first effect. */
function setup(c: Context, sources: readonly Op[], host: readonly Op[]): Op[] {
  return [
    ...openNamespaces(c),
    ...sources,
    ...connectConsole(c),
    { op: 'STATE_CREATE', origin: ROOT_ORIGIN },
    { op: 'STATE_PLAN', origin: ROOT_ORIGIN },
    { op: 'STATE_FILE', name: 'state.json', data: c.options.record, mode: 0o600, origin: ROOT_ORIGIN },
    ...notifyDirectory(c),
    ...exitFile(c),
    { op: 'EXEC_FIFO', ...containerRoot(c), origin: ROOT_ORIGIN },
    ...host,
    ...compileIntelRdt(c),
  ];
}

function settle(c: Context, filter: Filter, cgroup: readonly Op[]): Op[] {
  return [
    { op: 'RECORD_INIT', origin: ROOT_ORIGIN },
    ...cgroup,
    resetAffinity,
    ...joinIntelRdt(c),
    ...compileNetDevices(c),
    ...compileTimeOffsets(c),
    ...compileIdMaps(c),
    ...oomScoreAdj(c),
    { op: 'NOTIFY', phase: PHASE.MAPPED, origin: NAMESPACES },
    ...runtimeHooks(c),
    ...compileLimits(c),
    ...sendListener(c, filter, c.options.bundle, false),
    { op: 'AWAIT', phase: PHASE.READY, origin: c.base },
    ...sendPidfd(c.options.pidfdSocket, 'standard'),
    { op: 'PID_FILE', origin: ROOT_ORIGIN },
  ];
}

function init(c: Context, rootfs: readonly Op[], mounts: MountOps, filter: Filter): Op[] {
  return [
    ...becomeInit(c),
    ...compileHostPropagation(c),
    ...(isNew(c.namespaces, 'network') ? [{ op: 'LOOPBACK_UP', origin: NAMESPACES } as const] : []),
    ...rootfs,
    ...mounts.ops,
    ...mountNotify(c),
    ...compileDevices(c),
    ...compileDevSymlinks(c),
    ...openConsole(c, true),
    ...containerHooks(c),
    ...makeCwd(c),
    ...compileReadonlyPaths(c),
    ...compileMaskedPaths(c),
    ...compileSysctl(c),
    ...mounts.deferred,
    ...readOnlyRootfs(c),
    ...enterRootfs(c),
    { op: 'CONTAINER_NULL', origin: c.base },
    ...compileHostname(c),
    { op: 'STDIO_OWNER', uid: c.process.user.uid, origin: append(c.base, 'user', 'uid') },
    ...compileProcess(c, filter, {
      wait: [{ op: 'WAIT_START', origin: ROOT_ORIGIN }],
      hooks: compileHooks(c.spec, 'startContainer'),
    }),
  ];
}

/** Only what create made: a joined namespace or a cgroup that was there stays. */
function teardown(c: Context, host: readonly Op[]): Op[] {
  return [
    ...returnNetDevices(c),
    ...host,
    ...removeIntelRdt(c),
    { op: 'STATE_REMOVE', origin: ROOT_ORIGIN },
    ...compileHooks(c.spec, 'poststop'),
  ];
}

/** The first steps of init, before it touches a mount. In somebody else's namespaces it could be traced: CVE-2016-9962. */
function becomeInit(c: Context): Op[] {
  const joins = [...c.namespaces.values()].some(({ path = '' }) => path !== '');
  return [
    ...(joins ? [{ op: 'NOT_DUMPABLE', origin: NAMESPACES } as const] : []),
    ...unshareTime(c),
    { op: 'AWAIT', phase: PHASE.MAPPED, origin: NAMESPACES },
    ...enterCgroupNamespace(c),
    ...becomeRoot(c),
    { op: 'NEW_SESSION', origin: c.base },
    { op: 'PRIVATE_PROC', origin: ROOT_ORIGIN },
    ...enterTime(c),
    ...(c.options.noNewKeyring ? [] : joinKeyring(c)),
  ];
}

const HOOKS = pointer('hooks');

const hasRuntimeHooks = ({ spec }: Context): boolean =>
  (spec.hooks?.prestart ?? []).length + (spec.hooks?.createRuntime ?? []).length > 0;

/** On the host's side, between the mounts and the change of root; without them nobody waits. */
function runtimeHooks(c: Context): Op[] {
  if (!hasRuntimeHooks(c)) return [];
  return [
    { op: 'AWAIT', phase: PHASE.ROOTFS, origin: HOOKS },
    ...compileHooks(c.spec, 'prestart'),
    ...compileHooks(c.spec, 'createRuntime'),
    { op: 'NOTIFY', phase: PHASE.HOOKED, origin: HOOKS },
  ];
}

/** ROOTFS is told for poststop hooks too: a create that fails from here on has to run them. */
function containerHooks(c: Context): Op[] {
  const own = compileHooks(c.spec, 'createContainer');
  if (own.length === 0 && !hasRuntimeHooks(c) && (c.spec.hooks?.poststop ?? []).length === 0) return [];
  return [
    { op: 'NOTIFY', phase: PHASE.ROOTFS, origin: HOOKS },
    ...(hasRuntimeHooks(c) ? [{ op: 'AWAIT', phase: PHASE.HOOKED, origin: HOOKS } as const] : []),
    ...own,
  ];
}

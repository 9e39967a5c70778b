/**
 * Mounts of a container that runs: sources of the host are opened on the host, everything is made before anything is
 * attached, and a process in the container's mount namespace attaches it or takes all of it back.
 *
 * Pure.
 */
import { SpecError } from '../errors.js';
import type { HostFacts } from '../host/facts.js';
import { type Op, PHASE } from '../plan/op.gen.js';
import { NO_OPS } from '../plan/plan.js';
import type { ValidSpec } from '../spec/valid.js';
import { CLONE_NEW } from '../util/kernel.js';
import { pointer } from '../util/pointer.js';
import { createContext, ROOT_ORIGIN } from './context.js';
import type { Compiled } from './index.js';
import { checkMountLabel } from './lsm.js';
import { compileMounts, containerPath } from './mounts.js';
import { NAMESPACES, privateNamespaces, readNamespaces, requireMountNamespace } from './namespaces.js';
import { refuse } from './report.js';
import { rootfsPath } from './rootfs.js';
import type { CompileServices } from './services.js';
import { createLiveSources } from './sources.js';

export interface LiveRecord {
  /** mounts.json as it is, as it is while the mounts change, and as it is then; with slots for the new mounts' ids. */
  readonly before: string;
  readonly during: string;
  readonly after: string;
}

export interface LiveTarget {
  /** The container's config, with the new mounts in place of its own. */
  readonly spec: ValidSpec;
  readonly bundle: string;
  /** Destinations that have a live mount already. */
  readonly taken: readonly string[];
}

const FILE = 'mounts.json';
const OPENERS: readonly string[] = ['OPEN_SOURCE', 'OPEN_FS', 'IDMAP_MOUNT'];

/** Throws SpecError with paths as in a config. */
export function compileLiveMounts(
  target: LiveTarget,
  record: LiveRecord,
  facts: HostFacts,
  services: CompileServices,
): Compiled {
  const options = { bundle: target.bundle, noPivot: false, noNewKeyring: false, record: '', systemd: null };
  const context = createContext(target.spec, facts, options, services);
  const sources = createLiveSources(context);
  requireMountNamespace(context);
  checkMountLabel(context);
  checkFree(context.report, target);
  const { ops } = compileMounts(context, {
    sources,
    cgroups: [],
    rootfs: rootfsPath(target.spec, target.bundle),
    live: true,
  });
  if (context.report.issues.length > 0) throw new SpecError(context.report.issues, 'mounts');
  const inside = [...ops.filter(({ op }) => OPENERS.includes(op)), ...ops.filter(({ op }) => !OPENERS.includes(op))];
  return { plan: plan(target.spec, record, sources.ops, inside), warnings: context.report.warnings };
}

function checkFree(report: Parameters<typeof refuse>[0], { spec, taken }: LiveTarget): void {
  const seen = [...taken];
  for (const [index, { destination }] of (spec.mounts ?? []).entries()) {
    const path = containerPath(destination);
    if (seen.includes(path)) {
      const hint = 'tsrun mounts remove takes it away';
      refuse(report, 'DUPLICATE', pointer('mounts', index, 'destination'), 'has a live mount already', {
        value: path,
        hint,
      });
    }
    seen.push(path);
  }
}

/** mounts: what to remove, by the ids that the mount table has for them. */
export function compileLiveRemoval(
  spec: ValidSpec,
  record: LiveRecord,
  mounts: readonly { readonly destination: string; readonly id: number }[],
): Compiled {
  const opened = mounts.map(({ destination: dest, id }, slot) => {
    return { op: 'OPEN_MOUNT', slot, dest, mountId: BigInt(id), origin: pointer('mounts', slot) } as const;
  });
  const gone = opened.map(({ slot, origin }): Op => ({ op: 'UNMOUNT', slot, origin }));
  return { plan: plan(spec, record, [], [...opened, ...gone]), warnings: [] };
}

function plan(spec: ValidSpec, { before, during, after }: LiveRecord, setup: readonly Op[], inside: readonly Op[]) {
  const file = (data: string): Op => ({ op: 'STATE_FILE', name: FILE, data, mode: 0o600, origin: ROOT_ORIGIN });
  const lists = {
    ...NO_OPS,
    setup: [
      { op: 'STATE_EXPECT', name: FILE, data: before, origin: ROOT_ORIGIN } as const,
      ...setup,
      ...(during === before ? [] : [file(during)]),
    ],
    spawn: [{ op: 'JOIN_MOUNTS', namespaces: joined(spec), origin: NAMESPACES } as const],
    settle: [
      { op: 'NOTIFY', phase: PHASE.MAPPED, origin: NAMESPACES } as const,
      { op: 'AWAIT', phase: PHASE.READY, origin: ROOT_ORIGIN } as const,
      file(after),
      { op: 'NOTIFY', phase: PHASE.HOOKED, origin: ROOT_ORIGIN } as const,
    ],
    init: [
      { op: 'AWAIT', phase: PHASE.MAPPED, origin: NAMESPACES } as const,
      ...inside,
      { op: 'NOTIFY', phase: PHASE.READY, origin: ROOT_ORIGIN } as const,
      { op: 'AWAIT', phase: PHASE.HOOKED, origin: ROOT_ORIGIN } as const,
    ],
    teardown: during === before ? [] : [file(before)],
  };
  return { stateJson: '', lists };
}

/** Not the pid namespace, where processes of the container would see it; time counts from the next exec only. */
function joined(spec: ValidSpec): bigint {
  return privateNamespaces(readNamespaces(spec)) & ~CLONE_NEW.pid & ~CLONE_NEW.time;
}

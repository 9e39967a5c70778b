/**
 * The plan of `restore`: the same record, cgroup and teardown as create, but the first process is CRIU, in a mount
 * namespace of its own where the root file system is a mount, as CRIU wants it. What it restores becomes init.
 *
 * Pure.
 */
import { SpecError } from '../errors.js';
import type { HostFacts } from '../host/facts.js';
import { type Op, PHASE } from '../plan/op.gen.js';
import type { Plan } from '../plan/plan.js';
import type { ValidSpec } from '../spec/valid.js';
import { CLONE_NEW } from '../util/kernel.js';
import { type JsonPointer, pointer } from '../util/pointer.js';
import { type Context, type CreateOptions, createContext, ROOT_ORIGIN } from './context.js';
import { compileHooks } from './hooks.js';
import { type Compiled, compileCreate } from './index.js';
import { parseMountOptions } from './mount-options.js';
import { containerPath } from './mounts.js';
import { requireMountNamespace } from './namespaces.js';
import { compileHostPropagation, rootfsPath } from './rootfs.js';
import type { CompileServices } from './services.js';
import { NO_SLOT } from './sources.js';

export interface RestoreOptions extends CreateOptions {
  /** Absolute path of the program, on the host. */
  readonly criu: string;
  /** Absolute: where the images are, and where CRIU writes its log. */
  readonly images: string;
  readonly work: string;
  /** PATH, for the helpers CRIU runs. */
  readonly path: string;
}

/** Opens what only init of a create uses. */
const NOT_RESTORED = new Set<Op['op']>(['OPEN_NAMESPACE', 'OPEN_SOURCE', 'EXEC_FIFO']);

/** Throws SpecError as create does: what cannot be created here is not restored either. */
export function compileRestore(
  spec: ValidSpec,
  facts: HostFacts,
  options: RestoreOptions,
  services: CompileServices,
): Compiled & { readonly external: readonly ExternalMount[] } {
  const created = compileCreate(spec, facts, options, services);
  const context = createContext(spec, facts, options, services);
  requireMountNamespace(context);
  if (context.report.issues.length > 0) throw new SpecError(context.report.issues);
  const { setup, started, teardown } = created.plan.lists;
  const external = externalMounts(created.plan);
  const lists = {
    setup: setup.filter(({ op }) => !NOT_RESTORED.has(op)),
    spawn: [{ op: 'CLONE', namespaces: BigInt(CLONE_NEW.mount), origin: ROOT_ORIGIN } as const],
    settle: settle(context, created.plan.lists.settle.filter(makesCgroup)),
    init: runCriu(context, options, external),
    started,
    teardown,
  };
  return { ...created, plan: { ...created.plan, lists }, external };
}

/** What gets the first process into its cgroups: here that is CRIU, and what it restores is in them from the beginning. */
const makesCgroup = ({ op }: Op): boolean => op.startsWith('SYSTEMD_') || op.startsWith('CGROUP_');

/** CRIU's pid is recorded first, so that a restore that is killed can be deleted. */
function settle({ spec }: Context, cgroup: readonly Op[]): Op[] {
  return [
    { op: 'RECORD_INIT', origin: ROOT_ORIGIN },
    ...cgroup,
    { op: 'NOTIFY', phase: PHASE.MAPPED, origin: ROOT_ORIGIN },
    { op: 'AWAIT', phase: PHASE.READY, origin: ROOT_ORIGIN },
    { op: 'ADOPT', origin: ROOT_ORIGIN },
    { op: 'RECORD_INIT', origin: ROOT_ORIGIN },
    ...compileHooks(spec, 'prestart'),
    ...compileHooks(spec, 'createRuntime'),
    { op: 'RESTORED', origin: ROOT_ORIGIN },
    { op: 'PID_FILE', origin: ROOT_ORIGIN },
  ];
}

function runCriu(context: Context, options: RestoreOptions, external: readonly ExternalMount[]): Op[] {
  const { criu, path, images, work } = options;
  return [
    { op: 'AWAIT', phase: PHASE.MAPPED, origin: ROOT_ORIGIN },
    ...compileHostPropagation(context),
    {
      op: 'OPEN_ROOTFS',
      path: rootfsPath(context.spec, context.options.bundle),
      slot: NO_SLOT,
      origin: pointer('root', 'path'),
    },
    ...mountpoints(
      context,
      external.filter(({ source }) => source !== DEV_NULL),
    ),
    { op: 'CLOSE_FDS', origin: ROOT_ORIGIN },
    { op: 'CRIU_SOCKET', images, work, first: CRIU_FDS.socket, origin: ROOT_ORIGIN },
    { op: 'UMASK', mode: 0o22, origin: ROOT_ORIGIN },
    { op: 'FIND_PROGRAM', file: criu, path: '', origin: ROOT_ORIGIN },
    { op: 'NOTIFY', phase: PHASE.READY, origin: ROOT_ORIGIN },
    { op: 'EXEC', args: ['criu', 'swrk', String(CRIU_FDS.socket)], env: [`PATH=${path}`], origin: ROOT_ORIGIN },
  ];
}

export const DEV_NULL = '/dev/null';

/** Descriptors of CRIU, above those that it is handed for namespaces. */
export const CRIU_FDS = { socket: 100, images: 101, work: 102 } as const;

/** Below a file system that was mounted in the container they come back with its contents. */
function mountpoints(context: Context, external: readonly ExternalMount[]): Op[] {
  const restored = (context.spec.mounts ?? [])
    .filter(({ options = [] }) => parseMountOptions(options).bind === 'no')
    .map(({ destination }) => containerPath(destination));
  return external
    .filter(({ dest }) => !restored.some((top) => dest === top || dest.startsWith(`${top}/`)))
    .map(({ dest, source, origin }) => ({ op: 'MAKE_MOUNTPOINT', source, dest, origin }));
}

export interface ExternalMount {
  readonly dest: string;
  /** On the host; may hold SLOT.id. */
  readonly source: string;
  readonly origin: JsonPointer;
}

/** What create binds, and the device it masks files with: CRIU must not save them, and is given them on restore. */
export function externalMounts({ lists }: Plan): ExternalMount[] {
  return lists.init.flatMap((op) => {
    if (op.op === 'MOUNT_BIND') return [{ dest: op.dest, source: op.source, origin: op.origin }];
    return op.op === 'MASK_PATH' ? [{ dest: op.path, source: DEV_NULL, origin: op.origin }] : [];
  });
}

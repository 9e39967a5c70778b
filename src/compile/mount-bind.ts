/**
 * Binds and remounts: the mount is cloned first, with its flags, and then changed in what the options name.
 *
 * OCI runtime-spec, config "Mounts"; mount_setattr(2), open_tree(2). Pure.
 */
import { posix } from 'node:path';
import { ATTR, MOUNT, type Op } from '../plan/op.gen.js';
import { MOUNT_ATTR, MS } from '../util/kernel.js';
import { append } from '../util/pointer.js';
import { idMapOf } from './mount-idmap.js';
import { type Attributes, isEmpty, type Propagation } from './mount-options.js';
import type { MountOps, MountScope } from './mounts.js';
import { refuse, refuseSlots, warn } from './report.js';
import { NO_SLOT, openSource } from './sources.js';

export function compileBind(scope: MountScope): MountOps {
  const { dest, options, at: origin } = scope;
  if (options.superblock !== 0)
    warnNoEffect(scope, 'sync, dirsync, mand, lazytime, iversion and silent have no effect on a bind mount');
  const recursive = options.bind === 'rbind';
  const { path: source, slot, inRootfs, ops: open } = bindSource(scope, recursive);
  const [inOp, rest] = firstPropagation(options.propagation);
  const { set: attrSet, clear: attrClr } = options.attributes;
  const { set: recSet, clear: recClr } = options.recursive;
  if (scope.live && rest.length > 0) refuseLive(scope, 'options', 'can have one propagation only');
  const flags =
    (scope.live ? MOUNT.LIVE : 0) |
    (recursive ? MOUNT.RECURSIVE : 0) |
    (inRootfs && slot === NO_SLOT ? MOUNT.SOURCE_IN_ROOTFS : 0);
  return {
    ops: [
      ...open,
      { op: 'MOUNT_BIND', source, slot, dest, flags, propagation: inOp, attrSet, attrClr, recSet, recClr, origin },
      ...rest.map((one) => propagationOp(scope, one)),
    ],
    deferred: [],
  };
}

/**
 * Relative to the bundle. One below the rootfs may be what an earlier mount put there, and its links are the image's:
 * init looks for it itself, inside the root.
 */
function bindSource(scope: MountScope, recursive: boolean) {
  const { context, sources, rootfs } = scope;
  const origin = append(scope.at, 'source');
  const onHost = posix.resolve(context.options.bundle, scope.mount.source ?? '');
  refuseSlots(context.report, origin, onHost);
  const inRootfs = onHost === rootfs || onHost.startsWith(`${rootfs}/`);
  const path = inRootfs ? `/${posix.relative(rootfs, onHost)}` : onHost;
  const idmap = idMapOf(scope);
  if (idmap !== undefined && inRootfs && sources.openedByExecutor) {
    refuse(
      context.report,
      'IDMAP_UNSUPPORTED',
      origin,
      'lies in the root file system, where only the container looks',
      {
        value: onHost,
        hint: 'only the host may give a mount its mapping: bind from a directory outside of the root file system',
      },
    );
  }
  return { path, inRootfs, ...openSource(sources, { path, inRootfs, recursive, idmap, origin: scope.at }) };
}

export function refuseLive({ context, at }: MountScope, field: string, message: string, hint?: string): void {
  refuse(context.report, 'LIVE_MOUNT_UNSUPPORTED', append(at, field), `a mount of a running container ${message}`, {
    hint,
  });
}

export function warnNoEffect({ context, at }: MountScope, message: string): void {
  warn(context.report, 'MOUNT_OPTION_NO_EFFECT', append(at, 'options'), message);
}

/** "remount" without bind reconfigures the file system on dest too. */
export function compileRemount(scope: MountScope): MountOps {
  const { dest, options, at: origin } = scope;
  const reconfigures = options.remount && options.bind === 'no';
  if (!reconfigures && options.superblock + options.data.length > 0)
    warnNoEffect(scope, 'options of the file system have no effect without "remount"');
  const readOnly = (options.attributes.set & MOUNT_ATTR.RDONLY) === 0n ? 0 : Number(MS.RDONLY);
  const superblock: Op = {
    op: 'REMOUNT',
    dest,
    options: options.data.map(({ text }) => text),
    sbFlags: options.superblock | readOnly,
    origin,
  };
  return {
    ops: [
      ...(reconfigures ? [superblock] : []),
      ...attributesOp(scope, options.attributes, 0),
      ...recursiveAttributes(scope),
      ...options.propagation.map((one) => propagationOp(scope, one)),
    ],
    deferred: [],
  };
}

function recursiveAttributes(scope: MountScope): Op[] {
  return attributesOp(scope, scope.options.recursive, ATTR.RECURSIVE);
}

export function attributesOp({ dest, at: origin }: MountScope, { set, clear }: Attributes, flags: number): Op[] {
  if (isEmpty({ set, clear })) return [];
  return [{ op: 'SET_MOUNT_ATTR', dest, attrSet: set, attrClr: clear, propagation: 0n, flags, origin }];
}

/** The first one goes with the mount, on all mounts of the clone where it says so; the rest need ops of their own. */
export function firstPropagation([first, ...rest]: readonly Propagation[]): readonly [bigint, readonly Propagation[]] {
  return first === undefined ? [0n, []] : [first.recursive ? first.flag | MS.REC : first.flag, rest];
}

export function propagationOp({ dest, at: origin }: MountScope, { flag, recursive }: Propagation): Op {
  const flags = recursive ? ATTR.RECURSIVE : 0;
  return { op: 'SET_MOUNT_ATTR', dest, attrSet: 0n, attrClr: 0n, propagation: flag, flags, origin };
}

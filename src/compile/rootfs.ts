/**
 * root and linux.rootfsPropagation: the tree that init works in, and how it becomes "/".
 *
 * A container in the runtime's own mount namespace has it bound in the host's tree until it is deleted, and a chroot.
 *
 * OCI runtime-spec, config "Root", config-linux "Rootfs Mount Propagation"; mount_namespaces(7), pivot_root(2). Pure.
 */
import { posix } from 'node:path';
import { ATTR, type Op } from '../plan/op.gen.js';
import type { RootfsPropagation } from '../spec/types.gen.js';
import type { ValidSpec } from '../spec/valid.js';
import { MOUNT_ATTR, MS } from '../util/kernel.js';
import { append, pointer } from '../util/pointer.js';
import type { Context } from './context.js';
import { containerPath } from './mounts.js';
import { refuse } from './report.js';
import { openSource, type Sources } from './sources.js';

const ROOT_PATH = pointer('root', 'path');
const PROPAGATION = pointer('linux', 'rootfsPropagation');

const FLAGS: { readonly [kind: string]: bigint } = {
  shared: MS.SHARED,
  slave: MS.SLAVE,
  private: MS.PRIVATE,
  unbindable: MS.UNBINDABLE,
};

function parse(propagation: RootfsPropagation): { readonly kind: string; readonly recursive: boolean } {
  const recursive = propagation.startsWith('r');
  return { kind: recursive ? propagation.slice(1) : propagation, recursive };
}

/** Absolute path of the root file system on the host. */
export function rootfsPath(spec: ValidSpec, bundle: string): string {
  return posix.resolve(bundle, spec.root.path);
}

/**
 * What is mounted in the container must not appear on the host, so the whole tree becomes a slave of it, or private;
 * only "shared" asks for the opposite. Unbindable is for the container's "/" alone: in an unbindable tree nothing,
 * not even the rootfs, could be bound.
 */
export function compileHostPropagation({ spec, namespaces }: Context): Op[] {
  if (!namespaces.has('mount')) return [];
  const asked = spec.linux?.rootfsPropagation;
  const { kind, recursive } = parse(asked ?? 'rslave');
  const propagation = kind === 'shared' ? MS.SHARED : kind === 'slave' ? MS.SLAVE : MS.PRIVATE;
  const flags = kind !== 'shared' || recursive ? ATTR.RECURSIVE : 0;
  return [{ op: 'PROPAGATION', propagation, flags, origin: PROPAGATION }];
}

export interface RootfsOps {
  readonly setup: readonly Op[];
  readonly init: readonly Op[];
  readonly teardown: readonly Op[];
}

export function openRootfs(context: Context, sources: Sources): RootfsOps {
  // spec/ refuses "/"; a relative path can lead there only from a certain bundle.
  const place = rootfsPath(context.spec, context.options.bundle);
  if (place === '/') {
    refuse(context.report, 'IS_ROOT', ROOT_PATH, "must not be the host's root directory", {
      value: context.spec.root.path,
    });
  }
  if (!context.namespaces.has('mount')) {
    const at = { path: place, origin: ROOT_PATH };
    return { setup: [{ op: 'ATTACH_ROOTFS', ...at }], init: [], teardown: [{ op: 'DETACH_ROOTFS', ...at }] };
  }
  const { slot } = openSource(sources, { path: place, recursive: true, origin: ROOT_PATH });
  return { setup: [], init: [{ op: 'OPEN_ROOTFS', path: place, slot, origin: ROOT_PATH }], teardown: [] };
}

/** process.cwd is made while that is still possible; 0755 as other runtimes do. */
export function makeCwd({ process, base }: Context): Op[] {
  const path = containerPath(process.cwd);
  return path === '/' ? [] : [{ op: 'MAKE_DIRECTORY', path, origin: append(base, 'cwd') }];
}

export function readOnlyRootfs({ spec }: Context): Op[] {
  if (spec.root.readonly !== true) return [];
  const attrs = { attrSet: MOUNT_ATTR.RDONLY, attrClr: 0n, propagation: 0n, flags: 0 };
  return [{ op: 'SET_MOUNT_ATTR', dest: '/', ...attrs, origin: pointer('root', 'readonly') }];
}

/** pivot_root, or MS_MOVE for hosts on a ramdisk; then the propagation that the container's "/" was asked to have. */
export function enterRootfs({ spec, options, report, namespaces }: Context): Op[] {
  const asked = spec.linux?.rootfsPropagation;
  if (options.noPivot && asked !== undefined && parse(asked).kind === 'private') {
    refuse(report, 'NO_PIVOT_PRIVATE', PROPAGATION, 'is not safe without pivot_root', {
      value: asked,
      hint: 'leave out --no-pivot, or ask for rslave',
    });
  }
  const pivot = options.noPivot ? 'MOVE_ROOT' : 'PIVOT_ROOT';
  const enter: Op = { op: namespaces.has('mount') ? pivot : 'CHROOT', origin: ROOT_PATH };
  if (asked === undefined) return [enter];
  const { kind, recursive } = parse(asked);
  const flags = recursive ? ATTR.RECURSIVE : 0;
  return [enter, { op: 'PROPAGATION', propagation: FLAGS[kind] ?? MS.SLAVE, flags, origin: PROPAGATION }];
}

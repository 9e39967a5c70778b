/**
 * Where bind sources and the rootfs are opened. With a user namespace the container's root may not reach them (a
 * parent directory with mode 0700), so the executor opens them before; otherwise init does, in the order of the
 * mounts, because a source may lie below an earlier mount of the list.
 *
 * Pure, but for the list it fills.
 */
import { type Op, SOURCE } from '../plan/op.gen.js';
import type { JsonPointer } from '../util/pointer.js';
import { type ProcessScope, runtimeHas } from './context.js';
import { namespaceSlots } from './namespaces.js';
import { refuse } from './report.js';

/** Of OPEN_ROOTFS and MOUNT_BIND: the path counts. */
export const NO_SLOT = 0xffff_ffff;

/** The executor's table: CONTEXT_SLOTS of context.h. */
const MAX_SLOTS = 512;

export interface Sources {
  readonly ops: Op[];
  readonly scope: ProcessScope;
  readonly openedByExecutor: boolean;
}

/** open_tree(2) needs CAP_SYS_ADMIN; a runtime without it has the same rights as init will have. */
export function createSources(scope: ProcessScope): Sources {
  const openedByExecutor = scope.namespaces.has('user') && runtimeHas(scope.facts, 'SYS_ADMIN');
  return { ops: [], scope, openedByExecutor };
}

export interface OpenedSource {
  readonly path: string;
  readonly slot: number;
}

export function openSource(sources: Sources, path: string, recursive: boolean, origin: JsonPointer): OpenedSource {
  if (!sources.openedByExecutor) return { path, slot: NO_SLOT };
  const slot = namespaceSlots(sources.scope.namespaces) + sources.ops.length;
  if (slot === MAX_SLOTS) {
    refuse(sources.scope.report, 'TOO_MANY_SOURCES', origin, 'is one bind too many for a user namespace', {
      value: path,
    });
  }
  sources.ops.push({ op: 'OPEN_SOURCE', slot, flags: recursive ? SOURCE.RECURSIVE : 0, path, origin });
  return { path, slot };
}

/**
 * Where bind sources and the rootfs are opened, and the slots that descriptors wait in. With a user namespace the
 * container's root may not reach them (a parent directory with mode 0700), so the executor opens them before; otherwise
 * init does, in the order of the mounts, because a source may lie below an earlier mount of the list.
 *
 * Pure, but for the list it fills.
 */
import { ATTR, type Op, SOURCE } from '../plan/op.gen.js';
import type { JsonPointer } from '../util/pointer.js';
import type { ProcessScope } from './context.js';
import { namespaceSlots } from './namespaces.js';
import { refuse } from './report.js';

/** Of OPEN_ROOTFS and MOUNT_BIND: the path counts. */
export const NO_SLOT = 0xffff_ffff;

/** The last of the executor's table, CONTEXT_SLOTS of context.h. */
export const NOTIFY_SLOT = 511;
const MAX_SLOTS = NOTIFY_SLOT;

export interface Sources {
  /** For the list setup. */
  readonly ops: Op[];
  readonly scope: ProcessScope;
  readonly openedByExecutor: boolean;
  readonly slots: { next: number };
  /** Slots of user namespaces for id-mapped mounts, by their maps: mounts with the same share one. */
  readonly userNamespaces: Map<string, number>;
}

/** For a container that runs: the host's paths are gone from its mount namespace. */
export function createLiveSources(scope: ProcessScope): Sources {
  return { ops: [], scope, openedByExecutor: true, slots: { next: 0 }, userNamespaces: new Map() };
}

/** A runtime that may not open_tree(2) where it is has the same rights as init will have in its own mount namespace. */
export function createSources(scope: ProcessScope): Sources {
  const openedByExecutor = scope.namespaces.has('user') && scope.facts.mayMount;
  const slots = { next: namespaceSlots(scope.namespaces) };
  return { ops: [], scope, openedByExecutor, slots, userNamespaces: new Map() };
}

export function takeSlot({ slots, scope }: Sources, origin: JsonPointer, value: string): number {
  if (slots.next === MAX_SLOTS) {
    refuse(scope.report, 'TOO_MANY_SOURCES', origin, 'is one mount too many: the executor holds 511 sources', {
      value,
    });
  }
  return slots.next++;
}

/** Which ids a mount shows: the user namespace in a slot, for all mounts below too or not. */
export interface IdMap {
  readonly namespace: number;
  readonly recursive: boolean;
}

export interface Wanted {
  /** Absolute on the host, or with inRootfs inside the root file system. */
  readonly path: string;
  readonly inRootfs?: boolean;
  readonly recursive: boolean;
  readonly idmap?: IdMap | undefined;
  readonly origin: JsonPointer;
}

export interface OpenedSource {
  readonly slot: number;
  /** For the list init, before the mount. */
  readonly ops: readonly Op[];
}

export function openSource(sources: Sources, wanted: Wanted): OpenedSource {
  const { path, inRootfs = false, recursive, idmap, origin } = wanted;
  const early = sources.openedByExecutor && !inRootfs;
  if (!early && idmap === undefined) return { slot: NO_SLOT, ops: [] };
  const slot = takeSlot(sources, origin, path);
  const flags = (recursive ? SOURCE.RECURSIVE : 0) | (inRootfs ? SOURCE.IN_ROOTFS : 0);
  const ops: Op[] = [{ op: 'OPEN_SOURCE', slot, flags, path, origin }, ...idmapOps(slot, idmap, origin)];
  if (!early) return { slot, ops };
  sources.ops.push(...ops);
  return { slot, ops: [] };
}

/** Before the mount is attached anywhere: the kernel lets no mapping be changed afterwards. */
export function idmapOps(slot: number, idmap: IdMap | undefined, origin: JsonPointer): Op[] {
  if (idmap === undefined) return [];
  const { namespace, recursive } = idmap;
  return [{ op: 'IDMAP_MOUNT', slot, namespace, flags: recursive ? ATTR.RECURSIVE : 0, origin }];
}

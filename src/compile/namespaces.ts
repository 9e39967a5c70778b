/**
 * linux.namespaces: those of the host's that are joined are opened in setup and entered by a stage process; the rest
 * are made by one clone3(2). A type that is not listed is inherited.
 *
 * OCI runtime-spec, config-linux "Namespaces". Pure.
 */
import type { Op } from '../plan/op.gen.js';
import type { LinuxNamespace, NamespaceType } from '../spec/types.gen.js';
import type { ValidSpec } from '../spec/valid.js';
import { CLONE_NEW } from '../util/kernel.js';
import { append, type JsonPointer, pointer } from '../util/pointer.js';
import { type Context, type ProcessScope, runtimeHas } from './context.js';
import { type Report, refuse, warn } from './report.js';

interface Listed extends LinuxNamespace {
  readonly at: JsonPointer;
}

export type Namespaces = ReadonlyMap<NamespaceType, Listed>;

export const NAMESPACES = pointer('linux', 'namespaces');

export function readNamespaces(spec: ValidSpec): Namespaces {
  const listed = spec.linux?.namespaces ?? [];
  return new Map(listed.map((one, index) => [one.type, { ...one, at: pointer('linux', 'namespaces', index) }]));
}

/** An empty path is what engines send for "make a new one". */
const isJoin = (one: Listed | undefined): boolean => (one?.path ?? '') !== '';

export const isNew = (of: Namespaces, type: NamespaceType): boolean => of.has(type) && !isJoin(of.get(type));
export const isJoined = (of: Namespaces, type: NamespaceType): boolean => isJoin(of.get(type));

/** CLONE_NEW* of all that are not inherited. */
export function privateNamespaces(of: Namespaces): bigint {
  return [...of.keys()].reduce((flags, type) => flags | CLONE_NEW[type], 0n);
}

function joined(of: Namespaces): readonly Listed[] {
  return [...of.values()].filter(isJoin);
}

/** Slots 0 … of the plan, in the order of the config. */
export function openNamespaces({ namespaces }: Context): Op[] {
  return joined(namespaces).map((one, slot) => ({
    op: 'OPEN_NAMESPACE',
    slot,
    type: CLONE_NEW[one.type],
    path: one.path ?? '',
    origin: append(one.at, 'path'),
  }));
}

/** Where openNamespaces() puts the one to join; undefined for one that is not joined. */
export function joinedSlot(of: Namespaces, type: NamespaceType): number | undefined {
  const slot = joined(of).findIndex((one) => one.type === type);
  return slot < 0 ? undefined : slot;
}

/** How many slots openNamespaces() takes. */
export const namespaceSlots = (of: Namespaces): number => joined(of).length;

/**
 * The user namespace comes last: the runtime may enter the host's namespaces only before it, and what that user
 * namespace owns, which the kernel refuses until then, the executor tries again after it. late: CLONE_NEW* that init
 * makes itself.
 */
export function spawn({ namespaces }: Context, late = 0n): Op[] {
  const slots = joined(namespaces).map((one, slot) => ({ one, slot }));
  const ordered = [
    ...slots.filter(({ one }) => one.type !== 'user'),
    ...slots.filter(({ one }) => one.type === 'user'),
  ];
  const joins = ordered.map(
    ({ one, slot }): Op => ({
      op: 'JOIN_NAMESPACE',
      slot,
      type: CLONE_NEW[one.type],
      origin: one.at,
    }),
  );
  const made = [...namespaces.values()].filter((one) => !isJoin(one));
  const flags = made.reduce((all, { type }) => all | CLONE_NEW[type], 0n) & ~late;
  const stage: Op[] = joins.length === 0 ? [] : [{ op: 'STAGE', origin: NAMESPACES }];
  return [...stage, ...joins, { op: 'CLONE', namespaces: flags, origin: NAMESPACES }];
}

/** clone3(2) would root it at the runtime's cgroups: init makes it, when it is in all of its own. */
export function enterCgroupNamespace({ namespaces }: Context): Op[] {
  return isNew(namespaces, 'cgroup') ? [{ op: 'UNSHARE_CGROUP', origin: NAMESPACES }] : [];
}

/** What this kernel and this program cannot do. */
export function checkNamespaces({ namespaces, facts, report }: ProcessScope): void {
  for (const { type, at } of namespaces.values()) {
    if (facts.namespaces.includes(type)) continue;
    refuse(report, 'NAMESPACE_UNSUPPORTED', at, 'this kernel has no such namespace', { value: type });
  }
  if (!namespaces.has('user') && facts.euid !== 0 && !runtimeHas(facts, 'SYS_ADMIN')) {
    refuse(report, 'USER_NAMESPACE_MISSING', NAMESPACES, 'rootless container requires user namespaces', {
      hint: 'add {"type": "user"} with linux.uidMappings and gidMappings, as "tsrun spec --rootless" does',
    });
  }
  if (!namespaces.has('mount')) checkHostMounts(namespaces, report);
}

const ADD_MOUNT = 'add {"type": "mount"}';

function checkHostMounts(namespaces: Namespaces, report: Report): void {
  if (namespaces.has('user')) {
    refuse(report, 'MOUNT_NAMESPACE_MISSING', NAMESPACES, 'must list a mount namespace beside the user namespace', {
      hint: `${ADD_MOUNT}: a user namespace may not mount in one of the host's`,
    });
    return;
  }
  const message = "lists no mount namespace: the container's mounts are the host's, and its root is a chroot";
  warn(report, 'HOST_MOUNT_NAMESPACE', NAMESPACES, message, { hint: ADD_MOUNT });
}

/** For commands that work inside the container's own tree of mounts. */
export function requireMountNamespace({ namespaces, report }: ProcessScope): void {
  if (namespaces.has('mount')) return;
  const message = 'lists no mount namespace, which this command needs';
  refuse(report, 'MOUNT_NAMESPACE_MISSING', NAMESPACES, message, {
    hint: `${ADD_MOUNT} and create the container anew`,
  });
}

/**
 * linux.uidMappings and gidMappings of a new user namespace, and the questions other areas ask about them.
 *
 * OCI runtime-spec, config-linux "User namespace mappings"; user_namespaces(7). Pure.
 */
import { type Op, SETGROUPS } from '../plan/op.gen.js';
import type { LinuxIDMapping } from '../spec/types.gen.js';
import { append, type JsonPointer, pointer } from '../util/pointer.js';
import { type Context, type ProcessScope, runtimeHas } from './context.js';
import { isNew } from './namespaces.js';
import { refuse } from './report.js';

export type MappingKind = 'uidMappings' | 'gidMappings';

const at = (kind: MappingKind): JsonPointer => pointer('linux', kind);

/** The container's, empty where they are not known. */
export function mappings(scope: ProcessScope, kind: MappingKind): readonly LinuxIDMapping[] {
  return scope.spec.linux?.[kind] ?? [];
}

/** As uid_map and gid_map take it: user_namespaces(7). */
export function mapText(maps: readonly LinuxIDMapping[]): string {
  return maps.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}\n`).join('');
}

/** The host's id for a container's, undefined when it is not mapped. */
export function hostId(maps: readonly LinuxIDMapping[], id: number): number | undefined {
  const map = maps.find(({ containerID, size }) => id >= containerID && id < containerID + size);
  return map === undefined ? undefined : map.hostID + (id - map.containerID);
}

/** Host ids of the container's root, who owns exec.fifo; the runtime's root where the mapping is not known. */
export function containerRoot(scope: ProcessScope): { readonly uid: number; readonly gid: number } {
  if (!scope.namespaces.has('user')) return { uid: 0, gid: 0 };
  return { uid: hostId(mappings(scope, 'uidMappings'), 0) ?? 0, gid: hostId(mappings(scope, 'gidMappings'), 0) ?? 0 };
}

/** setgroups(2) is closed to a user who maps ids without CAP_SETGID: CVE-2014-8989. */
export function setgroupsDenied(scope: ProcessScope): boolean {
  return isNew(scope.namespaces, 'user') && !runtimeHas(scope.facts, 'SETGID');
}

export function compileIdMaps(context: Context): Op[] {
  if (!isNew(context.namespaces, 'user')) return [];
  checkMapped(context, 'uidMappings', 0, at('uidMappings'));
  checkMapped(context, 'gidMappings', 0, at('gidMappings'));
  const text = (kind: MappingKind) => mapText(mappings(context, kind));
  const setgroups = setgroupsDenied(context) ? SETGROUPS.DENY : SETGROUPS.UNTOUCHED;
  return [
    { op: 'ID_MAPS', uidMap: text('uidMappings'), gidMap: text('gidMappings'), setgroups, origin: at('uidMappings') },
  ];
}

/** Refuses an id of the container that the new user namespace does not map: the kernel would say EINVAL, late. */
export function checkMapped(scope: ProcessScope, kind: MappingKind, id: number, path: JsonPointer): void {
  if (!isNew(scope.namespaces, 'user') || hostId(mappings(scope, kind), id) !== undefined) return;
  refuse(scope.report, 'ID_NOT_MAPPED', path, `ID ${id} of the container must be in linux.${kind}`);
}

/** uid=, gid= among the options of a mount in a new user namespace. */
export function checkMountId(scope: ProcessScope, option: string, path: JsonPointer, index: number): void {
  const match = /^([ug]id)=(\d{1,10})$/.exec(option);
  if (match === null) return;
  checkMapped(
    scope,
    match[1] === 'uid' ? 'uidMappings' : 'gidMappings',
    Number(match[2]),
    append(path, 'options', index),
  );
}

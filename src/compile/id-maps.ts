/**
 * linux.uidMappings and gidMappings of a new or joined user namespace, and the questions other areas ask about them.
 *
 * OCI runtime-spec, config-linux "User namespace mappings"; user_namespaces(7). Pure.
 */
import { type Op, SETGROUPS } from '../plan/op.gen.js';
import type { LinuxIDMapping } from '../spec/types.gen.js';
import { append, type JsonPointer, pointer } from '../util/pointer.js';
import { type Context, type ProcessScope, runtimeHas } from './context.js';
import { isJoined, isNew } from './namespaces.js';
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

/** (uid_t)-1: chown(2) changes nothing. */
const KEEP = 0xffff_ffff;

/** Host ids of the container's root, who owns exec.fifo; the runtime's own where it may not give files away. */
export function containerRoot(scope: ProcessScope): { readonly uid: number; readonly gid: number } {
  if (!scope.namespaces.has('user')) return { uid: 0, gid: 0 };
  const uid = hostId(mappings(scope, 'uidMappings'), 0) ?? 0;
  const gid = hostId(mappings(scope, 'gidMappings'), 0) ?? 0;
  const isOwn = uid === scope.facts.euid && gid === scope.facts.egid;
  return isOwn || runtimeHas(scope.facts, 'CHOWN') ? { uid, gid } : { uid: KEEP, gid: KEEP };
}

const TOOLS = {
  uidMappings: { tool: 'newuidmap', capability: 'SETUID', own: 'euid' },
  gidMappings: { tool: 'newgidmap', capability: 'SETGID', own: 'egid' },
} as const;

/** Without rights the kernel takes one line of one id, the runtime's own: user_namespaces(7). */
function needsTool(scope: ProcessScope, kind: MappingKind): boolean {
  const { capability, own } = TOOLS[kind];
  const [first, ...rest] = mappings(scope, kind);
  if (runtimeHas(scope.facts, capability)) return false;
  return rest.length > 0 || first?.size !== 1 || first.hostID !== scope.facts[own];
}

/** setgroups(2) is closed to a user who maps the own group alone: CVE-2014-8989. newgidmap sees to it by itself. */
export function setgroupsDenied(scope: ProcessScope): boolean {
  if (scope.facts.idMaps.setgroupsDenied) return true;
  if (!isNew(scope.namespaces, 'user')) return false;
  return !runtimeHas(scope.facts, 'SETGID') && !needsTool(scope, 'gidMappings');
}

/** Of a joined one they say what its maps are: files are owned by them. Only who is in it can tell whether that is so. */
function checkJoined(context: Context): Op[] {
  if (!isJoined(context.namespaces, 'user')) return [];
  const files = { uidMappings: 'uid_map', gidMappings: 'gid_map' } as const;
  return (['uidMappings', 'gidMappings'] as const).flatMap((kind): Op[] => {
    const map = mapText(mappings(context, kind));
    return map === '' ? [] : [{ op: 'ID_MAP_CHECK', file: files[kind], map, origin: at(kind) }];
  });
}

export function compileIdMaps(context: Context): Op[] {
  if (!isNew(context.namespaces, 'user')) return checkJoined(context);
  checkMapped(context, 'uidMappings', 0, at('uidMappings'));
  checkMapped(context, 'gidMappings', 0, at('gidMappings'));
  const written: Op = {
    op: 'ID_MAPS',
    uidMap: text(context, 'uidMappings'),
    gidMap: text(context, 'gidMappings'),
    setgroups: setgroupsDenied(context) ? SETGROUPS.DENY : SETGROUPS.UNTOUCHED,
    origin: at('uidMappings'),
  };
  const all = written.uidMap === '' && written.gidMap === '' ? [] : [written];
  return [...all, ...runTool(context, 'uidMappings'), ...runTool(context, 'gidMappings')];
}

/** '' when a tool writes it. */
function text(context: Context, kind: MappingKind): string {
  if (needsTool(context, kind)) return '';
  return mapText(mappings(context, kind));
}

function runTool(context: Context, kind: MappingKind): Op[] {
  if (!needsTool(context, kind)) return [];
  const { tool, own } = TOOLS[kind];
  const path = context.facts.idMaps[tool];
  if (path === null) {
    const id = context.facts[own];
    refuse(context.report, 'ID_MAP_TOOL_MISSING', at(kind), `needs ${tool}, which is not installed`, {
      hint: `install ${tool} (package uidmap or shadow-utils), or map one ID to your own: {"containerID": 0, "hostID": ${id}, "size": 1}`,
    });
    return [];
  }
  const ranges = mappings(context, kind).flatMap(({ containerID, hostID, size }) =>
    [containerID, hostID, size].map(String),
  );
  return [{ op: 'ID_MAP_TOOL', path, ranges, origin: at(kind) }];
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

/**
 * Id-mapped mounts: which mapping a mount gets, and the user namespace that carries it to the kernel.
 *
 * A mapping says for an id on the file system which id of the host's it becomes: with the container's own mapping, what
 * belongs to root on the disk belongs to root in the container.
 *
 * OCI runtime-spec, config "Mounts"; mount_setattr(2). Pure.
 */
import type { Op } from '../plan/op.gen.js';
import type { LinuxIDMapping } from '../spec/types.gen.js';
import type { IdRange } from '../util/idmap-option.js';
import { append, type JsonPointer } from '../util/pointer.js';
import { runtimeHas } from './context.js';
import { type MappingKind, mappings, mapText } from './id-maps.js';
import type { MountScope } from './mounts.js';
import { isNew, joinedSlot } from './namespaces.js';
import { refuse } from './report.js';
import { type IdMap, takeSlot } from './sources.js';

/** They show the namespaces of whoever mounts them, which here would be the host's. The kernel maps none of them. */
export const OF_NAMESPACES = ['proc', 'sysfs', 'cgroup', 'cgroup2', 'devpts', 'mqueue'];

/** The mapping of a mount; undefined when it asks for none, or for one that cannot be. */
export function idMapOf(scope: MountScope): IdMap | undefined {
  const { mount, options } = scope;
  const own = (mount.uidMappings ?? []).length > 0;
  if (options.idmap === undefined && !own) return undefined;
  const at =
    options.idmap === undefined ? append(scope.at, 'uidMappings') : append(scope.at, 'options', options.idmap.index);
  if (!isPossible(scope, at)) return undefined;
  const namespace = namespaceFor(scope, at, own);
  return namespace === undefined ? undefined : { namespace, recursive: options.idmap?.recursive ?? false };
}

function isPossible({ context, mount, options }: MountScope, at: JsonPointer): boolean {
  const { report, facts } = context;
  const type = options.bind === 'no' ? (mount.type ?? '') : '';
  if (!facts.mountApi.idmap) {
    refuse(report, 'IDMAP_UNSUPPORTED', at, 'this kernel has no id-mapped mounts (Linux 5.12 has)');
  } else if (!runtimeHas(facts, 'SYS_ADMIN')) {
    refuse(report, 'IDMAP_UNSUPPORTED', at, 'needs CAP_SYS_ADMIN where the file system was mounted', {
      hint: 'run as root, or leave the mapping out',
    });
  } else if (OF_NAMESPACES.includes(type)) {
    refuse(report, 'IDMAP_UNSUPPORTED', at, `the kernel has no id mapping for file systems of type ${type}`);
  } else {
    return true;
  }
  return false;
}

function namespaceFor(scope: MountScope, at: JsonPointer, own: boolean): number | undefined {
  const { context, mount, options, sources } = scope;
  const { namespaces } = context;
  if (own) return open(scope, at, mapText(mount.uidMappings ?? []), mapText(mount.gidMappings ?? []));
  const value = options.idmap?.value;
  if (value !== undefined) {
    const uids = valueText(scope, at, value.uids, 'uidMappings');
    const gids = valueText(scope, at, value.gids, 'gidMappings');
    return uids === undefined || gids === undefined ? undefined : open(scope, at, uids, gids);
  }
  const joined = joinedSlot(namespaces, 'user');
  if (joined !== undefined) return joined;
  if (!isNew(namespaces, 'user')) return undefined;
  return open(
    scope,
    at,
    mapText(mappings(sources.scope, 'uidMappings')),
    mapText(mappings(sources.scope, 'gidMappings')),
  );
}

function open({ sources }: MountScope, origin: JsonPointer, uidMap: string, gidMap: string): number {
  const key = `${uidMap}/${gidMap}`;
  const known = sources.userNamespaces.get(key);
  if (known !== undefined) return known;
  const slot = takeSlot(sources, origin, 'user namespace');
  const op: Op = { op: 'OPEN_USERNS', slot, uidMap, gidMap, origin };
  sources.ops.push(op);
  sources.userNamespaces.set(key, slot);
  return slot;
}

/** Lines of a map. A kind that is left out is mapped as in the container. */
function valueText(
  scope: MountScope,
  at: JsonPointer,
  ranges: readonly IdRange[],
  kind: MappingKind,
): string | undefined {
  const container = mappings(scope.sources.scope, kind);
  if ((ranges.length === 0 || ranges.some(({ relative }) => relative)) && container.length === 0) {
    refuse(scope.context.report, 'ID_NOT_MAPPED', at, `linux.${kind} must say which ids the container has`);
    return undefined;
  }
  if (ranges.length === 0) return mapText(container);
  const pieces = ranges.flatMap((range) => (range.relative ? absolute(range, container) : [line(range)]));
  if (total(pieces) === ranges.reduce((sum, { size }) => sum + size, 0)) return mapText(pieces);
  refuse(scope.context.report, 'ID_NOT_MAPPED', at, `maps to ids of the container that are not in linux.${kind}`);
  return undefined;
}

const total = (maps: readonly LinuxIDMapping[]) => maps.reduce((sum, { size }) => sum + size, 0);

const line = ({ from, to, size }: IdRange): LinuxIDMapping => ({ containerID: from, hostID: to, size });

/** A range of the container's ids as ids of the host's, a piece for each entry of its mapping that it touches. */
function absolute({ from, to, size }: IdRange, container: readonly LinuxIDMapping[]): LinuxIDMapping[] {
  return container.flatMap((map) => {
    const first = Math.max(to, map.containerID);
    const end = Math.min(to + size, map.containerID + map.size);
    if (first >= end) return [];
    return [{ containerID: from + (first - to), hostID: map.hostID + (first - map.containerID), size: end - first }];
  });
}

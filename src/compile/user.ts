/**
 * process.user: ids, groups, umask.
 *
 * OCI runtime-spec, config "POSIX-platform user"; setgroups(2). Pure.
 */
import { type Op, USER } from '../plan/op.gen.js';
import { append } from '../util/pointer.js';
import type { ProcessScope } from './context.js';
import { checkMapped, setgroupsDenied } from './id-maps.js';
import { isJoined, NAMESPACES } from './namespaces.js';
import { refuse } from './report.js';

/** The spec leaves an unset umask to the runtime; this one is what every runtime sets. Until then init has none. */
const DEFAULT_UMASK = 0o022;

export function compileUmask({ process, base }: ProcessScope): Op {
  return { op: 'UMASK', mode: process.user.umask ?? DEFAULT_UMASK, origin: append(base, 'user', 'umask') };
}

/** runc's words. */
const GROUPS_DENIED = 'cannot set any additional groups in a rootless container';

/**
 * An annotation of crun, by which Podman asks for --group-add keep-groups: unless it is "0", the process has the groups of the
 * runtime's caller, and none of process.user.additionalGids, which Podman fills with those of the image all the same.
 */
export const KEEP_GROUPS = 'run.oci.keep_original_groups';

const keepsGroups = ({ spec }: ProcessScope): boolean => (spec.annotations?.[KEEP_GROUPS] ?? '0') !== '0';

/** First of all in a user namespace of the container. A process that joins one has left the groups on the way in. */
export function becomeRoot(scope: ProcessScope): Op[] {
  if (!scope.namespaces.has('user')) return [];
  return [{ op: 'BECOME_ROOT', flags: keepsGroups(scope) ? USER.SKIP_GROUPS : 0, origin: NAMESPACES }];
}

export function setUser(scope: ProcessScope): Op {
  const { uid, gid } = scope.process.user;
  const additionalGids = keepsGroups(scope) ? [] : (scope.process.user.additionalGids ?? []);
  const origin = append(scope.base, 'user');
  const denied = setgroupsDenied(scope);
  checkMapped(scope, 'uidMappings', uid, append(origin, 'uid'));
  checkMapped(scope, 'gidMappings', gid, append(origin, 'gid'));
  for (const [index, id] of additionalGids.entries()) {
    checkMapped(scope, 'gidMappings', id, append(origin, 'additionalGids', index));
  }
  if (denied && additionalGids.length > 0) {
    refuse(scope.report, 'GROUPS_NOT_ALLOWED', append(origin, 'additionalGids'), GROUPS_DENIED, {
      hint: 'setgroups(2) is closed in a user namespace with the own group alone: map more by newgidmap, or leave the field empty',
    });
  }
  return { op: 'SET_USER', uid, gid, groups: groupBytes(additionalGids), flags: groupFlags(scope, denied), origin };
}

/** Whether a user namespace that is joined has setgroups(2) denied, only the attempt tells. */
function groupFlags(scope: ProcessScope, denied: boolean): number {
  if (denied || keepsGroups(scope)) return USER.SKIP_GROUPS;
  const { process, namespaces } = scope;
  const none = (process.user.additionalGids ?? []).length === 0;
  return none && isJoined(namespaces, 'user') ? USER.KEEP_GROUPS_ON_REFUSAL : 0;
}

function groupBytes(groups: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(groups.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [index, group] of groups.entries()) view.setUint32(index * 4, group, true);
  return bytes;
}

/**
 * Rules of linux.namespaces and of what needs one of them: id mappings, time offsets, network devices, masked paths
 * (runtime-spec config-linux.md). Where runc has a text for it, ours contains it.
 *
 * Pure.
 */
import { type Rule, rulesOf, type Site } from '../rule.js';
import type { Config, Linux, LinuxNamespace, LinuxTimeOffset, LinuxTimeOffsets, NamespaceType } from '../types.gen.js';
import { absolutePath, addNamespace, idMappings, NAMESPACES, namespaceOf } from './common.js';

const rule = rulesOf<Config>();

function namespacesOnce(namespaces: readonly LinuxNamespace[], on: Site<Config>): void {
  for (const [index, { type }] of namespaces.entries()) {
    if (namespaces.findIndex((other) => other.type === type) < index) {
      on.error('DUPLICATE', `/${index}/type`, 'duplicated ns: each type may be listed once');
    }
  }
}

function namespacePath({ path = '' }: LinuxNamespace, on: Site<Config>): void {
  if (path !== '') absolutePath(path, on, '/path');
}

function userNamespace(linux: Linux, on: Site<Config>): void {
  const user = namespaceOf(on.root, 'user');
  const uids = linux.uidMappings?.length ?? 0;
  const gids = linux.gidMappings?.length ?? 0;
  if (user === undefined) {
    const message = "user namespace mappings specified, but user namespace isn't enabled in the config";
    for (const at of [...(uids > 0 ? ['/uidMappings'] : []), ...(gids > 0 ? ['/gidMappings'] : [])]) {
      on.error('NEEDS_NAMESPACE', at, message, { hint: addNamespace('user') });
    }
  } else if (uids > 0 !== gids > 0) {
    on.error(
      'MAPPINGS_INCOMPLETE',
      uids > 0 ? '/gidMappings' : '/uidMappings',
      'is required beside the other mappings',
    );
  } else if (uids === 0 && (user.path ?? '') === '') {
    const message = 'user namespaces enabled, but no namespace path to join nor mappings to apply specified';
    on.error('REQUIRED', '/uidMappings', message);
  }
}

/** The keys are names of clocks, so one that is unknown is a value that cannot be applied and no unknown property. */
function timeOffsets(offsets: LinuxTimeOffsets, on: Site<Config>): void {
  for (const clock of Object.keys(offsets)) {
    if (clock !== 'monotonic' && clock !== 'boottime')
      on.error('UNKNOWN_VALUE', `/${clock}`, 'is no clock of a time namespace (want monotonic or boottime)');
  }
  if (offsets.monotonic === undefined && offsets.boottime === undefined) return;
  const time = namespaceOf(on.root, 'time');
  if (time === undefined) {
    const message = "time namespace offsets specified, but time namespace isn't enabled in the config";
    on.error('NEEDS_NAMESPACE', '', message, { hint: addNamespace('time') });
  } else if ((time.path ?? '') !== '') {
    const message =
      'time namespace enabled, but both namespace path and time offsets specified -- you may only provide one';
    on.error('PATH_AND_SETTINGS', '', message);
  }
}

/** timens_offsets takes no more than KTIME_SEC_MAX; how far below 0 an offset may be depends on how long the host is up. */
function timeOffset({ secs = 0n }: LinuxTimeOffset, on: Site<Config>): void {
  const most = 9_223_372_036n;
  if (secs > most || secs < -most) on.error('OUT_OF_RANGE', '/secs', `must be within ${most} seconds of 0`);
}

/** Reports fields that are in use although the namespace they change would be the host's. */
function needs(type: NamespaceType, message: string) {
  return (value: object, on: Site<Config>): void => {
    if (Object.keys(value).length === 0 || namespaceOf(on.root, type) !== undefined) return;
    on.error('NEEDS_NAMESPACE', '', message, { hint: addNamespace(type) });
  };
}

const mountNamespace = needs('mount', 'unable to restrict sys entries without a private MNT namespace');
const networkNamespace = needs('network', 'unable to move network devices without a NET namespace');

export const namespaceRules: readonly Rule<Config>[] = [
  rule('/linux/namespaces', namespacesOnce),
  rule('/linux/namespaces/*', namespacePath),
  rule('/linux/uidMappings', idMappings),
  rule('/linux/gidMappings', idMappings),
  rule('/linux', userNamespace, { needs: [NAMESPACES, '/linux/uidMappings', '/linux/gidMappings'], shallow: true }),
  rule('/linux/timeOffsets', timeOffsets, { needs: [NAMESPACES] }),
  rule('/linux/timeOffsets/monotonic', timeOffset),
  rule('/linux/timeOffsets/boottime', timeOffset),
  rule('/linux/maskedPaths', mountNamespace, { needs: [NAMESPACES] }),
  rule('/linux/readonlyPaths', mountNamespace, { needs: [NAMESPACES] }),
  rule('/linux/netDevices', networkNamespace, { needs: [NAMESPACES] }),
];

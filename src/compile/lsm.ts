/**
 * process.apparmorProfile and selinuxLabel: what the program is confined to from its execve on.
 *
 * OCI runtime-spec, config "Process"; apparmor(7), selinux(8). Pure.
 */
import type { Op } from '../plan/op.gen.js';
import { append, pointer } from '../util/pointer.js';
import type { ProcessScope } from './context.js';
import { refuse } from './report.js';

/** Written before no_new_privs, which would forbid some transitions, and while /proc can be reached. */
export function compileLsm({ process, base, facts, report }: ProcessScope): Op[] {
  const { apparmorProfile = '', selinuxLabel = '' } = process;
  if (apparmorProfile !== '' && !facts.lsm.apparmor) {
    refuse(
      report,
      'APPARMOR_UNAVAILABLE',
      append(base, 'apparmorProfile'),
      'needs AppArmor, which is off on this host',
      {
        value: apparmorProfile,
      },
    );
  }
  if (selinuxLabel !== '' && !facts.lsm.selinux) {
    refuse(report, 'SELINUX_UNAVAILABLE', append(base, 'selinuxLabel'), 'needs SELinux, which is off on this host', {
      value: selinuxLabel,
    });
  }
  const profile: Op = { op: 'APPARMOR', profile: apparmorProfile, origin: append(base, 'apparmorProfile') };
  const label: Op = { op: 'SELINUX_EXEC', label: selinuxLabel, origin: append(base, 'selinuxLabel') };
  return [...(apparmorProfile === '' ? [] : [profile]), ...(selinuxLabel === '' ? [] : [label])];
}

/** linux.mountLabel: SELinux's label for what is in the container's file systems, empty for none. */
export const mountLabel = ({ spec }: ProcessScope): string => spec.linux?.mountLabel ?? '';

export function checkMountLabel(scope: ProcessScope): void {
  const value = mountLabel(scope);
  if (value === '' || scope.facts.lsm.selinux) return;
  const at = pointer('linux', 'mountLabel');
  refuse(scope.report, 'SELINUX_UNAVAILABLE', at, 'needs SELinux, which is off on this host', { value });
}

/** Permission bits added to the keyring: its user may search it; in a user namespace that user is "others". */
const SEARCH_BY_USER = 0x80000;
const SEARCH_BY_OTHERS = 8;

/** keyrings(7): without one of its own the container would share the session keyring of whoever called the runtime. */
export function joinKeyring({ process, base, namespaces }: ProcessScope): Op[] {
  const permissions = namespaces.has('user') ? SEARCH_BY_OTHERS : SEARCH_BY_USER;
  const join: Op = { op: 'SESSION_KEYRING', permissions, origin: base };
  const { selinuxLabel = '' } = process;
  if (selinuxLabel === '') return [join];
  const origin = append(base, 'selinuxLabel');
  return [{ op: 'SELINUX_KEYS', label: selinuxLabel, origin }, join, { op: 'SELINUX_KEYS', label: '', origin }];
}

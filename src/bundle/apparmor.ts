/**
 * The AppArmor profile of containers that ask for none: everything that a program of a container does, but no mounts, and no
 * writing to what /proc and /sys have of the host. It is loaded by apparmor_parser(8) when the first container comes.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { TsrunError } from '../errors.js';
import { findTool } from '../util/tools.js';

export const DEFAULT_APPARMOR = 'tsrun-default';

/** Directories below /proc, /proc/sys and /sys that are the host's. */
const PROC = 'acpi,asound,bus,driver,dynamic_debug,fs,irq,scsi,sysvipc,tty';
const PROC_SYS = 'abi,crypto,debug,dev,sunrpc,user,vm';
const SYS = 'block,bus,class,dev,devices,firmware,hypervisor,kernel,module,power';

const PROFILE = `profile ${DEFAULT_APPARMOR} flags=(attach_disconnected, mediate_deleted) {
  file,
  network,
  capability,
  umount,
  deny mount,

  # The runtime may end it, and it itself; debuggers see their own container.
  signal (receive) peer=unconfined,
  signal (send, receive) peer=${DEFAULT_APPARMOR},
  ptrace peer=${DEFAULT_APPARMOR},

  deny /proc/[^1-9s]* w,
  deny /proc/{${PROC}}/** w,
  deny /proc/sys/{${PROC_SYS}}/** w,
  # Written may be what namespaces divide: domainname, hostname, msg*, sem, shm*, and fs/mqueue. Rules know no "all but".
  deny /proc/sys/kernel/{[^dhms],d[^o],h[^o],ho[^s],m[^s],s[^eh],se[^m]}** w,
  deny /proc/sys/fs/{[^m],m[^q]}** w,
  deny /proc/{kcore,sysrq-trigger} rwkl,
  deny /sys/{${SYS}}/** wkl,
  deny /sys/fs/[^c]*/** wkl,
  deny /sys/kernel/security/** r,
}
`;

const LOADED = '/sys/kernel/security/apparmor/profiles';

function isLoaded(): boolean {
  try {
    return readFileSync(LOADED, 'latin1').includes(`${DEFAULT_APPARMOR} (`);
  } catch {
    return false;
  }
}

/** Its name once it is loaded; undefined where nothing can load it, after a warning. Throws TsrunError HOST_UNSUPPORTED. */
export function defaultApparmor(warn: (message: string) => void): string | undefined {
  if (isLoaded()) return DEFAULT_APPARMOR;
  const parser = findTool('apparmor_parser');
  if (parser === undefined) {
    warn('the container has no AppArmor profile: apparmor_parser is not installed (Debian package apparmor)');
    return undefined;
  }
  const loaded = spawnSync(parser, ['--replace', '--skip-cache'], { input: PROFILE, encoding: 'utf8', env: {} });
  if (loaded.status === 0) return DEFAULT_APPARMOR;
  const said = loaded.error?.message ?? loaded.stderr.trim();
  throw new TsrunError('HOST_UNSUPPORTED', `the AppArmor profile ${DEFAULT_APPARMOR} cannot be loaded: ${said}`, {
    hint: 'run without one: --apparmor unconfined',
  });
}

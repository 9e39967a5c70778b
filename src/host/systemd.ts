/**
 * SystemdFacts without a word to systemd: what lies in /run, in /proc and beside its program. sd_booted(3) looks at the
 * same directory.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { posix } from 'node:path';
import type { CgroupFacts, SystemdFacts } from './facts.js';
import { isInitialUidMap, parseDrivers, parseSystemdCgroup, parseUnixSockets, parseWords } from './parse.js';

type Environment = { readonly [name: string]: string | undefined };

const BOOTED = '/run/systemd/system';
const SYSTEM = { direct: ['/run/systemd/private'], bus: ['/run/dbus/system_bus_socket'] } as const;
const LIBRARIES = ['/usr/lib/systemd', '/lib/systemd', '/usr/lib64/systemd'];

/** null where no systemd runs that would do something for this user. */
export function probeSystemd(cgroup: CgroupFacts, env: Environment): SystemdFacts | null {
  if (!existsSync(BOOTED)) return null;
  const system = rootOfSystem();
  const common = { version: findVersion(), drivers: parseDrivers(read('/proc/devices')) };
  if (isOurs()) {
    return { ...common, ...SYSTEM, manager: 'system', root: system, controllers: cgroup.controllers };
  }
  const sockets = userSockets(env);
  const root = rootOfUser(system, cgroup.own);
  if (sockets.direct.length + sockets.bus.length === 0) return null;
  const controllers = parseWords(read(posix.join(cgroup.mount ?? '/', root, 'cgroup.controllers')));
  return { ...common, ...sockets, manager: 'user', root, controllers };
}

/** The system's manager serves root; in a user namespace only if it runs in there as well. */
function isOurs(): boolean {
  if (process.geteuid?.() !== 0) return false;
  return isInitialUidMap(read('/proc/self/uid_map')) || statSync(BOOTED).uid === 0;
}

/** The manager is process 1, in init.scope. */
function rootOfSystem(): string {
  return parseSystemdCgroup(read('/proc/1/cgroup')).replace(/\/init\.scope$/, '') || '/';
}

/** The user's manager, of whose cgroups ours may be one; the user as the initial user namespace knows him. */
function rootOfUser(system: string, own: string): string {
  const found = /^.*\/user@\d+\.service(?=\/|$)/.exec(own);
  const [, outside = '0'] = parseWords(read('/proc/self/uid_map'));
  const uid = process.geteuid?.() || outside;
  return found?.[0] ?? posix.join(system, `user.slice/user-${uid}.slice/user@${uid}.service`);
}

function userSockets({ XDG_RUNTIME_DIR: runtime = '', DBUS_SESSION_BUS_ADDRESS: address = '' }: Environment) {
  const manager = `${runtime}/systemd/private`;
  const bus = [...parseUnixSockets(address), ...(runtime === '' ? [] : [`${runtime}/bus`])];
  return {
    direct: runtime !== '' && existsSync(manager) ? [manager] : [],
    bus: [...new Set(bus)].filter((path) => path.startsWith('@') || existsSync(path)),
  };
}

/** "libsystemd-shared-252.so" lies beside the manager's program, and has its version. */
function findVersion(): number | null {
  for (const directory of LIBRARIES) {
    for (const name of list(directory)) {
      const found = /^libsystemd-(?:shared|core)-(\d+)/.exec(name);
      if (found !== null) return Number(found[1]);
    }
  }
  return null;
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** Empty when it cannot be read: the fact is then what an empty file means. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

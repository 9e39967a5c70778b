/** The process object: arguments, variables, user, rights. Pure. */
import { DEFAULT_APPARMOR } from '../../../bundle/apparmor.js';
import { DEFAULT_PATH } from '../../../bundle/container-defaults.js';
import type { Account } from '../../../bundle/users.js';
import type { POSIXRlimit, Process, RlimitType, User } from '../../../spec/types.gen.js';
import type { HostConfig } from '../../api/types.gen.js';
import { ulimitName } from '../options/check-host.js';
import { parseSecurityOpt } from '../options/security-opt.js';
import { capabilitiesOf } from './capabilities.js';
import { INIT } from './mounts.js';
import type { SpecRequest } from './request.js';

/** RLIM_INFINITY */
const UNLIMITED = 0xffffffffffffffffn;

export function processOf(request: SpecRequest): Process {
  const { record, account, host } = request;
  const { config, hostConfig } = record;
  const capabilities = capabilitiesOf(hostConfig, host.capabilities);
  const effective = account.uid === 0 ? capabilities : [];
  const security = parseSecurityOpt(hostConfig.SecurityOpt ?? []);
  const [height = 0, width = 0] = hostConfig.ConsoleSize ?? [];
  const rlimits = rlimitsOf(request);
  return {
    terminal: config.Tty === true,
    ...(config.Tty === true && height > 0 && width > 0 ? { consoleSize: { height, width } } : {}),
    user: userOf(account),
    args: argsOf(request),
    env: environmentOf(request),
    cwd: config.WorkingDir || '/',
    // Of another user than root the sets are emptied by execve(2) anyway; the bounding set is what setuid programs get.
    capabilities: { bounding: capabilities, effective, permitted: effective },
    ...(rlimits.length > 0 ? { rlimits } : {}),
    ...((security.noNewPrivileges ?? host.noNewPrivileges) ? { noNewPrivileges: true } : {}),
    ...(request.apparmor === undefined ? {} : { apparmorProfile: request.apparmor }),
    oomScoreAdj: hostConfig.OomScoreAdj ?? 0,
  };
}

/** As dockerd decides it, where the host has AppArmor; 'unconfined' is none. */
export function apparmorProfile({ SecurityOpt = [], Privileged = false }: HostConfig): string {
  const { apparmor } = parseSecurityOpt(SecurityOpt);
  if (apparmor !== undefined && apparmor !== '') return apparmor;
  return Privileged ? 'unconfined' : DEFAULT_APPARMOR;
}

/**
 * The group of the user is among the additional ones too: a program that changes its group must not get at files that this
 * group was kept from (CVE-2022-36109).
 */
export function userOf({ uid, gid, additionalGids }: Account): User {
  return { uid, gid, additionalGids: [...new Set([gid, ...additionalGids])], umask: 0o022 };
}

function argsOf({ record: { config }, initPath }: SpecRequest): string[] {
  const args = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
  return initPath === undefined ? args : [INIT, '--', ...args];
}

/** Later ones replace earlier ones where these stand; NAME alone takes a default away. */
function environmentOf({ record: { config }, account, hostname, linked }: SpecRequest): string[] {
  const defaults = [DEFAULT_PATH, `HOSTNAME=${hostname}`, `HOME=${account.home}`];
  const found = new Map<string, string>();
  const terminal = config.Tty === true ? ['TERM=xterm'] : [];
  for (const entry of [...defaults, ...terminal, ...linked, ...(config.Env ?? [])]) {
    const equals = entry.indexOf('=');
    if (equals < 0) found.delete(entry);
    else found.set(entry.slice(0, equals), entry);
  }
  return [...found.values()];
}

function rlimitsOf({ record: { hostConfig } }: SpecRequest): POSIXRlimit[] {
  const value = (limit: number): bigint => (limit < 0 ? UNLIMITED : BigInt(limit));
  return (hostConfig.Ulimits ?? []).map(({ Name = '', Soft = 0, Hard = 0 }) => ({
    type: ulimitName(Name) as RlimitType,
    soft: value(Soft),
    hard: value(Hard),
  }));
}

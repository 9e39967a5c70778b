/**
 * HostConfig but for limits, modes and mounts. Pure.
 */
import { isIP } from 'node:net';
import { CAPABILITIES, RLIMITS } from '../../../util/linux-names.js';
import { quote } from '../../../util/quote.js';
import type { HostConfig } from '../../api/types.gen.js';
import { checkPortBindings } from './ports.js';
import { refuse } from './refuse.js';
import { parseSecurityOpt } from './security-opt.js';

export function checkHostConfig(host: HostConfig): void {
  checkRestart(host);
  checkPortBindings(host.PortBindings ?? {});
  for (const entry of host.ExtraHosts ?? []) checkExtraHost(entry);
  for (const address of host.Dns ?? []) {
    if (isIP(address.replace(/%.*$/, '')) === 0) throw refuse(`invalid IP address: ${address} (Dns)`);
  }
  for (const word of [...(host.DnsSearch ?? []), ...(host.DnsOptions ?? [])]) {
    if (/\s/.test(word)) throw refuse(`invalid DNS option: ${quote(word, 64)}: it has a space`);
  }
  checkNumbers(host);
  checkUlimits(host);
  normaliseCapabilities('CapAdd', host.CapAdd ?? []);
  normaliseCapabilities('CapDrop', host.CapDrop ?? []);
  parseSecurityOpt(host.SecurityOpt ?? []);
  for (const rule of host.DeviceCgroupRules ?? []) parseDeviceRule(rule);
  for (const { PathOnHost = '', CgroupPermissions = 'rwm' } of host.Devices ?? []) {
    if (!PathOnHost.startsWith('/')) throw refuse(`invalid device: ${quote(PathOnHost, 64)} must be an absolute path`);
    if (!/^[rwm]{0,3}$/.test(CgroupPermissions))
      throw refuse(`invalid device mode: ${CgroupPermissions}: want some of rwm`);
  }
  checkSysctls(host);
}

function checkRestart({ RestartPolicy: policy = {}, AutoRemove = false }: HostConfig): void {
  const { Name = '', MaximumRetryCount = 0 } = policy;
  if (MaximumRetryCount < 0) throw refuse('invalid restart policy: maximum retry count cannot be negative');
  if (MaximumRetryCount > 0 && Name !== 'on-failure')
    throw refuse("invalid restart policy: maximum retry count can only be used with 'on-failure'");
  if (AutoRemove && Name !== '' && Name !== 'no')
    throw refuse("can't create 'AutoRemove' container with restart policy");
}

/** "name:address", and of newer clients "name=address". */
function checkExtraHost(entry: string): void {
  const match = /^([^:=\s]+)[:=](\S+)$/.exec(entry);
  if (match === null) throw refuse(`bad format for add-host: ${quote(entry, 64)}`);
  const address = (match[2] ?? '').replace(/^\[(.*)\]$/, '$1');
  if (address !== 'host-gateway' && isIP(address) === 0)
    throw refuse(`invalid IP address in add-host: ${quote(address, 64)}`);
}

function checkNumbers(host: HostConfig): void {
  const { OomScoreAdj = 0, ShmSize = 0, ConsoleSize = [] } = host;
  if (OomScoreAdj < -1000 || OomScoreAdj > 1000)
    throw refuse(`Invalid value ${OomScoreAdj}, range for oom score adj is [-1000, 1000]`);
  if (ShmSize < 0) throw refuse(`SHM size can not be less than 0 (ShmSize: ${ShmSize})`);
  if (ConsoleSize.some((size) => size > 0xffff)) throw refuse(`ConsoleSize: ${ConsoleSize} is not in 0..65535`);
}

/** getrlimit(2) without RLIMIT_, in lower case. */
export const ulimitName = (name: string): string => `RLIMIT_${name.toUpperCase()}`;

function checkUlimits({ Ulimits = [] }: HostConfig): void {
  const seen = new Set<string>();
  for (const { Name = '', Soft = 0, Hard = 0 } of Ulimits) {
    if (!(ulimitName(Name) in RLIMITS)) throw refuse(`invalid ulimit type: ${Name}`);
    if (Soft < -1 || Hard < -1) throw refuse(`invalid ulimit ${Name}: ${Soft}:${Hard}: -1 is no limit`);
    if (Hard !== -1 && (Soft > Hard || Soft === -1))
      throw refuse(`ulimit soft limit must be less than or equal to hard limit: ${Soft} > ${Hard} (${Name})`);
    if (seen.has(Name.toLowerCase())) throw refuse(`ulimit ${Name} is there twice`);
    seen.add(Name.toLowerCase());
  }
}

/** "net_admin" is CAP_NET_ADMIN; ALL stays. Throws TsrunError REQUEST_INVALID. */
export function normaliseCapabilities(field: string, names: readonly string[]): string[] {
  return names.map((name) => {
    const upper = name.toUpperCase();
    if (upper === 'ALL') return upper;
    const whole = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
    if (CAPABILITIES.includes(whole)) return whole;
    throw refuse(`invalid ${field}: unknown capability: "${whole.slice(0, 64)}"`);
  });
}

export interface DeviceRule {
  readonly type: 'a' | 'b' | 'c';
  /** undefined: any. */
  readonly major: number | undefined;
  readonly minor: number | undefined;
  readonly access: string;
}

export function parseDeviceRule(rule: string): DeviceRule {
  const match = /^([abc]) ([0-9]+|\*):([0-9]+|\*) ([rwm]{1,3})$/.exec(rule);
  if (match === null) throw refuse(`invalid device cgroup rule format: '${rule}'`);
  const number = (text = '*') => (text === '*' ? undefined : Number(text));
  return {
    type: match[1] as DeviceRule['type'],
    major: number(match[2]),
    minor: number(match[3]),
    access: match[4] ?? '',
  };
}

/** sysctl(8); which of them a container may have is the affair of the runtime, at start. */
function checkSysctls({ Sysctls = {}, NetworkMode = '', IpcMode = '' }: HostConfig): void {
  for (const name of Object.keys(Sysctls)) {
    if (!/^[a-z][a-z0-9_.\-/@:]*$/i.test(name) || name.includes('..'))
      throw refuse(`invalid sysctl: ${quote(name, 64)}`);
    if (name.startsWith('net.') && NetworkMode === 'host')
      throw refuse(`sysctl '${name}' not allowed in host network namespace`);
    const isIpc = name.startsWith('fs.mqueue.') || /^kernel\.(msg|sem|shm)/.test(name);
    if (isIpc && IpcMode === 'host') throw refuse(`sysctl '${name}' not allowed in host ipc namespace`);
  }
}

/**
 * Config by itself: paths, variables, health check, ports. Pure.
 */
import { quote } from '../../../util/quote.js';
import type { ContainerConfig, HealthConfig } from '../../api/types.gen.js';
import { checkPort } from './ports.js';
import { refuse } from './refuse.js';
import { checkSignal } from './signal.js';

/** setdomainname(2), sethostname(2): __NEW_UTS_LEN. */
const MAX_HOSTNAME = 64;
const HOSTNAME = /^[a-zA-Z0-9]([a-zA-Z0-9_.-]*[a-zA-Z0-9])?$/;
const MS = 1_000_000;

export function checkConfig(config: ContainerConfig): void {
  const { WorkingDir = '', Hostname = '', Domainname = '', StopSignal = '' } = config;
  if (WorkingDir !== '' && !WorkingDir.startsWith('/'))
    throw refuse(`the working directory '${WorkingDir}' is invalid, it needs to be an absolute path`);
  checkHostname('Hostname', Hostname);
  checkHostname('Domainname', Domainname);
  for (const entry of config.Env ?? []) {
    if (entry.startsWith('=') || entry === '') throw refuse(`invalid environment variable: ${entry}`);
  }
  for (const port of Object.keys(config.ExposedPorts ?? {})) checkPort(port);
  for (const path of Object.keys(config.Volumes ?? {})) {
    if (!path.startsWith('/') && !path.includes(':')) throw refuse(`invalid volume path: '${path}' must be absolute`);
  }
  if (StopSignal !== '') checkSignal(StopSignal);
  if (config.Healthcheck !== undefined) checkHealth(config.Healthcheck);
}

function checkHostname(field: string, name: string): void {
  if (name === '' || (name.length <= MAX_HOSTNAME && HOSTNAME.test(name))) return;
  throw refuse(`${field}: ${quote(name)} is no host name: letters, digits, '-', '_' and '.', at most ${MAX_HOSTNAME}`);
}

function checkHealth(health: HealthConfig): void {
  for (const name of ['Interval', 'Timeout', 'StartPeriod', 'StartInterval'] as const) {
    const value = health[name] ?? 0;
    if (value !== 0 && value < MS) throw refuse(`${name} in Healthcheck cannot be less than 1ms`);
  }
  if ((health.Retries ?? 0) < 0) throw refuse('Retries in Healthcheck cannot be negative');
}

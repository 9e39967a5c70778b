/** What containers get that do not say otherwise: of the daemon's config, and of what this host can do. */
import { probeLimits } from '../../host/limits.js';
import { hostFacts } from '../../runtime/runtime.js';
import type { Defaults } from './options/index.js';

const SHM_BYTES = 64 * 1024 * 1024;

export function defaultsOfHost(): Defaults {
  const { cgroup } = hostFacts();
  return {
    limits: probeLimits(cgroup),
    unified: cgroup.layout === 'unified',
    systemdCgroup: false,
    runtime: 'tsrun',
    runtimes: ['tsrun'],
    shmSize: SHM_BYTES,
    ipcMode: 'private',
    cgroupnsMode: undefined,
    logConfig: { Type: 'json-file', Config: {} },
    logDrivers: ['json-file', 'local', 'journald', 'none'],
    ulimits: [],
    init: false,
    network: 'bridge',
    noNewPrivileges: false,
  };
}

/** What containers get that do not say otherwise: of the daemon's config, and of what this host can do. */
import { probeLimits } from '../../host/limits.js';
import { hostFacts } from '../../runtime/runtime.js';
import { cgroupDriver, cgroupsOfContainers } from '../cgroups.js';
import type { DaemonConfig } from '../config/config.js';
import type { Defaults } from './options/index.js';

const SHM_BYTES = 64 * 1024 * 1024;

export function defaultsOfHost({ logging, containers }: Pick<DaemonConfig, 'logging' | 'containers'>): Defaults {
  const facts = hostFacts();
  const { cgroup } = facts;
  return {
    limits: probeLimits(cgroupsOfContainers(facts)),
    unified: cgroup.layout === 'unified',
    systemdCgroup: cgroupDriver(facts) === 'systemd',
    runtime: 'tsrun',
    // What dockerd calls its own: containers that are made again after `docker inspect` ask for it.
    runtimes: ['tsrun', 'runc', 'io.containerd.runc.v2'],
    shmSize: SHM_BYTES,
    logConfig: { Type: logging.driver ?? 'json-file', Config: Object.fromEntries(logging.options) },
    logDrivers: ['json-file', 'local', 'journald', 'none'],
    ulimits: [],
    network: 'bridge',
    ipcMode: containers.ipcMode,
    cgroupnsMode: containers.cgroupnsMode,
  };
}

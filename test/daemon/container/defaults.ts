/** A host that can limit everything, and images, for tests of the daemon. */
import type { Defaults } from '../../../src/daemon/container/options/index.js';
import type { ImageConfig, ProcessConfig } from '../../../src/image/config.js';

export const DEFAULTS: Defaults = {
  limits: {
    memory: true,
    swap: true,
    swappiness: true,
    memoryReservation: true,
    oomKillDisable: true,
    pids: true,
    cpuShares: true,
    cpuQuota: true,
    cpuRealtime: false,
    cpuset: true,
    ioWeight: true,
    ioThrottle: true,
    cpus: 2,
    cpuList: '0-1',
    nodeList: '0',
  },
  unified: false,
  systemdCgroup: false,
  runtime: 'tsrun',
  runtimes: ['tsrun'],
  shmSize: 64 * 1024 * 1024,
  ipcMode: 'private',
  cgroupnsMode: undefined,
  logConfig: { Type: 'json-file', Config: {} },
  logDrivers: ['json-file', 'local', 'none'],
  ulimits: [],
  network: 'bridge',
};

export function imageConfig(config: Partial<ProcessConfig>): ImageConfig {
  return {
    architecture: 'amd64',
    os: 'linux',
    variant: undefined,
    osVersion: undefined,
    created: undefined,
    author: undefined,
    diffIds: [],
    history: [],
    config: {
      user: '',
      env: [],
      entrypoint: [],
      cmd: [],
      workingDir: '',
      exposedPorts: [],
      volumes: [],
      labels: {},
      stopSignal: '',
      shell: [],
      onBuild: [],
      healthcheck: undefined,
      ...config,
    },
  };
}

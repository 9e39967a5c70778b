/** What GET /info answers: docs.docker.com, SystemInfo. What this daemon has not is left at Go's zero. */
import { readdirSync, readFileSync } from 'node:fs';
import { cpus, hostname, machine, release, totalmem } from 'node:os';
import type { HostFacts } from '../../host/facts.js';
import { configDigest } from '../../image/find.js';
import type { ContentStore } from '../../image/store.js';
import { hostFacts } from '../../runtime/runtime.js';
import type { Snapshotter } from '../../snapshot/snapshotter.js';
import { nowNanoseconds, rfc3339Nano } from '../../util/nanoseconds.js';
import { VERSION } from '../../util/version.js';
import { cgroupDriver, cgroupsOfContainers } from '../cgroups.js';
import type { DaemonConfig } from '../config/config.js';
import type { Containers } from '../container/containers.js';

export interface InfoSources {
  readonly config: DaemonConfig;
  readonly containers: Containers;
  readonly content: ContentStore;
  readonly snapshots: Snapshotter;
  /** Of this data root, for ever. */
  readonly id: string;
  readonly environment: { readonly [name: string]: string | undefined };
  /** How many listen to GET /events. */
  readonly listeners: () => number;
}

export function systemInfo(sources: InfoSources) {
  const facts = hostFacts();
  const { config, id } = sources;
  return {
    ID: id,
    ...counts(sources),
    Driver: sources.snapshots.driver.name,
    DriverStatus: [['Data root', config.dataRoot]],
    Plugins: {
      Volume: ['local'],
      Network: ['bridge', 'host', 'ipvlan', 'macvlan', 'null'],
      Authorization: null,
      Log: ['journald', 'json-file', 'local', 'none'],
    },
    ...limitSupport(facts),
    IPv4Forwarding: readText('/proc/sys/net/ipv4/ip_forward').trim() === '1',
    Debug: config.logLevel === 'debug',
    NFd: openDescriptors(),
    OomKillDisable: false,
    NGoroutines: 0,
    SystemTime: rfc3339Nano(nowNanoseconds()),
    LoggingDriver: config.logging.driver ?? 'json-file',
    CgroupDriver: cgroupDriver(facts),
    CgroupVersion: facts.cgroup.v1.length > 0 ? '1' : '2',
    NEventsListener: sources.listeners(),
    ...machineInfo(),
    IndexServerAddress: 'https://index.docker.io/v1/',
    RegistryConfig: registryConfig(config),
    GenericResources: null,
    DockerRootDir: config.dataRoot,
    ...proxies(sources.environment),
    Name: hostname(),
    Labels: config.labels,
    ExperimentalBuild: false,
    ServerVersion: VERSION,
    Runtimes: { tsrun: { path: 'tsrun' } },
    DefaultRuntime: 'tsrun',
    Swarm: NO_SWARM,
    LiveRestoreEnabled: true,
    Isolation: '',
    InitBinary: '',
    ContainerdCommit: { ID: '', Expected: '' },
    RuncCommit: { ID: '', Expected: '' },
    InitCommit: { ID: '', Expected: '' },
    SecurityOptions: securityOptions(facts),
    CDISpecDirs: [],
    Warnings: warnings(facts),
  };
}

const NO_SWARM = {
  NodeID: '',
  NodeAddr: '',
  LocalNodeState: 'inactive',
  ControlAvailable: false,
  Error: '',
  RemoteManagers: null,
};

function counts({ containers, content }: InfoSources) {
  const statuses = containers.list().map(({ state }) => state.status);
  const count = (...wanted: readonly string[]) => statuses.filter((status) => wanted.includes(status)).length;
  return {
    Containers: statuses.length,
    ContainersRunning: count('running', 'restarting'),
    ContainersPaused: count('paused'),
    ContainersStopped: count('created', 'exited', 'dead', 'removing'),
    Images: new Set(content.list().map((image) => configDigest(content, image))).size,
  };
}

const readText = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

function openDescriptors(): number {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return 0;
  }
}

function machineInfo() {
  const system = readText('/etc/os-release');
  const value = (name: string) => new RegExp(`^${name}="?(.*?)"?$`, 'm').exec(system)?.[1] ?? '';
  return {
    KernelVersion: release(),
    OperatingSystem: value('PRETTY_NAME') || 'Linux',
    OSVersion: value('VERSION_ID'),
    OSType: 'linux',
    Architecture: machine(),
    NCPU: cpus().length,
    MemTotal: totalmem(),
  };
}

function registryConfig({ registryMirrors, insecureRegistries }: DaemonConfig) {
  const mirrors = registryMirrors.map(({ href }) => href);
  return {
    InsecureRegistryCIDRs: ['::1/128', '127.0.0.0/8', ...insecureRegistries.filter((name) => name.includes('/'))],
    IndexConfigs: {
      'docker.io': { Name: 'docker.io', Mirrors: mirrors, Secure: true, Official: true },
      ...Object.fromEntries(
        insecureRegistries
          .filter((name) => !name.includes('/'))
          .map((name) => [name, { Name: name, Mirrors: [], Secure: false, Official: false }]),
      ),
    },
    Mirrors: mirrors,
  };
}

/** Without the password that a URL may have. */
function proxies(environment: InfoSources['environment']) {
  const of = (name: string) => {
    const text = environment[name.toUpperCase()] ?? environment[name] ?? '';
    return text.replace(/\/\/[^/@]*@/, '//xxxxx:xxxxx@');
  };
  return { HttpProxy: of('http_proxy'), HttpsProxy: of('https_proxy'), NoProxy: of('no_proxy') };
}

function securityOptions({ seccomp, lsm, cgroup, inUserNamespace }: HostFacts): string[] {
  return [
    ...(lsm.apparmor && !inUserNamespace ? ['name=apparmor'] : []),
    ...(seccomp.enabled ? ['name=seccomp,profile=builtin'] : []),
    ...(lsm.selinux ? ['name=selinux'] : []),
    ...(cgroup.v1.length > 0 ? [] : ['name=cgroupns']),
    ...(inUserNamespace ? ['name=rootless'] : []),
  ];
}

const CONTROLLERS = {
  MemoryLimit: 'memory',
  SwapLimit: 'memory',
  CpuCfsPeriod: 'cpu',
  CpuCfsQuota: 'cpu',
  CPUShares: 'cpu',
  CPUSet: 'cpuset',
  PidsLimit: 'pids',
} as const;

function hasController(facts: HostFacts, name: string): boolean {
  const cgroup = cgroupsOfContainers(facts);
  return (
    cgroup.controllers.includes(name) || cgroup.v1.some(({ controllers }) => controllers.split(',').includes(name))
  );
}

function limitSupport(facts: HostFacts) {
  return Object.fromEntries(Object.entries(CONTROLLERS).map(([field, name]) => [field, hasController(facts, name)]));
}

/** dockerd has null for none. */
function warnings(facts: HostFacts): string[] | null {
  const missing = Object.entries(CONTROLLERS).filter(([, name]) => !hasController(facts, name));
  return missing.length === 0 ? null : missing.map(([field]) => `WARNING: No ${WORDS[field] ?? field} support`);
}

const WORDS: { readonly [field: string]: string } = {
  MemoryLimit: 'memory limit',
  SwapLimit: 'swap limit',
  CpuCfsPeriod: 'cpu cfs period',
  CpuCfsQuota: 'cpu cfs quota',
  CPUShares: 'cpu shares',
  CPUSet: 'cpuset',
  PidsLimit: 'pids limit',
};

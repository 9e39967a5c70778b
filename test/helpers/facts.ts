// HostFacts for tests of the compiler: a pure cgroup v2 machine that has everything, to take things away from.
import type {
  CgroupFacts,
  CgroupV1Facts,
  HostFacts,
  IdMapFacts,
  SeccompFacts,
  SystemdFacts,
} from '../../src/host/facts.js';

/** Debian 12's, as root sees it. */
export const SYSTEMD: SystemdFacts = {
  manager: 'system',
  version: 252,
  root: '/',
  controllers: ['cpuset', 'cpu', 'io', 'memory', 'hugetlb', 'pids', 'rdma', 'misc'],
  direct: ['/run/systemd/private'],
  bus: ['/run/dbus/system_bus_socket'],
  drivers: { block: { 8: 'sd' }, char: { 1: 'mem', 5: '/dev/tty', 10: 'misc', 136: 'pts' } },
};

export const USER_SYSTEMD: SystemdFacts = {
  ...SYSTEMD,
  manager: 'user',
  root: '/user.slice/user-1000.slice/user@1000.service',
  controllers: ['cpu', 'memory', 'pids'],
  direct: ['/run/user/1000/systemd/private'],
  bus: ['/run/user/1000/bus'],
};

export const UNIFIED: CgroupFacts = {
  layout: 'unified',
  mount: '/sys/fs/cgroup',
  own: '/system.slice/tsrun.service',
  writable: true,
  controllers: ['cpuset', 'cpu', 'io', 'memory', 'hugetlb', 'pids', 'rdma', 'misc'],
  v1: [],
  hugepageSizes: ['1GB', '2MB'],
};

function v1(controllers: string, own = '/'): CgroupV1Facts {
  return { controllers, mount: `/sys/fs/cgroup/${controllers.replace('name=', '')}`, own, writable: true };
}

const V1 = [
  v1('cpu,cpuacct'),
  v1('cpuset'),
  v1('memory', '/user/session'),
  v1('devices'),
  v1('freezer'),
  v1('blkio'),
  v1('pids'),
  v1('net_cls,net_prio'),
  v1('name=systemd'),
];

/** As many machines are set up: the controllers are bound to v1, cgroup2 has but hugetlb. */
export const HYBRID: CgroupFacts = {
  layout: 'hybrid',
  mount: '/sys/fs/cgroup/unified',
  own: '/',
  writable: true,
  controllers: ['hugetlb'],
  v1: V1,
  hugepageSizes: ['1GB', '2MB'],
};

/** cgroup v1 alone. */
export const LEGACY: CgroupFacts = {
  layout: 'legacy',
  mount: null,
  own: '/',
  writable: false,
  controllers: [],
  v1: [...V1, v1('hugetlb')],
  hugepageSizes: ['2MB'],
};

/** Nothing is mounted, or nothing that this runtime may use. */
export const NO_CGROUP2: CgroupFacts = {
  layout: 'none',
  mount: null,
  own: '/',
  writable: false,
  controllers: [],
  v1: [],
  hugepageSizes: ['2MB'],
};

const SECCOMP: SeccompFacts = {
  enabled: true,
  actions: ['kill_process', 'kill_thread', 'trap', 'errno', 'user_notif', 'trace', 'log', 'allow'],
  flags: [
    'SECCOMP_FILTER_FLAG_TSYNC',
    'SECCOMP_FILTER_FLAG_LOG',
    'SECCOMP_FILTER_FLAG_SPEC_ALLOW',
    'SECCOMP_FILTER_FLAG_NEW_LISTENER',
    'SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV',
  ],
  libseccomp: '2.5.4',
};

export const ID_MAPS: IdMapFacts = {
  newuidmap: '/usr/bin/newuidmap',
  newgidmap: '/usr/bin/newgidmap',
  setgroupsDenied: false,
  user: 'user',
  uids: [[100_000, 65_536]],
  gids: [[100_000, 65_536]],
};

export function hostFacts(change: Partial<HostFacts> = {}): HostFacts {
  return {
    kernel: [6, 12],
    arch: 'x86_64',
    euid: 0,
    egid: 0,
    inUserNamespace: false,
    rootless: (change.euid ?? 0) !== 0 || change.inUserNamespace === true,
    mayMount: change.euid === undefined || change.euid === 0,
    idMaps: ID_MAPS,
    capabilities: (1n << 41n) - 1n,
    lastCap: 40,
    namespaces: ['pid', 'network', 'mount', 'ipc', 'uts', 'user', 'cgroup', 'time'],
    cgroup: UNIFIED,
    systemd: SYSTEMD,
    seccomp: SECCOMP,
    lsm: { apparmor: false, selinux: false },
    resctrl: { mount: '/sys/fs/resctrl', info: ['L3', 'L3_MON', 'MB'] },
    mountApi: { idmap: true, nosymfollow: true },
    hardLimits: { RLIMIT_NOFILE: 1_048_576n },
    ...change,
  };
}

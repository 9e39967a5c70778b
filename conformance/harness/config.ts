/** The configuration that every container of the suite begins with: nothing but what a usual container has. Pure. */
export interface Mount {
  destination: string;
  type?: string;
  source?: string;
  options?: string[];
  [field: string]: unknown;
}

export interface Config {
  ociVersion: string;
  process: { args: string[]; env: string[]; [field: string]: unknown };
  root: { path: string; [field: string]: unknown };
  mounts: Mount[];
  linux: { namespaces: { type: string; path?: string }[]; [field: string]: unknown };
  [field: string]: unknown;
}

/** What the probe needs to look around. */
export const CAPABILITIES = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_KILL',
  'CAP_MKNOD',
  'CAP_NET_BIND_SERVICE',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SYS_CHROOT',
];

const FLAGS = ['nosuid', 'noexec', 'nodev'];

function usualMounts(): Mount[] {
  return [
    { destination: '/proc', type: 'proc', source: 'proc' },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    {
      ...{ destination: '/dev/pts', type: 'devpts', source: 'devpts' },
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: [...FLAGS, 'mode=1777', 'size=65536k'] },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: FLAGS },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...FLAGS, 'ro'] },
  ];
}

export function baseConfig(args: readonly string[]): Config {
  return {
    ociVersion: '1.0.2',
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args: ['/probe', ...args],
      env: ['PATH=/bin'],
      cwd: '/',
      capabilities: { bounding: CAPABILITIES, effective: CAPABILITIES, permitted: CAPABILITIES },
    },
    root: { path: 'rootfs' },
    mounts: usualMounts(),
    linux: { namespaces: ['pid', 'network', 'ipc', 'uts', 'mount'].map((type) => ({ type })) },
  };
}

/** The indices of mounts that patches name. */
export const MOUNT = { proc: 0, dev: 1, pts: 2, shm: 3, mqueue: 4, sys: 5 } as const;

/** Mutants that read the configuration wrongly: each changes config.json for as long as create runs. Pure. */
import type { Config, Mount } from '../harness/config.js';
import { OF_CALLER } from '../harness/runtime.js';
import type { Mutant } from './mutant.js';

type Tree = { [name: string]: unknown };

/** The object or list at a path, empty if it is not there. */
function at(config: Config, ...path: readonly string[]): Tree {
  let tree: unknown = config;
  for (const step of path) tree = typeof tree === 'object' && tree !== null ? (tree as Tree)[step] : undefined;
  return typeof tree === 'object' && tree !== null ? (tree as Tree) : {};
}

const lose =
  (...path: readonly string[]) =>
  (config: Config): void => {
    delete at(config, ...path.slice(0, -1))[path.at(-1) ?? ''];
  };

const ownMounts = (config: Config): Mount[] => (Array.isArray(config.mounts) ? config.mounts.slice(6) : []);

/** Changes the options of the mounts that a case adds. */
const options = (change: (options: string[]) => string[]) => (config: Config) => {
  for (const mount of ownMounts(config)) if (Array.isArray(mount.options)) mount.options = change(mount.options);
};
const dropOption = (name: string) => options((all) => all.filter((option) => option !== name));
const swapOption = (from: string, to: string) => options((all) => all.map((option) => (option === from ? to : option)));

type Hook = { path?: string; args?: string[]; env?: string[]; timeout?: number };
const hooks = (change: (list: Hook[], kind: string) => Hook[]) => (config: Config) => {
  const all = at(config, 'hooks');
  for (const [kind, list] of Object.entries(all)) if (Array.isArray(list)) all[kind] = change(list, kind);
};

const limits = (config: Config): { type: string; soft: number; hard: number }[] =>
  Object.values(at(config, 'process', 'rlimits')) as { type: string; soft: number; hard: number }[];

const namespaces =
  (change: (list: { type: string; path?: string }[]) => { type: string; path?: string }[]) => (config: Config) => {
    const { linux } = config;
    if (Array.isArray(linux?.namespaces)) linux.namespaces = change(linux.namespaces);
  };
const withoutNamespace = (type: string) => namespaces((list) => list.filter((entry) => entry.type !== type));

/** Gives the devices of netDevices other names. */
const netDevices = (change: (name: string) => string | undefined) => (config: Config) => {
  for (const device of Object.values(at(config, 'linux', 'netDevices')) as { name?: string | undefined }[])
    if (device.name !== undefined) device.name = change(device.name);
};

const rules = (config: Config): Tree[] => Object.values(at(config, 'linux', 'seccomp', 'syscalls')) as Tree[];

const unique = <T>(list: readonly T[], key: (item: T) => unknown): T[] => [
  ...new Map(list.map((item) => [key(item), item])).values(),
];

type Change = NonNullable<Mutant['config']>;
const mutant = (name: string, breaks: string, cases: string, config: Change): Mutant => ({
  name,
  breaks,
  cases: [cases],
  config,
});

const processMutants: readonly Mutant[] = [
  mutant('args-split', 'process.args', 'process.args', ({ process }) => {
    if (Array.isArray(process?.args))
      process.args = process.args.map((arg) => (typeof arg === 'string' ? arg.replaceAll('"', '') : arg));
  }),
  mutant('env-empty-dropped', 'process.env', 'process.env', ({ process }) => {
    if (Array.isArray(process?.env)) process.env = process.env.filter((entry) => !String(entry).endsWith('='));
  }),
  mutant('env-of-caller', 'process.env', 'process.env.not-the-callers', ({ process }) => {
    process?.env.push(`${OF_CALLER}=1`);
  }),
  mutant('env-reversed', 'process.env', 'process.env.order', ({ process }) => void process?.env.reverse()),
  mutant('cwd-ignored', 'process.cwd', 'process.cwd', (config) => {
    at(config, 'process')['cwd'] = '/';
  }),
  mutant('cwd-made-absolute', 'process.cwd-absolute', 'process.refuses.cwd-relative', (config) => {
    at(config, 'process')['cwd'] = '/';
  }),
  mutant('uid-ignored', 'process.user', 'process.user.uid', (config) => {
    at(config, 'process', 'user')['uid'] = 0;
  }),
  mutant('gid-ignored', 'process.user', 'process.user.gid', (config) => {
    at(config, 'process', 'user')['gid'] = 0;
  }),
  mutant('groups-dropped', 'process.user', 'process.user', lose('process', 'user', 'additionalGids')),
  mutant('umask-ignored', 'process.umask', 'process.umask', lose('process', 'user', 'umask')),
  mutant(
    'no-new-privileges-ignored',
    'process.no-new-privileges',
    'process.no-new',
    lose('process', 'noNewPrivileges'),
  ),
  mutant('oom-score-ignored', 'process.oom-score', 'process.oom-score', lose('process', 'oomScoreAdj')),
  mutant('oom-score-changed', 'process.oom-score-unset', 'process.oom-score.unset', (config) => {
    at(config, 'process')['oomScoreAdj'] ??= 100;
  }),
  mutant('exec-affinity-of-init', 'process.affinity', 'process.exec-affinity', (config) => {
    config.linux['resources'] = { cpu: { cpus: '0' } };
  }),
  mutant('scheduler-ignored', 'process.scheduler', 'process.scheduler', lose('process', 'scheduler')),
  mutant(
    'scheduler-value-ignored',
    'process.scheduler-values',
    'process.refuses.scheduler-policy',
    lose('process', 'scheduler'),
  ),
  mutant('io-priority-ignored', 'process.io-priority', 'process.io-priority', lose('process', 'ioPriority')),
  mutant('terminal-ignored', 'process.terminal-off', 'process.terminal-off', (config) => {
    at(config, 'process')['terminal'] = true;
  }),
  mutant('console-size-ignored', 'process.console-size', 'terminal.size', lose('process', 'consoleSize')),
  mutant('rlimit-nofile-lost', 'process.rlimits', 'process.rlimits.NOFILE', (config) => {
    at(config, 'process')['rlimits'] = limits(config).filter(({ type }) => type !== 'RLIMIT_NOFILE');
  }),
  mutant('rlimit-soft-is-hard', 'process.rlimits', 'process.rlimits', (config) => {
    for (const limit of limits(config)) limit.soft = limit.hard;
  }),
  mutant('rlimit-hard-is-soft', 'process.rlimits', 'process.rlimits', (config) => {
    for (const limit of limits(config)) limit.hard = limit.soft;
  }),
  mutant('rlimit-twice-accepted', 'process.rlimits-once', 'process.refuses.rlimit-twice', (config) => {
    at(config, 'process')['rlimits'] = unique(limits(config), ({ type }) => type);
  }),
  mutant('rlimit-unknown-accepted', 'process.rlimits-type', 'process.refuses.rlimit-unknown', (config) => {
    at(config, 'process')['rlimits'] = limits(config).filter(({ type }) => type !== 'RLIMIT_UNKNOWN');
  }),
  ...['bounding', 'permitted', 'effective', 'inheritable', 'ambient'].map((set) =>
    mutant(`capabilities-${set}-lost`, 'process.capabilities', 'capabilities.', (config) => {
      const sets = at(config, 'process', 'capabilities');
      if (set === 'effective') sets['effective'] = sets['permitted'] = [];
      else delete sets[set];
    }),
  ),
  mutant('capability-name-lost', 'process.capabilities-names', 'capabilities.name', (config) => {
    const sets = at(config, 'process', 'capabilities') as { [set: string]: string[] };
    for (const [set, names] of Object.entries(sets)) sets[set] = names.filter((name) => name !== 'CAP_MKNOD');
  }),
];

const mountMutants: readonly Mutant[] = [
  ...['ro', 'nosuid', 'nodev', 'noexec', 'noatime', 'sync'].map((option) =>
    mutant(`mount-${option}-lost`, 'mounts.options', `option.${option}`, dropOption(option)),
  ),
  mutant('mount-rw-lost', 'mounts.options', 'mounts.bind-option.rw', (config) => {
    for (const mount of ownMounts(config))
      mount.options = mount.options?.map((option) => (option === 'rw' ? 'ro' : option)) ?? [];
  }),
  mutant('mount-rro-is-ro', 'mounts.options-recursive', 'recursive-option.rro', swapOption('rro', 'ro')),
  mutant('mount-rbind-is-bind', 'mounts.rbind', 'mounts.rbind', swapOption('rbind', 'bind')),
  mutant('mount-bind-is-rbind', 'mounts.rbind', 'mounts.bind.not-recursive', swapOption('bind', 'rbind')),
  mutant('mount-shared-lost', 'mounts.options-propagation', 'mounts.propagation.shared', dropOption('shared')),
  mutant(
    'mount-unbindable-lost',
    'mounts.options-propagation',
    'mounts.propagation.unbindable',
    dropOption('unbindable'),
  ),
  mutant(
    'mount-data-lost',
    'mounts.options-data',
    'mounts.data',
    options((all) => all.filter((option) => !option.includes('='))),
  ),
  mutant('mount-remount-skipped', 'mounts.remount', 'mounts.remount', (config) => {
    config.mounts = config.mounts.filter(({ options: all = [] }) => !all.includes('remount'));
  }),
  mutant('mounts-reversed', 'mounts.order', 'mounts.order', (config) => {
    config.mounts = [...config.mounts.slice(0, 6), ...ownMounts(config).reverse()];
  }),
  mutant('mount-source-missing-skipped', 'mounts.source-missing', 'mounts.refuses.source-missing', (config) => {
    config.mounts = config.mounts.slice(0, 6);
  }),
  mutant('mount-idmap-ignored', 'mounts.idmap', 'mounts.idmap', (config) => {
    options((all) => all.filter((option) => !option.endsWith('idmap')))(config);
    for (const mount of ownMounts(config)) for (const name of ['uidMappings', 'gidMappings']) delete mount[name];
  }),
  mutant('root-readonly-ignored', 'root.readonly', 'root.readonly', lose('root', 'readonly')),
  mutant('root-always-readonly', 'root.writable', 'root.writable', (config) => {
    at(config, 'root')['readonly'] = true;
  }),
];

const moveHooks = (from: string, to: string) => (config: Config) => {
  const all = at(config, 'hooks') as { [kind: string]: Hook[] };
  all[to] = [...(all[to] ?? []), ...(all[from] ?? [])];
  delete all[from];
};

const hookMutants: readonly Mutant[] = [
  mutant(
    'hooks-reversed',
    'hooks.order',
    '.order',
    hooks((list) => [...list].reverse()),
  ),
  mutant(
    'hook-env-added',
    'hooks.env',
    '.env',
    hooks((list) => list.map((hook) => ({ ...hook, env: [...(hook.env ?? []), 'EXTRA=1'] }))),
  ),
  mutant(
    'hook-argv0-is-path',
    'hooks.args',
    '.args',
    hooks((list) => list.map((hook) => ({ ...hook, args: [hook.path ?? '', ...(hook.args ?? []).slice(1)] }))),
  ),
  mutant(
    'hook-poststop-skipped',
    'hooks.called',
    'hooks.poststop.called',
    hooks((list, kind) => (kind === 'poststop' ? [] : list)),
  ),
  mutant(
    'hook-container-in-runtime',
    'hooks.container-namespace',
    'hooks.createContainer.namespace',
    moveHooks('createContainer', 'createRuntime'),
  ),
  mutant(
    'hook-runtime-in-container',
    'hooks.runtime-namespace',
    'hooks.createRuntime.namespace',
    moveHooks('createRuntime', 'createContainer'),
  ),
  mutant('hook-prestart-last', 'hooks.kinds', 'hooks.kinds.prestart', moveHooks('prestart', 'createRuntime')),
  mutant(
    'hook-create-runtime-late',
    'hooks.environment',
    'hooks.createRuntime.environment',
    moveHooks('createRuntime', 'poststart'),
  ),
  mutant(
    'hook-poststart-early',
    'hooks.after-program',
    'hooks.poststart.after',
    moveHooks('poststart', 'createRuntime'),
  ),
  mutant(
    'hook-poststop-lost-on-failure',
    'hooks.failure-poststop',
    'hooks.createRuntime.failure-poststop',
    (config) => {
      const all = at(config, 'hooks');
      if (JSON.stringify(all).includes('"fail"')) delete all['poststop'];
    },
  ),
  mutant(
    'hook-failure-ignored',
    'hooks.failure',
    'hooks.createRuntime.failure',
    hooks((list) => list.map((hook) => ({ ...hook, args: (hook.args ?? []).filter((arg) => arg !== 'fail') }))),
  ),
  mutant(
    'hook-timeout-ignored',
    'hooks.timeout',
    'hooks.prestart.timeout',
    hooks((list) => list.map(({ timeout: _, ...hook }) => hook)),
  ),
  mutant(
    'hook-timeout-zero-accepted',
    'hooks.timeout-positive',
    'hooks.prestart.refuses.timeout',
    hooks((list) => list.map(({ timeout: _, ...hook }) => hook)),
  ),
  mutant(
    'hook-path-relative-accepted',
    'hooks.path-absolute',
    'hooks.prestart.refuses.relative',
    hooks((list) => list.map((hook) => ({ ...hook, path: `/${hook.path}`.replace('//', '/') }))),
  ),
];

const namespaceMutants: readonly Mutant[] = [
  ...['pid', 'network', 'ipc', 'uts', 'cgroup', 'time'].map((type) =>
    mutant(`namespace-${type}-not-made`, 'namespaces.new', `namespaces.new.${type}`, (config) => {
      withoutNamespace(type)(config);
      if (type === 'uts') lose('hostname')(config);
      if (type === 'ipc') config.mounts = config.mounts.filter((mount) => mount.type !== 'mqueue');
    }),
  ),
  mutant(
    'namespace-path-ignored',
    'namespaces.joined',
    'namespaces.joined.uts',
    namespaces((list) => list.map(({ type }) => ({ type }))),
  ),
  mutant('namespace-always-new', 'namespaces.inherited', 'namespaces.inherited.uts', (config) => {
    if (!config.linux.namespaces.some(({ type }) => type === 'uts')) config.linux.namespaces.push({ type: 'uts' });
  }),
  mutant(
    'namespace-twice-accepted',
    'namespaces.once',
    'namespaces.refuses.twice.uts',
    namespaces((list) => unique(list, ({ type }) => type)),
  ),
  mutant(
    'namespace-wrong-type-accepted',
    'namespaces.wrong-type',
    'namespaces.refuses.wrong-type.ipc',
    namespaces((list) => list.map(({ type }) => ({ type }))),
  ),
  mutant(
    'namespace-unknown-accepted',
    'namespaces.type',
    'namespaces.refuses.type-unknown',
    withoutNamespace('nothing'),
  ),
  mutant('map-shifted', 'mappings.map', 'mappings.', (config) => {
    for (const map of Object.values(at(config, 'linux', 'uidMappings')) as { hostID: number }[])
      if (map.hostID > 0) map.hostID += 1;
  }),
  mutant('time-offsets-lost', 'time.offsets', 'time.offsets', lose('linux', 'timeOffsets')),
  mutant('hostname-ignored', 'hostname', 'hostname', lose('hostname')),
  mutant('domainname-ignored', 'domainname', 'domainname', lose('domainname')),
];

const linuxMutants: readonly Mutant[] = [
  mutant('masked-file-lost', 'masked.hidden', 'masked.file', (config) => {
    const linux = at(config, 'linux') as { maskedPaths?: string[] };
    linux.maskedPaths = linux.maskedPaths?.filter((path) => path !== '/data/file') ?? [];
  }),
  mutant('masked-directory-readable', 'masked.hidden', 'masked.directory', (config) => {
    const linux = at(config, 'linux') as { maskedPaths?: string[]; readonlyPaths?: string[] };
    linux.maskedPaths = linux.maskedPaths?.filter((path) => path !== '/data/dir') ?? [];
    linux.readonlyPaths = [...(linux.readonlyPaths ?? []), '/data/dir'];
  }),
  mutant('readonly-paths-lost', 'readonly.paths', 'readonly.', lose('linux', 'readonlyPaths')),
  mutant('devices-lost', 'devices.made', 'devices.char', lose('linux', 'devices')),
  mutant(
    'net-device-template-kept',
    'net-devices.template',
    'net-devices.template',
    netDevices((name) => name.replace('%d', '9')),
  ),
  mutant(
    'net-device-name-not-checked',
    'net-devices.taken',
    'net-devices.refuses.name',
    netDevices(() => undefined),
  ),
  mutant('device-mode-lost', 'devices.mode', 'devices.fifo', (config) => {
    for (const device of Object.values(at(config, 'linux', 'devices')) as Tree[]) delete device['fileMode'];
  }),
  mutant('device-owner-lost', 'devices.mode', 'devices.elsewhere', (config) => {
    for (const device of Object.values(at(config, 'linux', 'devices')) as Tree[]) delete device['uid'];
  }),
  mutant('device-numbers-assumed', 'devices.values', 'devices.refuses.numbers', (config) => {
    for (const device of Object.values(at(config, 'linux', 'devices')) as Tree[])
      Object.assign(device, { major: device['major'] ?? 1, minor: device['minor'] ?? 3 });
  }),
  mutant('device-number-wrong', 'devices.made', 'devices.block', (config) => {
    for (const device of Object.values(at(config, 'linux', 'devices')) as Tree[]) device['minor'] = 1;
  }),
  mutant('rootfs-propagation-lost', 'propagation.rootfs', 'propagation.', lose('linux', 'rootfsPropagation')),
  mutant('sysctl-lost', 'sysctl.set', 'sysctl.', lose('linux', 'sysctl')),
  mutant('personality-lost', 'personality.domain', 'personality.', lose('linux', 'personality')),
  mutant('memory-policy-lost', 'memory-policy.mode', 'memory-policy.MPOL', lose('linux', 'memoryPolicy')),
  mutant('seccomp-lost', 'seccomp.action', 'seccomp.kill', lose('linux', 'seccomp')),
  mutant('seccomp-errno-ignored', 'seccomp.errno', 'seccomp.errno', (config) => {
    for (const rule of rules(config)) delete rule['errnoRet'];
  }),
  mutant('seccomp-args-ignored', 'seccomp.args', 'seccomp.args.SCMP_CMP_EQ', (config) => {
    for (const rule of rules(config)) delete rule['args'];
  }),
  mutant('seccomp-first-arg-only', 'seccomp.args', 'seccomp.args.one-of-two', (config) => {
    for (const rule of rules(config)) if (Array.isArray(rule['args'])) rule['args'] = rule['args'].slice(0, 1);
  }),
  mutant('seccomp-first-name-only', 'seccomp.action', 'seccomp.names', (config) => {
    for (const rule of rules(config)) if (Array.isArray(rule['names'])) rule['names'] = rule['names'].slice(0, 1);
  }),
  mutant('seccomp-le-is-lt', 'seccomp.args', 'seccomp.args.SCMP_CMP_LE', (config) => {
    for (const rule of rules(config))
      for (const arg of Object.values(rule['args'] ?? {}) as Tree[])
        if (arg['op'] === 'SCMP_CMP_LE') arg['op'] = 'SCMP_CMP_LT';
  }),
  mutant('seccomp-kill-is-errno', 'seccomp.action', 'seccomp.kill', (config) => {
    for (const rule of rules(config))
      if (String(rule['action']).startsWith('SCMP_ACT_KILL')) rule['action'] = 'SCMP_ACT_ERRNO';
  }),
  mutant(
    'seccomp-metadata-lost',
    'seccomp.listener-metadata',
    'seccomp.listener.metadata',
    lose('linux', 'seccomp', 'listenerMetadata'),
  ),
  mutant(
    'seccomp-metadata-alone-accepted',
    'seccomp.metadata-alone',
    'seccomp.refuses.metadata',
    lose('linux', 'seccomp', 'listenerMetadata'),
  ),
  mutant('seccomp-flag-unknown-accepted', 'seccomp.values', 'seccomp.refuses.flag', lose('linux', 'seccomp', 'flags')),
  mutant('device-rules-lost', 'limits.device-rules', 'limits.device-rules', lose('linux', 'resources', 'devices')),
  mutant('device-rules-reversed', 'limits.device-rules', 'limits.device-rules', (config) => {
    const resources = at(config, 'linux', 'resources') as { devices?: object[] };
    resources.devices?.reverse();
  }),
  mutant('pids-limit-lost', 'limits.pids', 'limits.pids', lose('linux', 'resources', 'pids')),
  mutant('memory-limit-lost', 'limits.memory', 'limits.memory', lose('linux', 'resources', 'memory')),
  mutant('cpu-limit-lost', 'limits.cpu', 'limits.cpu', lose('linux', 'resources', 'cpu')),
  mutant('cpu-burst-lost', 'limits.cpu', 'limits.cpu.burst', lose('linux', 'resources', 'cpu', 'burst')),
  mutant('cpu-idle-lost', 'limits.cpu', 'limits.cpu.idle', lose('linux', 'resources', 'cpu', 'idle')),
  mutant('huge-page-limit-lost', 'limits.hugetlb', 'limits.hugetlb', lose('linux', 'resources', 'hugepageLimits')),
  mutant('block-io-lost', 'limits.block-io', 'block-io', lose('linux', 'resources', 'blockIO')),
  mutant('cgroups-path-ignored', 'cgroups.path', 'cgroups.path', lose('linux', 'cgroupsPath')),
];

const documentMutants: readonly Mutant[] = [
  mutant('version-not-checked', 'version.format', 'document.refuses.version', (config) => {
    config.ociVersion = '1.0.2';
  }),
  mutant('unknown-property-refused', 'unknown.property', 'unknown.linux', (config) => {
    if (JSON.stringify(config).includes('com.example.unknown')) lose('root')(config);
  }),
  mutant('annotations-lost', 'state.annotations', 'state.created', lose('annotations')),
  mutant('annotation-key-not-checked', 'annotations.keys', 'annotation.empty-key', lose('annotations')),
];

export const CONFIG_MUTANTS: readonly Mutant[] = [
  ...processMutants,
  ...mountMutants,
  ...hookMutants,
  ...namespaceMutants,
  ...linuxMutants,
  ...documentMutants,
];

/**
 * features: what tsrun implements, as runtime-spec features.md and features-linux.md want it. Nothing is claimed here: the
 * words are those of the tables that compile/ works with, and whether a field works is found out by compiling a config
 * that has it.
 */
import { type CreateOptions, compileCreate } from '../compile/index.js';
import { MOUNT_OPTIONS } from '../compile/mount-options.js';
import { ACTIONS, ARCHITECTURES, FLAGS, OPERATORS } from '../compile/seccomp/tables.js';
import { PROPERTY_PREFIX } from '../compile/systemd/annotations.js';
import { KEEP_GROUPS } from '../compile/user.js';
import { SpecError } from '../errors.js';
import type { CgroupFacts, HostFacts, SystemdFacts } from '../host/facts.js';
import { compileWithLibseccomp } from '../native/seccomp.js';
import { OCI_VERSION } from '../spec/default.js';
import { documentOf } from '../spec/read.js';
import type { Features, LinuxFeatures } from '../spec/types.gen.js';
import { validateConfig } from '../spec/validate.js';
import { MEMORY_POLICY_FLAGS, MEMORY_POLICY_MODES, NAMESPACE_TYPES, SHAPES } from '../spec/values.gen.js';
import { stringifyJson } from '../util/json-write.js';
import { CAPABILITIES } from '../util/linux-names.js';
import { CONFIG_ANNOTATION } from './criu-choices.js';
import { hostFacts } from './runtime.js';

type Fields = { readonly [name: string]: unknown };

const OLDEST = '1.0.0';

const CGROUP_V2: Partial<CgroupFacts> = {
  layout: 'unified',
  mount: '/sys/fs/cgroup',
  own: '/',
  writable: true,
  controllers: ['cpu', 'memory', 'pids', 'rdma'],
  v1: [],
};

/** The codes with which the compiler refuses a config that asks for these fields of linux. */
function refusals(facts: HostFacts, linux: Fields, systemd: CreateOptions['systemd'] = null): string[] {
  const namespaces = [{ type: 'mount' }, { type: 'network' }];
  const config = { ociVersion: OCI_VERSION, root: { path: 'rootfs' }, linux: { ...linux, namespaces } };
  const { value } = validateConfig(documentOf(config, 'features'));
  const options = { bundle: '/', noPivot: false, noNewKeyring: false, record: '', systemd };
  try {
    compileCreate(value, facts, options, { seccomp: compileWithLibseccomp });
    return [];
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    return error.issues.map(({ code }) => code);
  }
}

const sorted = (words: Iterable<string>): string[] => [...words].sort();

function seccompFeatures(facts: HostFacts): NonNullable<LinuxFeatures['seccomp']> {
  const knows = (architecture: string): boolean => {
    const seccomp = { defaultAction: 'SCMP_ACT_ALLOW', architectures: [architecture] };
    return !refusals(facts, { seccomp }).includes('SECCOMP_ARCHITECTURE');
  };
  const knownFlags = sorted(Object.keys(FLAGS));
  return {
    enabled: facts.seccomp.libseccomp !== null,
    actions: sorted(Object.keys(ACTIONS)),
    operators: sorted(Object.keys(OPERATORS)),
    archs: sorted(Object.keys(ARCHITECTURES).filter(knows)),
    knownFlags,
    supportedFlags: knownFlags.filter((flag) => facts.seccomp.flags.includes(flag)),
  };
}

function cgroupFeatures(facts: HostFacts): NonNullable<LinuxFeatures['cgroup']> {
  const on = (cgroup: Partial<CgroupFacts>): HostFacts => ({
    ...facts,
    euid: 0,
    inUserNamespace: false,
    rootless: false,
    cgroup: { ...facts.cgroup, ...cgroup },
  });
  const v1 = ['pids', 'memory', 'devices'].map((controllers) => {
    return { controllers, mount: `/sys/fs/cgroup/${controllers}`, own: '/', writable: true };
  });
  const legacy = on({ layout: 'legacy', mount: null, controllers: [], v1 });
  const pids = { resources: { pids: { limit: 10 } } };
  return {
    v1: refusals(legacy, pids).length === 0,
    v2: refusals(on(CGROUP_V2), pids).length === 0,
    systemd: takesUnit(on({ ...CGROUP_V2 }), 'system'),
    systemdUser: takesUnit(on({ ...CGROUP_V2 }), 'user'),
    rdma: refusals(on(CGROUP_V2), { resources: { rdma: { mlx5_1: { hcaHandles: 3 } } } }).length === 0,
  };
}

/** The driver itself, on a host whose systemd has what it needs. */
function takesUnit(facts: HostFacts, manager: SystemdFacts['manager']): boolean {
  const systemd: SystemdFacts = {
    manager,
    version: 252,
    root: '/',
    controllers: ['cpu', 'memory', 'pids'],
    direct: ['/run/systemd/private'],
    bus: [],
    drivers: { block: {}, char: {} },
  };
  const unit = { cgroupsPath: `${manager}.slice:tsrun:features`, resources: { pids: { limit: 10 } } };
  return refusals({ ...facts, systemd }, unit, { id: 'features' }).length === 0;
}

/** What is built, whether this host has it or not: test/cli/check.test.ts tries it. */
function linuxFeatures(facts: HostFacts): LinuxFeatures {
  return {
    namespaces: sorted(NAMESPACE_TYPES),
    capabilities: CAPABILITIES,
    cgroup: cgroupFeatures(facts),
    seccomp: seccompFeatures(facts),
    apparmor: { enabled: true },
    selinux: { enabled: true },
    intelRdt: { enabled: true, schemata: true, monitoring: true },
    memoryPolicy: { modes: MEMORY_POLICY_MODES, flags: MEMORY_POLICY_FLAGS },
    mountExtensions: { idmap: { enabled: true } },
    netDevices: { enabled: true },
  };
}

export interface Build {
  readonly version: string;
  readonly commit: string;
  readonly checkpoint: boolean;
}

/** Annotations of a config that change what the runtime does with the host (features.md): an engine may refuse them. */
const UNSAFE_ANNOTATIONS: readonly string[] = [PROPERTY_PREFIX, CONFIG_ANNOTATION, KEEP_GROUPS];

export function readFeatures(build: Build): Features {
  const facts = hostFacts();
  return {
    ociVersionMin: OLDEST,
    ociVersionMax: OCI_VERSION,
    hooks: Object.keys(SHAPES['Hooks'] ?? {}),
    // features-linux.md: idmap and ridmap are told of in mountExtensions.
    mountOptions: sorted(Object.keys(MOUNT_OPTIONS)).filter((name) => !/^r?idmap$/.test(name)),
    linux: linuxFeatures(facts),
    annotations: {
      'tsrun.version': build.version,
      'tsrun.commit': build.commit,
      'tsrun.checkpoint.enabled': String(build.checkpoint),
      ...(facts.seccomp.libseccomp === null
        ? {}
        : { 'io.github.seccomp.libseccomp.version': facts.seccomp.libseccomp }),
    },
    potentiallyUnsafeConfigAnnotations: UNSAFE_ANNOTATIONS,
  };
}

/** The HostFacts of this machine, as `tsrun check --host` reads them. */
export function hostFactsText(): string {
  return `${stringifyJson(hostFacts(), 2)}\n`;
}

/**
 * What `docker run` with each of its options becomes: golden/CASE.json is the config.json, but without the built-in seccomp
 * profile where that is the profile. GOLDEN=write makes them anew.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { defaultSeccomp } from '../../../src/bundle/seccomp.js';
import { readContainerCreate } from '../../../src/daemon/api/read.js';
import { containerOptions } from '../../../src/daemon/container/options/index.js';
import { containerSpec } from '../../../src/daemon/container/spec/index.js';
import { apparmorProfile } from '../../../src/daemon/container/spec/process.js';
import type { SpecRequest } from '../../../src/daemon/container/spec/request.js';
import { seccompProfile } from '../../../src/daemon/container/spec/seccomp-profile.js';
import { readDocument } from '../../../src/spec/read.js';
import { validateConfig } from '../../../src/spec/validate.js';
import { stringifyJson } from '../../../src/util/json-write.js';
import { CAPABILITIES } from '../../../src/util/linux-names.js';
import { DEFAULTS, imageConfig } from './defaults.js';

const GOLDEN = fileURLToPath(new URL('golden/', import.meta.url));
const MIB = 1024 * 1024;
const IMAGE = imageConfig({ cmd: ['sh'], env: ['PATH=/bin', 'A=1'], labels: { 'org.systemd.x': 'y' } });
const BIND = {
  type: 'bind',
  readOnly: false,
  propagation: '',
  nonRecursive: false,
  readOnlyNonRecursive: false,
} as const;

type More = Partial<Omit<SpecRequest, 'record'>>;

function spec(body: object, more: More = {}) {
  const options = containerOptions(readContainerCreate({ Image: 'x', ...body }), IMAGE, '1.51', DEFAULTS);
  const profile = apparmorProfile(options.hostConfig);
  return containerSpec({
    record: { id: 'f'.repeat(64), config: options.config, hostConfig: options.hostConfig },
    account: { uid: 0, gid: 0, additionalGids: [], home: '/root' },
    hostname: 'ffffffffffff',
    mounts: [],
    networkFiles: [{ destination: '/etc/hosts', type: 'bind', source: '/c/hosts', options: ['rbind', 'rprivate'] }],
    namespaces: { network: '/run/netns/f', ipc: undefined, pid: undefined },
    shmPath: undefined,
    devices: [],
    blockDevices: {},
    cgroupsPath: '/tsrun/f',
    linked: [],
    initPath: undefined,
    apparmor: profile === 'unconfined' ? undefined : profile,
    host: {
      arch: 'x64',
      apparmor: true,
      selinux: false,
      capabilities: CAPABILITIES.slice(0, 41),
      cgroupNamespaces: true,
      seccompProfile: undefined,
      noNewPrivileges: false,
    },
    ...more,
  });
}

const CASES: { readonly [name: string]: readonly [object, More?] } = {
  plain: [{}],
  limits: [
    {
      HostConfig: {
        ...{ Memory: 64 * MIB, MemoryReservation: 32 * MIB, MemorySwappiness: 10, OomKillDisable: true, PidsLimit: 50 },
        ...{ NanoCpus: 1.5e9, CpuShares: 1, CpusetCpus: '0-1', CpusetMems: '0', BlkioWeight: 300, OomScoreAdj: 100 },
        BlkioWeightDevice: [{ Path: '/dev/sda', Weight: 20 }],
        BlkioDeviceReadBps: [{ Path: '/dev/sda', Rate: 1000 }],
        Ulimits: [{ Name: 'nofile', Soft: 10, Hard: -1 }],
        ShmSize: MIB,
      },
    },
    { blockDevices: { '/dev/sda': { major: 8, minor: 0 } } },
  ],
  cpus: [{ HostConfig: { CpuPeriod: 50_000, CpuQuota: 25_000, MemorySwap: -1, Memory: 8 * MIB } }],
  privileged: [
    { HostConfig: { Privileged: true } },
    { devices: [{ type: 'c', path: '/dev/kmsg', major: 1, minor: 11, mode: 0o644, uid: 0, gid: 0, access: 'rwm' }] },
  ],
  rights: [
    {
      HostConfig: {
        CapAdd: ['NET_ADMIN'],
        CapDrop: ['CHOWN', 'mknod'],
        SecurityOpt: ['no-new-privileges', 'seccomp=unconfined', 'apparmor=mine', 'systempaths=unconfined'],
        DeviceCgroupRules: ['c 42:* rmw', 'a *:* rwm'],
        GroupAdd: ['audio'],
      },
    },
    {
      account: { uid: 1000, gid: 1000, additionalGids: [29], home: '/' },
      devices: [{ type: 'c', path: '/dev/x', major: 1, minor: 3, mode: 0o666, uid: 0, gid: 5, access: 'rw' }],
    },
  ],
  'drop-all': [{ HostConfig: { CapDrop: ['ALL'], CapAdd: ['chown'], MaskedPaths: [], ReadonlyPaths: ['/proc/sys'] } }],
  'add-all': [{ HostConfig: { CapAdd: ['ALL'], CapDrop: ['SYS_ADMIN'] } }],
  'host-modes': [
    {
      HostConfig: {
        ...{ NetworkMode: 'host', PidMode: 'host', IpcMode: 'host', UTSMode: 'host', UsernsMode: 'host' },
        ReadonlyRootfs: true,
      },
    },
    { namespaces: { network: 'host', ipc: 'host', pid: 'host' }, hostname: 'host' },
  ],
  'container-modes': [
    { HostConfig: { NetworkMode: 'container:a', PidMode: 'container:a', IpcMode: 'container:a' } },
    {
      namespaces: { network: '/proc/7/ns/net', ipc: '/proc/7/ns/ipc', pid: '/proc/7/ns/pid' },
      shmPath: '/c/a/shm',
    },
  ],
  mounts: [
    { HostConfig: { Tmpfs: { '/tmp': 'size=1m,exec', '/run': '' }, IpcMode: 'none' } },
    {
      mounts: [
        { ...BIND, destination: '/srv/deep/er', source: '/v', options: [], readOnly: true },
        { ...BIND, destination: '/srv', source: '/s', options: [], propagation: 'shared' },
        { ...BIND, destination: '/one', source: '/o', options: [], nonRecursive: true, readOnly: true },
        { ...BIND, destination: '/etc/hosts', source: '/own', options: [] },
        { ...BIND, destination: '/t', type: 'tmpfs', source: '', options: ['size=65536', 'mode=1777'], readOnly: true },
      ],
    },
  ],
  dev: [{}, { mounts: [{ ...BIND, destination: '/dev', source: '/dev', options: [], propagation: 'rslave' }] }],
  everyday: [
    {
      ...{ Tty: true, OpenStdin: true, User: 'www', WorkingDir: '/srv', Domainname: 'example.org' },
      ...{ Env: ['B=2', 'A=3', 'HOME'], Entrypoint: ['/entry', '-x'], Cmd: ['a', 'b c'], Labels: { k: 'v' } },
      HostConfig: {
        Init: true,
        Sysctls: { 'net.core.somaxconn': '99' },
        ConsoleSize: [30, 100],
        Annotations: { 'org.example': 'x' },
        CgroupnsMode: 'private',
      },
    },
    { initPath: '/usr/bin/tini-static' },
  ],
};

for (const [name, [body, more]] of Object.entries(CASES)) {
  t.test(`containerSpec: ${name} is as in golden/${name}.json, and valid`, async (t) => {
    const config = spec(body, more);
    const whole = stringifyJson(config, 2);
    t.doesNotThrow(() => validateConfig(readDocument(Buffer.from(whole), 'config.json')));
    const { bounding = [] } = config.process?.capabilities ?? {};
    const builtin = stringifyJson(config.linux?.seccomp) === stringifyJson(defaultSeccomp(bounding, 'x64'));
    const linux = { ...config.linux, ...(builtin ? { seccomp: 'built-in' } : {}) };
    const text = `${stringifyJson({ ...config, linux }, 2)}\n`;
    const path = `${GOLDEN}${name}.json`;
    if (process.env['GOLDEN'] === 'write' || !existsSync(path)) writeFileSync(path, text);
    t.equal(text, readFileSync(path, 'utf8'));
  });
}

const PROFILE = {
  defaultAction: 'SCMP_ACT_ERRNO',
  defaultErrnoRet: 1,
  archMap: [
    { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] },
    { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: [] },
  ],
  syscalls: [
    { names: ['read'], action: 'SCMP_ACT_ALLOW', args: [], comment: '', includes: {}, excludes: {} },
    { name: 'write', action: 'SCMP_ACT_ALLOW' },
    { names: ['mount'], action: 'SCMP_ACT_ALLOW', includes: { caps: ['CAP_SYS_ADMIN'] } },
    { names: ['clone'], action: 'SCMP_ACT_ALLOW', excludes: { caps: ['CAP_SYS_ADMIN'], arches: ['s390x'] } },
    { names: ['arm'], action: 'SCMP_ACT_ALLOW', includes: { arches: ['arm64'] } },
    { names: ['ptrace'], action: 'SCMP_ACT_ALLOW', includes: { minKernel: '4.8' } },
    {
      names: ['x'],
      action: 'SCMP_ACT_ERRNO',
      errnoRet: 38,
      args: [{ index: 0, value: 1, valueTwo: 2, op: 'SCMP_CMP_EQ' }],
    },
  ],
};

t.test('apparmorProfile: ours unless another is asked for; a privileged container has none', async (t) => {
  t.equal(apparmorProfile({}), 'tsrun-default');
  t.equal(apparmorProfile({ Privileged: true }), 'unconfined');
  t.equal(apparmorProfile({ Privileged: true, SecurityOpt: ['apparmor=mine'] }), 'mine');
  t.equal(apparmorProfile({ SecurityOpt: ['apparmor:unconfined'] }), 'unconfined');
});

t.test('seccompProfile keeps the rules that are for this container', async (t) => {
  const names = (capabilities: string[], arch: string) =>
    seccompProfile(JSON.stringify(PROFILE), capabilities, arch).syscalls?.flatMap((one) => one.names);
  t.same(names([], 'x64'), ['read', 'write', 'clone', 'ptrace', 'x']);
  t.same(names(['CAP_SYS_ADMIN'], 'arm64'), ['read', 'write', 'mount', 'arm', 'ptrace', 'x']);
  const profile = seccompProfile(JSON.stringify(PROFILE), [], 'x64');
  t.same(profile.architectures, ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86']);
  t.same(profile.syscalls?.at(-1)?.args, [{ index: 0, value: 1n, valueTwo: 2n, op: 'SCMP_CMP_EQ' }]);
});

const BAD_PROFILES: readonly (readonly [string, RegExp])[] = [
  ['', /Decoding seccomp profile failed/],
  ['{', /Decoding seccomp profile failed/],
  ['[]', /the profile must be an object/],
  ['{}', /defaultAction: undefined is not supported/],
  ['{"defaultAction":"SCMP_ACT_FLY"}', /defaultAction: "SCMP_ACT_FLY" is not supported/],
  ['{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"action":"SCMP_ACT_ALLOW"}]}', /syscalls\.0: no names/],
  ['{"defaultAction":"SCMP_ACT_ALLOW","syscalls":{}}', /syscalls must be a list/],
];

for (const [text, message] of BAD_PROFILES) {
  t.test(`seccompProfile refuses ${text}`, async (t) => {
    t.throws(() => seccompProfile(text, [], 'x64'), { code: 'REQUEST_INVALID', message });
  });
}

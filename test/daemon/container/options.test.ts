/** Options of containers: what is refused, in dockerd's words, what is dropped with a warning, and the defaults. */
import t from 'tap';
import { readContainerCreate } from '../../../src/daemon/api/read.js';
import { containerOptions, type Defaults } from '../../../src/daemon/container/options/index.js';
import { mountPoints } from '../../../src/daemon/container/options/mounts.js';
import { checkName, makeUpName } from '../../../src/daemon/container/options/name.js';
import { parseSecurityOpt } from '../../../src/daemon/container/options/security-opt.js';
import { DEFAULTS, imageConfig } from './defaults.js';

const MIB = 1024 * 1024;
const IMAGE = imageConfig({
  user: 'www',
  env: ['PATH=/bin', 'A=1'],
  entrypoint: ['/entry'],
  cmd: ['serve'],
  workingDir: '/srv',
  exposedPorts: ['80'],
  volumes: ['/data'],
  labels: { a: 'image', b: 'image' },
  stopSignal: 'SIGQUIT',
  healthcheck: { Test: ['CMD', 'true'], Interval: 2_000_000_000, Retries: 2 },
});

const make = (body: unknown, defaults: Partial<Defaults> = {}, version: `1.${number}` = '1.51') =>
  containerOptions(readContainerCreate(body), IMAGE, version, { ...DEFAULTS, ...defaults });
const host = (hostConfig: unknown) => ({ HostConfig: hostConfig });

t.test('containerOptions puts what the client says over what the image says', async (t) => {
  const { config } = make({
    Image: 'x',
    Env: ['A=2', 'B=3', 'C'],
    Labels: { a: 'own' },
    ExposedPorts: { '53/udp': {} },
    Healthcheck: { Retries: 5 },
  });
  t.same(config, {
    Image: 'x',
    User: 'www',
    Env: ['A=2', 'B=3', 'C', 'PATH=/bin'],
    Entrypoint: ['/entry'],
    Cmd: ['serve'],
    WorkingDir: '/srv',
    ExposedPorts: { '80/tcp': {}, '53/udp': {} },
    Volumes: { '/data': {} },
    Labels: { a: 'own', b: 'image' },
    StopSignal: 'SIGQUIT',
    Healthcheck: { Test: ['CMD', 'true'], Interval: 2_000_000_000, Retries: 5 },
  });
});

t.test('containerOptions: what takes the place of entrypoint and command', async (t) => {
  const args = (body: object) => [make(body).config.Entrypoint, make(body).config.Cmd];
  t.same(args({}), [['/entry'], ['serve']]);
  t.same(args({ Cmd: ['ls'] }), [['/entry'], ['ls']]);
  t.same(args({ Entrypoint: ['sh'] }), [['sh'], []], 'a new entrypoint takes the command away');
  t.same(args({ Entrypoint: [''], Cmd: ['ls'] }), [[], ['ls']], 'an empty text clears it');
  t.throws(() => make({ Entrypoint: [''] }), { message: 'no command specified' });
  t.throws(() => containerOptions({}, imageConfig({}), '1.51', DEFAULTS), { message: 'no command specified' });
});

t.test('containerOptions fills in the defaults', async (t) => {
  const { hostConfig, networks, warnings } = make({});
  t.match(hostConfig, {
    NetworkMode: 'bridge',
    IpcMode: 'private',
    CgroupnsMode: 'host',
    ShmSize: 64 * MIB,
    Runtime: 'tsrun',
    RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
    LogConfig: { Type: 'json-file', Config: {} },
  });
  t.same(networks, { bridge: {} });
  t.same(warnings, []);
  t.equal(make({}, { unified: true }).hostConfig.CgroupnsMode, 'private');
  t.equal(make(host({ Privileged: true }), { unified: true }).hostConfig.CgroupnsMode, 'host');
  t.equal(make({}, {}, '1.39').hostConfig.IpcMode, 'shareable', 'old clients expect to share');
});

t.test('containerOptions: networks asked for', async (t) => {
  const asked = { NetworkingConfig: { EndpointsConfig: { default: { Aliases: ['a'] } } } };
  t.same(make(asked).networks, { bridge: { Aliases: ['a'] } });
  const body = { MacAddress: '02:00:00:00:00:01', ...host({ NetworkMode: 'front' }) };
  t.same(make(body).networks, { front: { MacAddress: '02:00:00:00:00:01' } });
  t.match(make(body).warnings, [/MacAddress field is now deprecated/]);
  t.same(make(host({ NetworkMode: 'container:db' })).networks, {});
});

const REFUSED: readonly (readonly [object, string | RegExp])[] = [
  [{ WorkingDir: 'srv' }, "the working directory 'srv' is invalid, it needs to be an absolute path"],
  [{ Hostname: 'a b' }, /^Hostname: "a b" is no host name/],
  [{ Hostname: 'a\nb' }, /^Hostname: "a\\nb" is no host name/],
  [{ Env: ['=x'] }, 'invalid environment variable: =x'],
  [{ StopSignal: 'SIGNONE' }, 'invalid signal: SIGNONE'],
  [{ Healthcheck: { Interval: 5 } }, 'Interval in Healthcheck cannot be less than 1ms'],
  [{ Healthcheck: { Retries: -1 } }, 'Retries in Healthcheck cannot be negative'],
  [{ ExposedPorts: { '80/foo': {} } }, /invalid proto 'foo'/],
  [host({ Memory: 1 }), 'Minimum memory limit allowed is 6MB'],
  [host({ Memory: -5 }), 'Minimum memory limit allowed is 6MB'],
  [host({ Memory: 8 * MIB, MemorySwap: 7 * MIB }), /Minimum memoryswap limit should be larger/],
  [host({ MemorySwap: 8 * MIB }), /always set the Memory limit when using Memoryswap/],
  [host({ MemorySwappiness: 101 }), 'Invalid value: 101, valid memory swappiness range is 0-100'],
  [host({ Memory: 8 * MIB, MemoryReservation: 9 * MIB }), /can not be less than memory reservation/],
  [host({ NanoCpus: -1 }), /range of CPUs is from 0.01 to 2.00/],
  [host({ NanoCpus: 3e9 }), /as there are only 2 CPUs available/],
  [host({ NanoCpus: 1e9, CpuQuota: 1000 }), /Nano CPUs and CPU Quota cannot both be set/],
  [host({ CpuPeriod: 10 }), /CPU cfs period can not be less than 1ms/],
  [host({ CpuQuota: 10 }), /CPU cfs quota can not be less than 1ms/],
  [host({ CpusetCpus: '0-99999999' }), /^Invalid value 0-99999999 for cpuset cpus: want numbers and ranges/],
  [host({ CpusetCpus: '7' }), 'Requested CPUs are not available - requested 7, available: 0-1'],
  [host({ CpusetCpus: '1\n' }), 'Invalid value 1\n for cpuset cpus: want numbers and ranges as 0-2,4 (there are 0-1)'],
  [host({ CpusetMems: 'x' }), /Invalid value x for cpuset mems: want numbers and ranges/],
  [host({ BlkioWeight: 5 }), 'Range of blkio weight is from 10 to 1000'],
  [host({ ShmSize: -1 }), /SHM size can not be less than 0/],
  [host({ OomScoreAdj: 5000 }), 'Invalid value 5000, range for oom score adj is [-1000, 1000]'],
  [host({ Ulimits: [{ Name: 'nofiles', Soft: 1, Hard: 1 }] }), 'invalid ulimit type: nofiles'],
  [host({ Ulimits: [{ Name: 'nofile', Soft: 2, Hard: 1 }] }), /soft limit must be less than or equal/],
  [host({ Ulimits: [{ Name: 'nofile' }, { Name: 'nofile' }] }), 'ulimit nofile is there twice'],
  [host({ AutoRemove: true, RestartPolicy: { Name: 'always' } }), /can't create 'AutoRemove' container with restart/],
  [host({ RestartPolicy: { Name: 'on-failure', MaximumRetryCount: -1 } }), /cannot be negative/],
  [host({ RestartPolicy: { Name: 'always', MaximumRetryCount: 1 } }), /can only be used with 'on-failure'/],
  [host({ PortBindings: { '0': [] } }), 'invalid port specification: "0"'],
  [host({ PortBindings: { '65536/tcp': [] } }), 'invalid port specification: "65536/tcp"'],
  [host({ PortBindings: { '80': [{ HostPort: '80-70' }] } }), /invalid port specification: "80-70"/],
  [host({ PortBindings: { '80': [{ HostIp: '999.1.1.1' }] } }), /invalid IP address: 999.1.1.1/],
  [host({ ExtraHosts: ['host:'] }), 'bad format for add-host: "host:"'],
  [host({ ExtraHosts: ['a:1.2.3.4\nb'] }), /add-host/],
  [host({ ExtraHosts: ['a:300.1.1.1'] }), 'invalid IP address in add-host: "300.1.1.1"'],
  [host({ Dns: ['8.8.8'] }), 'invalid IP address: 8.8.8 (Dns)'],
  [host({ CapAdd: ['FLY'] }), 'invalid CapAdd: unknown capability: "CAP_FLY"'],
  [host({ SecurityOpt: ['magic=on'] }), 'invalid --security-opt 2: "magic=on"'],
  [host({ SecurityOpt: ['no-new-privileges:maybe'] }), /want true or false/],
  [host({ DeviceCgroupRules: ['c 1:3'] }), "invalid device cgroup rule format: 'c 1:3'"],
  [
    host({ Devices: [{ PathOnHost: '/dev/null', CgroupPermissions: 'x' }] }),
    'invalid device mode: x: want some of rwm',
  ],
  [
    host({ DeviceRequests: [{ Count: -1, Capabilities: [['gpu']] }] }),
    /could not select device driver "" with capabilities: \[\[gpu\]\]/,
  ],
  [host({ Sysctls: { 'a/../b': '1' } }), 'invalid sysctl: "a/../b"'],
  [host({ Sysctls: { 'net.core.somaxconn': '1' }, NetworkMode: 'host' }), /not allowed in host network namespace/],
  [host({ PidMode: 'mine' }), 'invalid PID mode: mine'],
  [host({ IpcMode: 'container:' }), /invalid IPC mode: invalid container format/],
  [host({ UTSMode: 'mine' }), 'invalid UTS mode: mine'],
  [{ Hostname: 'a', ...host({ UTSMode: 'host' }) }, 'conflicting options: hostname and the UTS mode'],
  [{ Hostname: 'a', ...host({ NetworkMode: 'container:b' }) }, 'conflicting options: hostname and the network mode'],
  [host({ NetworkMode: 'container:b', Dns: ['1.1.1.1'] }), 'conflicting options: dns and the network mode'],
  [host({ NetworkMode: 'container:b', PublishAllPorts: true }), /port publishing and the container type/],
  [host({ NetworkMode: 'host', Links: ['a:b'] }), /host type networking can't be used with links/],
  [host({ Runtime: 'runz' }), 'unknown or invalid runtime name: runz: there are tsrun'],
  [host({ CgroupParent: '../x' }), 'invalid CgroupParent: "../x"'],
  [host({ LogConfig: { Type: 'paper' } }), /no log driver named 'paper' is registered/],
];

t.test('a kind of health check that nobody knows is none, with a warning', async (t) => {
  const { config, warnings } = make({ Healthcheck: { Test: ['true'] } });
  t.match(warnings, [/^Healthcheck\.Test: "true" is none of NONE, CMD, CMD-SHELL: there will be no health check/]);
  t.same(config.Healthcheck?.Test, ['true'], 'and is shown as it was given');
  t.same(make({ Healthcheck: { Test: ['CMD', 'true'] } }).warnings, []);
});

t.test('lists that nobody gave are not there, and so null when they are shown', async (t) => {
  const { hostConfig } = make({});
  for (const name of ['CapAdd', 'CapDrop', 'Ulimits', 'Mounts', 'Dns']) t.notOk(name in hostConfig, name);
});

for (const [body, message] of REFUSED) {
  t.test(`containerOptions refuses ${JSON.stringify(body)}`, async (t) => {
    t.throws(() => make(body), { code: 'REQUEST_INVALID', message });
  });
}

const ENDPOINTS: readonly (readonly [object, RegExp])[] = [
  [{ IPAMConfig: { IPv4Address: 'zz' } }, /IPv4Address: invalid IP address: "zz"/],
  [{ IPAMConfig: { IPv4Address: 'fd00::1' } }, /invalid IPv4Address: "fd00::1"/],
  [{ IPAMConfig: { IPv6Address: '10.0.0.1' } }, /invalid IPv6Address: "10.0.0.1"/],
  [{ MacAddress: 'zz' }, /invalid MacAddress: "zz"/],
  [{ MacAddress: '01:00:00:00:00:01' }, /invalid MacAddress: .*/],
  [{ Aliases: ['a\nb'] }, /invalid Aliases: "a\\nb"/],
];

t.test('containerOptions refuses endpoints that no network could have', async (t) => {
  const wish = (endpoint: object) => () => make({ NetworkingConfig: { EndpointsConfig: { front: endpoint } } });
  for (const [endpoint, message] of ENDPOINTS)
    t.throws(wish(endpoint), { code: 'NETWORK_INVALID', message }, JSON.stringify(endpoint));
  t.throws(() => make({ MacAddress: 'zz' }), { code: 'NETWORK_INVALID', message: /invalid MacAddress: "zz"/ });
  const right = { IPAMConfig: { IPv4Address: '10.0.0.9' }, MacAddress: '02:00:00:00:00:01', Aliases: ['a-b'] };
  t.doesNotThrow(wish(right));
});

t.test('containerOptions takes the twins of what it refuses', async (t) => {
  const { hostConfig, warnings } = make(
    host({
      Memory: 6 * MIB,
      NanoCpus: 2e9,
      CpusetCpus: '0,1',
      BlkioWeight: 10,
      PidsLimit: -1,
      Ulimits: [{ Name: 'nofile', Soft: 1, Hard: -1 }],
      RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 },
      PortBindings: { '80/tcp': [{ HostIp: '::1', HostPort: '8000-8010' }] },
      ExtraHosts: ['a:::1', 'b:host-gateway', 'c=1.2.3.4'],
      CapAdd: ['net_admin', 'CAP_SYS_TIME', 'all'],
      Sysctls: { 'net.ipv4.ip_forward': '1', 'net/ipv4/ip_forward': '1' },
    }),
  );
  t.same(warnings, []);
  t.equal(hostConfig.MemorySwap, 12 * MIB, 'twice the memory');
  t.same(hostConfig.CapAdd, ['CAP_NET_ADMIN', 'CAP_SYS_TIME', 'ALL']);
  t.notOk('PidsLimit' in hostConfig, 'no limit is none');
});

t.test('containerOptions drops what the host cannot limit, with a warning', async (t) => {
  const no = { memory: false, swap: false, cpuShares: false, pids: false, ioThrottle: false, oomKillDisable: false };
  const { hostConfig, warnings } = make(
    host({
      Memory: 8 * MIB,
      CpuShares: 2,
      PidsLimit: 5,
      BlkioDeviceReadBps: [{ Path: '/dev/x', Rate: 1 }],
      OomKillDisable: true,
    }),
    { limits: { ...DEFAULTS.limits, ...no } },
  );
  t.equal(hostConfig.Memory, 0);
  for (const name of ['CpuShares', 'PidsLimit', 'BlkioDeviceReadBps', 'OomKillDisable'])
    t.notOk(name in hostConfig, name);
  t.match(warnings, [
    /memory limit capabilities .* Limitation discarded\./,
    /OomKillDisable discarded/,
    /PIDs limit discarded/,
    /Shares discarded/,
    /BPS read limit discarded/,
  ]);
});

t.test('host networking discards published ports, and says so', async (t) => {
  const { warnings } = make(host({ NetworkMode: 'host', PortBindings: { '80/tcp': [{}] } }));
  t.same(warnings, ['Published ports are discarded when using host network mode']);
});

t.test('checkName takes dockerd names alone', async (t) => {
  t.equal(checkName('/web-1.x'), 'web-1.x');
  for (const bad of ['', '/', 'a', '..', 'a/b', '-a', 'a b', 'ä1', 'x'.repeat(300)]) {
    t.throws(() => checkName(bad), { message: /^Invalid container name/ }, JSON.stringify(bad));
  }
  t.throws(() => checkName('x'.repeat(300)), { message: /\(x{64}…\): longer than 255 bytes/ });
  for (let attempt = 0; attempt < 5; attempt++) t.doesNotThrow(() => checkName(makeUpName(attempt)));
});

const BINDS: readonly (readonly [string, object | RegExp])[] = [
  ['/a:/b', { Type: 'bind', Source: '/a', Destination: '/b', RW: true, Propagation: 'rprivate' }],
  ['/a/../c/:/b/:ro,Z,slave', { Source: '/c', Destination: '/b', RW: false, Propagation: 'slave', Mode: 'ro,Z,slave' }],
  ['data:/b:nocopy', { Type: 'volume', Name: 'data', spec: { noCopy: true } }],
  ['/b', { Type: 'volume', Name: '', Destination: '/b', spec: { anonymous: true } }],
  ['', /invalid volume specification: ''/],
  ['a', /mount path must be absolute/],
  [':', /invalid volume specification: ':'/],
  ['/a:/b:zz', /invalid mode: zz/],
  ['/a:/b:ro:rw', /invalid volume specification/],
  ['/a:/b:ro,rw', /invalid mode: ro,rw/],
  ['/a:ro', /invalid volume specification: '\/a:ro'/],
  ['./a:/b', /includes invalid characters for a local volume name/],
  ['../x:/b', /includes invalid characters/],
  ['/a:b', /mount path must be absolute/],
  ['/a:/', /destination can't be '\/'/],
  ['/a:/b:nocopy', /nothing is copied to a bind/],
  ['data:/b:shared', /a volume has no propagation/],
];

for (const [spec, expected] of BINDS) {
  t.test(`mountPoints: -v ${spec}`, async (t) => {
    if (expected instanceof RegExp) t.throws(() => mountPoints({}, { Binds: [spec] }), { message: expected });
    else t.match(mountPoints({}, { Binds: [spec] }), [expected]);
  });
}

t.test('mountPoints: --mount of all kinds', async (t) => {
  const points = mountPoints(
    { Volumes: { '/data': {}, '/own': {} } },
    {
      Mounts: [
        { Type: 'bind', Source: '/a', Target: '/a', ReadOnly: true, BindOptions: { CreateMountpoint: true } },
        { Type: 'volume', Source: 'vol', Target: '/data', VolumeOptions: { Subpath: 'x/y', NoCopy: true } },
        {
          Type: 'tmpfs',
          Target: '/t',
          TmpfsOptions: { SizeBytes: 65536, Mode: 0o777 + 2 ** 20, Options: [['noexec']] },
        },
        { Type: 'image', Source: 'busybox', Target: '/i', ImageOptions: { Subpath: 'bin' } },
      ],
    },
  );
  t.match(points, [
    { Type: 'bind', Source: '/a', RW: false, spec: { createSource: true } },
    { Type: 'volume', Name: 'vol', spec: { subpath: 'x/y', noCopy: true } },
    { Type: 'tmpfs', Destination: '/t', spec: { tmpfs: ['size=65536', 'mode=1777', 'noexec'] } },
    { Type: 'image', Name: 'busybox', RW: false, spec: { subpath: 'bin' } },
    { Type: 'volume', Destination: '/own', spec: { anonymous: true } },
  ]);
});

t.test('mountPoints: a mount without a type is none', async (t) => {
  const message = /^invalid mount config for type "": mount type unknown: Type is one of bind, volume/;
  t.throws(() => mountPoints({}, { Mounts: [{ Target: '/x' }] }), { message });
});

t.test('mountPoints: targets are there once; those inherited give way', async (t) => {
  t.throws(() => mountPoints({}, { Binds: ['/a:/b', '/c:/b/'] }), { message: 'Duplicate mount point: /b' });
  t.throws(() => mountPoints({}, { Binds: ['/a:/b'], Tmpfs: { '/b': '' } }), { message: 'Duplicate mount point: /b' });
  t.throws(() => mountPoints({}, { Tmpfs: { '/b': 'size=1,evil=1' } }), { message: /invalid tmpfs option "evil=1"/ });
  t.same(mountPoints({ Volumes: { '/b': {} } }, { Tmpfs: { '/b': 'size=1m,noexec' } }), [], 'a tmpfs is there already');
  const inherited = mountPoints({}, { Binds: ['/x:/b', '/y:/c'] });
  t.match(mountPoints({}, { Binds: ['/a:/b'] }, inherited), [{ Source: '/y' }, { Source: '/a' }]);
});

t.test('parseSecurityOpt reads both spellings', async (t) => {
  t.match(
    parseSecurityOpt([
      'no-new-privileges',
      'seccomp:unconfined',
      'apparmor=x',
      'label=disable',
      'systempaths=unconfined',
    ]),
    {
      noNewPrivileges: true,
      seccomp: 'unconfined',
      apparmor: 'x',
      labels: ['disable'],
      systemPathsUnconfined: true,
    },
  );
  t.equal(parseSecurityOpt(['seccomp={"a":"b=c:d"}']).seccomp, '{"a":"b=c:d"}');
});

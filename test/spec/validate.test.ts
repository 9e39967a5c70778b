import { readFileSync } from 'node:fs';
import t from 'tap';
import { SpecError, type SpecIssue } from '../../src/errors.js';
import { defaultSpec, OCI_VERSION } from '../../src/spec/default.js';
import { noIssues } from '../../src/spec/issues.js';
import { documentOf, readDocument } from '../../src/spec/read.js';
import { rulesOf, runRules } from '../../src/spec/rule.js';
import type { Config } from '../../src/spec/types.gen.js';
import { validateConfig, validateProcess, validateResources } from '../../src/spec/validate.js';
import { stringifyJson } from '../../src/util/json-write.js';
import { asPointer } from '../../src/util/pointer.js';

const document = (value: unknown) => readDocument(Buffer.from(stringifyJson(value, 2)), 'config.json');
const BASE = { ociVersion: '1.3.0', root: { path: 'rootfs' } };
const NAMESPACES = [{ type: 'pid' }, { type: 'mount' }];

function issuesOf(validate: () => unknown): readonly SpecIssue[] {
  try {
    validate();
    return [];
  } catch (error) {
    if (error instanceof SpecError) return error.issues;
    throw error;
  }
}

const configIssues = (value: object): readonly SpecIssue[] =>
  issuesOf(() => validateConfig(document({ ...BASE, ...value })));

t.test('unknown properties without measure are not all compared with those of the spec', async (t) => {
  const many = Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`none${index}`, 1]));
  const { warnings } = validateConfig(document({ ...many, ...BASE, hostnam: 'x' }));
  t.same(warnings, [], 'what comes behind a thousand is no longer looked at');
  t.match(validateConfig(document({ ...BASE, hostnam: 'x', ...many })).warnings, [{ path: '/hostnam' }]);
});

t.test('validateConfig accepts the defaults of `tsrun spec`, rootless and not, without a warning', async (t) => {
  for (const rootless of [false, true]) {
    for (const cgroupNamespace of [false, true]) {
      const spec = defaultSpec({ rootless, cgroupNamespace, euid: 1000, egid: 1000 });
      const { value, warnings } = validateConfig(document(spec));
      t.same(warnings, []);
      t.match(value, spec);
    }
  }
});

t.test('defaultSpec: rootless has a user namespace with one id and the network of the host', async (t) => {
  const options = { rootless: true, cgroupNamespace: true, euid: 1000, egid: 100 };
  const { linux, ociVersion, hostname, mounts } = defaultSpec(options);
  t.equal(ociVersion, OCI_VERSION);
  t.equal(hostname, 'tsrun');
  t.same(
    linux?.namespaces?.map(({ type }) => type),
    ['pid', 'ipc', 'uts', 'mount', 'user', 'cgroup'],
  );
  t.same(linux?.uidMappings, [{ containerID: 0, hostID: 1000, size: 1 }]);
  t.same(linux?.gidMappings, [{ containerID: 0, hostID: 100, size: 1 }]);
  t.equal(linux?.resources, undefined);
  t.notOk(mounts?.some(({ options = [] }) => options.some((option) => /^[ug]id=/.test(option))));
  t.equal(defaultSpec({ ...options, rootless: false }).linux?.namespaces?.[1]?.type, 'network');
});

t.test('validateConfig gives 64-bit fields as bigint and smaller ones as number', async (t) => {
  const { value } = validateConfig(
    document({
      ...BASE,
      process: {
        cwd: '/',
        args: ['sh'],
        user: { uid: 1, gid: 2, umask: 18, additionalGids: [4294967294] },
        rlimits: [{ type: 'RLIMIT_CORE', soft: 1, hard: 18446744073709551615n }],
        scheduler: { policy: 'SCHED_DEADLINE', runtime: 10000, deadline: 10000, period: 10000 },
      },
      linux: {
        devices: [{ type: 'c', path: '/dev/x', major: 1, minor: 2, fileMode: 438, uid: 0, gid: 0 }],
        resources: {
          memory: { limit: 9223372036854771712n, swap: -1 },
          cpu: { shares: 1024, quota: 1000, period: 1000, idle: 1 },
          pids: { limit: 10 },
          blockIO: { weight: 10, throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1 }] },
          hugepageLimits: [{ pageSize: '2MB', limit: 0 }],
          network: { classID: 4294967295 },
        },
        seccomp: {
          defaultAction: 'SCMP_ACT_ALLOW',
          syscalls: [
            {
              names: ['x'],
              action: 'SCMP_ACT_ERRNO',
              errnoRet: 1,
              args: [{ index: 5, value: 18446744073709551615n, valueTwo: 1, op: 'SCMP_CMP_EQ' }],
            },
          ],
        },
      },
    }),
  );
  t.match(value.process, { user: { uid: 1, umask: 18, additionalGids: [4294967294] } });
  t.match(value.process?.rlimits?.[0], { soft: 1n, hard: 18446744073709551615n });
  t.match(value.process?.scheduler, { runtime: 10000n, deadline: 10000n, period: 10000n });
  t.match(value.linux?.devices?.[0], { major: 1n, minor: 2n, fileMode: 438 });
  t.match(value.linux?.resources, {
    memory: { limit: 9223372036854771712n, swap: -1n },
    cpu: { shares: 1024n, quota: 1000n, period: 1000n, idle: 1n },
    pids: { limit: 10n },
    blockIO: { weight: 10, throttleReadBpsDevice: [{ major: 8n, minor: 0n, rate: 1n }] },
    hugepageLimits: [{ limit: 0n }],
    network: { classID: 4294967295 },
  });
  t.match(value.linux?.seccomp?.syscalls?.[0], {
    errnoRet: 1,
    args: [{ index: 5, value: 18446744073709551615n, valueTwo: 1n }],
  });
  t.equal(typeof value.process?.rlimits?.[0]?.soft, 'bigint');
});

t.test('validateConfig of its own result finds the same: bigints are taken as numbers are', async (t) => {
  const { value } = validateConfig(document(defaultSpec({ rootless: false, cgroupNamespace: true, euid: 0, egid: 0 })));
  t.same(validateConfig(documentOf(value, 'record')).value, value);
});

t.test('validateConfig takes null for unset in properties of the spec, and root for no user', async (t) => {
  const value = {
    ...BASE,
    hooks: null,
    process: { cwd: '/', args: ['sh'], env: null, user: null },
    linux: { seccomp: null },
  };
  const { value: spec } = validateConfig(document(value));
  t.notOk('hooks' in spec);
  t.match(spec.process, { user: { uid: 0, gid: 0 } });
  t.match(configIssues({ annotations: { a: null } }), [{ code: 'WRONG_TYPE', path: '/annotations/a' }]);
});

t.test('validateConfig reports all problems at once, in the order of the file', async (t) => {
  const text =
    '{\n "root": {},\n "mounts": [{"destination": "/"}],\n "process": {"cwd": "x", "args": [1]},\n "ociVersion": "3.0.0"\n}';
  const issues = issuesOf(() => validateConfig(readDocument(Buffer.from(text), 'config.json')));
  t.match(issues, [
    { code: 'REQUIRED', path: '/root/path', line: 2, column: 10 },
    { code: 'REQUIRED', path: '/mounts/0/type', line: 3, column: 13 },
    { code: 'IS_ROOT', path: '/mounts/0/destination', line: 3, column: 29 },
    { code: 'NOT_ABSOLUTE', path: '/process/cwd', line: 4, column: 21 },
    { code: 'WRONG_TYPE', path: '/process/args/0', line: 4, column: 35 },
    { code: 'UNSUPPORTED_VERSION', path: '/ociVersion', line: 5, column: 16 },
  ]);
});

t.test('validateConfig survives wrong types anywhere: a rule never sees what the schema refused', async (t) => {
  const whole: unknown = JSON.parse(readFileSync(new URL('../../schemas/config.json', import.meta.url), 'utf8'));
  const wrong: readonly unknown[] = [null, 0, -1, 'x', '', true, [], [null], [[]], {}, { a: null }, [{}], whole];
  const places = [
    ...['ociVersion', 'process', 'root', 'hostname', 'mounts', 'hooks', 'annotations', 'linux'].map((key) => [key]),
    ...['args', 'env', 'cwd', 'user', 'capabilities', 'rlimits', 'scheduler', 'execCPUAffinity'].map((key) => [
      'process',
      key,
    ]),
    ...['namespaces', 'devices', 'netDevices', 'resources', 'seccomp', 'sysctl', 'maskedPaths', 'uidMappings'].map(
      (key) => ['linux', key],
    ),
    ...['timeOffsets', 'memoryPolicy', 'intelRdt', 'personality', 'cgroupsPath'].map((key) => ['linux', key]),
    ...['memory', 'cpu', 'pids', 'blockIO', 'unified', 'rdma', 'devices', 'hugepageLimits'].map((key) => [
      'linux',
      'resources',
      key,
    ]),
    ['hooks', 'prestart'],
    ['process', 'capabilities', 'ambient'],
    ['linux', 'seccomp', 'syscalls'],
  ];
  for (const keys of places) {
    for (const value of wrong) {
      const config = keys.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as object;
      t.doesNotThrow(() => configIssues({ linux: { namespaces: NAMESPACES }, ...config }), keys.join('.'));
    }
  }
});

t.test('validateConfig refuses strings and lists beyond what the kernel takes', async (t) => {
  const process = {
    cwd: '/',
    args: ['sh', 'x'.repeat(131_072)],
    user: { uid: 0, gid: 0, additionalGids: Array(65_537).fill(1) },
  };
  t.match(configIssues({ process }), [
    { code: 'TOO_LONG', path: '/process/args/1', message: /argument list too long/ },
    { code: 'TOO_MANY', path: '/process/user/additionalGids', message: /max 65536/ },
  ]);
});

t.test('validateConfig takes 5,000 mounts, 10,000 masked paths and 100,000 seccomp rules within seconds', async (t) => {
  const mounts = Array.from({ length: 5_000 }, (_, index) => ({
    destination: `/m${index}`,
    type: 'tmpfs',
    source: 'tmpfs',
  }));
  const maskedPaths = Array.from({ length: 10_000 }, (_, index) => `/x${index}`);
  const rule = (value: number) => ({
    names: ['read'],
    action: 'SCMP_ACT_ALLOW',
    args: [{ index: 0, value, op: 'SCMP_CMP_EQ' }],
  });
  const seccomp = {
    defaultAction: 'SCMP_ACT_ERRNO',
    syscalls: Array.from({ length: 100_000 }, (_, index) => rule(index)),
  };
  const config = documentOf(
    { ...BASE, mounts, linux: { namespaces: NAMESPACES, maskedPaths, seccomp } },
    'config.json',
  );
  t.same(
    issuesOf(() => validateConfig(config)),
    [],
  );
});

t.test('validateConfig quotes what it shows: a value cannot forge a phrase that engines look for', async (t) => {
  const [issue] = configIssues({ process: { cwd: 'permission denied', args: ['sh'] } });
  t.match(issue, { code: 'NOT_ABSOLUTE', path: '/process/cwd' });
  t.notMatch(issue?.value, /permission denied/);
});

t.test('validateConfig ignores unknown properties and warns of those that look like a typo', async (t) => {
  const { warnings } = validateConfig(document({ ...BASE, hostnam: 'x', zzz: { hostname: 5 } }));
  t.match(warnings, [{ code: 'UNKNOWN_PROPERTY', path: '/hostnam', hint: 'did you mean "hostname"?' }]);
});

t.test(
  'capabilities that cannot be granted for one reason are one warning, as buildah has them in each step',
  async (t) => {
    const all = ['CAP_CHOWN', 'CAP_KILL', 'CAP_SETGID', 'CAP_SETUID'];
    const process = { cwd: '/', args: ['true'], capabilities: { effective: all, permitted: all, ambient: all } };
    const warningsOf = (capabilities: object) => {
      const { warnings } = validateConfig(document({ ...BASE, process: { ...process, capabilities } }));
      return warnings.map(({ path, message }) => `${path}: ${message}`);
    };
    t.same(warningsOf(process.capabilities), [
      '/process/capabilities/ambient: can\'t raise ambient capabilities "CAP_CHOWN", "CAP_KILL", "CAP_SETGID" and 1 more: ' +
        'not in inheritable; they are dropped',
    ]);
    const one = { effective: ['CAP_KILL'], inheritable: all, permitted: [], ambient: ['CAP_CHOWN'] };
    t.same(warningsOf(one), [
      '/process/capabilities/effective/0: can\'t raise effective capability "CAP_KILL": not in permitted; it is dropped',
      '/process/capabilities/ambient/0: can\'t raise ambient capability "CAP_CHOWN": not in permitted; it is dropped',
    ]);
    t.same(warningsOf({ ...one, permitted: all }), []);
  },
);

t.test('validateProcess and validateResources name fields from the top of their own document', async (t) => {
  t.match(
    issuesOf(() => validateProcess(document({ cwd: '/' }))),
    [{ code: 'EMPTY', path: '/args' }],
  );
  t.match(
    issuesOf(() => validateProcess(document({ args: ['sh'] }))),
    [{ code: 'REQUIRED', path: '/cwd' }],
  );
  t.match(
    issuesOf(() => validateResources(document({ pids: { limit: -2 } }))),
    [{ code: 'OUT_OF_RANGE', path: '/pids/limit' }],
  );
  t.match(validateResources(document({ memory: { limit: 1 } })).value, { memory: { limit: 1n } });
});

t.test('runRules skips a rule where the schema refused something that it reads', async (t) => {
  const rule = rulesOf<Config>();
  const seen: string[] = [];
  const note = (name: string) => () => void seen.push(name);
  const rules = [
    rule('/mounts/*', note('mount')),
    rule('/mounts', note('all mounts')),
    rule('/mounts', note('shallow'), { shallow: true }),
    rule('/hostname', note('needs'), { needs: ['/mounts/0/type'] }),
    rule('/hostname', note('hostname')),
    rule('/domainname', note('absent')),
  ];
  const root = { mounts: [{}, {}], hostname: 'x' } as unknown as Config;
  runRules(rules, { root, base: asPointer(''), refused: [asPointer('/mounts/0/type')], issues: noIssues() });
  t.same(seen, ['mount', 'shallow', 'hostname']);
});

/** cli: check, features and features --host: the built program, without root and without containers. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import t, { type Test } from 'tap';
import { baseConfig, type TestConfig } from '../helpers/config.js';
import { needCommand, needRoot, skipUnless } from '../helpers/host.js';

const PROGRAM = fileURLToPath(new URL('../../dist/tsrun.cjs', import.meta.url));
const SCHEMAS = fileURLToPath(new URL('../../schemas/', import.meta.url));
const built = existsSync(PROGRAM) ? (false as const) : 'dist/ is not built: npm run build';

function tsrun(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], { encoding: 'utf8', env: ENV });
  return { status, out: stdout, err: stderr };
}

function bundle(t: Test, change: (config: TestConfig) => void): string {
  const directory = t.testdir({ rootfs: {} });
  const config = baseConfig(['true']);
  change(config);
  writeFileSync(join(directory, 'config.json'), JSON.stringify(config, undefined, 2));
  return directory;
}

/** Without what tap puts there for node. */
const ENV = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };

interface Issue {
  readonly level: string;
  readonly code: string;
  readonly path: string;
  readonly line: number;
}

function findings(...args: string[]): { status: number | null; issues: Issue[] } {
  const { status, out } = tsrun('check', '--format', 'json', ...args);
  return { status, issues: JSON.parse(out).issues };
}

t.test(
  'tsrun check says that a good bundle is good, with status 0',
  { skip: skipUnless(built, needRoot()) },
  async (t) => {
    const directory = bundle(t, () => undefined);
    t.match(tsrun('check', directory), { status: 0, out: 'nothing to complain about\n', err: '' });
    t.match(JSON.parse(tsrun('check', '-f', 'json', directory).out), { errors: 0, warnings: 0, issues: [] });
  },
);

t.test(
  'tsrun check does not miss the cgroup that create makes, where the container is shown its own',
  { skip: skipUnless(built, needRoot()) },
  async (t) => {
    const directory = bundle(t, ({ linux, mounts }) => {
      linux.cgroupsPath = '/tsrun-check/own';
      linux.namespaces = linux.namespaces.filter(({ type }: { type: string }) => type !== 'cgroup');
      mounts.push({ destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['ro'] });
    });
    t.same(findings(directory).issues, []);
  },
);

t.test(
  'tsrun check tells warnings from errors by its status, and --strict does not',
  { skip: skipUnless(built, needRoot()) },
  async (t) => {
    const directory = bundle(t, (config) => {
      config['linux'].rootPropagation = 'shared';
      config['vendor'] = {};
    });
    const { status, out } = tsrun('check', directory);
    t.equal(status, 3);
    t.match(
      out,
      /^warning: \/linux\/rootPropagation \(config\.json:\d+:\d+\): .* \[UNKNOWN_PROPERTY\]\n {2}hint: did you mean "rootfsPropagation"\?/m,
    );
    t.match(
      out,
      /^warning: \/vendor \(config\.json:\d+:\d+\): is no property of the OCI spec and is ignored \[UNKNOWN_PROPERTY\]$/m,
    );
    t.match(out, /^0 errors, 2 warnings$/m);
    t.match(tsrun('check', '--strict', directory), { status: 1, out: /^error: \/linux\/rootPropagation/m });
    t.equal(tsrun('check', '--frmat', 'json').status, 2);
    t.equal(tsrun('check', join(directory, 'none')).status, 2, 'no config, no check');
  },
);

t.test(
  'tsrun check names everything that is wrong at once, with code, place, value and reason',
  { skip: built },
  async (t) => {
    const directory = bundle(t, (config) => {
      config['process'].cwd = 'tmp';
      config['process'].rlimits.push({ type: 'RLIMIT_NOFILE', soft: 1, hard: 1 });
      config['linux'].rootPropagation = 'shared';
    });
    const { status, issues } = findings(directory);
    t.equal(status, 1);
    t.match(issues, [
      {
        level: 'error',
        code: 'NOT_ABSOLUTE',
        path: '/process/cwd',
        line: Number,
        column: Number,
        value: '"tmp"',
        reason: String,
      },
      { level: 'error', code: 'DUPLICATE', path: '/process/rlimits/1/type' },
      { level: 'warning', code: 'UNKNOWN_PROPERTY', path: '/linux/rootPropagation', hint: /rootfsPropagation/ },
    ]);
  },
);

t.test('tsrun check finds what this machine does not have', { skip: skipUnless(built, needRoot()) }, async (t) => {
  const directory = bundle(t, (config) => {
    config['root'].path = 'nothing';
    config['mounts'].push(
      { destination: '/mnt', type: 'bind', source: '/nonexistent/source', options: ['bind'] },
      { destination: '/mnt2', type: 'nosuchfs', source: 'none' },
    );
    config['linux'].namespaces = [
      { type: 'mount' },
      { type: 'uts', path: '/proc/self/ns/net' },
      { type: 'network', path: '/proc/version' },
      { type: 'ipc', path: '/proc/self/ns/ipc' },
    ];
    // The compiler refuses this; the rest is looked at all the same.
    config['linux'].resources = { hugepageLimits: [{ pageSize: '3MB', limit: 0 }] };
    config['hooks'] = {
      createRuntime: [{ path: '/nonexistent/hook' }],
      startContainer: [{ path: '/in/the/container' }],
    };
  });
  const { status, issues } = findings(directory);
  t.equal(status, 1);
  const codes = issues.map(({ code, path }) => `${code} ${path}`).sort();
  t.same(codes, [
    'FILE_SYSTEM_UNKNOWN /mounts/7',
    'HOOK_MISSING /hooks/createRuntime/0',
    'HUGEPAGE_SIZE_UNKNOWN /linux/resources/hugepageLimits/0/pageSize',
    'NAMESPACE_FILE /linux/namespaces/1/path',
    'NAMESPACE_FILE /linux/namespaces/2/path',
    'ROOTFS_MISSING /root/path',
    'SOURCE_MISSING /mounts/6',
  ]);
});

t.test(
  'tsrun check refuses a rootfs that is a symbolic link, as create does',
  { skip: skipUnless(built, needRoot()) },
  async (t) => {
    const directory = bundle(t, (config) => {
      config['root'].path = 'link';
    });
    symlinkSync('rootfs', join(directory, 'link'));
    t.match(findings(directory), { status: 1, issues: [{ code: 'ROOTFS_MISSING', path: '/root/path' }] });
  },
);

t.test(
  'tsrun check --host judges by the facts of another machine',
  { skip: skipUnless(built, needRoot()) },
  async (t) => {
    const directory = bundle(t, (config) => {
      config['linux'].seccomp = { defaultAction: 'SCMP_ACT_ALLOW', flags: ['SECCOMP_FILTER_FLAG_LOG'] };
      config['mounts'].push({ destination: '/mnt', type: 'bind', source: '/only/there', options: ['bind'] });
    });
    const facts = JSON.parse(tsrun('features', '--host').out);
    const file = join(directory, 'facts.json');
    writeFileSync(file, tsrun('features', '--host').out);
    t.match(
      findings('--host', file, directory),
      { status: 0, issues: [] },
      'its mount sources are not looked for here',
    );
    const without = { ...facts, seccomp: { ...facts.seccomp, flags: [] }, kernel: [4, 19] };
    writeFileSync(file, JSON.stringify(without));
    t.match(findings('--host', file, directory), {
      status: 1,
      issues: [{ code: 'KERNEL_TOO_OLD' }, { code: 'SECCOMP_FLAG', path: '/linux/seccomp/flags/0' }],
    });
    const { kernel: _, ...rest } = facts;
    writeFileSync(file, JSON.stringify({ ...rest, arch: 7 }));
    const refused = tsrun('--error-format', 'json', 'check', '--host', file, directory);
    t.equal(refused.status, 2, 'without facts no check');
    t.match(JSON.parse(refused.err).issues, [
      { code: 'HOST_FACTS', path: '/kernel' },
      { code: 'HOST_FACTS', path: '/arch' },
    ]);
  },
);

t.test('tsrun features --host writes 64-bit masks exactly', { skip: built }, async (t) => {
  const { out } = tsrun('features', '--host');
  const mask = /"capabilities": (\d+)/.exec(out)?.[1] ?? '';
  const own = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  t.equal(BigInt(mask), BigInt(`0x${own}`));
});

t.test(
  'tsrun features follows the schema of the specification and the tables of the compiler',
  { skip: built },
  async (t) => {
    const { status, out } = tsrun('features');
    t.equal(status, 0);
    const ajv = new Ajv({ strict: false });
    for (const name of readdirSync(SCHEMAS).filter((file) => file.endsWith('.json'))) {
      const schema = JSON.parse(readFileSync(join(SCHEMAS, name), 'utf8'));
      if (schema.$id !== undefined) ajv.addSchema(schema);
    }
    const features = JSON.parse(out);
    t.ok(ajv.validate('features.json', features), JSON.stringify(ajv.errors));
    t.match(features, {
      ociVersionMin: '1.0.0',
      hooks: ['prestart', 'createRuntime', 'createContainer', 'startContainer', 'poststart', 'poststop'],
      linux: { cgroup: { v2: true }, seccomp: { enabled: Boolean }, apparmor: { enabled: true } },
    });
    const { mountOptions } = features;
    for (const option of ['rro', 'nosymfollow', 'tmpcopyup', 'runbindable'])
      t.ok(mountOptions.includes(option), option);
    t.notOk(mountOptions.includes('idmap'), 'features-linux.md: in mountExtensions');
    t.same(mountOptions, [...mountOptions].sort());
  },
);

t.test('tsrun features says of a field that it works exactly when create takes it', { skip: built }, async (t) => {
  const { linux } = JSON.parse(tsrun('features').out);
  const { codes } = JSON.parse(readFileSync(join(SCHEMAS, 'errors.json'), 'utf8'));
  // What this machine lacks is no fault of the program's.
  const ofHost = new Set(codes.flatMap(({ code, group }: Record<string, string>) => (group === 'host' ? [code] : [])));
  const refuses = (change: (config: TestConfig) => void): boolean =>
    findings(bundle(t, change)).issues.some(({ level, code }) => level === 'error' && !ofHost.has(code));
  const fields: readonly (readonly [enabled: boolean, change: (config: TestConfig) => void])[] = [
    [linux.netDevices.enabled, ({ linux }) => Object.assign(linux, { netDevices: { lo: {} } })],
    [
      linux.memoryPolicy.modes.length > 0,
      ({ linux }) => Object.assign(linux, { memoryPolicy: { mode: 'MPOL_LOCAL' } }),
    ],
    [linux.intelRdt.enabled, ({ linux }) => Object.assign(linux, { intelRdt: { closID: 'a' } })],
    [linux.namespaces.includes('time'), ({ linux }) => linux.namespaces.push({ type: 'time' })],
    [
      linux.seccomp.actions.includes('SCMP_ACT_TRACE'),
      ({ linux }) => Object.assign(linux, { seccomp: { defaultAction: 'SCMP_ACT_TRACE' } }),
    ],
  ];
  for (const [enabled, change] of fields) t.equal(refuses(change), !enabled, String(change));
});

const WRITES =
  'mkdir,mkdirat,mknod,mknodat,creat,unlink,unlinkat,rmdir,rename,renameat,renameat2,symlink,symlinkat,link,linkat,' +
  'mount,umount2,move_mount,fsopen,open_tree,chmod,fchmod,fchmodat,chown,fchown,fchownat,setns,unshare,pivot_root,truncate,' +
  'ftruncate,socket,connect,kill,utimensat,setxattr,open,openat,openat2';

t.test(
  'tsrun check touches nothing: no file is made, written or removed',
  { skip: skipUnless(built, needCommand('strace')) },
  async (t) => {
    const directory = bundle(t, (config) => {
      config['linux'].cgroupsPath = '/tsrun-check-test';
      config['hooks'] = { prestart: [{ path: '/bin/true' }] };
    });
    mkdirSync(join(directory, 'root'));
    const log = join(directory, 'strace.log');
    const command = [
      '-f',
      '-qq',
      '-o',
      log,
      '-e',
      `trace=${WRITES}`,
      process.execPath,
      PROGRAM,
      '--root',
      join(directory, 'root/state'),
      'check',
      directory,
    ];
    const { status, stderr } = spawnSync('strace', command, { encoding: 'utf8', env: ENV });
    if (/ptrace/.test(stderr)) {
      t.pass('strace may not trace here');
      return;
    }
    t.not(status, 2);
    // Under tap's own command node writes there, whatever its environment.
    const calls = readFileSync(log, 'utf8')
      .split('\n')
      .map((line) => line.replace(/^\d+\s+/, ''))
      .filter((call) => !call.includes('/.tap/processinfo'));
    const opened = calls.filter((call) => /^open/.test(call));
    t.ok(
      opened.some((call) => call.includes('config.json')),
      'the trace shows what is read',
    );
    const written = opened.filter(
      (call) => /O_(WRONLY|RDWR|CREAT|TRUNC)/.test(call) && !/"\/dev\/(null|tty)"/.test(call),
    );
    t.same(written, [], 'nothing is opened for writing');
    const others = calls.filter(
      (call) => /^\w+\(/.test(call) && !/^open/.test(call) && !/= -1 E(INVAL|BADF|FAULT|PERM)/.test(call),
    );
    t.same(others, [], 'and nothing is changed');
    t.notOk(existsSync(join(directory, 'root/state')));
  },
);

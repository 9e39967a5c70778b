// Why a program could not be started, told from the real file and the real kernel: one sentence for engines, one hint.
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { TestConfig } from '../helpers/config.js';
import { skipUnless } from '../helpers/host.js';
import { IS_TSRUN, needRuntime, type Result, type Sandbox, sandbox } from '../helpers/runtime.js';

const skip = skipUnless(needRuntime(), IS_TSRUN ? false : 'what tsrun says');

/** The first bytes of an ELF file of 64 bits for another machine, or with a loader that is not there. */
function elf(machine: number, loader = ''): Buffer {
  const bytes = Buffer.alloc(256);
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(bytes);
  bytes.writeUInt16LE(2, 16); // ET_EXEC
  bytes.writeUInt16LE(machine, 18);
  bytes.writeUInt32LE(1, 20);
  bytes.writeBigUInt64LE(64n, 32);
  bytes.writeUInt16LE(64, 52);
  bytes.writeUInt16LE(56, 54);
  bytes.writeUInt16LE(loader === '' ? 0 : 1, 56);
  bytes.writeUInt32LE(3, 64); // PT_INTERP
  bytes.writeBigUInt64LE(128n, 72);
  bytes.writeBigUInt64LE(BigInt(loader.length + 1), 96);
  bytes.write(`${loader}\0`, 128);
  return bytes;
}

const NATIVE = process.arch === 'arm64' ? 183 : 62;
const FOREIGN = process.arch === 'arm64' ? 62 : 183;

interface Case {
  readonly what: string;
  readonly file?: Buffer | string;
  readonly mode?: number;
  readonly args?: readonly string[];
  readonly edit?: (config: TestConfig) => void;
  readonly prepare?: (rootfs: string) => void;
  readonly said: RegExp;
}

const asUser = (config: TestConfig) => {
  config['process'].user = { uid: 1000, gid: 1000 };
  for (const name of ['effective', 'permitted', 'bounding']) config['process'].capabilities[name] = [];
};
const onNoexec = (config: TestConfig) => {
  config['mounts'].push({ destination: '/opt', type: 'bind', source: 'rootfs/bin', options: ['bind', 'noexec'] });
};

const CASES: readonly Case[] = [
  { what: 'missing interpreter', file: '#!/no/bash\n', said: /no such file[\s\S]*needs the interpreter "\/no\/bash"/ },
  { what: 'CRLF', file: '#!/bin/sh\r\necho\r\n', said: /no such file[\s\S]*Windows line ends/ },
  {
    what: 'an interpreter whose own interpreter is missing',
    file: '#!/bin/middle\n',
    prepare: (rootfs) => writeFileSync(join(rootfs, 'bin/middle'), '#!/no/bash\n', { mode: 0o755 }),
    said: /no such file[\s\S]*interpreter "\/bin\/middle"/,
  },
  { what: 'missing loader', file: elf(NATIVE, '/lib/no-ld.so'), said: /no such file[\s\S]*loader "\/lib\/no-ld\.so"/ },
  { what: 'foreign machine', file: elf(FOREIGN), said: /exec format error[\s\S]*was built for/ },
  { what: 'no "#!" line', file: 'echo hello\n', said: /exec format error[\s\S]*without a "#!" first line/ },
  { what: 'empty file', file: '', said: /exec format error[\s\S]*the file is empty/ },
  { what: 'no x bit', file: '#!/bin/sh\n', mode: 0o644, said: /permission denied[\s\S]*for anybody: chmod \+x/ },
  {
    what: 'an x bit for others',
    file: '#!/bin/sh\n',
    mode: 0o700,
    edit: asUser,
    said: /permission denied[\s\S]*not for the container's user/,
  },
  { what: 'a noexec mount', args: ['/opt/busybox'], edit: onNoexec, said: /permission denied[\s\S]*mount with noexec/ },
  {
    what: 'an interpreter on a noexec mount',
    file: '#!/opt/sh\n',
    edit: onNoexec,
    said: /permission denied[\s\S]*interpreter "\/opt\/sh" .*noexec/,
  },
  { what: 'a directory', args: ['/etc'], said: /is a directory: permission denied/ },
  {
    what: 'a closed directory on the way',
    args: ['/closed/program'],
    prepare: (rootfs) => {
      mkdirSync(join(rootfs, 'closed'));
      writeFileSync(join(rootfs, 'closed/program'), '#!/bin/sh\n', { mode: 0o755 });
      chmodSync(join(rootfs, 'closed'), 0o700);
    },
    edit: asUser,
    said: /permission denied[\s\S]*may not pass a directory on the way/,
  },
  {
    what: 'links in a circle',
    args: ['/bin/a'],
    prepare: (rootfs) => {
      symlinkSync('b', join(rootfs, 'bin/a'));
      symlinkSync('a', join(rootfs, 'bin/b'));
    },
    said: /too many levels of symbolic links[\s\S]*run in a circle/,
  },
];

function runCase(box: Sandbox, { file, mode = 0o755, args = ['/bin/program'], edit, prepare }: Case): Result {
  const bundle = box.bundle(args, edit);
  if (file !== undefined) writeFileSync(join(bundle.rootfs, 'bin/program'), file);
  if (file !== undefined) chmodSync(join(bundle.rootfs, 'bin/program'), mode);
  prepare?.(bundle.rootfs);
  return box.run(['run', '--bundle', bundle.path, box.id()]);
}

t.test('a program that cannot run is reported with the reason', { skip }, async (t) => {
  const box = sandbox(t);
  for (const one of CASES) t.match(runCase(box, one), { status: 1, stderr: one.said }, one.what);
});

const killing = (names: readonly string[], more: object = {}) => ({
  defaultAction: 'SCMP_ACT_ALLOW',
  syscalls: [{ names, action: 'SCMP_ACT_KILL_PROCESS', ...more }],
});

t.test('a profile that kills what the runtime needs fails create, which names the call', { skip }, async (t) => {
  const box = sandbox(t);
  const create = (noNewPrivileges: boolean, seccomp: object) => {
    const bundle = box.bundle(['true'], (config) => {
      config['process'].noNewPrivileges = noNewPrivileges;
      config['linux'].seccomp = seccomp;
    });
    return box.run(['create', '--bundle', bundle.path, box.id()]);
  };
  t.match(create(false, killing(['capset', 'acct'])), {
    status: 1,
    stderr:
      /\/linux\/seccomp: .*killed by its seccomp profile \(SIGSYS\): it kills capset\nhint: allow in linux\.seccomp/,
  });
  const PR_SET_KEEPCAPS = 8;
  const conditional = killing(['prctl'], { args: [{ index: 0, value: PR_SET_KEEPCAPS, op: 'SCMP_CMP_EQ' }] });
  t.match(create(false, conditional), { status: 1, stderr: /\(SIGSYS\): it may kill prctl, by the arguments\n/ });
  t.equal(create(true, killing(['capset', 'prctl'])).status, 0, 'with no_new_privs it is loaded after these');
});

t.test('a profile that kills execve fails start', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['true'], (config) => {
    config['process'].noNewPrivileges = true;
    config['linux'].seccomp = killing(['execve', 'execveat', 'capset']);
  });
  const id = box.id();
  t.equal(box.run(['create', '--bundle', bundle.path, id]).status, 0);
  // The record is the zombie: where orphans are reaped at once, start cannot tell.
  const { status, stderr } = box.run(['start', id]);
  if (status !== 0) t.match(stderr, /killed by its seccomp profile \(SIGSYS\): it kills execve\n/);
  const run = box.run(['run', '--bundle', bundle.path, box.id()]);
  t.match(run, { status: 1, stderr: /killed by its seccomp profile \(SIGSYS\): it kills execve\n/ });
});

t.test(
  'the calls named are all that the runtime needs: allowed, it is the program that is killed',
  { skip },
  async (t) => {
    const box = sandbox(t);
    for (const [noNewPrivileges, hook] of [
      [true, false],
      [false, false],
      [false, true],
    ] as const) {
      const attempt = (allowed: readonly string[]) => {
        const bundle = box.bundle(['true'], (config) => {
          config['process'].noNewPrivileges = noNewPrivileges;
          config['linux'].seccomp = { defaultAction: 'SCMP_ACT_KILL_PROCESS', syscalls: [] };
          if (allowed.length > 0) config['linux'].seccomp.syscalls.push({ names: allowed, action: 'SCMP_ACT_ALLOW' });
          if (hook) config['hooks'] = { startContainer: [{ path: '/bin/true' }] };
        });
        return box.run(['run', '--bundle', bundle.path, box.id()]);
      };
      const [, names = ''] = /it kills ([a-z0-9_, ]+)\n/.exec(attempt([]).stderr) ?? [];
      t.match(names, /execve$/);
      const { status, stderr } = attempt(names.split(', '));
      if (hook) t.match(stderr, /startContainer hook .*killed by signal 31/, 'the process of the hook');
      else t.match({ status, stderr }, { status: 128 + 31, stderr: '' });
    }
  },
);

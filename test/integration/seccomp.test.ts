// linux.seccomp as the kernel runs it: what a program inside is told, and SCMP_ACT_NOTIFY with a real agent
// (test/helpers/programs/agent.c). OCI runtime-spec, config-linux "Seccomp"; seccomp_unotify(2).
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { TestConfig } from '../helpers/config.js';
import { skipUnless } from '../helpers/host.js';
import { ENTRY_POINTS, launch } from '../helpers/launch.js';
import { install, needCompiler, program } from '../helpers/programs.js';
import { eventually, IS_TSRUN, must, needRuntime, type Sandbox, sandbox } from '../helpers/runtime.js';
import { engineProfile } from '../helpers/seccomp-profile.js';

const skip = skipUnless(needRuntime(), needCompiler());
/** Numbers of system calls are those of x86_64. */
const forX64 = skipUnless(skip, process.arch === 'x64' ? false : 'needs an x86_64 machine');

interface Agent {
  readonly socket: string;
  readonly child: ChildProcess;
  /** Descriptors, messages and document of each connection. */
  states(): { fds: number; messages: number; document: TestConfig }[];
  calls(): number;
}

function startAgent(t: Test, box: Sandbox, directory = box.directory): Agent {
  const [socket, log] = [join(directory, 'agent.sock'), join(box.directory, 'agent.log')];
  mkdirSync(directory, { recursive: true });
  writeFileSync(log, '');
  // bind(2) takes 107 bytes, and a listener may be anywhere.
  const child = spawn(program('agent'), ['agent.sock', log], { cwd: directory, stdio: ['pipe', 'ignore', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  const lines = () => readFileSync(log, 'utf8').split('\n');
  if (!eventually(() => lines()[0] === 'ready')) throw new Error('the agent does not start');
  const states = () =>
    lines().flatMap((line) => {
      const [, fds, messages, text] = /^state (\d+) (\d+) (.*)$/.exec(line) ?? [];
      return text === undefined ? [] : [{ fds: Number(fds), messages: Number(messages), document: JSON.parse(text) }];
    });
  return { socket, child, states, calls: () => lines().filter((line) => line.startsWith('call ')).length };
}

const asking = (listenerPath: string, names = ['mkdir', 'mkdirat'], more: TestConfig = {}): TestConfig => ({
  defaultAction: 'SCMP_ACT_ALLOW',
  listenerPath,
  syscalls: [{ names, action: 'SCMP_ACT_NOTIFY' }],
  ...more,
});

for (const noNewPrivileges of [true, false]) {
  const how = noNewPrivileges ? 'with' : 'without';
  for (const entry of ENTRY_POINTS) {
    t.test(`an agent answers mkdir of a ${entry}, ${how} no_new_privs`, { skip }, async (t) => {
      const box = sandbox(t);
      const agent = startAgent(t, box);
      const bundle = box.bundle(
        ['sh', '-c', 'mkdir /tmp/new 2>&1; test -d /tmp/new && echo made; echo end'],
        (config) => {
          config['process'].noNewPrivileges = noNewPrivileges;
          config['process'].user = { uid: 1000, gid: 1000 };
          config['linux'].seccomp = asking(agent.socket);
        },
      );
      const result = launch(box, bundle, entry);

      t.match(result, { status: 0, stdout: /^mkdir: .*No anode\nend\n$/ }, 'ENOANO, which only the agent says');
      t.equal(agent.calls(), 1);
    });
  }
}

t.test('the agent is sent one state a connection: of create, and of exec with its own pid', { skip }, async (t) => {
  const box = sandbox(t);
  const agent = startAgent(t, box);
  const bundle = box.bundle(['sleep', '1000'], (config) => {
    config['annotations'] = { 'org.example.key': 'value' };
    config['linux'].seccomp = asking(agent.socket, undefined, { listenerMetadata: 'a "word"' });
  });
  const id = box.id();
  must(box.run(['create', '--bundle', bundle.path, id]));
  t.ok(
    eventually(() => agent.states().length === 1),
    'create has told it',
  );
  const { pid } = box.state(id);
  must(box.run(['start', id]));
  const pidFile = join(box.directory, 'exec.pid');
  must(box.run(['exec', '--detach', '--pid-file', pidFile, id, 'sleep', '1000']));
  t.ok(eventually(() => agent.states().length === 2));
  const [created, exec, ...more] = agent.states();
  t.same(more, []);
  const state = { id, pid, bundle: bundle.path, annotations: { 'org.example.key': 'value' } };
  const common = { ociVersion: /^\d/, fds: ['seccompFd'], metadata: 'a "word"' };
  t.match(created, { fds: 1, messages: 1, document: { ...common, pid, state: { ...state, status: 'creating' } } });
  const execPid = Number(readFileSync(pidFile, 'utf8'));
  t.not(execPid, pid);
  t.match(exec, { fds: 1, document: { ...common, pid: execPid } });
  if (IS_TSRUN) t.match(exec, { document: { state: { ...state, status: 'running' } } });
});

t.test(
  'notify rules for calls that the runtime makes itself are answered by the agent',
  { skip: skip || !IS_TSRUN },
  async (t) => {
    const box = sandbox(t);
    const agent = startAgent(t, box);
    const names = ['sendto', 'openat', 'close', 'execve', 'setresuid', 'capset', 'rt_sigaction', 'chdir'];
    for (const noNewPrivileges of [true, false]) {
      const bundle = box.bundle(['echo', 'through'], (config) => {
        config['process'].noNewPrivileges = noNewPrivileges;
        config['linux'].seccomp = asking(agent.socket, names);
      });
      const before = agent.calls();
      t.match(launch(box, bundle, 'run'), { status: 0, stdout: 'through\n' });
      t.ok(agent.calls() > before + 2);
    }
  },
);

t.test(
  'a listener path of any length works, and one relative to the bundle',
  { skip: skip || !IS_TSRUN },
  async (t) => {
    const box = sandbox(t);
    const agent = startAgent(t, box, join(box.directory, 'd'.repeat(20)));
    const bundle = box.bundle(['mkdir', '/tmp/new'], (config) => {
      config['linux'].seccomp = asking(`../${'d'.repeat(20)}/agent.sock`);
    });
    t.match(launch(box, bundle, 'run').stderr, /No anode/);
    t.equal(agent.calls(), 1);
  },
);

t.test('without anybody at listenerPath create fails and leaves nothing', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['true'], (config) => {
    config['linux'].seccomp = asking(join(box.directory, 'nobody.sock'));
  });
  const id = box.id();
  const result = box.run(['create', '--bundle', bundle.path, id]);
  t.not(result.status, 0);
  if (IS_TSRUN) t.match(result.stderr, /\/linux\/seccomp\/listenerPath: .*ENOENT[\s\S]*hint: nobody listens/);
  t.notOk(existsSync(join(box.root, id)));
});

t.test('exec fails as well when its agent has gone, and its program does not run', { skip }, async (t) => {
  const box = sandbox(t);
  const agent = startAgent(t, box);
  const bundle = box.bundle(['sleep', '1000'], (config) => {
    config['linux'].seccomp = asking(agent.socket);
  });
  const id = box.start(bundle);
  agent.child.kill('SIGKILL');
  t.ok(eventually(() => agent.child.killed));
  const result = box.run(['exec', id, 'touch', '/ran']);
  t.not(result.status, 0);
  t.notOk(existsSync(join(bundle.rootfs, 'ran')));
});

t.test('WAIT_KILLABLE_RECV and LOG are taken together with NOTIFY', { skip }, async (t) => {
  const box = sandbox(t);
  const agent = startAgent(t, box);
  const flags = ['SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV', 'SECCOMP_FILTER_FLAG_LOG', 'SECCOMP_FILTER_FLAG_TSYNC'];
  const bundle = box.bundle(['mkdir', '/tmp/new'], (config) => {
    config['linux'].seccomp = asking(agent.socket, undefined, { flags });
  });
  t.match(launch(box, bundle, 'run').stderr, /No anode/);
});

t.test('a listener without a notify rule is a warning, and nobody is told', { skip: skip || !IS_TSRUN }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['mkdir', '/tmp/new'], (config) => {
    config['linux'].seccomp = { defaultAction: 'SCMP_ACT_ALLOW', listenerPath: join(box.directory, 'nobody.sock') };
  });
  const result = box.run(['run', '--bundle', bundle.path, box.id()]);
  t.match(result, { status: 0, stderr: /\/linux\/seccomp\/listenerPath .*no effect without SCMP_ACT_NOTIFY/ });
});

t.test('refused, unknown and killing calls end as the profile says, seen from inside', { skip: forX64 }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['/bin/syscall', '165', '999', '39', '83'], (config) => {
    const [allowed] = engineProfile().syscalls ?? [];
    const names = allowed?.names.filter((name) => name !== 'mkdir');
    config['linux'].seccomp = {
      defaultAction: 'SCMP_ACT_ERRNO',
      syscalls: [
        { names, action: 'SCMP_ACT_ALLOW' },
        { names: ['mkdir'], action: 'SCMP_ACT_KILL_PROCESS' },
      ],
    };
  });
  install(bundle.rootfs, 'syscall');
  const result = box.run(['run', '--bundle', bundle.path, box.id()]);
  t.equal(result.stdout, '1\n38\n0\n', 'EPERM for mount, ENOSYS for a call of the future, getpid');
  t.equal(result.status, 128 + 31, 'SIGSYS');
});

// Engines bring profiles that are years older than the kernel; without no_new_privs theirs is loaded while init still has
// work to do.
const NEWER_CALLS = [
  'openat2',
  'faccessat2',
  'close_range',
  'clone3',
  'fsopen',
  'open_tree',
  'pidfd_open',
  'pidfd_getfd',
];

for (const noNewPrivileges of [true, false]) {
  t.test(
    `a profile that knows no newer system calls stops no container ${noNewPrivileges ? 'with' : 'without'} no_new_privs`,
    { skip },
    async (t) => {
      const box = sandbox(t);
      const bundle = box.bundle(['sh', '-c', 'test -e /tmp/hooked && echo it runs'], (config) => {
        config['process'].noNewPrivileges = noNewPrivileges;
        config['process'].user = { uid: 1000, gid: 1000 };
        config['hooks'] = { startContainer: [{ path: '/bin/touch', args: ['touch', '/tmp/hooked'] }] };
        const errno = { action: 'SCMP_ACT_ERRNO', errnoRet: 1 };
        config['linux'].seccomp = {
          defaultAction: 'SCMP_ACT_ALLOW',
          syscalls: [{ names: NEWER_CALLS, ...errno }],
        };
      });
      chmodSync(join(bundle.rootfs, 'tmp'), 0o777);
      for (const entry of ENTRY_POINTS) {
        rmSync(join(bundle.rootfs, 'tmp/hooked'), { force: true });
        const result = launch(box, bundle, entry);
        t.equal(result.status, 0, result.stderr);
        t.ok(
          eventually(() => existsSync(join(bundle.rootfs, 'tmp/hooked'))),
          entry,
        );
      }
    },
  );
}

for (const noNewPrivileges of [true, false]) {
  t.test(
    `startContainer hooks run under the filter ${noNewPrivileges ? 'with' : 'without'} no_new_privs`,
    { skip },
    async (t) => {
      const box = sandbox(t);
      const bundle = box.bundle(['true'], (config) => {
        config['process'].noNewPrivileges = noNewPrivileges;
        config['hooks'] = { startContainer: [{ path: '/bin/mkdir', args: ['mkdir', '/tmp/by-a-hook'] }] };
        config['linux'].seccomp = {
          defaultAction: 'SCMP_ACT_ALLOW',
          syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 95 }],
        };
      });
      const refused = box.run(['run', '--bundle', bundle.path, box.id()]);
      t.equal(refused.status, 1);
      t.match(refused.stderr, /error running startContainer hook #0: "\/bin\/mkdir": .*not supported/i);
      bundle.config['linux'].seccomp.syscalls = [];
      bundle.save();
      must(box.run(['run', '--bundle', bundle.path, box.id()]));
      t.ok(existsSync(join(bundle.rootfs, 'tmp/by-a-hook')), 'and works without the rule');
    },
  );
}

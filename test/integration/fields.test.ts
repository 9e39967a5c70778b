// What the smaller fields of a config do, read back inside by the container's own programs: clocks, scheduling,
// affinity, personality, memory policy, keyrings; and what stands in the way of a create: a full console socket, a filter.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { TestConfig } from '../helpers/config.js';
import { needCommand, type Skip, skipUnless } from '../helpers/host.js';
import { needCompiler, program } from '../helpers/programs.js';
import {
  type Bundle,
  IS_TSRUN,
  must,
  needRuntime,
  RUNTIME,
  runProgram,
  type Sandbox,
  sandbox,
} from '../helpers/runtime.js';

const skip = skipUnless(needRuntime(), IS_TSRUN ? false : 'fields that older runtimes do not know');

/** Numbers of sched(7). */
const SCHED = { OTHER: 0, FIFO: 1, BATCH: 3, IDLE: 5, DEADLINE: 6 } as const;

function onlineCpus(): string {
  return readFileSync('/sys/devices/system/cpu/online', 'utf8').trim();
}

function needTwoCpus(): Skip {
  return onlineCpus() === '0' ? 'needs two CPUs' : false;
}

function addUserNamespace(config: TestConfig): void {
  const map = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
  config['linux'].namespaces.push({ type: 'user' });
  config['linux'].uidMappings = map;
  config['linux'].gidMappings = map;
}

function addTime(config: TestConfig, offsets?: object, path?: string): void {
  config['linux'].namespaces.push({ type: 'time', ...(path === undefined ? {} : { path }) });
  if (offsets !== undefined) config['linux'].timeOffsets = offsets;
}

/** nice, rt_priority and policy of /proc/PID/stat. */
function scheduling(stat: string): { nice: number; priority: number; policy: number } {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { nice: Number(fields[16]), priority: Number(fields[37]), policy: Number(fields[38]) };
}

/** Output of one command run by a container of this config. */
function output(t: Test, box: Sandbox, command: string, edit: (config: TestConfig) => void): string {
  const result = box.run(['run', '--bundle', box.bundle(['sh', '-c', command], edit).path, box.id()]);
  t.equal(result.status, 0, result.stderr);
  return result.stdout;
}

const OFFSETS = { monotonic: { secs: 86_400, nanosecs: 5 }, boottime: { secs: 1_000_000 } };
const CLOCKS =
  'cat /proc/self/timens_offsets; cut -d. -f1 /proc/uptime; [ /proc/self/ns/time -ef /proc/self/ns/time_for_children ] && echo same; readlink /proc/self/ns/time';

function checkClocks(t: Test, text: string): void {
  const [monotonic = '', boottime = '', uptime = '', same, namespace] = text.trim().split('\n');
  t.match(monotonic, /^monotonic\s+86400\s+5$/);
  t.match(boottime, /^boottime\s+1000000\s+0$/);
  const host = Number.parseInt(readFileSync('/proc/uptime', 'utf8'), 10);
  t.ok(Number(uptime) > 1_000_000 && Number(uptime) <= host + 1_000_000, `uptime ${uptime} inside`);
  t.equal(same, 'same', 'the program is in the namespace, not only its children');
  t.not(namespace, runProgram('readlink', ['/proc/self/ns/time'], '/tmp').stdout.trim());
}

t.test('timeOffsets move the clocks of a new time namespace, also inside a user namespace', { skip }, async (t) => {
  const box = sandbox(t);
  checkClocks(
    t,
    output(t, box, CLOCKS, (config) => addTime(config, OFFSETS)),
  );
  const both = (config: TestConfig) => {
    addUserNamespace(config);
    addTime(config, OFFSETS);
  };
  checkClocks(t, output(t, box, CLOCKS, both));
});

t.test('exec runs on the clocks of the container, and another container joins them by path', { skip }, async (t) => {
  const box = sandbox(t);
  const first = box.start(box.bundle(undefined, (config) => addTime(config, OFFSETS)));
  checkClocks(t, must(box.run(['exec', first, 'sh', '-c', CLOCKS])).stdout);
  const path = `/proc/${box.state(first).pid}/ns/time`;
  checkClocks(
    t,
    output(t, box, CLOCKS, (config) => addTime(config, undefined, path)),
  );
});

t.test('a time namespace without offsets has the clocks of the host', { skip }, async (t) => {
  const box = sandbox(t);
  const lines = output(t, box, CLOCKS, (config) => addTime(config))
    .trim()
    .split('\n');
  t.match(lines[0], /^monotonic\s+0\s+0$/);
  t.equal(lines[3], 'same');
});

t.test('an offset that would put a clock before 0 is refused, naming the field', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(undefined, (config) => addTime(config, { boottime: { secs: -1_000_000_000 } }));
  const refused = box.run(['create', '--bundle', bundle.path, box.id()]);
  t.equal(refused.status, 1);
  t.match(refused.stderr, /\/linux\/timeOffsets\/boottime: .*ERANGE[\s\S]*hint: .*before 0/);
});

const STAT = 'exec cat /proc/self/stat';

t.test('scheduler and ioPriority are those of the program, for exec too', { skip }, async (t) => {
  const box = sandbox(t);
  const edit = (config: TestConfig) => {
    config['process'].scheduler = { policy: 'SCHED_BATCH', nice: 5 };
    config['process'].ioPriority = { class: 'IOPRIO_CLASS_BE', priority: 6 };
  };
  t.same(scheduling(output(t, box, STAT, edit)), { nice: 5, priority: 0, policy: SCHED.BATCH });
  t.equal(output(t, box, 'ionice -p $$', edit), 'best-effort: prio 6\n');
  const id = box.start(box.bundle(undefined, edit));
  t.same(scheduling(must(box.run(['exec', id, 'sh', '-c', STAT])).stdout), {
    nice: 5,
    priority: 0,
    policy: SCHED.BATCH,
  });
});

t.test('a real-time policy is had in a user namespace, whose root could not set it', { skip }, async (t) => {
  const box = sandbox(t);
  const edit = (config: TestConfig) => {
    addUserNamespace(config);
    config['process'].scheduler = { policy: 'SCHED_FIFO', priority: 7 };
  };
  const result = box.run(['run', '--bundle', box.bundle(['sh', '-c', STAT], edit).path, box.id()]);
  // Where the controller cpu is cgroup v1's, a new cgroup has no real-time budget.
  if (result.status === 0) t.equal(scheduling(result.stdout).policy, SCHED.FIFO);
  else t.match(result.stderr, /\/process\/scheduler: .*EPERM[\s\S]*hint: .*(realtimeRuntime|CAP_SYS_NICE)/);
});

t.test('SCHED_DEADLINE takes its runtime, deadline and period', { skip }, async (t) => {
  const box = sandbox(t);
  const scheduler = { policy: 'SCHED_DEADLINE', runtime: 1_000_000, deadline: 10_000_000, period: 10_000_000 };
  const edit = (config: TestConfig) => {
    config['process'].scheduler = scheduler;
  };
  t.equal(scheduling(output(t, box, STAT, edit)).policy, SCHED.DEADLINE);
  const refused = box.bundle(undefined, (config) => {
    config['process'].scheduler = { ...scheduler, deadline: 10_000_000_000, period: 10_000_000_000 };
  });
  const result = box.run(['create', '--bundle', refused.path, box.id()]);
  t.equal(result.status, 1, 'a period above kernel.sched_deadline_period_max_us');
  t.match(result.stderr, /\/process\/scheduler: .*EINVAL[\s\S]*hint: .*sched_setattr/);
});

const CPUS = ['sh', '-c', 'sed -n s/^Cpus_allowed_list:.//p /proc/self/status'];

t.test(
  "the CPU affinity of whoever calls the runtime is not the container's",
  { skip: skip || needTwoCpus() || needCommand('taskset', 'util-linux') },
  async (t) => {
    const box = sandbox(t);
    const pinned = (args: readonly string[]) =>
      must(runProgram('taskset', ['1', RUNTIME, '--root', box.root, ...args], box.directory)).stdout.trim();
    t.equal(pinned(['run', '--bundle', box.bundle(CPUS).path, box.id()]), onlineCpus());
    const id = box.start(box.bundle());
    t.equal(pinned(['exec', id, ...CPUS]), onlineCpus());
  },
);

t.test(
  'execCPUAffinity final is the affinity of an exec, of the config or of process.json',
  { skip: skip || needTwoCpus() },
  async (t) => {
    const box = sandbox(t);
    const id = box.start(
      box.bundle(undefined, (config) => {
        config['process'].execCPUAffinity = { initial: '0', final: '1' };
      }),
    );
    t.equal(must(box.run(['exec', id, ...CPUS])).stdout, '1\n');
    const bundle = box.bundle(CPUS, (config) => {
      config['process'].execCPUAffinity = { initial: '1' };
    });
    const process = { ...bundle.config['process'] };
    t.equal(execProcess(box, id, bundle, process).stdout.trim(), onlineCpus(), 'without final those of the cgroup');
    process.execCPUAffinity = { final: '4095' };
    const refused = execProcess(box, id, bundle, process);
    t.equal(refused.status, 255);
    t.match(refused.stderr, /\/execCPUAffinity\/final: .*'4095': EINVAL[\s\S]*hint: .*online/);
  },
);

function execProcess(box: Sandbox, id: string, bundle: Bundle, process: object) {
  const file = `${bundle.path}/process.json`;
  runProgram('tee', [file], box.directory, { input: JSON.stringify(process) });
  return box.run(['exec', '--process', file, id]);
}

t.test(
  'personality LINUX32 makes uname a 32-bit one, and LINUX is set whatever the caller has',
  { skip: skip || needCommand('setarch', 'util-linux') },
  async (t) => {
    const box = sandbox(t);
    const domain = (name: string) => (config: TestConfig) => {
      config['linux'].personality = { domain: name };
    };
    const machine = (name: string) => output(t, box, 'cat /proc/self/personality', domain(name)).trim();
    t.equal(machine('LINUX32'), '00000008');
    const linux = box.bundle(['cat', '/proc/self/personality'], domain('LINUX'));
    const args = ['linux32', RUNTIME, '--root', box.root, 'run', '--bundle', linux.path, box.id()];
    t.equal(must(runProgram('setarch', args, box.directory)).stdout, '00000000\n');
  },
);

t.test('memoryPolicy is that of the program and of an exec', { skip }, async (t) => {
  const box = sandbox(t);
  const interleave = (config: TestConfig) => {
    config['linux'].memoryPolicy = { mode: 'MPOL_INTERLEAVE', nodes: '0' };
  };
  const id = box.start(box.bundle(undefined, interleave));
  t.match(
    must(box.run(['exec', id, 'cat', '/proc/1/numa_maps', '/proc/self/numa_maps'])).stdout,
    /^\S+ interleave:0 [\s\S]*interleave:0 /,
  );
  const absent = box.bundle(undefined, (config) => {
    config['linux'].memoryPolicy = { mode: 'MPOL_BIND', nodes: '900' };
  });
  const refused = box.run(['create', '--bundle', absent.path, box.id()]);
  t.equal(refused.status, 1);
  t.match(refused.stderr, /\/linux\/memoryPolicy: .*EINVAL[\s\S]*hint: the nodes must/);
});

t.test('mqueue is mounted in a user namespace, and belongs to its root', { skip }, async (t) => {
  const box = sandbox(t);
  const script =
    'grep " /dev/mqueue .* mqueue " /proc/self/mountinfo && stat -c "%u %a" /dev/mqueue && touch /dev/mqueue/q';
  const lines = output(t, box, script, addUserNamespace).trim().split('\n');
  t.equal(lines[1], '0 1777');
});

/** The names of the keyrings that a process can see. */
const KEYRING = [
  'sh',
  '-c',
  'while read key flags uses expiry perm uid gid type name rest; do [ "$type" = keyring ] && echo "$name"; done </proc/keys; :',
];

t.test(
  'exec joins a session keyring of its own unless create was told not to',
  { skip: skip || needKeys() },
  async (t) => {
    const box = sandbox(t);
    const open = (config: TestConfig) => {
      config['linux'].maskedPaths = [];
    };
    const names = (flags: readonly string[]) => {
      const [id, bundle] = [box.id(), box.bundle(undefined, open)];
      must(box.run(['create', ...flags, '--bundle', bundle.path, id]));
      must(box.run(['start', id]));
      const held = must(box.run(['exec', id, ...KEYRING])).stdout;
      return held.includes(`_ses.${id}`);
    };
    t.equal(names([]), true);
    t.equal(names(['--no-new-keyring']), false);
  },
);

function needKeys(): Skip {
  return existsSync('/proc/keys') ? false : 'the kernel has no keyrings';
}

const FULL = `
import os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen(0)
waiting = socket.socket(socket.AF_UNIX)
waiting.connect(sys.argv[1])
os.execvp(sys.argv[2], sys.argv[2:])
`;

t.test(
  'create that waits for a full console socket ends at SIGTERM and leaves nothing',
  { skip: skip || needCommand('python3') },
  async (t) => {
    const box = sandbox(t);
    const bundle = box.bundle(undefined, (config) => {
      config['process'].terminal = true;
    });
    const socket = join(box.directory, 'full');
    const create = [
      RUNTIME,
      '--root',
      box.root,
      'create',
      '--console-socket',
      socket,
      '--bundle',
      bundle.path,
      box.id(),
    ];
    // The descriptors of the listening socket must last: python hands them on to timeout(1).
    const script = FULL.replace(
      'os.execvp',
      'os.set_inheritable(server.fileno(), True); os.set_inheritable(waiting.fileno(), True); os.execvp',
    );
    const args = ['-c', script, socket, 'timeout', '--kill-after=15', '3', ...create];
    const result = runProgram('python3', args, box.directory, { timeout: 60_000 });
    t.equal(result.status, 124, 'ended by SIGTERM, not SIGKILL');
    t.same(existsSync(box.root) ? readdirSync(box.root) : [], []);
  },
);

const OPENAT2 = '437';

t.test(
  'a seccomp filter around tsrun that refuses openat2 is named, whatever errno it gives',
  { skip: skip || needCompiler() },
  async (t) => {
    const box = sandbox(t);
    const bundle = box.bundle(['true']);
    const under = (errno: string) => {
      const args = [OPENAT2, errno, RUNTIME, '--root', box.root, 'run', '--bundle', bundle.path, box.id()];
      return runProgram(program('deny'), args, box.directory);
    };
    for (const errno of ['1', '38']) {
      const refused = under(errno);
      t.equal(refused.status, 1);
      t.match(refused.stderr, /hint: this kernel has openat2: a seccomp filter around tsrun refuses it/);
    }
  },
);

t.test('a user namespace is joined by its path, and mappings beside it must be its own', { skip }, async (t) => {
  const box = sandbox(t);
  const maps = (hostID: number) => [
    { containerID: 0, hostID, size: 1000 },
    { containerID: 5000, hostID: 300_000, size: 10 },
  ];
  const first = box.start(
    box.bundle(['sleep', '1000'], ({ linux }) => {
      linux.namespaces.push({ type: 'user' });
      linux.uidMappings = maps(200_000);
      linux.gidMappings = maps(210_000);
    }),
  );
  const path = `/proc/${box.state(first).pid}/ns/user`;
  const join = (more: object) => {
    const bundle = box.bundle(['cat', '/proc/self/uid_map'], ({ linux }) => {
      linux.namespaces.push({ type: 'user', path });
      Object.assign(linux, more);
    });
    return box.run(['run', '--bundle', bundle.path, box.id()]);
  };
  const joined = /0 +200000 +1000\n +5000 +300000 +10/;
  t.match(must(join({})).stdout, joined);
  const reversed = maps(200_000).reverse();
  t.match(must(join({ uidMappings: reversed, gidMappings: maps(210_000) })).stdout, joined, 'in any order');
  const uids = join({ uidMappings: maps(200_001), gidMappings: maps(210_000) });
  t.match(uids.stderr, /\/linux\/uidMappings: the user namespace that is joined has other ids: .?0 200000 1000, 5000/);
  t.match(join({ uidMappings: reversed, gidMappings: maps(210_000).slice(1) }).stderr, /\/linux\/gidMappings: /);
});

// What cannot work must be refused: exit status, one clear message for each problem with the JSON pointer or the flag,
// and a host as it was (sandbox() looks for what was left behind).
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { canary } from '../helpers/canary.js';
import type { TestConfig } from '../helpers/config.js';
import { hasCapability } from '../helpers/host.js';
import {
  type Bundle,
  eventually,
  IS_TSRUN,
  must,
  needRuntime,
  type Result,
  RUNTIME,
  runProgram,
  type Sandbox,
  sandbox,
} from '../helpers/runtime.js';

const skip = needRuntime();

/** Refused; for tsrun the message holds what is given. Nothing of the container may be there. */
function refused(t: Test, box: Sandbox, id: string, result: Result, pattern: RegExp): void {
  t.not(result.status, 0, 'exit status');
  t.not(result.stderr.trim(), '', 'a message');
  t.notMatch(result.stderr, /\n\s+at .*:\d+:\d+|goroutine/, 'no stack trace');
  if (IS_TSRUN) t.match(result.stderr, pattern);
  if (id !== '') t.notOk(existsSync(join(box.root, id)), 'no state');
}

interface Case {
  readonly name: string;
  /** Of the message: the JSON pointer of the field. */
  readonly says: RegExp;
  readonly edit: (config: TestConfig) => void;
  /** runc takes it. */
  readonly ownRule?: true;
}

const CONFIGS: readonly Case[] = [
  {
    name: 'process.args is a string',
    says: /\/process\/args/,
    edit: (c) => {
      c['process'].args = 'sh';
    },
  },
  {
    name: 'process.args is empty',
    says: /\/process\/args/,
    edit: (c) => {
      c['process'].args = [];
    },
  },
  {
    name: 'root.path is a number',
    says: /\/root\/path/,
    edit: (c) => {
      c['root'].path = 5;
    },
  },
  {
    name: 'a relative cwd',
    says: /\/process\/cwd/,
    edit: (c) => {
      c['process'].cwd = 'tmp';
    },
  },
  {
    name: 'ociVersion is no version',
    says: /\/ociVersion/,
    edit: (c) => {
      c['ociVersion'] = 'latest';
    },
    ownRule: true,
  },
  {
    name: 'a namespace twice',
    says: /\/linux\/namespaces\/5/,
    edit: (c) => {
      c['linux'].namespaces.push({ type: 'pid' });
    },
  },
  {
    name: 'an unknown namespace',
    says: /\/linux\/namespaces\/5\/type/,
    edit: (c) => {
      c['linux'].namespaces.push({ type: 'disk' });
    },
  },
  {
    name: 'a namespace path that does not exist',
    says: /\/linux\/namespaces\/0/,
    edit: (c) => {
      c['linux'].namespaces[0].path = '/no/such/ns';
    },
  },
  {
    name: 'a namespace path of another type',
    says: /\/linux\/namespaces\/0/,
    edit: (c) => {
      c['linux'].namespaces[0].path = '/proc/self/ns/net';
    },
  },
  {
    name: 'an unknown rlimit',
    says: /\/process\/rlimits\/0\/type/,
    edit: (c) => {
      c['process'].rlimits[0].type = 'RLIMIT_COFFEE';
    },
  },
  {
    name: 'an rlimit twice',
    says: /\/process\/rlimits\/1/,
    edit: (c) => {
      c['process'].rlimits.push(c['process'].rlimits[0]);
    },
    ownRule: true,
  },
  {
    name: 'an unknown propagation',
    says: /\/linux\/rootfsPropagation/,
    edit: (c) => {
      c['linux'].rootfsPropagation = 'sideways';
    },
  },
  {
    name: 'a mount inside /proc',
    says: /\/mounts\/6/,
    edit: (c) => {
      c['mounts'].push({ destination: '/proc/sys', type: 'tmpfs', source: 'tmpfs' });
    },
    ownRule: true,
  },
  {
    name: 'something else mounted on /proc',
    says: /\/mounts\/6/,
    edit: (c) => {
      c['mounts'].push({ destination: '/proc', type: 'tmpfs', source: 'tmpfs' });
    },
  },
  {
    name: 'a bind source that is missing',
    says: /\/mounts\/6/,
    edit: (c) => {
      c['mounts'].push({ destination: '/mnt', type: 'bind', source: '/no/such/source', options: ['bind'] });
    },
  },
  {
    name: 'a file system that does not exist',
    says: /\/mounts\/6/,
    edit: (c) => {
      c['mounts'].push({ destination: '/mnt', type: 'nosuchfs', source: 'none' });
    },
  },
  {
    name: 'a hook with a relative path',
    says: /\/hooks\/poststart\/0\/path/,
    edit: (c) => {
      c['hooks'] = { poststart: [{ path: 'bin/sh' }] };
    },
    ownRule: true,
  },
  {
    name: 'a uid map without a user namespace',
    says: /\/linux\/uidMappings/,
    edit: (c) => {
      c['linux'].uidMappings = [{ containerID: 0, hostID: 1000, size: 1 }];
    },
    ownRule: true,
  },
  {
    name: 'a sysctl of the host',
    says: /\/linux\/sysctl\/kernel\.panic/,
    edit: (c) => {
      c['linux'].sysctl = { 'kernel.panic': '1' };
    },
  },
  {
    name: 'an unknown seccomp action',
    says: /\/linux\/seccomp\/defaultAction/,
    edit: (c) => {
      c['linux'].seccomp = { defaultAction: 'SCMP_ACT_DANCE' };
    },
  },
];

for (const { name, says, edit, ownRule } of CONFIGS) {
  t.test(
    `config.json: ${name}`,
    { skip: skip || (ownRule && !IS_TSRUN ? 'a rule of tsrun’s own' : false) },
    async (t) => {
      const box = sandbox(t);
      const id = box.id();
      refused(t, box, id, box.run(['create', '--bundle', box.bundle(undefined, edit).path, id]), says);
    },
  );
}

t.test('config.json without process: may be created, cannot be started', { skip }, async (t) => {
  const box = sandbox(t);
  const id = box.id();
  const bundle = box.bundle(undefined, (config) => {
    delete config['process'];
  });
  const created = box.run(['create', '--bundle', bundle.path, id]);
  const result = created.status === 0 ? box.run(['start', id]) : created;
  t.not(result.status, 0);
  t.match(result.stderr, /process/);
  if (IS_TSRUN) t.match(result.stderr, /start: \/process: process not set.*\nhint: add "process"/);
});

t.test('config.json: several problems are all reported', { skip }, async (t) => {
  const box = sandbox(t);
  const id = box.id();
  const bundle = box.bundle(undefined, (config) => {
    config['process'].cwd = 'tmp';
    config['process'].rlimits[0].type = 'RLIMIT_COFFEE';
    config['linux'].namespaces.push({ type: 'pid' });
  });
  const result = box.run(['create', '--bundle', bundle.path, id]);
  refused(t, box, id, result, /\/process\/cwd/);
  if (IS_TSRUN)
    t.match(
      result.stderr,
      /\/process\/rlimits\/0\/type[\s\S]*\/linux\/namespaces\/5|\/linux\/namespaces\/5[\s\S]*\/process\/rlimits\/0\/type/,
    );
});

const FILES: readonly { name: string; says: RegExp; prepare: (bundle: Bundle, box: Sandbox) => void }[] = [
  { name: 'config.json missing', says: /config\.json/, prepare: (b) => rmSync(join(b.path, 'config.json')) },
  {
    name: 'config.json cut off',
    says: /config\.json.*1/,
    prepare: (b) => writeFileSync(join(b.path, 'config.json'), '{ "ociVersion": "1.0.2", '),
  },
  { name: 'config.json empty', says: /config\.json/, prepare: (b) => writeFileSync(join(b.path, 'config.json'), '') },
  {
    name: 'config.json not an object',
    says: /config\.json/,
    prepare: (b) => writeFileSync(join(b.path, 'config.json'), '[1]'),
  },
  {
    name: 'config.json a directory',
    says: /config\.json/,
    prepare: (b) => {
      rmSync(join(b.path, 'config.json'));
      mkdirSync(join(b.path, 'config.json'));
    },
  },
  { name: 'rootfs missing', says: /\/root\/path/, prepare: (b) => rmSync(b.rootfs, { recursive: true }) },
  {
    name: 'rootfs a file',
    says: /\/root\/path/,
    prepare: (b) => {
      rmSync(b.rootfs, { recursive: true });
      writeFileSync(b.rootfs, '');
    },
  },
  {
    name: 'rootfs a symlink',
    says: /\/root\/path/,
    prepare: (b) => {
      renameSync(b.rootfs, `${b.rootfs}.real`);
      symlinkSync('rootfs.real', b.rootfs);
    },
  },
  { name: 'the bundle missing', says: /--bundle/, prepare: (b) => rmSync(b.path, { recursive: true }) },
];

for (const { name, says, prepare } of FILES) {
  // runc follows a rootfs that is a symlink.
  t.test(
    `bundle: ${name}`,
    { skip: skip || (!IS_TSRUN && name.includes('symlink') ? 'runc follows it' : false) },
    async (t) => {
      const box = sandbox(t);
      const [bundle, id] = [box.bundle(), box.id()];
      prepare(bundle, box);
      refused(t, box, id, box.run(['create', '--bundle', bundle.path, id]), says);
    },
  );
}

const PROGRAMS: readonly {
  name: string;
  args: string[];
  says: RegExp;
  text: RegExp;
  prepare?: (bundle: Bundle) => void;
}[] = [
  { name: 'missing', args: ['/no/such'], says: /\/process\/args\/0/, text: /no such file or directory/ },
  { name: 'not on PATH', args: ['nosuch'], says: /\/process\/args\/0/, text: /executable file not found/ },
  {
    name: 'not executable',
    args: ['/tmp/plain'],
    says: /\/process\/args\/0/,
    text: /permission denied/i,
    prepare: (b) => writeFileSync(join(b.rootfs, 'tmp/plain'), 'text'),
  },
  { name: 'a directory', args: ['/etc'], says: /\/process\/args\/0/, text: /permission denied|is a directory/i },
  {
    name: 'for another architecture',
    args: ['/tmp/other'],
    says: /\/process\/args\/0/,
    text: /exec format error/i,
    prepare: (b) =>
      script(
        b,
        'tmp/other',
        Buffer.concat([
          Buffer.from('\x7fELF\x02\x01\x01'),
          Buffer.alloc(9),
          Buffer.from([2, 0, 0xf3, 0, 1, 0, 0, 0]),
          Buffer.alloc(64),
        ]),
      ),
  },
  {
    name: 'a script whose interpreter is missing',
    args: ['/tmp/script'],
    says: /\/process\/args\/0/,
    text: /no such file or directory/,
    prepare: (b) => script(b, 'tmp/script', Buffer.from('#!/no/such/interpreter\n')),
  },
];

function script(bundle: Bundle, path: string, content: Buffer): void {
  writeFileSync(join(bundle.rootfs, path), content);
  chmodSync(join(bundle.rootfs, path), 0o755);
}

for (const { name, args, says, text, prepare } of PROGRAMS) {
  t.test(`program: ${name}`, { skip }, async (t) => {
    const box = sandbox(t);
    const [bundle, id] = [box.bundle(args), box.id()];
    prepare?.(bundle);
    const result = box.run(['run', '--bundle', bundle.path, id]);
    refused(t, box, id, result, says);
    t.match(result.stderr, text, 'the words engines look for');
    const detached = box.run(['run', '--detach', '--bundle', bundle.path, id]);
    if (IS_TSRUN) t.not(detached.status, 0, 'also when detached');
  });
}

t.test('id: a path, empty, too long, odd characters', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle();
  for (const id of ['../up', 'a/b', '..', '.', '', 'x'.repeat(2000), 'a b', 'ümlaut']) {
    const result = box.run(['create', '--bundle', bundle.path, id]);
    t.not(result.status, 0, JSON.stringify(id.slice(0, 20)));
    t.not(result.stderr, '');
  }
  t.notOk(existsSync(join(box.directory, 'up')));
  t.equal(box.run(['list', '--quiet']).stdout, '');
});

t.test('an id that is taken', { skip }, async (t) => {
  const box = sandbox(t);
  const id = box.start(box.bundle());
  const result = box.run(['create', '--bundle', box.bundle().path, id]);
  t.not(result.status, 0);
  t.match(result.stderr, /already exists|id exists/);
  t.equal(box.state(id).status, 'running', 'the other one is untouched');
});

t.test('kill with an unknown signal', { skip }, async (t) => {
  const box = sandbox(t);
  const id = box.start(box.bundle());
  for (const signal of ['NOSUCH', '999', '-1', ...(IS_TSRUN ? [''] : [])]) {
    const result = box.run(['kill', id, signal]);
    t.not(result.status, 0, signal);
    t.not(result.stderr, '');
  }
  t.equal(box.state(id).status, 'running');
});

t.test('an unknown capability is a warning, and the container runs', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['echo', 'ran'], (config) =>
    config['process'].capabilities.bounding.push('CAP_TIME_TRAVEL'),
  );
  const result = box.run(['run', '--bundle', bundle.path, box.id()]);
  t.equal(result.status, 0);
  t.equal(result.stdout, 'ran\n');
  t.match(result.stderr, /CAP_TIME_TRAVEL/);
});

t.test(
  'an rlimit above the hard limit',
  { skip: skip || (hasCapability('CAP_SYS_RESOURCE') ? 'CAP_SYS_RESOURCE may raise it' : false) },
  async (t) => {
    const box = sandbox(t);
    const bundle = box.bundle(undefined, (config) => {
      config['process'].rlimits[0] = { type: 'RLIMIT_NOFILE', hard: 1048576, soft: 1048576 };
    });
    const id = box.id();
    refused(t, box, id, box.run(['create', '--bundle', bundle.path, id]), /\/process\/rlimits\/0/);
  },
);

/** Runs create with a state root on a tmpfs mounted with these options, in a mount namespace of its own. */
function createOn(box: Sandbox, options: string, bundle: Bundle, id: string): Result {
  const place = join(box.directory, 'place');
  mkdirSync(place, { recursive: true });
  const line = `mount -t tmpfs -o ${options} tmpfs ${place} && exec ${RUNTIME} --root ${place}/root create --bundle ${bundle.path} ${id}`;
  return runProgram('unshare', ['-m', 'sh', '-c', line], box.directory);
}

t.test('a state directory that is read-only or full', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle();
  for (const options of ['ro', 'size=4k,nr_inodes=3']) {
    const id = box.id();
    const result = createOn(box, options, bundle, id);
    refused(t, box, id, result, options === 'ro' ? /read-only/i : /no space/i);
  }
});

t.test('a state root that does not exist', { skip }, async (t) => {
  const box = sandbox(t);
  t.notOk(existsSync(box.root));
  if (IS_TSRUN) t.match(box.run(['list']).stderr, /no such directory/, 'a root that was named must be there');
  t.match(box.run(['state', 'nobody']).stderr, /does not exist/);
  const id = box.id();
  must(box.run(['create', '--bundle', box.bundle().path, id]));
  t.equal(box.state(id).status, 'created', 'create makes it');
});

t.test('command lines that say nothing useful', { skip }, async (t) => {
  const box = sandbox(t);
  for (const args of [
    ['no-such-verb'],
    ['create'],
    ['state'],
    ['start', 'a', 'b'],
    ['create', '--no-such-flag', 'x'],
    ['exec', 'x'],
  ]) {
    const result = box.run(args);
    t.not(result.status, 0, args.join(' '));
    t.not(result.stdout + result.stderr, '');
  }
});

t.test(
  'killed in the middle of create, the container can be deleted',
  { skip: skip || (IS_TSRUN ? false : 'runc leaves its state') },
  async (t) => {
    const box = sandbox(t);
    const bundle = box.bundle(undefined, (config) => {
      config['hooks'] = { createRuntime: [{ path: '/bin/sleep', args: ['sleep', '3'] }] };
    });
    const id = box.id();
    const line = `${RUNTIME} --root ${box.root} create --bundle ${bundle.path} ${id} & sleep 1; kill -9 $!; wait $! 2>/dev/null`;
    runProgram('bash', ['-c', line], box.directory);
    box.run(['delete', '--force', id]);
    t.ok(eventually(() => !existsSync(join(box.root, id))));
  },
);

t.test(
  'a state root in which others could plant records',
  { skip: skip || (IS_TSRUN ? false : 'runc takes it') },
  async (t) => {
    const box = sandbox(t);
    mkdirSync(box.root);
    chmodSync(box.root, 0o777);
    const bundle = box.bundle();
    must(box.run(['create', '--bundle', bundle.path, box.id()]));
    chownSync(box.root, 1000, 1000);
    const refusal = box.run(['create', '--bundle', bundle.path, box.id()]);
    t.match(refusal, { status: 1, stderr: /--root: .* belongs to uid 1000 and anybody can write to it/ });
    chownSync(box.root, 0, 0);
  },
);

t.test('a pid file that is a symlink, or has no directory', { skip }, async (t) => {
  const box = sandbox(t);
  const safe = canary(box);
  const bundle = box.bundle();
  const link = join(box.directory, 'link');
  symlinkSync(join(safe.path, 'victim'), link);
  const id = box.id();
  must(box.run(['create', '--bundle', bundle.path, '--pid-file', link, id]));
  t.equal(readFileSync(link, 'utf8'), String(box.state(id).pid), 'a file took the place of the link');
  safe.untouched(t);
  const other = box.id();
  const missing = box.run(['create', '--bundle', bundle.path, '--pid-file', join(box.directory, 'none/pid'), other]);
  refused(t, box, other, missing, /no such file or directory/);
});

t.test('--preserve-fds of descriptors that are not open', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle();
  const id = box.id();
  const result = box.run(['create', '--bundle', bundle.path, '--preserve-fds', '5', id]);
  refused(t, box, id, result, /unable to stat preserved-fd 3 \(of 5\)/);
  for (const wrong of ['-1', 'x']) t.not(box.run(['create', '--preserve-fds', wrong, box.id()]).status, 0, wrong);
});

t.test('standard descriptors that are closed or full', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['sh', '-c', 'exit 5']);
  for (const closed of ['<&-', '>&-', '2>&-', '<&- >&- 2>&-', '>/dev/full']) {
    const line = `exec ${RUNTIME} --root ${box.root} run --bundle ${bundle.path} ${box.id()} ${closed}`;
    t.equal(runProgram('bash', ['-c', line], box.directory).status, 5, closed);
  }
});

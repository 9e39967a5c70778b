// AppArmor confines the program of a container, and of an exec, on a kernel that has it.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { needQemu, skipUnless } from '../helpers/host.js';
import { eventually, must, needRuntime, type Sandbox, sandbox } from '../helpers/runtime.js';

const skip = skipUnless(needQemu(), needRuntime());

/** Everything is allowed but one file. */
const PROFILE = profile('tsrun-test', 'signal, deny /tmp/forbidden w,');

function profile(name: string, rules: string): string {
  return `profile ${name} flags=(attach_disconnected, mediate_deleted) { file, capability, ${rules} }\n`;
}

function load(box: Sandbox, text = PROFILE): void {
  const path = join(box.directory, 'profile');
  writeFileSync(path, text);
  const { status, stderr } = spawnSync('apparmor_parser', ['--replace', '--skip-cache', path], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
}

const TRY = 'cat /proc/self/attr/current; touch /tmp/allowed && echo allowed; touch /tmp/forbidden && echo made';

t.test(
  'process.apparmorProfile confines the program and every exec, which may name another one',
  { skip },
  async (t) => {
    const box = sandbox(t);
    load(box);
    const bundle = box.bundle(['sh', '-c', `{ ${TRY}; } >/tmp/out 2>&1; sleep 1000`], (config) => {
      config['process'].apparmorProfile = 'tsrun-test';
      config['process'].noNewPrivileges = false;
    });
    const id = box.start(bundle);
    const first = must(
      box.run(['exec', id, 'sh', '-c', 'while [ ! -s /tmp/out ]; do :; done; sleep 1; cat /tmp/out']),
    ).stdout;
    t.match(first, /^tsrun-test \(enforce\)\nallowed\n.*Permission denied/);
    const exec = box.run(['exec', id, 'sh', '-c', TRY]);
    t.equal(exec.stdout, 'tsrun-test (enforce)\nallowed\n');
    t.match(exec.stderr, /Permission denied/);
    const free = must(box.run(['exec', '--apparmor', 'unconfined', id, 'sh', '-c', TRY]));
    t.equal(free.stdout, 'unconfined\nallowed\nmade\n', 'the positive twin');
  },
);

t.test('a profile without a rule for signals keeps away TERM, but not KILL and delete --force', { skip }, async (t) => {
  const box = sandbox(t);
  load(box, profile('tsrun-deaf', ''));
  const start = () =>
    box.start(
      box.bundle(['sleep', '1000'], (config) => {
        config['process'].apparmorProfile = 'tsrun-deaf';
      }),
    );
  const id = start();
  const refused = box.run(['kill', id, 'TERM']);
  t.not(refused.status, 0);
  t.match(refused.stderr, /EACCES/);
  must(box.run(['kill', id, 'KILL']));
  t.ok(eventually(() => box.state(id).status === 'stopped'));
  must(box.run(['delete', id]));
  const other = start();
  must(box.run(['delete', '--force', other]));
  t.not(box.run(['state', other]).status, 0);
});

t.test(
  "image run loads a profile of its own, which keeps the program off the host's files and mounts",
  { skip },
  async (t) => {
    const box = sandbox(t);
    const data = ['--data-root', join(box.directory, 'data')];
    const bundle = box.bundle(['true']);
    const tar = join(box.directory, 'rootfs.tar');
    spawnSync('tar', ['-C', bundle.rootfs, '-cf', tar, '.']);
    must(box.run(['image', 'import', ...data, tar, 'bb:1']));
    const run = (...args: readonly string[]) => box.run(['image', 'run', ...data, ...args]);
    const script = `cat /proc/self/attr/current; echo a > /tmp/file && cat /tmp/file; echo 0 > /proc/self/oom_score_adj && echo own
    mount -t tmpfs x /tmp; echo b > /proc/sysrq-trigger; kill -0 1 && echo signal`;
    const own = run('bb:1', 'sh', '-c', script);
    t.equal(own.stdout, 'tsrun-default (enforce)\na\nown\nsignal\n', own.stderr);
    t.equal(run('--apparmor', 'unconfined', 'bb:1', 'cat', '/proc/self/attr/current').stdout, 'unconfined\n');
    const writable = (profile: string) => {
      const names =
        'kernel/msgmax kernel/sem kernel/hostname kernel/modprobe kernel/core_pattern kernel/sysrq fs/file-max';
      const script = `cd /proc/sys; for name in ${names}; do { cat $name > $name; } 2>/dev/null && echo $name; done; true`;
      const other = box.bundle(['sh', '-c', script], (config) => {
        config['process'].apparmorProfile = profile;
        config['process'].noNewPrivileges = false;
        config['linux'].readonlyPaths = [];
        config['linux'].maskedPaths = [];
      });
      return must(box.run(['run', '--bundle', other.path, `writes-${profile}`]))
        .stdout.trim()
        .split('\n');
    };
    t.strictSame(
      writable('tsrun-default'),
      ['kernel/msgmax', 'kernel/sem', 'kernel/hostname'],
      "its namespaces' alone",
    );
    t.equal(writable('unconfined').length, 7, 'the positive twin');
    t.match(run('--apparmor', 'tsrun-none', 'bb:1', 'true').stderr, /set the AppArmor profile 'tsrun-none': ENOENT/);
  },
);

t.test('a profile that is not loaded is named', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['true'], (config) => {
    config['process'].apparmorProfile = 'tsrun-none';
  });
  const { status, stderr } = box.run(['run', '--bundle', bundle.path, box.id()]);
  t.equal(status, 1);
  t.match(stderr, /\/process\/apparmorProfile: set the AppArmor profile 'tsrun-none': ENOENT/);
  t.match(stderr, /hint: the profile is not loaded/);
});

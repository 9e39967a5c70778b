// checkpoint and restore: the processes of a container go into files and come back, with what they had in memory.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { read, withConsoleSocket } from '../helpers/console.js';
import { needCommand, needQemu, type Skip, skipUnless } from '../helpers/host.js';
import { type Bundle, eventually, must, needRuntime, type Sandbox, sandbox } from '../helpers/runtime.js';

/** Debian 12's CRIU does not know the newest kernels; what it says is the reason. */
function needCriu(...feature: readonly string[]): Skip {
  const missing = needCommand('criu');
  if (missing) return missing;
  const { status, stderr, stdout } = spawnSync('criu', ['check', ...feature], { encoding: 'utf8' });
  return status === 0 ? false : `criu check: ${(stderr || stdout).trim().split('\n').pop()}`;
}

const skip = skipUnless(needRuntime(), needCriu());
/** Two rounds of CRIU or more; one takes half a minute under emulation, and the others show the same ways. */
const slow = skipUnless(skip, needQemu() ? false : 'takes minutes under emulation');
const tracking = skipUnless(needRuntime(), needCriu('--feature', 'mem_dirty_track'));

/** Counts in memory; the last line of the file shows where it is. A file written anew could be saved while it is empty. */
const COUNT = 'i=0; while true; do i=$((i+1)); echo $i >>/tmp/count; sleep 0.1; done';

function counter(bundle: Bundle): number {
  const path = join(bundle.rootfs, 'tmp/count');
  return existsSync(path) ? Number(readFileSync(path, 'utf8').split('\n').at(-2) ?? 0) : 0;
}

const reaches = (bundle: Bundle, count: number): boolean => eventually(() => counter(bundle) >= count, 10_000);

function checkpointed(box: Sandbox, bundle: Bundle, flags: readonly string[] = []) {
  const id = box.start(bundle);
  reaches(bundle, 5);
  const images = join(box.directory, 'images');
  must(box.run(['checkpoint', '--image-path', images, ...flags, id]));
  return { id, images };
}

t.test('a restored container goes on where it was saved', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['sh', '-c', COUNT]);
  const { id, images } = checkpointed(box, bundle);
  t.not(box.run(['state', id]).status, 0, 'checkpoint deletes the container');
  const saved = counter(bundle);
  const pidFile = join(box.directory, 'pid');
  must(box.run(['restore', '-d', '--image-path', images, '-b', bundle.path, '--pid-file', pidFile, id]));
  const state = box.state(id);
  t.equal(state.status, 'running');
  t.equal(String(state.pid), readFileSync(pidFile, 'utf8'));
  t.ok(reaches(bundle, saved + 3));
  t.ok(counter(bundle) >= saved, 'it did not start again from 1');
  t.match(must(box.run(['exec', id, 'cat', '/proc/1/cmdline'])).stdout, /while true/);
  t.not(box.run(['start', id]).status, 0, 'it runs already');
  must(box.run(['kill', id, 'KILL']));
  t.ok(eventually(() => box.state(id).status === 'stopped'));
  must(box.run(['delete', id]));
});

t.test('a restored container can be saved and restored again', { skip: slow }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['sh', '-c', COUNT]);
  const { id, images } = checkpointed(box, bundle);
  must(box.run(['restore', '-d', '--image-path', images, '-b', bundle.path, id]));
  const again = join(box.directory, 'again');
  must(box.run(['checkpoint', '--image-path', again, id]));
  const saved = counter(bundle);
  must(box.run(['restore', '-d', '--image-path', again, '-b', bundle.path, id]));
  t.ok(reaches(bundle, saved + 3));
});

t.test('restore in the foreground ends with the status of the program', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle([
    'sh',
    '-c',
    'echo 5 >/tmp/count; while [ ! -e /tmp/go ]; do sleep 0.1; done; echo out; exit 7',
  ]);
  const { id, images } = checkpointed(box, bundle);
  writeFileSync(join(bundle.rootfs, 'tmp/go'), '');
  const result = box.run(['restore', '--image-path', images, '-b', bundle.path, id]);
  t.equal(result.status, 7, result.stderr);
  t.equal(result.stdout, 'out\n', 'its stdout is now the one of restore');
  t.not(box.run(['state', id]).status, 0, 'and the container is deleted');
});

t.test('--leave-running lets the container run on', { skip: slow }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['sh', '-c', COUNT]);
  const { id } = checkpointed(box, bundle, ['--leave-running']);
  t.equal(box.state(id).status, 'running');
  t.ok(reaches(bundle, counter(bundle) + 3));
});

t.test('--pre-dump saves memory first and --parent-path builds on it', { skip: tracking }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['sh', '-c', COUNT]);
  const id = box.start(bundle);
  reaches(bundle, 3);
  const [parent, images] = [join(box.directory, 'parent'), join(box.directory, 'images')];
  must(box.run(['checkpoint', '--pre-dump', '--image-path', parent, id]));
  t.equal(box.state(id).status, 'running');
  const absolute = box.run(['checkpoint', '--parent-path', parent, '--image-path', images, id]);
  t.match(absolute.stderr, /--parent-path: .* must be relative/);
  must(box.run(['checkpoint', '--parent-path', '../parent', '--image-path', images, id]));
  must(box.run(['restore', '-d', '--image-path', images, '-b', bundle.path, id]));
  t.ok(reaches(bundle, counter(bundle) + 2));
});

t.test('a root file system outside the bundle is found again', { skip: slow }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['sh', '-c', COUNT]);
  bundle.config['root'].path = bundle.rootfs;
  bundle.save();
  const { id, images } = checkpointed(box, bundle);
  const saved = counter(bundle);
  must(box.run(['restore', '-d', '--image-path', images, '-b', bundle.path, id]));
  t.ok(reaches(bundle, saved + 3));
});

t.test('bind mounts and hooks are those of the config at restore', { skip }, async (t) => {
  const box = sandbox(t);
  const shared = join(box.directory, 'shared');
  writeFileSync(shared, 'first');
  const log = join(box.directory, 'hooks');
  const bundle = box.bundle(['sh', '-c', COUNT], (config) => {
    config['mounts'].push({ destination: '/mnt/shared', source: shared, type: 'bind', options: ['bind', 'ro'] });
    const args = ['sh', '-c', `cat >/dev/null; echo createRuntime >>${log}`];
    config['hooks'] = { createRuntime: [{ path: '/bin/sh', args, env: ['PATH=/bin:/usr/bin'] }] };
  });
  const { id, images } = checkpointed(box, bundle);
  must(box.run(['restore', '-d', '--image-path', images, '-b', bundle.path, id]));
  t.equal(must(box.run(['exec', id, 'cat', '/mnt/shared'])).stdout, 'first');
  t.equal(readFileSync(log, 'utf8'), 'createRuntime\ncreateRuntime\n');
});

t.test('a terminal comes back with a new master', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle([
    'sh',
    '-c',
    'i=0; while true; do i=$((i+1)); echo line $i; echo $i >>/tmp/count; sleep 0.1; done',
  ]);
  bundle.config['process'].terminal = true;
  bundle.save();
  const id = box.id();
  const images = join(box.directory, 'images');
  await withConsoleSocket(box, async (socket, output) => {
    must(box.run(['create', '-b', bundle.path, '--console-socket', socket, id]));
    must(box.run(['start', id]));
    reaches(bundle, 5);
    must(box.run(['checkpoint', '--image-path', images, id]));
    const saved = counter(bundle);
    t.notOk(read(output).includes(`line ${saved + 5}\n`));
    must(box.run(['restore', '-d', '--console-socket', socket, '--image-path', images, '-b', bundle.path, id]));
    t.ok(
      eventually(() => read(output).includes(`line ${saved + 5}\n`)),
      'what it writes arrives',
    );
    t.match(must(box.run(['exec', id, 'ls', '-l', '/dev/console'])).stdout, /^crw/);
  });
});

t.test('a restore that fails leaves nothing and says what CRIU said', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['sh', '-c', COUNT]);
  const { id, images } = checkpointed(box, bundle);
  writeFileSync(join(images, 'core-1.img'), 'damaged');
  const result = box.run(['restore', '-d', '--image-path', images, '-b', bundle.path, id]);
  t.equal(result.status, 1);
  t.match(result.stderr, /criu restore failed: .*\S/);
  t.match(result.stderr, /hint: its log is .*restore\.log/);
  t.not(box.run(['state', id]).status, 0);
});

t.test(
  'what cannot be saved or restored is refused by name',
  { skip: skipUnless(needRuntime(), !needQemu() && 'is tested outside of QEMU') },
  async (t) => {
    const box = sandbox(t);
    const bundle = box.bundle(['sleep', '1000']);
    const id = box.start(bundle);
    const refused = (args: readonly string[], message: RegExp) => {
      const { status, stderr } = box.run(args);
      t.equal(status, 1, args.join(' '));
      t.match(stderr, message);
    };
    if (!needCriu()) {
      const images = ['--image-path', join(box.directory, 'images')];
      refused(
        ['checkpoint', ...images, '--manage-cgroups-mode', 'sort', id],
        /--manage-cgroups-mode: unknown mode "sort"/,
      );
      refused(['checkpoint', ...images, '--empty-ns', 'pid', id], /--empty-ns: "pid" is not supported/);
      refused(
        ['checkpoint', ...images, '--page-server', 'nowhere', id],
        /--page-server: "nowhere" is not of the form ADDRESS:PORT/,
      );
      t.notOk(existsSync(join(box.directory, 'images')), 'no directory is made');
    }
    refused(['checkpoint', '--status-fd', '99', id], /--status-fd: "99" is not an open descriptor/);
    refused(['restore', '--lsm-profile', 'x', '-b', bundle.path, box.id()], /--lsm-profile: "x" is not of the form/);
    refused(['checkpoint', 'nobody'], /container does not exist/);
    t.equal(box.state(id).status, 'running');
  },
);

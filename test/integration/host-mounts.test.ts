// A container that lists no mount namespace lives in the runtime's: runtime-spec config-linux "Namespaces". What was
// mounted for it is gone when it is deleted, and nothing else.
import { mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { TestConfig } from '../helpers/config.js';
import { skipUnless } from '../helpers/host.js';
import { must, needRuntime, runProgram, sandbox } from '../helpers/runtime.js';
import { needTsrun } from '../helpers/traced.js';

// Others leave the mounts behind.
const skip = skipUnless(needRuntime(), needTsrun());

/** Mount points, in order. */
const mounted = () => readFileSync('/proc/self/mountinfo', 'utf8').replace(/^(\S+ ){4}(\S+).*$/gm, '$2');

function withoutMountNamespace(config: TestConfig): void {
  const { linux } = config;
  linux.namespaces = linux.namespaces.filter(({ type }: { type: string }) => type !== 'mount');
  linux.maskedPaths = [];
  linux.readonlyPaths = [];
}

t.test('the container is in the mount namespace of the runtime, with a root of its own', { skip }, async (t) => {
  const box = sandbox(t);
  const before = mounted();
  const bundle = box.bundle(['sh', '-c', 'readlink /proc/self/ns/mnt; ls /dev/null; cat /mine'], withoutMountNamespace);
  writeFileSync(join(bundle.rootfs, 'mine'), 'my root\n');
  const { stdout, stderr } = must(box.run(['run', '--bundle', bundle.path, box.id()]));
  t.equal(stdout, `${readlinkSync('/proc/self/ns/mnt')}\n/dev/null\nmy root\n`);
  t.match(stderr, /lists no mount namespace: the container's mounts are the host's/);
  t.equal(mounted(), before, 'and nothing stays mounted');
});

t.test('exec finds the root of such a container, plain and with a process.json', { skip }, async (t) => {
  const box = sandbox(t);
  const before = mounted();
  const bundle = box.bundle(['sleep', '1000'], withoutMountNamespace);
  writeFileSync(join(bundle.rootfs, 'mine'), 'my root');
  const id = box.start(bundle);
  t.not(mounted(), before, 'it is mounted in the tree of the host');
  t.equal(must(box.run(['exec', id, 'cat', '/mine'])).stdout, 'my root');
  const process = join(box.directory, 'process.json');
  writeFileSync(process, JSON.stringify({ ...bundle.config['process'], args: ['cat', '/mine'] }));
  t.equal(must(box.run(['exec', '--process', process, id])).stdout, 'my root');
  must(box.run(['delete', '--force', id]));
  t.equal(mounted(), before);
});

t.test('a create that fails, or is killed, leaves no mount', { skip }, async (t) => {
  const box = sandbox(t);
  const before = mounted();
  const bundle = box.bundle(['/no/such/program'], withoutMountNamespace);
  t.equal(box.run(['create', '--bundle', bundle.path, box.id()]).status, 1);
  t.equal(mounted(), before);
  bundle.config['hooks'] = { createRuntime: [{ path: '/bin/sh', args: ['sh', '-c', 'kill -9 $PPID; sleep 1'] }] };
  bundle.save();
  const id = box.id();
  t.not(box.run(['create', '--bundle', bundle.path, id]).status, 0);
  must(box.run(['delete', '--force', id]));
  t.equal(mounted(), before);
});

t.test('a file system that was mounted on the rootfs before stays there', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['true'], withoutMountNamespace);
  const lower = join(box.directory, 'lower');
  mkdirSync(lower);
  must(runProgram('mount', ['--bind', bundle.rootfs, lower], box.directory));
  t.teardown(() => runProgram('umount', [lower], box.directory));
  bundle.config['root'].path = lower;
  bundle.save();
  const before = mounted();
  must(box.run(['run', '--bundle', bundle.path, box.id()]));
  t.equal(mounted(), before);
});

t.test('a user namespace needs a mount namespace beside it', { skip }, async (t) => {
  const box = sandbox(t);
  const bundle = box.bundle(['true'], (config) => {
    withoutMountNamespace(config);
    config['linux'].namespaces.push({ type: 'user' });
    config['linux'].uidMappings = [{ containerID: 0, hostID: 100000, size: 1000 }];
    config['linux'].gidMappings = [{ containerID: 0, hostID: 100000, size: 1000 }];
  });
  const result = box.run(['run', '--bundle', bundle.path, box.id()]);
  t.equal(result.status, 1);
  t.match(result.stderr, /\/linux\/namespaces .*must list a mount namespace beside the user namespace/);
});

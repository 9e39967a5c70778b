// tsrun under the Podman of a user without root, on this machine: no cgroup is delegated to it.
import { chownSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { IMAGE, imageArchive } from '../helpers/engine.js';
import { needCommand, needReadableBy, needUserNamespace, skipUnless } from '../helpers/host.js';
import { eventually, must, needRuntime, RUNTIME } from '../helpers/runtime.js';
import { walker } from '../helpers/walker.js';

const readable = needRuntime() || needReadableBy(1000, RUNTIME);
const tools = [
  needCommand('podman'),
  needCommand('conmon'),
  needCommand('newuidmap', 'uidmap'),
  needCommand('setpriv'),
];
const skip = skipUnless(readable, needUserNamespace(), ...tools);

/** Podman's default raises RLIMIT_NOFILE, which needs CAP_SYS_RESOURCE. */
const CONTAINERS_CONF = `[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
`;

t.test('podman without root runs containers with it', { skip }, async (t) => {
  const user = walker(t, [1234]);
  const conf = join(user.home, 'containers.conf');
  writeFileSync(conf, CONTAINERS_CONF);
  const own = ['--storage-driver', 'vfs', '--cgroup-manager', 'cgroupfs', '--events-backend', 'file'];
  const podman = (...args: string[]) =>
    user.as(['podman', ...own, '--runtime', RUNTIME, ...args], { CONTAINERS_CONF: conf });
  const run = (...args: string[]) => podman('run', '--network', 'none', ...args);
  const archive = imageArchive(user.home);
  chownSync(archive, 1000, 1000);
  must(podman('load', '--input', archive));
  t.teardown(() => {
    podman('rm', '--all', '--force', '--time', '0');
    // Files of subordinate ids, and the process that keeps Podman's user namespace.
    podman('unshare', 'rm', '-rf', join(user.home, '.local'));
    podman('system', 'migrate');
  });

  const look = run('--rm', IMAGE, 'sh', '-c', 'id -u; tr -s " " </proc/self/uid_map; touch /made && echo made');
  t.equal(must(look).stdout, '0\n 0 1000 1\n 1 100000 65536\nmade\n');
  t.equal(run('--rm', IMAGE, 'sh', '-c', 'exit 7').status, 7);
  t.equal(run('--rm', IMAGE, '/no/such').status, 127);
  t.equal(must(run('--rm', '--userns', 'keep-id', IMAGE, 'id', '-u')).stdout, '1000\n', '--userns keep-id');
  t.equal(must(run('--rm', IMAGE, 'id', '-G')).stdout, '0\n');
  t.equal(
    must(run('--rm', '--group-add', 'keep-groups', IMAGE, 'id', '-G')).stdout,
    '0 65534\n',
    'the group of outside',
  );
  t.equal(must(run('--rm', '--user', '5:6', IMAGE, 'sh', '-c', 'id -u; id -g')).stdout, '5\n6\n');

  must(run('--detach', '--name', 'one', IMAGE, 'sh', '-c', 'trap "exit 3" TERM; echo up; while :; do sleep 0.1; done'));
  t.equal(must(podman('exec', 'one', 'id', '-u')).stdout, '0\n');
  t.equal(podman('exec', 'one', 'sh', '-c', 'exit 9').status, 9);
  t.ok(eventually(() => podman('logs', 'one').stdout === 'up\n'));
  must(podman('stop', '--time', '5', 'one'));
  t.equal(must(podman('inspect', '--format', '{{.State.Status}} {{.State.ExitCode}}', 'one')).stdout, 'exited 3\n');
  must(podman('start', 'one'));
  must(podman('kill', 'one'));
  t.ok(eventually(() => podman('inspect', '--format', '{{.State.ExitCode}}', 'one').stdout === '137\n'));
  must(podman('rm', 'one'));
  const left = readdirSync(user.home).includes('tsrun') ? readdirSync(join(user.home, 'tsrun')) : [];
  t.same(left, [], 'no state is left');
});

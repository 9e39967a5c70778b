// tsrun under Podman and conmon.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { IMAGE, imageArchive, must, needLimits, place, READ_LIMITS, RUNTIME } from '../helpers/engine.js';
import { needCommand, skipUnless } from '../helpers/host.js';
import { eventually, needRuntime, type RunOptions } from '../helpers/runtime.js';

const skip = skipUnless(needRuntime(), needCommand('podman'), needCommand('conmon'));

/** Podman's default raises RLIMIT_NOFILE, which needs CAP_SYS_RESOURCE. A pod's infra container takes it from here alone. */
const CONTAINERS_CONF = `[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
`;
const CREATE = ['--network', 'none'];

t.test('podman runs containers with it', { skip }, async (t) => {
  const own = place(t);
  const at = (name: string) => join(own.directory, name);
  const global = ['--root', at('root'), '--runroot', at('runroot'), '--tmpdir', at('tmp'), '--storage-driver', 'vfs'];
  const engine = ['--cgroup-manager', 'cgroupfs', '--events-backend', 'file', '--runtime', RUNTIME];
  const podman = (args: readonly string[], options: RunOptions = {}) =>
    own.run('podman', [...global, ...engine, ...args], { ...options, env: { CONTAINERS_CONF: at('containers.conf') } });
  const run = (flags: readonly string[], args: readonly string[], options?: RunOptions) =>
    podman(['run', ...CREATE, ...flags, IMAGE, ...args], options);
  t.teardown(() => {
    podman(['pod', 'rm', '--all', '--force', '--time', '0']);
    podman(['rm', '--all', '--force', '--time', '0']);
  });
  writeFileSync(at('containers.conf'), CONTAINERS_CONF);
  mkdirSync(at('share'));
  writeFileSync(at('share/file'), '');
  must(podman(['load', '--input', imageArchive(own.directory)]));

  await t.test('run: output, exit status', async (t) => {
    t.same(run(['--rm'], ['sh', '-c', 'echo out; echo err >&2; exit 7']), {
      status: 7,
      stdout: 'out\n',
      stderr: 'err\n',
    });
    t.equal(run(['--rm', '--interactive'], ['cat'], { input: 'through\n' }).stdout, 'through\n');
  });

  await t.test('its default pids limit, and --memory --pids-limit --cpus', { skip: needLimits() }, async (t) => {
    t.match(run(['--rm'], ['sh', '-c', READ_LIMITS]).stdout, /^pids 2048$/m);
    const limited = run(['--rm', '--memory', '64m', '--pids-limit', '100', '--cpus', '0.5'], ['sh', '-c', READ_LIMITS]);
    t.equal(must(limited).stdout, 'memory 67108864\npids 100\ncpu 50000 100000\n');
    const unlimited = run(['--rm', '--pids-limit=-1'], ['sh', '-c', READ_LIMITS]);
    t.match(must(unlimited).stdout, /^pids max$/m, 'which Podman writes as 0');
  });

  await t.test('stats, update', { skip: needLimits() }, async (t) => {
    must(run(['--detach', '--name', 'changed', '--memory', '32m', '--pids-limit', '50'], ['sleep', '1000']));
    const stats = podman(['stats', '--no-stream', '--format', '{{.Name}} {{.PIDS}} {{.MemUsage}}', 'changed']);
    t.match(must(stats).stdout, /^changed 1 [1-9][\d.]*[kM]B \/ 33\.55MB$/m);
    must(podman(['update', '--memory', '64m', '--cpus', '0.5', 'changed']));
    const limits = must(podman(['exec', 'changed', 'sh', '-c', READ_LIMITS])).stdout;
    t.equal(limits, 'memory 67108864\npids 50\ncpu 50000 100000\n', 'what is not named stays');
    must(podman(['rm', '--force', '--time', '0', 'changed']));
  });

  await t.test('run of what is missing is 127, of what is not executable 126', async (t) => {
    t.equal(run(['--rm'], ['/no/such']).status, 127);
    t.equal(run(['--rm'], ['nosuch']).status, 127);
    t.equal(run(['--rm'], ['/etc']).status, 126);
  });

  await t.test('a detached container: exec, logs, inspect, stop, rm', async (t) => {
    must(
      run(
        ['--detach', '--name', 'life'],
        ['sh', '-c', 'trap "exit 3" TERM; echo started; while :; do sleep 0.1; done'],
      ),
    );
    t.equal(must(podman(['exec', 'life', 'echo', 'inside'])).stdout, 'inside\n');
    t.equal(podman(['exec', 'life', 'sh', '-c', 'exit 9']).status, 9);
    t.equal(podman(['exec', 'life', '/no/such']).status, 127);
    t.ok(eventually(() => podman(['logs', 'life']).stdout === 'started\n'));
    t.equal(podman(['inspect', '--format', '{{.State.Status}}', 'life']).stdout, 'running\n');
    must(podman(['stop', '--time', '5', 'life']));
    t.equal(podman(['inspect', '--format', '{{.State.Status}} {{.State.ExitCode}}', 'life']).stdout, 'exited 3\n');
    must(podman(['start', 'life']));
    t.equal(podman(['inspect', '--format', '{{.State.Status}}', 'life']).stdout, 'running\n', 'and again');
    must(podman(['kill', 'life']));
    t.ok(eventually(() => podman(['inspect', '--format', '{{.State.ExitCode}}', 'life']).stdout === '137\n'));
    must(podman(['rm', 'life']));
    t.not(podman(['inspect', 'life']).status, 0);
  });

  await t.test('pause, unpause, top', async (t) => {
    must(run(['--detach', '--name', 'held'], ['sleep', '1000']));
    const status = () => podman(['inspect', '--format', '{{.State.Status}}', 'held']).stdout.trim();
    must(podman(['pause', 'held']));
    t.equal(status(), 'paused');
    must(podman(['unpause', 'held']));
    t.equal(status(), 'running');
    t.match(must(podman(['top', 'held'])).stdout, /sleep 1000/);
    must(podman(['rm', '--force', '--time', '0', 'held']));
  });

  await t.test('a terminal', async (t) => {
    const words = ['podman', ...global, ...engine, 'run', '--rm', '--tty', '--interactive', ...CREATE, IMAGE];
    const command = `${words.join(' ')} sh -c 'test -t 0 && echo is-tty'`;
    const env = { CONTAINERS_CONF: at('containers.conf') };
    t.match(own.onTerminal(command, { env }).stdout, /is-tty/);
  });

  await t.test('a user, a working directory, environment, a read-only root, a volume', async (t) => {
    const flags = [
      '--rm',
      '--user',
      '1000:50',
      '--workdir',
      '/tmp',
      '--env',
      'A=1',
      '--read-only',
      '--volume',
      `${at('share')}:/mnt:ro`,
    ];
    const result = run(flags, [
      'sh',
      '-c',
      'echo $(id -u) $(id -g) $PWD $A; touch /x 2>/dev/null || echo read-only; ls /mnt/file',
    ]);
    t.equal(result.stdout, '1000 50 /tmp 1\nread-only\n/mnt/file\n');
  });

  await t.test('--privileged with ids of its own: every device of the host, and a ptmx of the container', async (t) => {
    const flags = ['--rm', '--privileged', '--uidmap', '0:200000:5000'];
    t.equal(must(run(flags, ['sh', '-c', 'readlink /dev/ptmx; id -u'])).stdout, 'pts/ptmx\n0\n');
  });

  await t.test('--group-add keep-groups', { skip: needCommand('setpriv', 'util-linux') }, async (t) => {
    const words = ['podman', ...global, ...engine, 'run', '--rm', ...CREATE];
    const grouped = (...args: readonly string[]) =>
      own.run('setpriv', ['--groups=1234', ...words, ...args], { env: { CONTAINERS_CONF: at('containers.conf') } });
    t.equal(must(grouped('--group-add', 'keep-groups', IMAGE, 'id', '-G')).stdout, '0 1234\n');
    t.equal(must(grouped(IMAGE, 'id', '-G')).stdout, '0\n', 'which is asked for');
  });

  await t.test('a pod of two shares its namespaces', async (t) => {
    must(
      podman([
        'pod',
        'create',
        '--name',
        'pair',
        '--infra-image',
        IMAGE,
        '--infra-command',
        'sleep 1000',
        '--network',
        'none',
        '--share',
        'ipc,uts,net',
      ]),
    );
    const inPod = ['run', '--detach', '--pod', 'pair'];
    must(podman([...inPod, '--name', 'one', IMAGE, 'sh', '-c', 'echo hello | nc -l -p 80']));
    const two = podman([
      'run',
      '--rm',
      '--pod',
      'pair',
      IMAGE,
      'sh',
      '-c',
      'for i in 1 2 3 4 5 6 7 8 9; do nc 127.0.0.1 80 </dev/null 2>&1 && break; sleep 0.5; done',
    ]);
    t.equal(two.stdout, 'hello\n', two.stderr);
    must(podman(['pod', 'rm', '--force', '--time', '0', 'pair']));
  });
});

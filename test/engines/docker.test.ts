// tsrun under dockerd, as its default runtime, driven by the docker command. The daemon has a network namespace of its
// own, so that its bridge and its iptables rules are not the machine's.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { IMAGE, imageArchive, must, needLimits, type Place, place, READ_LIMITS, RUNTIME } from '../helpers/engine.js';
import { needCommand, type Skip, skipUnless } from '../helpers/host.js';
import { eventually, needRuntime, type Result, type RunOptions } from '../helpers/runtime.js';

const skip = skipUnless(needRuntime(), needCommand('dockerd', 'docker.io'), needCommand('docker', 'docker.io'));

interface Docker extends Place {
  readonly pid: number;
  readonly client: readonly string[];
  docker(args: readonly string[], options?: RunOptions): Result;
}

/** Bridges and nat tables may be refused in a machine that is itself a container. */
function bridgeMissing(): Skip {
  const script = 'ip link add probe0 type bridge && iptables -t nat -L -n && iptables -L -n';
  const done = spawnSync('unshare', ['--net', 'sh', '-c', script], { encoding: 'utf8' });
  return done.status === 0 ? false : `no bridge or iptables here: ${done.stderr.trim().split('\n')[0]}`;
}

function dockerd(t: Parameters<typeof place>[0]): Docker {
  const own = place(t);
  const at = (name: string) => join(own.directory, name);
  const socket = `unix://${at('d.sock')}`;
  const network = bridgeMissing() ? ['--bridge', 'none', '--iptables=false', '--ip-forward=false'] : [];
  const flags = ['--host', socket, '--data-root', at('data'), '--exec-root', at('exec'), '--pidfile', at('pid')];
  const runtime = ['--add-runtime', `tested=${RUNTIME}`, '--default-runtime', 'tested', '--storage-driver', 'vfs'];
  const words = ['dockerd', ...flags, ...runtime, '--ip6tables=false', '--config-file', at('daemon.json'), ...network];
  writeFileSync(at('daemon.json'), '{}');
  const client = ['docker', '--host', socket];
  const docker = (args: readonly string[], options?: RunOptions) =>
    own.run('docker', ['--host', socket, ...args], { ...options, env: { DOCKER_CONFIG: own.directory } });
  const script = `ip link set lo up; exec ${words.join(' ')}`;
  const child = own.daemon('unshare', ['--net', 'sh', '-c', script], () => docker(['version']).status === 0);
  must(docker(['load', '--input', imageArchive(own.directory)]));
  return { ...own, docker, client, pid: child.pid ?? 0 };
}

const inspect = (d: Docker, name: string, format: string): string =>
  d.docker(['inspect', '--format', format, name]).stdout.trim();

t.test('dockerd runs containers with it', { skip }, async (t) => {
  const d = dockerd(t);
  const run = (flags: readonly string[], args: readonly string[], options?: RunOptions) =>
    d.docker(['run', '--network', 'none', ...flags, IMAGE, ...args], options);

  await t.test('it is the runtime', async (t) => {
    t.equal(must(d.docker(['info', '--format', '{{.DefaultRuntime}}'])).stdout, 'tested\n');
  });

  await t.test('--memory --pids-limit --cpus', { skip: needLimits() }, async (t) => {
    const limited = run(['--rm', '--memory', '64m', '--pids-limit', '100', '--cpus', '0.5'], ['sh', '-c', READ_LIMITS]);
    t.equal(must(limited).stdout, 'memory 67108864\npids 100\ncpu 50000 100000\n', d.log());
  });

  await t.test('run: output, input, exit status', async (t) => {
    t.same(
      run(['--rm'], ['sh', '-c', 'echo out; echo err >&2; exit 7']),
      { status: 7, stdout: 'out\n', stderr: 'err\n' },
      d.log(),
    );
    t.equal(run(['--rm', '--interactive'], ['cat'], { input: 'through\n' }).stdout, 'through\n');
  });

  await t.test('run of what is missing is 127, of what is not executable 126', async (t) => {
    t.equal(run(['--rm'], ['/no/such']).status, 127);
    t.equal(run(['--rm'], ['nosuch']).status, 127);
    t.equal(run(['--rm'], ['/etc']).status, 126);
  });

  await t.test('exec, logs, cp, stop, start, kill, rm', async (t) => {
    const script = 'trap "exit 3" TERM; echo started; while :; do sleep 0.1; done';
    must(run(['--detach', '--name', 'life'], ['sh', '-c', script]));
    t.equal(must(d.docker(['exec', 'life', 'echo', 'inside'])).stdout, 'inside\n');
    t.equal(d.docker(['exec', 'life', 'sh', '-c', 'exit 9']).status, 9);
    t.not(d.docker(['exec', 'life', '/no/such']).status, 0);
    t.equal(
      d.docker([
        'exec',
        '--user',
        'user',
        '--workdir',
        '/tmp',
        '--env',
        'A=1',
        'life',
        'sh',
        '-c',
        'echo $(id -un) $PWD $A',
      ]).stdout,
      'user /tmp 1\n',
    );
    t.ok(eventually(() => d.docker(['logs', 'life']).stdout === 'started\n'));
    writeFileSync(join(d.directory, 'in'), 'copied\n');
    must(d.docker(['cp', join(d.directory, 'in'), 'life:/tmp/in']));
    t.equal(d.docker(['exec', 'life', 'cat', '/tmp/in']).stdout, 'copied\n');
    must(d.docker(['cp', 'life:/tmp/in', join(d.directory, 'back')]));
    t.equal(readFileSync(join(d.directory, 'back'), 'utf8'), 'copied\n');
    must(d.docker(['stop', '--time', '10', 'life']));
    t.equal(inspect(d, 'life', '{{.State.Status}} {{.State.ExitCode}}'), 'exited 3');
    must(d.docker(['start', 'life']));
    t.equal(inspect(d, 'life', '{{.State.Status}}'), 'running');
    must(d.docker(['kill', 'life']));
    t.ok(eventually(() => inspect(d, 'life', '{{.State.ExitCode}}') === '137'));
    must(d.docker(['rm', 'life']));
  });

  await t.test('terminals: run -it, attach, exec -it, resize', async (t) => {
    const tty = (words: readonly string[], input = '') =>
      d.run('script', ['-qec', words.map((word) => `'${word}'`).join(' '), '/dev/null'], { input, timeout: 20_000 });
    t.match(
      tty([...d.client, 'run', '--rm', '-it', '--network', 'none', IMAGE, 'sh', '-c', 'test -t 0 && echo is-tty'])
        .stdout,
      /is-tty/,
    );
    must(run(['--detach', '-it', '--name', 'shell'], ['sh', '-c', 'read line; echo "got $line"; exit 5']));
    const attached = tty([...d.client, 'attach', 'shell'], 'typed\n');
    t.match(attached.stdout, /got typed/);
    t.equal(attached.status, 5);
    must(run(['--detach', '--name', 'idle'], ['sleep', '1000']));
    const sized = ['sh', '-c', `stty rows 33 cols 101; ${d.client.join(' ')} exec -it idle sh -c "sleep 1; stty size"`];
    t.match(tty(sized).stdout, /33 101/);
    must(d.docker(['rm', '--force', 'idle', 'shell']));
  });

  await t.test('pause, unpause, top, stats, update', async (t) => {
    must(run(['--detach', '--name', 'held', '--memory', '64m'], ['sleep', '1000']));
    must(d.docker(['pause', 'held']));
    t.equal(inspect(d, 'held', '{{.State.Status}}'), 'paused');
    t.not(d.docker(['exec', 'held', 'true']).status, 0, 'nothing runs in there meanwhile');
    must(d.docker(['unpause', 'held']));
    t.equal(inspect(d, 'held', '{{.State.Status}}'), 'running');
    t.match(must(d.docker(['top', 'held'])).stdout, /sleep 1000/);
    const stats = must(d.docker(['stats', '--no-stream', '--format', '{{.MemUsage}} {{.PIDs}}', 'held'])).stdout;
    t.match(stats, /\/ 64MiB 1\n/);
    must(d.docker(['update', '--memory', '96m', '--memory-swap', '128m', '--pids-limit', '50', 'held']));
    t.match(must(d.docker(['stats', '--no-stream', '--format', '{{.MemUsage}}', 'held'])).stdout, /\/ 96MiB\n/);
    must(d.docker(['rm', '--force', 'held']));
  });

  await t.test('a restart policy starts it again', async (t) => {
    must(run(['--detach', '--name', 'again', '--restart', 'on-failure:2'], ['sh', '-c', 'exit 4']));
    t.ok(eventually(() => inspect(d, 'again', '{{.RestartCount}} {{.State.Status}}') === '2 exited', 20_000));
    must(d.docker(['rm', 'again']));
  });

  await t.test('a health check', async (t) => {
    const flags = ['--health-cmd', 'test -e /tmp/healthy', '--health-interval', '500ms', '--health-retries', '1'];
    must(run(['--detach', '--name', 'health', ...flags], ['sleep', '1000']));
    t.ok(eventually(() => inspect(d, 'health', '{{.State.Health.Status}}') === 'unhealthy', 20_000));
    must(d.docker(['exec', 'health', 'touch', '/tmp/healthy']));
    t.ok(eventually(() => inspect(d, 'health', '{{.State.Health.Status}}') === 'healthy', 20_000));
    must(d.docker(['rm', '--force', 'health']));
  });

  await t.test('volumes, a read-only root, a user, an init, capabilities', async (t) => {
    const flags = [
      '--rm',
      '--user',
      '1000:50',
      '--read-only',
      '--tmpfs',
      '/tmp',
      '--volume',
      'data:/mnt',
      '--init',
      '--cap-drop',
      'ALL',
    ];
    const script =
      'touch /x 2>/dev/null || echo read-only; touch /tmp/x && echo tmpfs; grep CapEff /proc/self/status; id -u';
    t.equal(run(flags, ['sh', '-c', script]).stdout, 'read-only\ntmpfs\nCapEff:\t0000000000000000\n1000\n');
  });

  await t.test('a published port', { skip: bridgeMissing() }, async (t) => {
    must(
      d.docker([
        'run',
        '--detach',
        '--name',
        'web',
        '--publish',
        '8080:80',
        IMAGE,
        'httpd',
        '-f',
        '-p',
        '80',
        '-h',
        '/etc',
      ]),
    );
    const program = "require('node:http').get(process.argv[1], (answer) => answer.pipe(process.stdout))";
    const fetch = (address: string) =>
      d.run('nsenter', ['--net', '--target', String(d.pid), process.execPath, '-e', program, address]).stdout;
    t.ok(
      eventually(() => fetch('http://127.0.0.1:8080/os-release').startsWith('ID='), 15_000),
      d.log(),
    );
    const address = inspect(d, 'web', '{{.NetworkSettings.IPAddress}}');
    t.ok(
      eventually(() => fetch(`http://${address}/os-release`).startsWith('ID='), 15_000),
      'and by its own address',
    );
    must(d.docker(['rm', '--force', 'web']));
  });

  await t.test(
    'containers see each other by the bridge, and the host’s name service files',
    { skip: bridgeMissing() },
    async (t) => {
      must(d.docker(['network', 'create', 'pair']));
      must(
        d.docker([
          'run',
          '--detach',
          '--name',
          'server',
          '--network',
          'pair',
          IMAGE,
          'sh',
          '-c',
          'echo hello | nc -l -p 80',
        ]),
      );
      const client = d.docker([
        'run',
        '--rm',
        '--network',
        'pair',
        IMAGE,
        'sh',
        '-c',
        'sleep 0.5; nc server 80 </dev/null',
      ]);
      t.equal(client.stdout, 'hello\n', client.stderr);
      must(d.docker(['rm', '--force', 'server']));
    },
  );
});

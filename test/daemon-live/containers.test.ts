// Containers by the real docker command: run, streams, exit codes, exec, logs, stop, restart policies; and a daemon that
// is killed while they run.
import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { buffer } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { type Daemon, needDocker, tsrunDaemon } from '../helpers/daemon.js';
import { IMAGE, imageArchive, must } from '../helpers/engine.js';
import { eventually, type Result } from '../helpers/runtime.js';

t.setTimeout(280_000);
const skip = needDocker();
const NONE = ['--network', 'none'];

function started(t: Test): Daemon {
  const daemon = tsrunDaemon(t);
  t.teardown(() => removeAll(daemon));
  must(daemon.docker(['load', '-i', imageArchive(daemon.directory)]));
  return daemon;
}

function removeAll(daemon: Daemon): void {
  const ids = daemon.docker(['ps', '-aq']).stdout.split('\n').filter(Boolean);
  if (ids.length > 0) daemon.docker(['rm', '-fv', ...ids]);
}

const run = (daemon: Daemon, ...args: readonly string[]): Result => daemon.docker(['run', ...NONE, ...args]);

const inspect = (daemon: Daemon, name: string, field: string): string =>
  daemon.docker(['inspect', '-f', `{{${field}}}`, name]).stdout.trim();

t.test('docker run: output, exit codes, and what the client makes of programs that are none', { skip }, async (t) => {
  const daemon = started(t);
  t.match(run(daemon, '--rm', IMAGE, 'sh', '-c', 'echo out; echo err >&2; exit 7'), {
    status: 7,
    stdout: 'out\n',
    stderr: 'err\n',
  });
  t.match(run(daemon, '--rm', IMAGE, 'nosuch'), { status: 127, stderr: /executable file not found in \$PATH/ });
  t.match(run(daemon, '--rm', IMAGE, '/etc'), { status: 126, stderr: /permission denied/ });
  t.equal(run(daemon, '--rm', IMAGE, 'sh', '-c', 'kill -TERM $$; exit 0').status, 0);
  t.equal(run(daemon, '--rm', '-t', IMAGE, 'echo', 'tty').stdout, 'tty\r\n');
  t.equal(daemon.docker(['ps', '-aq']).stdout, '', '--rm leaves nothing');
  t.same(readdirSync(daemon.at('exec/monitor')), []);
});

t.test(
  'docker run -i: bytes in and out are the same, and the end of input reaches the program',
  { skip },
  async (t) => {
    const daemon = started(t);
    const bytes = randomBytes(8 << 20);
    const child = spawn('docker', ['--host', `unix://${daemon.socket}`, 'run', '--rm', '-i', ...NONE, IMAGE, 'cat']);
    child.stdin.end(bytes);
    const back = await buffer(child.stdout);
    const sum = (data: Buffer) => createHash('sha256').update(data).digest('hex');
    t.equal(sum(back), sum(bytes));
  },
);

t.test('docker exec, logs, stop, start, pause and rm of a container in the background', { skip }, async (t) => {
  const daemon = started(t);
  const { docker } = daemon;
  must(
    run(
      daemon,
      '-d',
      '--name',
      'c1',
      IMAGE,
      'sh',
      '-c',
      'echo one; echo two >&2; trap "exit 3" TERM; while :; do sleep 0.1; done',
    ),
  );
  t.match(docker(['exec', 'c1', 'sh', '-c', 'echo in; exit 5']), { status: 5, stdout: 'in\n' });
  t.equal(docker(['exec', '-t', 'c1', 'echo', 'line']).stdout, 'line\r\n', 'a program that ends at once, too');
  t.match(docker(['exec', 'c1', 'nosuch']), { status: 127, stdout: /executable file not found/ });
  t.match(
    docker(['exec', '-i', '-e', 'A=b', '-w', '/tmp', 'c1', 'sh', '-c', 'cat; echo $A; pwd'], { input: 'input\n' }),
    {
      stdout: 'input\nb\n/tmp\n',
    },
  );
  t.ok(eventually(() => docker(['logs', 'c1']).stdout === 'one\n'));
  t.match(docker(['logs', '--tail', '1', '-t', 'c1']), { stderr: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z two\n$/ });
  must(docker(['pause', 'c1']));
  t.match(docker(['exec', 'c1', 'true']), { status: 1, stderr: /is paused, unpause the container before exec/ });
  must(docker(['unpause', 'c1']));
  t.match(docker(['rm', 'c1']), { status: 1, stderr: /cannot remove container "c1": container is running/ });
  must(docker(['stop', 'c1']));
  t.equal(docker(['wait', 'c1']).stdout, '3\n');
  t.equal(inspect(daemon, 'c1', '.State.Status'), 'exited');
  must(docker(['start', 'c1']));
  must(docker(['kill', '-s', 'KILL', 'c1']));
  t.equal(inspect(daemon, 'c1', '.State.ExitCode'), '137');
  must(docker(['rm', 'c1']));
  t.match(docker(['start', 'c1']), { status: 1, stderr: /No such container: c1/ });
});

t.test('docker restart, stats and attach of a container in the background', { skip }, async (t) => {
  const daemon = started(t);
  const { docker } = daemon;
  must(run(daemon, '-d', '-i', '--name', 'c2', IMAGE, 'head', '-n', '1'));
  const before = inspect(daemon, 'c2', '.State.StartedAt');
  must(docker(['restart', '-t', '0', 'c2']));
  t.equal(inspect(daemon, 'c2', '.State.Running'), 'true');
  t.not(inspect(daemon, 'c2', '.State.StartedAt'), before);
  t.match(docker(['stats', '--no-stream', '--format', '{{.Name}} {{.PIDs}}', 'c2']).stdout, /^c2 1$/m);
  await leavesNothing(t, daemon, '/containers/c2/attach?stream=1&stdout=1&stdin=1');
  t.match(docker(['attach', 'c2'], { input: 'to the program\n' }), { status: 0, stdout: 'to the program\n' });
});

/** CVE-2022-23471, CVE-2025-64329: clients that attach to a silent container and go. */
async function leavesNothing(t: Test, { pid, socket }: Daemon, path: string): Promise<void> {
  const descriptors = () => readdirSync(`/proc/${pid}/fd`).length;
  const before = descriptors();
  const hello = `POST ${path} HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n`;
  const clients = Array.from({ length: 60 }, () => connect(socket));
  await Promise.all(
    clients.map(async (client) => {
      client.write(hello);
      const [answer] = await once(client, 'data');
      if (!String(answer).startsWith('HTTP/1.1 101')) throw new Error(String(answer));
    }),
  );
  t.ok(descriptors() >= before + clients.length, 'they are attached');
  await Promise.all(clients.map((client) => once(client.destroy(), 'close')));
  t.ok(
    eventually(() => descriptors() < before + 20),
    'and nothing of them is left',
  );
}

t.test('a container that turns unhealthy is restarted once, if its label says so', { skip }, async (t) => {
  const daemon = started(t);
  const { docker } = daemon;
  const check = ['--health-cmd', 'test ! -e /sick', '--health-interval', '200ms', '--health-retries', '1'];
  const program = ['sh', '-c', 'echo x >>/starts; rm -f /sick; exec sleep 1000'];
  must(run(daemon, '-d', '--name', 'u1', ...check, '--label', 'tsrun.restart-unhealthy=true', IMAGE, ...program));
  must(run(daemon, '-d', '--name', 'u2', ...check, IMAGE, ...program));
  const health = (name: string) => inspect(daemon, name, '.State.Health.Status');
  for (const name of ['u1', 'u2']) t.ok(eventually(() => health(name) === 'healthy'));
  const began = inspect(daemon, 'u2', '.State.StartedAt');
  for (const name of ['u1', 'u2']) must(docker(['exec', name, 'touch', '/sick']));
  t.ok(eventually(() => health('u2') === 'unhealthy'));
  const starts = () => docker(['exec', 'u1', 'cat', '/starts']).stdout.length / 2;
  t.ok(eventually(() => starts() === 2 && health('u1') === 'healthy'));
  must(docker(['exec', 'u1', 'touch', '/sick']));
  t.ok(eventually(() => starts() >= 3 && health('u1') === 'healthy'));
  t.equal(starts(), 3, 'once for each time');
  t.same(
    [health('u2'), inspect(daemon, 'u2', '.State.StartedAt')],
    ['unhealthy', began],
    'without the label it runs on',
  );
});

t.test('a restart policy acts, counts, and stops for docker stop', { skip }, async (t) => {
  const daemon = started(t);
  must(run(daemon, '-d', '--name', 'r1', '--restart', 'on-failure:2', IMAGE, 'sh', '-c', 'exit 4'));
  t.ok(
    eventually(
      () => inspect(daemon, 'r1', '.State.Status') === 'exited' && inspect(daemon, 'r1', '.RestartCount') === '2',
    ),
  );
  t.equal(inspect(daemon, 'r1', '.State.ExitCode'), '4');
  must(run(daemon, '-d', '--name', 's1', '--restart', 'always', IMAGE, 'sh', '-c', 'sleep 0.3'));
  t.ok(eventually(() => Number(inspect(daemon, 's1', '.RestartCount')) >= 1));
  must(daemon.docker(['stop', '-t', '0', 's1']));
  t.equal(inspect(daemon, 's1', '.State.Status'), 'exited');
});

t.test('a killed daemon: containers run on, nothing of log and exits is missed', { skip }, async (t) => {
  const daemon = started(t);
  const count = 'i=0; while :; do echo $i; i=$((i+1)); sleep 0.05; done';
  must(run(daemon, '-d', '--name', 'on', IMAGE, 'sh', '-c', count));
  must(run(daemon, '-d', '--name', 'ends', IMAGE, 'sh', '-c', 'sleep 1; exit 9'));
  must(run(daemon, '-d', '--name', 'gone', '--rm', IMAGE, 'sleep', '1'));
  must(run(daemon, '-d', '--name', 'again', '--restart', 'always', IMAGE, 'sh', '-c', 'sleep 1'));
  const pid = inspect(daemon, 'on', '.State.Pid');
  process.kill(daemon.pid, 'SIGKILL');
  t.ok(readdirSync(daemon.at('exec/monitor')).length >= 4, 'their monitors are there');
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const next = tsrunDaemon(t, [], daemon);
  t.equal(inspect(next, 'on', '.State.Pid'), pid, 'the same process');
  t.equal(next.docker(['exec', 'on', 'echo', 'still']).stdout, 'still\n');
  t.equal(inspect(next, 'ends', '.State.ExitCode'), '9');
  t.match(next.docker(['inspect', 'gone']), { status: 1 }, 'what removes itself is gone');
  t.ok(eventually(() => Number(inspect(next, 'again', '.RestartCount')) >= 1));
  const lines = next.docker(['logs', 'on']).stdout.trimEnd().split('\n');
  t.same(lines, [...lines.keys()].map(String), 'no line is missing');
  must(next.docker(['stop', '-t', '0', 'on', 'again']));
});

t.test('a killed monitor: the container ends, and nothing waits for ever', { skip }, async (t) => {
  const daemon = started(t);
  must(run(daemon, '-d', '--name', 'm1', IMAGE, 'sleep', '1000'));
  const id = inspect(daemon, 'm1', '.Id').slice(0, 24);
  const [monitor = ''] = spawnSync('pgrep', ['-f', `^tsrun-monitor --directory .*${id}`])
    .stdout.toString()
    .split('\n');
  process.kill(Number(monitor), 'SIGKILL');
  must(daemon.docker(['stop', '-t', '1', 'm1']));
  t.equal(inspect(daemon, 'm1', '.State.Status'), 'exited');
  t.match(inspect(daemon, 'm1', '.State.Error'), /monitor of the container was killed/);
});

t.test('twenty containers at once, and none is left', { skip }, async (t) => {
  const daemon = started(t);
  const all = Array.from({ length: 20 }, async () => {
    const child = spawn('docker', ['--host', `unix://${daemon.socket}`, 'run', '--rm', ...NONE, IMAGE, 'echo', 'hi']);
    const [output] = await Promise.all([buffer(child.stdout), once(child, 'close')]);
    return output.toString();
  });
  t.same(new Set(await Promise.all(all)), new Set(['hi\n']));
  t.same(readdirSync(daemon.at('data/containers')), []);
  t.equal(readFileSync('/proc/self/mountinfo', 'utf8').includes(daemon.directory), false, 'nothing stays mounted');
});

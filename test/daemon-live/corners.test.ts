// What clients do beyond the everyday commands: links, refused options, directories by docker cp, attaching by web socket.
import { once } from 'node:events';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import t from 'tap';
import { WebSocket } from 'ws';
import { call, post } from '../helpers/api.js';
import { needDocker, tsrunDaemonWithNetwork } from '../helpers/daemon.js';
import { IMAGE, imageArchive, must } from '../helpers/engine.js';
import { eventually } from '../helpers/runtime.js';

t.setTimeout(280_000);

t.test('docker run and docker cp in their corners, attach by web socket', { skip: needDocker() }, async (t) => {
  const daemon = tsrunDaemonWithNetwork(t);
  const { docker, at } = daemon;
  must(docker(['load', '-i', imageArchive(daemon.directory)]));
  must(docker(['run', '-d', '-i', '--name', 'store', '--expose', '5432', '-e', 'A=b', IMAGE, 'cat']));
  t.teardown(() => docker(['rm', '-fv', 'store']));
  t.match(docker(['run', '--rm', '--link', 'store:my-db', IMAGE, 'env']), {
    status: 0,
    stdout: /^MY_DB_PORT_5432_TCP=tcp:\/\/172\.17\.0\.2:5432$[\s\S]*^MY_DB_ENV_A=b$/m,
  });
  for (const [flags, message] of [
    [['--link', 'nosuch:x'], /could not get container for nosuch/],
    [['--volumes-from', 'nosuch'], /No such container: nosuch/],
    [['--network', 'nosuch'], /daemon: failed to set up container networking: network nosuch not found/],
    [['--pull', 'never', '--platform', 'linux/s390x'], /does not match the specified platform \(linux\/s390x\)/],
    [['--storage-opt', 'size=1g'], /--storage-opt is not supported/],
  ] as const)
    t.match(docker(['run', '--rm', ...flags, IMAGE, 'true']), { status: 125, stderr: message }, flags.join(' '));

  mkdirSync(at('tree/sub'), { recursive: true });
  writeFileSync(at('tree/sub/file'), 'copied\n');
  must(docker(['cp', '-a', at('tree'), 'store:/tmp/']));
  t.equal(docker(['exec', 'store', 'cat', '/tmp/tree/sub/file']).stdout, 'copied\n');
  for (let n = 0; n < 3; n++) t.equal(docker(['exec', '-d', 'store', 'true']).status, 0, 'it may end at once');

  const path = '/containers/store/attach/ws?stream=1&stdin=1&stdout=1';
  const socket = new WebSocket(`ws+unix://${daemon.socket}:${path}`);
  await once(socket, 'open');
  socket.send('through the socket\n');
  const [data] = await once(socket, 'message');
  t.equal(String(data), 'through the socket\n', 'no frames');
  socket.close();
  await once(socket, 'close');

  const names = (...flags: readonly string[]) =>
    docker(['run', '--rm', ...flags, IMAGE, 'sh', '-c', 'hostname; echo $HOSTNAME'])
      .stdout.trim()
      .split('\n');
  const [id = ''] = docker(['inspect', '--format', '{{.Config.Hostname}}', 'store']).stdout.split('\n');
  t.match(id, /^[0-9a-f]{12}$/);
  t.strictSame(names('--network', 'container:store'), [id, id], "with another's network comes its name");
  t.strictSame(names('--network', 'host'), [hostname(), hostname()], "and with the host's the host's");
  t.strictSame(names('--uts', 'host'), [hostname(), hostname()]);

  const log = ['--log-driver', 'local', '--log-opt', 'max-size=10k', '--log-opt', 'max-file=2'];
  must(docker(['run', '--name', 'logged', ...log, IMAGE, 'sh', '-c', 'seq 1 60000; sleep 1; echo over >&2']));
  t.teardown(() => docker(['rm', 'logged']));
  t.match(docker(['logs', '--tail', '2', 'logged']), { stdout: /^60000$/m, stderr: 'over\n' });
  const kept = docker(['logs', 'logged']).stdout.split('\n').length;
  t.ok(kept > 380 && kept < 800, `${kept} lines are left of two files of 10 kB`);

  must(docker(['run', '-dt', '--name', 'terminal', IMAGE, 'sh', '-c', 'while :; do stty size; sleep 0.1; done']));
  t.teardown(() => docker(['rm', '-f', 'terminal']));
  t.equal((await call(daemon.socket, 'POST', '/containers/terminal/resize?h=33&w=101')).status, 200);
  t.ok(eventually(() => docker(['logs', '--tail', '1', 'terminal']).stdout.startsWith('33 101')));
  const command = 'while [ "$(stty size)" != "44 102" ]; do sleep 0.1; done; exit 7';
  const made = await post(daemon.socket, '/containers/terminal/exec', { Cmd: ['sh', '-c', command], Tty: true });
  t.equal((await post(daemon.socket, `/exec/${made.json.Id}/start`, { Detach: true, Tty: true })).status, 200);
  t.equal((await call(daemon.socket, 'POST', `/exec/${made.json.Id}/resize?h=44&w=102`)).status, 200);
  const state = async () => (await call(daemon.socket, 'GET', `/exec/${made.json.Id}/json`)).json;
  for (let tries = 0; (await state()).Running && tries < 100; tries++) await setTimeout(50);
  t.equal((await state()).ExitCode, 7);
});

t.test('what clients before 23 and scripts rely on', { skip: needDocker() }, async (t) => {
  const daemon = tsrunDaemonWithNetwork(t);
  const { docker, at, socket } = daemon;
  const lines = (...args: readonly string[]) => must(docker(args)).stdout.trim().split('\n');
  must(docker(['load', '-i', imageArchive(daemon.directory)]));
  must(docker(['run', '-d', '--name', 'store', IMAGE, 'sleep', '1000']));
  t.teardown(() => docker(['rm', '-fv', 'store', 'linked']));
  must(docker(['run', '-t', '--name', 'linked', '--link', 'store:db', IMAGE, 'true']));

  t.match(await post(socket, '/commit?container=store&repo=kept', null), { status: 201 }, 'commit without a config');
  t.same(lines('inspect', '-f', '{{index .HostConfig.Links 0}}', 'linked'), ['/store:/linked/db']);
  t.same(lines('ps', '--no-trunc', '--format', '{{.Names}}', '--filter', 'name=store'), ['store,linked/db']);
  const until = String(Math.floor(Date.now() / 1000) + 1);
  const past = lines('events', '--until', until, '--filter', 'container=linked', '--format', '{{.Action}}');
  t.same(past.slice(0, 3), ['create', 'attach', 'start'], 'events of the past without --since');

  t.match(must(docker(['cp', 'linked:/etc/hosts', '-'])).stdout, /\tdb [0-9a-f]{12} store\n/, 'of one that has ended');
  must(docker(['cp', 'store:etc/.', at('copied')]));
  t.ok(readdirSync(at('copied')).includes('hostname'), 'the content of a directory');
  t.same(lines('run', '--rm', '-t', IMAGE, 'sh', '-c', 'echo $TERM'), ['xterm']);
  t.equal(docker(['exec', 'store', 'sh', '-c', 'echo [$TERM]']).stdout, '[]\n', 'no terminal, no TERM');

  const again = docker(['run', '-i', '--name', 'again', '--restart', 'always', IMAGE, 'sh'], { input: 'exit 11\n' });
  t.equal(again.status, 11, 'the client sees the first end, whatever the policy makes of it');
  must(docker(['rm', '-f', 'again']));
});

t.test(
  'what compose files have: a runtime by its name, the host of queues, link-local addresses',
  { skip: needDocker() },
  async (t) => {
    const { docker, api, directory } = tsrunDaemonWithNetwork(t);
    must(docker(['load', '-i', imageArchive(directory)]));
    const run = (...args: readonly string[]) => docker(['run', '--rm', ...args]);
    t.equal(must(run('--runtime', 'runc', '--ipc', 'host', IMAGE, 'ls', '-d', '/dev/mqueue')).stdout, '/dev/mqueue\n');
    must(docker(['network', 'create', '_of a project']));
    must(docker(['create', '--name', 'one', IMAGE, 'ip', '-o', 'addr', 'show', 'eth0']));
    must(docker(['network', 'disconnect', 'bridge', 'one']));
    const local = ['--link-local-ip', '169.254.8.8', '--link-local-ip', 'fe80::8'];
    must(docker(['network', 'connect', ...local, '_of a project', 'one']));
    t.match(must(docker(['start', '-a', 'one'])).stdout, /inet 169\.254\.8\.8\/16[\s\S]*inet6 fe80::8\/64/);
    const { json } = await api('GET', '/containers/one/json');
    t.match(json.NetworkSettings.Networks['_of a project'].IPAMConfig, { LinkLocalIPs: ['169.254.8.8', 'fe80::8'] });
    t.match(json.HostConfig, { CapAdd: null, GroupAdd: null }, 'lists that nobody gave');
    t.match(docker(['network', 'connect', '--link-local-ip', '10.9.9.9', 'bridge', 'one']), {
      status: 1,
      stderr: /invalid LinkLocalIPs: "10\.9\.9\.9"/,
    });
    must(docker(['rm', 'one']));
  },
);

// How the daemon begins, listens and ends: sockets, TLS, systemd's sockets, roots, configuration file, metrics.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { call } from '../helpers/api.js';
import { type Daemon, needDaemon, needDocker, tsrunDaemon } from '../helpers/daemon.js';
import { type Place, place } from '../helpers/engine.js';
import { needCommand, skipUnless } from '../helpers/host.js';
import { eventually, type Result, RUNTIME } from '../helpers/runtime.js';

t.setTimeout(180_000);
const skip = needDaemon();

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** A daemon that does not get as far as listening. */
const refused = (own: Place, flags: readonly string[]): Result => own.run(RUNTIME, ['daemon', ...flags]);

t.test('the Unix socket is for root and one group', { skip }, async (t) => {
  const daemon = tsrunDaemon(t, ['--group', '4711']);
  const { mode, uid, gid } = statSync(daemon.socket);
  t.same([(mode & 0o777).toString(8), uid, gid], ['660', 0, 4711]);
  t.equal(statSync(daemon.at('data/daemon')).mode & 0o777, 0o700, 'nobody reads its database');
  // CVE-2021-21284, CVE-2021-41091: others may pass through to what is mounted, and neither look nor write.
  for (const root of ['data', 'exec']) {
    const entries = readdirSync(daemon.at(root)).map((name) => `${root}/${name}`);
    t.ok(entries.length >= 2);
    for (const name of [root, ...entries].filter((one) => one !== 'exec/network'))
      t.equal(statSync(daemon.at(name)).mode & 0o066, 0, name);
  }
});

t.test('one daemon for each root and socket, and a killed one leaves the way free', { skip }, async (t) => {
  const daemon = tsrunDaemon(t);
  const { at } = daemon;
  const none = ['--config-file', at('none.json')];
  const second = refused(daemon, [
    '--data-root',
    at('data'),
    '--exec-root',
    at('e2'),
    '--host',
    `unix://${at('2.sock')}`,
    ...none,
  ]);
  t.match(second, {
    status: 1,
    stderr: new RegExp(`--data-root: .* belongs to another daemon, process "${daemon.pid}"`),
  });
  const third = refused(daemon, [
    '--data-root',
    at('d3'),
    '--exec-root',
    at('exec'),
    '--host',
    `unix://${at('3.sock')}`,
    ...none,
  ]);
  t.match(third, { status: 1, stderr: /--exec-root: .* belongs to another daemon/ });
  const fourth = refused(daemon, [
    '--data-root',
    at('d4'),
    '--exec-root',
    at('e4'),
    '--host',
    `unix://${daemon.socket}`,
    ...none,
  ]);
  t.match(fourth, { status: 1, stderr: /--host: another daemon answers on/ });
  process.kill(daemon.pid, 'SIGKILL');
  t.ok(eventually(() => spawnSync('curl', ['-s', '--unix-socket', daemon.socket, 'http://d/_ping']).status !== 0));
  t.ok(existsSync(daemon.socket), 'the socket of the killed one is still there');
  const again = tsrunDaemon(t, [], daemon);
  t.equal((await again.api('GET', '/_ping')).text, 'OK', 'roots and socket are taken over');
});

t.test('SIGTERM: streams end, socket and pid file go, status 0', { skip }, async (t) => {
  const own = place(t);
  const pidfile = join(own.directory, 'pid');
  const daemon = tsrunDaemon(t, ['--pidfile', pidfile], own);
  t.equal(readFileSync(pidfile, 'utf8'), `${daemon.pid}\n`);
  const events = daemon.api('GET', '/events');
  await daemon.api('GET', '/_ping');
  process.kill(daemon.pid, 'SIGTERM');
  t.equal((await events).status, 200, 'GET /events ended');
  t.ok(eventually(() => !existsSync(daemon.socket) && !existsSync(pidfile)));
  t.match(daemon.log(), /SIGTERM received/);
});

t.test(
  'TCP: only with TLS, only clients of our CA, only names of the certificate',
  { skip: skipUnless(needDocker(), needCommand('openssl')) },
  async (t) => {
    const own = place(t);
    const at = (name: string) => join(own.directory, name);
    const none = ['--config-file', at('none.json'), '--data-root', at('data'), '--exec-root', at('exec')];
    writeFileSync(at('none.json'), '{}');
    t.match(refused(own, [...none, '--host', 'tcp://127.0.0.1:0']), {
      status: 1,
      stderr: /tcp:\/\/ without --tlsverify is refused/,
    });
    t.match(refused(own, [...none, '--tls', '--host', 'tcp://127.0.0.1:0']), {
      status: 1,
      stderr: /--tls without --tlsverify/,
    });
    certificates(own);
    const port = await freePort();
    const tls = [
      '--tlsverify',
      '--tlscacert',
      at('ca.pem'),
      '--tlscert',
      at('server.pem'),
      '--tlskey',
      at('server-key.pem'),
    ];
    tsrunDaemon(t, ['--host', `tcp://127.0.0.1:${port}`, ...tls], own);
    const curl = (args: readonly string[]) => own.run('curl', ['-sS', ...args]);
    const mine = ['--cacert', at('ca.pem'), '--cert', at('client.pem'), '--key', at('client-key.pem')];
    t.match(curl([...mine, `https://localhost:${port}/_ping`]), { status: 0, stdout: 'OK' });
    t.not(curl(['-k', `https://localhost:${port}/_ping`]).status, 0, 'no certificate');
    const foreign = ['-k', '--cert', at('foreign.pem'), '--key', at('foreign-key.pem')];
    t.not(curl([...foreign, `https://localhost:${port}/_ping`]).status, 0, 'one that another CA has signed');
    t.not(curl([`http://localhost:${port}/_ping`]).stdout, 'OK', 'no TLS');
    t.match(curl([...mine, '-H', 'Host: evil.example', `https://localhost:${port}/_ping`]), {
      stdout: /is not a name of this daemon/,
    });
    const words = [
      '--tlsverify',
      '--tlscacert',
      at('ca.pem'),
      '--tlscert',
      at('client.pem'),
      '--tlskey',
      at('client-key.pem'),
    ];
    t.match(
      own.run('docker', ['--host', `tcp://localhost:${port}`, ...words, 'version', '--format', '{{.Server.Os}}']),
      {
        stdout: 'linux\n',
      },
    );
  },
);

/** ca signs server (localhost, 127.0.0.1) and client; foreign signs itself. */
function certificates(own: Place): void {
  const script = `set -e
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca-key.pem -out ca.pem -subj /CN=ca -days 2
openssl req -x509 -newkey rsa:2048 -nodes -keyout foreign-key.pem -out foreign.pem -subj /CN=client -days 2
echo "subjectAltName=DNS:localhost,IP:127.0.0.1" > names
for n in server client; do
  openssl req -newkey rsa:2048 -nodes -keyout $n-key.pem -out $n.csr -subj /CN=$n
  openssl x509 -req -in $n.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -out $n.pem -days 2 -extfile names
done`;
  const done = spawnSync('sh', ['-c', script], { cwd: own.directory, encoding: 'utf8' });
  if (done.status !== 0) throw new Error(done.stderr);
}

t.test(
  'socket activation: fd:// takes what systemd listens on',
  { skip: skipUnless(skip, needCommand('python3')) },
  async (t) => {
    const own = place(t);
    const at = (name: string) => join(own.directory, name);
    writeFileSync(at('none.json'), '{}');
    const script = `
import os, socket, sys
s = socket.socket(socket.AF_UNIX); s.bind(${JSON.stringify(at('a.sock'))}); s.listen()
os.dup2(s.fileno(), 3); os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="api")
os.execv(sys.argv[1], sys.argv[1:])`;
    const roots = ['--data-root', at('data'), '--exec-root', at('exec'), '--config-file', at('none.json')];
    const none = own.run(RUNTIME, ['daemon', ...roots, '--host', 'fd://']);
    t.match(none, { status: 1, stderr: /fd:\/\/ without a socket of systemd/ });
    const ready = () =>
      spawnSync('curl', ['-s', '-m', '2', '--unix-socket', at('a.sock'), 'http://d/_ping']).stdout.toString() === 'OK';
    own.daemon('python3', ['-c', script, RUNTIME, 'daemon', ...roots, '--host', 'fd://api'], ready);
    t.equal((await call(at('a.sock'), 'GET', '/version')).json.Os, 'linux');
  },
);

t.test('the configuration file has dockerd’s names; all that is wrong is told at once', { skip }, async (t) => {
  const own = place(t);
  const at = (name: string) => join(own.directory, name);
  const socket = at('c.sock');
  const good = {
    hosts: [`unix://${socket}`],
    'data-root': at('data'),
    'exec-root': at('exec'),
    labels: ['a=b'],
    debug: true,
  };
  writeFileSync(at('good.json'), JSON.stringify(good));
  t.same(refused(own, ['--config-file', at('good.json'), '--validate']), { status: 0, stdout: '', stderr: '' });
  const { pid = 0 } = own.daemon(RUNTIME, ['daemon', '--config-file', at('good.json')], () => existsSync(socket));
  const info = async () => {
    const { json } = await call(socket, 'GET', '/info');
    return [json.Labels, json.Debug, json.DockerRootDir];
  };
  t.same(await info(), [['a=b'], true, at('data')]);
  const reload = async (config: object): Promise<string> => {
    writeFileSync(at('good.json'), JSON.stringify(config));
    const before = readFileSync(at('daemon.log'), 'utf8').length;
    process.kill(pid, 'SIGHUP');
    const said = () => readFileSync(at('daemon.log'), 'utf8').slice(before);
    t.ok(eventually(() => said().includes('SIGHUP received')));
    return said();
  };
  t.match(await reload({ ...good, labels: ['c=d'], debug: false, 'data-root': at('other') }), /read anew/);
  t.same(await info(), [['c=d'], false, at('data')], 'what can change while it runs is read anew, the rest stays');
  t.match(await reload({ ...good, lables: ['e=f'] }), /nothing is changed.*did you mean/);
  t.same(await info(), [['c=d'], false, at('data')]);
  const bad = { hosts: 'x', 'data-rot': '/x', debug: 'yes', 'log-level': ['a'], group: 'x' };
  writeFileSync(at('bad.json'), JSON.stringify(bad));
  const { status, stderr } = refused(own, ['--config-file', at('bad.json'), '--group', 'y']);
  t.equal(status, 1);
  for (const words of [
    /hosts: must be a list/,
    /"data-rot" is no option.*did you mean "data-root"/,
    /debug: must be true or false \(got "yes"\)/,
    /log-level: must be a text/,
    /group is specified both/,
  ])
    t.match(stderr, words);
  writeFileSync(at('broken.json'), '{');
  t.match(refused(own, ['--config-file', at('broken.json')]), { status: 1, stderr: /not JSON/ });
  t.match(refused(own, ['--config-file', at('nosuch.json')]), { status: 1, stderr: /ENOENT/ });
});

t.test('options that cannot be are refused by name', { skip }, async (t) => {
  const own = place(t);
  const wrong: readonly (readonly [string, string, RegExp])[] = [
    ['--host', 'http://x', /is none of unix:/],
    ['--host', 'unix://relative', /is not an absolute path/],
    ['--host', `unix:///${'x'.repeat(200)}`, /longer than 107 bytes/],
    ['--host', 'tcp://a:99999', /is not tcp:/],
    ['--data-root', '/', /must not be the root directory/],
    ['--log-level', 'loud', /is none of debug, info/],
    ['--registry-mirror', 'ftp://x', /is not the URL of a registry/],
    ['--storage-driver', 'btrfs', /is none of overlay/],
    ['--metrics-addr', '0.0.0.0:9323', /is not on loopback/],
    ['--shutdown-timeout', '-1', /is not a number from 0 to 99999/],
    ['--label', 'a b', /is not KEY=VALUE/],
  ];
  for (const [flag, value, words] of wrong) {
    const { status, stderr } = refused(own, ['--validate', flag, value]);
    t.match([status, stderr], [1, words], `${flag} ${value}`);
    t.match(stderr, new RegExp(`^tsrun: daemon: ${flag}: `), `${flag} is named`);
  }
  t.match(
    refused(own, [
      '--group',
      'no-such-group',
      '--data-root',
      join(own.directory, 'd'),
      '--exec-root',
      join(own.directory, 'e'),
      '--host',
      `unix://${join(own.directory, 's')}`,
    ]),
    {
      status: 1,
      stderr: /there is no group "no-such-group"/,
    },
  );
});

t.test('a database of a later tsrun is left alone', { skip }, async (t) => {
  const own = place(t);
  const at = (name: string) => join(own.directory, name);
  mkdirSync(at('data'));
  chmodSync(at('data'), 0o711);
  const first = tsrunDaemon(t, [], own);
  process.kill(first.pid, 'SIGTERM');
  t.ok(eventually(() => !existsSync(first.socket)));
  const script = `const { open } = require('lmdb'); const d = open({ path: process.argv[1], encoding: 'json', maxDbs: 32 }); d.putSync('version', 999); d.close();`;
  t.match(spawnSync('node', ['-e', script, at('data/daemon/state.mdb')], { encoding: 'utf8' }), { status: 0 });
  const again = refused(own, [
    '--data-root',
    at('data'),
    '--exec-root',
    at('exec'),
    '--config-file',
    at('none.json'),
    '--host',
    `unix://${at('x')}`,
  ]);
  t.match(again, { status: 1, stderr: /is of a later tsrun[\s\S]*version 999/ });
});

t.test('metrics are served on loopback', { skip }, async (t) => {
  const port = await freePort();
  const daemon: Daemon = tsrunDaemon(t, ['--metrics-addr', `127.0.0.1:${port}`]);
  await daemon.api('GET', '/v1.43/info');
  const { stdout } = daemon.run('curl', ['-s', `http://127.0.0.1:${port}/metrics`]);
  t.match(stdout, /engine_daemon_request_seconds_count\{method="GET",route="\/info",status="200"\} 1/);
  t.match(stdout, /engine_daemon_container_states_containers\{state="running"\} 0/);
});

// Networks of containers by the real docker command: published ports, names, live changes, and what is left afterwards.
import { readdirSync } from 'node:fs';
import t, { type Test } from 'tap';
import { needDocker, tsrunDaemonWithNetwork } from '../helpers/daemon.js';
import { IMAGE, imageArchive, must } from '../helpers/engine.js';
import { needCommand, skipUnless } from '../helpers/host.js';
import { eventually } from '../helpers/runtime.js';

t.setTimeout(200_000);
const skip = skipUnless(needDocker(), needCommand('nft', 'nftables'), needCommand('ip', 'iproute2'));
const SERVE = 'mkdir /www; echo served >/www/index.html; exec httpd -f -p 80 -h /www';

function started(t: Test) {
  const daemon = tsrunDaemonWithNetwork(t, ['--bip', '172.31.78.1/24']);
  t.teardown(() => {
    const ids = daemon.docker(['ps', '-aq']).stdout.split('\n').filter(Boolean);
    if (ids.length > 0) daemon.docker(['rm', '-fv', ...ids]);
  });
  must(daemon.docker(['load', '-i', imageArchive(daemon.directory)]));
  return daemon;
}

t.test('a published port leads into the container, is shown, and goes with it', { skip }, async (t) => {
  const { docker, inNetwork } = started(t);
  must(docker(['run', '-d', '--name', 'web', '-p', '8080:80', IMAGE, 'sh', '-c', SERVE]));
  await eventually(() => inNetwork('curl', '-s', '-m', '5', 'http://127.0.0.1:8080/').stdout === 'served\n');
  t.equal(inNetwork('curl', '-s', '-m', '5', 'http://172.31.78.1:8080/').stdout, 'served\n');
  t.match(docker(['port', 'web']).stdout, /80\/tcp -> 0\.0\.0\.0:8080/);
  t.match(docker(['ps']).stdout, /0\.0\.0\.0:8080->80\/tcp/);
  t.match(docker(['run', '-d', '--name', 'two', '-p', '8080:80', IMAGE, 'sleep', '9']), {
    status: 125,
    stderr: /port is already allocated/,
  });
  t.equal(docker(['inspect', '-f', '{{.State.Status}}', 'two']).stdout, 'created\n');
  must(docker(['rm', '-f', 'web']));
  must(docker(['start', 'two']));
  must(docker(['rm', '-f', 'two']));
  t.not(inNetwork('curl', '-s', '-m', '5', 'http://127.0.0.1:8080/').status, 0);
});

t.test('containers of a network find each other by name and alias, others do not', { skip }, async (t) => {
  const { docker, inNetwork } = started(t);
  must(docker(['network', 'create', 'n1']));
  must(docker(['run', '-d', '--name', 'web', '--network', 'n1', '--network-alias', 'www', IMAGE, 'sh', '-c', SERVE]));
  const address = docker(['inspect', '-f', '{{.NetworkSettings.Networks.n1.IPAddress}}', 'web']).stdout.trim();
  await eventually(() => inNetwork('curl', '-s', '-m', '5', `http://${address}/`).stdout === 'served\n');
  // busybox's own resolver: wget of a static glibc crashes in an image without libraries.
  const ask = (network: string, name: string) =>
    docker(['run', '--rm', '--network', network, IMAGE, 'nslookup', name]).stdout;
  t.match(ask('n1', 'web'), address);
  t.match(ask('n1', 'www'), address);
  t.match(ask('container:web', 'web'), address);
  t.notMatch(ask('bridge', 'web'), address, 'the default bridge has no names');
  must(docker(['run', '-d', '--name', 'late', IMAGE, 'sleep', '1000']));
  const inside = () => docker(['exec', 'late', 'nslookup', 'web']).stdout;
  t.notMatch(inside(), address);
  must(docker(['network', 'connect', 'n1', 'late']));
  t.match(inside(), address);
  must(docker(['network', 'disconnect', 'n1', 'late']));
  t.notMatch(inside(), address);
  t.match(docker(['network', 'rm', 'n1']), { status: 1, stderr: /has active endpoints/ });
  must(docker(['rm', '-f', 'web', 'late']));
  must(docker(['network', 'rm', 'n1']));
});

t.test('none has a loopback interface alone; nothing of a removed container is left', { skip }, async (t) => {
  const { docker, at, inNetwork } = started(t);
  const links = docker(['run', '--rm', '--network', 'none', IMAGE, 'ls', '/sys/class/net']).stdout;
  t.equal(links, 'lo\n');
  must(docker(['run', '--rm', '-p', '9000:9000', IMAGE, 'true']));
  t.equal(docker(['ps', '-aq']).stdout, '');
  t.same(readdirSync(at('exec/network/netns')), []);
  t.notMatch(inNetwork('ip', '-o', 'link').stdout, /veth/);
  t.notMatch(inNetwork('nft', 'list', 'ruleset').stdout, /9000/);
});

// Networks of containers by the real docker command: published ports, names, live changes, and what is left afterwards.
import { existsSync, readdirSync } from 'node:fs';
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
  t.ok(eventually(() => inNetwork('curl', '-s', '-m', '5', 'http://127.0.0.1:8080/').stdout === 'served\n'));
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
  t.ok(eventually(() => inNetwork('curl', '-s', '-m', '5', `http://${address}/`).stdout === 'served\n'));
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

/** Sends a router advertisement by eth0, as root of a container with CAP_NET_RAW can. */
const ADVERTISE = `import socket, struct
source, target = socket.inet_pton(socket.AF_INET6, "fe80::1"), socket.inet_pton(socket.AF_INET6, "ff02::1")
def message(sum): return struct.pack("!BBHBBHII", 134, 0, sum, 64, 0, 1800, 0, 0)
pseudo = source + target + struct.pack("!II", len(message(0)), 58) + message(0)
sum = 0
for (word,) in struct.iter_unpack("!H", pseudo): sum += word
while sum >> 16: sum = (sum & 0xffff) + (sum >> 16)
header = struct.pack("!IHBB", 6 << 28, len(message(0)), 58, 255) + source + target
frame = bytes.fromhex("333300000001020000000001") + struct.pack("!H", 0x86dd) + header + message(~sum & 0xffff)
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
s.send(frame)`;

const needIpv6 = () => skipUnless(skip, existsSync('/proc/sys/net/ipv6') ? false : 'this kernel has no IPv6');

// CVE-2020-13401, CVE-2024-32473, CVE-2020-15257.
t.test(
  "a container changes no route of the host's and reaches no socket of the daemon",
  { skip: needIpv6() },
  async (t) => {
    const { docker, inNetwork, socket } = started(t);
    must(docker(['run', '-d', '--name', 'rogue', IMAGE, 'sleep', '1000']));
    const pid = must(docker(['inspect', '--format', '{{.State.Pid}}', 'rogue'])).stdout.trim();
    t.equal(inNetwork('nsenter', '--net', '--target', pid, 'ip', '-6', '-o', 'addr', 'show', 'dev', 'eth0').stdout, '');
    const routes = () => inNetwork('ip', '-6', 'route', 'show', 'default').stdout;
    const advertise = () => must(inNetwork('nsenter', '--net', '--target', pid, 'python3', '-c', ADVERTISE));
    advertise();
    advertise();
    t.equal(routes(), '', 'an advertisement of a router is not heard');
    const settings = ['disable_ipv6=0', 'accept_ra=2'].map((setting) => `net.ipv6.conf.docker0.${setting}`);
    must(inNetwork('sysctl', '-w', ...settings));
    const heard = eventually(() => {
      advertise();
      return routes().includes('via fe80::1 dev docker0');
    }, 30_000);
    t.ok(heard, 'the same one is, where somebody allows it: the test would see it');
    const sockets = inNetwork('cat', '/proc/net/unix').stdout;
    t.match(sockets, socket, 'sockets of the daemon are seen from its network namespace');
    t.notMatch(sockets, / @/, 'and none is abstract, which --network host would make reachable');
  },
);

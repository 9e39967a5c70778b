// What the daemon's options make of networks, seen from containers that run: each with the twin that shows that the test
// would see it.
import { existsSync } from 'node:fs';
import t, { type Test } from 'tap';
import { needDocker, tsrunDaemonWithNetwork } from '../helpers/daemon.js';
import { IMAGE, imageArchive, must } from '../helpers/engine.js';
import { needCommand, skipUnless } from '../helpers/host.js';
import { eventually } from '../helpers/runtime.js';

t.setTimeout(200_000);
const skip = skipUnless(needDocker(), needCommand('nft', 'nftables'), needCommand('ip', 'iproute2'));
const SERVE = 'mkdir /www; echo served >/www/index.html; exec httpd -f -p 80 -h /www';

function started(t: Test, flags: readonly string[]) {
  const daemon = tsrunDaemonWithNetwork(t, flags);
  const { docker } = daemon;
  t.teardown(() => {
    const ids = docker(['ps', '-aq']).stdout.split('\n').filter(Boolean);
    if (ids.length > 0) docker(['rm', '-fv', ...ids]);
  });
  must(docker(['load', '-i', imageArchive(daemon.directory)]));
  const run = (name: string, ...options: readonly string[]) => {
    must(docker(['run', '-d', '--name', name, ...options, IMAGE, 'sh', '-c', SERVE]));
    const address = ['inspect', '-f', '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}', name];
    return must(docker(address)).stdout.trim();
  };
  const serves = (address: string) =>
    eventually(() => daemon.inNetwork('curl', '-s', '-m', '5', `http://${address}/`).stdout === 'served\n');
  /** Whether one container gets the page of the other; busybox's own client is not to be relied on in a static build. */
  const reaches = (name: string, address: string) => {
    const pid = must(docker(['inspect', '-f', '{{.State.Pid}}', name])).stdout.trim();
    const curl = ['curl', '-s', '-m', '2', `http://${address}/`];
    return daemon.inNetwork('nsenter', '--net', '--target', pid, ...curl).stdout === 'served\n';
  };
  /** Ports that something listens on, in hexadecimal digits, each once: state 0A of proc(5), /proc/net/tcp. */
  const listening = () => {
    const tables = ['tcp', 'tcp6'].map((name) => `/proc/self/net/${name}`).filter((path) => existsSync(path));
    const ports = daemon.inNetwork('cat', ...tables).stdout.matchAll(/: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:0000 0A /g);
    return [...new Set([...ports].map(([, port]) => port))];
  };
  return { ...daemon, run, serves, reaches, listening };
}

t.test('icc=false, fixed-cidr, default-address-pool, and a firewall whose policy is drop', { skip }, async (t) => {
  const range = ['--bip', '172.31.79.1/24', '--fixed-cidr', '172.31.79.128/25'];
  const pool = ['--default-address-pool', 'base=10.211.0.0/16,size=26'];
  const { docker, inNetwork, run, serves, reaches, listening, log } = started(t, [...range, ...pool, '--icc=false']);
  const [one, two] = [run('one'), run('two')];
  for (const address of [one, two]) t.ok(Number(address.split('.')[3]) >= 128, `${address} is of --fixed-cidr`);
  t.ok(serves(one) && serves(two), 'the host reaches both');
  // CVE-2025-9074, CVE-2021-4024: no way to the API from a container, be it in the host's network.
  t.same(listening(), [], 'no port of the daemon is there to be reached');
  t.notOk(reaches('two', one), 'they do not reach each other');
  must(docker(['network', 'create', 'own']));
  const subnet = must(docker(['network', 'inspect', '-f', '{{(index .IPAM.Config 0).Subnet}}', 'own'])).stdout;
  t.match(subnet, /^10\.211\.\d+\.\d+\/26\n$/);
  must(docker(['network', 'connect', 'own', 'two']));
  const three = run('three', '--network', 'own');
  t.match(three, /^10\.211\./);
  t.ok(serves(three));
  t.ok(reaches('two', three), 'in a network of their own they do: the positive twin');
  const other = (policy: string) => {
    const table = `of-${policy}`;
    must(inNetwork('nft', 'add', 'table', 'inet', table));
    const chain = `{ type filter hook forward priority 0; policy ${policy}; }`;
    must(inNetwork('nft', 'add', 'chain', 'inet', table, 'forward', chain));
  };
  other('accept');
  other('drop');
  const warning = /chain \\?"inet of-drop forward\\?" has the policy drop: published ports/;
  t.ok(
    eventually(() => warning.test(log())),
    'the log tells of the second',
  );
  t.notMatch(log(), /inet of-accept forward/);
  await t.test(
    'and of a policy that nft does not show',
    { skip: needCommand('iptables-legacy', 'iptables') },
    async (t) => {
      must(inNetwork('iptables-legacy', '-P', 'FORWARD', 'DROP'));
      const legacy = /the chain FORWARD of iptables-legacy has the policy DROP: published ports/;
      t.ok(eventually(() => legacy.test(log()), 20_000));
      t.notMatch(log(), /FORWARD of ip6tables-legacy/);
    },
  );
});

t.test(
  'iptables=false makes no rules, the daemon forwards published ports; macvlan needs none',
  { skip },
  async (t) => {
    const { docker, inNetwork, run, serves, reaches, listening } = started(t, [
      '--bip',
      '172.31.80.1/24',
      '--iptables=false',
    ]);
    const address = run('web', '-p', '8080:80');
    t.ok(serves(address), 'the bridge is there');
    t.equal(inNetwork('nft', 'list', 'ruleset').stdout, '');
    t.ok(serves('172.31.80.1:8080'));
    t.ok(serves('127.0.0.1:8080'));
    t.same(listening(), ['1F90'], 'the published one is the only one');

    // Containers are neighbours of what is behind the parent, not of the host.
    must(inNetwork('ip', 'link', 'add', 'parent0', 'type', 'veth', 'peer', 'name', 'outside0'));
    const parent = ['--subnet', '10.212.0.0/24', '-o', 'parent=parent0'];
    t.match(docker(['network', 'create', '-d', 'macvlan', '--subnet', '10.212.1.0/24', '-o', 'parent=nosuch0', 'm']), {
      status: 1,
      stderr: /there is no link nosuch0/,
    });
    must(docker(['network', 'create', '-d', 'macvlan', ...parent, 'm']));
    for (const link of ['parent0', 'outside0']) must(inNetwork('ip', 'link', 'set', link, 'up'));
    const [one] = [run('one', '--network', 'm'), run('two', '--network', 'm')];
    t.match(one, /^10\.212\.0\./);
    t.ok(eventually(() => reaches('two', one)));
    const fromHost = () => inNetwork('curl', '-s', '-m', '2', `http://${one}/`).stdout;
    must(inNetwork('ip', 'addr', 'add', '10.212.0.200/24', 'dev', 'parent0'));
    t.equal(fromHost(), '', 'the kernel keeps the parent apart from its macvlans');
    must(inNetwork('ip', 'addr', 'del', '10.212.0.200/24', 'dev', 'parent0'));
    must(inNetwork('ip', 'addr', 'add', '10.212.0.200/24', 'dev', 'outside0'));
    t.ok(
      eventually(() => fromHost() === 'served\n'),
      'and what is behind it is not',
    );
    must(docker(['rm', '-f', 'one', 'two']));
    must(docker(['network', 'rm', 'm']));
    t.match(inNetwork('ip', '-o', 'link').stdout, /parent0/, 'the parent is not ours to remove');
  },
);

t.test(
  'a network of a compose file of old has IPv6 by an option, and a prefix of link-local addresses',
  { skip },
  async (t) => {
    const { docker } = started(t, []);
    const ipam = ['--subnet', '172.31.90.0/24', '--subnet', 'fe80::/64', '--gateway', 'fe80::1001:1'];
    must(docker(['network', 'create', '-o', 'com.docker.network.enable_ipv6=true', ...ipam, 'old']));
    const run = ['run', '--rm', '--network', 'old', '--ip', '172.31.90.100', '--ip6', 'fe80::1001:100'];
    const shown = must(docker([...run, IMAGE, 'ip', '-o', 'addr', 'show', 'eth0'])).stdout;
    t.match(shown, /inet 172\.31\.90\.100\/24[\s\S]*inet6 fe80::1001:100\/64/);
  },
);

// The daemon of a user without root, with the real docker command: containers, networks and published ports, what it
// cannot do, and that nothing of it is left.
import { chownSync, existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { IMAGE, imageArchive, must } from '../helpers/engine.js';
import { eventually, RUNTIME } from '../helpers/runtime.js';
import { HOST, needUserDaemon, OUTSIDE, UID, userDaemon } from '../helpers/user-daemon.js';

t.setTimeout(200_000);
const skip = needUserDaemon();

const serve = (text: string) => [
  'sh',
  '-c',
  `mkdir /www; echo ${text} >/www/index.html; exec httpd -f -vv -p 80 -h /www`,
];
const get = (url: string) => ['curl', '-s', '-m', '5', '-g', url] as const;

t.test(
  'containers of a user: root in them is the user, ports are published, a daemon that was killed finds all again',
  { skip },
  async (t) => {
    const { directory, docker, start, host, outside, processes, execRoot, socket } = userDaemon(t);
    const first = start();
    t.equal(statSync(socket).uid, UID);
    must(docker(['load', '-i', imageArchive(directory)]));
    t.match(
      docker(['info', '-f', '{{json .SecurityOptions}} {{.DockerRootDir}}']).stdout,
      /name=rootless.*home\/\.local\/share\/tsrun$/m,
    );

    const shared = join(directory, 'run/shared');
    mkdirSync(shared);
    chownSync(shared, UID, UID);
    const made = ['sh', '-c', 'id -u; touch /s/root; chown 5:6 /s/root; touch /s/own; cat /proc/self/uid_map'];
    t.match(
      must(docker(['run', '--rm', '-v', `${shared}:/s`, IMAGE, ...made])).stdout,
      /^0\n\s+0\s+1000\s+1\n\s+1\s+100000\s+65536\n$/,
    );
    t.equal(statSync(join(shared, 'own')).uid, UID);
    t.equal(statSync(join(shared, 'root')).uid, 100_004);

    must(docker(['network', 'create', 'n1']));
    must(docker(['run', '-d', '--name', 'web', '--network', 'n1', '-p', '8080:80', IMAGE, ...serve('all')]));
    const taken = docker(['run', '-d', '--name', 'taken', '-p', '127.0.0.1:8080:80', IMAGE, 'true']);
    t.match(taken, { status: 125, stderr: /port is already allocated/ });
    must(docker(['run', '-d', '--name', 'near', '-p', '127.0.0.1:8081:80', IMAGE, ...serve('near')]));
    const reached = () => {
      t.ok(
        eventually(() => outside(...get(`http://${HOST}:8080/`)).stdout === 'all\n'),
        'from outside',
      );
      t.equal(host(...get('http://127.0.0.1:8080/')).stdout, 'all\n', 'from loopback');
      t.equal(host(...get('http://[::1]:8080/')).stdout, 'all\n', 'by IPv6');
      t.equal(host(...get('http://127.0.0.1:8081/')).stdout, 'near\n');
      t.not(outside(...get(`http://${HOST}:8081/`)).status, 0, 'a port of loopback is not reached from outside');
    };
    reached();
    t.match(
      docker(['logs', 'web']).stderr,
      new RegExp(`${OUTSIDE.replaceAll('.', '\\.')}\\]?:\\d+`),
      "the caller's address is its own",
    );
    t.match(docker(['run', '--rm', '--network', 'n1', IMAGE, 'nslookup', 'web']).stdout, /Address:\s+172\.18\./);
    const ping = (address: string) =>
      docker(['run', '--rm', IMAGE, 'sh', '-c', `echo | nc -w 3 ${address} 8080 && echo reached`]).stdout;
    t.equal(ping(HOST), 'reached\n', 'containers reach what the host offers');
    t.equal(ping('10.0.2.2'), '', 'but not its loopback');

    process.kill(first, 'SIGKILL');
    t.ok(eventually(() => processes(/tsrun\.cjs daemon/).length === 0));
    t.equal(outside(...get(`http://${HOST}:8080/`)).stdout, 'all\n', 'ports are reached while no daemon runs');
    const second = start();
    reached();
    t.equal(must(docker(['exec', 'web', 'id', '-u'])).stdout, '0\n');
    must(docker(['cp', 'web:/www/index.html', join(directory, 'run/copy')]));
    t.match(docker(['top', 'web']).stdout, /httpd -f/);

    for (const pid of processes(/^\S*slirp4netns/)) process.kill(pid, 'SIGKILL');
    t.ok(
      eventually(() => outside(...get(`http://${HOST}:8080/`)).stdout === 'all\n'),
      'a way out that ended is made again',
    );
    reached();

    must(docker(['rm', '-f', 'web', 'near']));
    t.not(host(...get('http://127.0.0.1:8080/')).status, 0);
    t.ok(processes(/tsrun-snapshot hold/).length > 0);
    process.kill(second, 'SIGTERM');
    t.ok(
      eventually(() => processes(/tsrun-snapshot hold|slirp4netns|daemon/).length === 0),
      'with the last container all of it goes',
    );
    t.notOk(existsSync(join(execRoot, 'namespaces')));
    t.same(readdirSync(execRoot).sort(), ['daemon.lock', 'monitor', 'runtime']);
  },
);

t.test('what a user may not is refused with its reason or said, and the rest works', { skip }, async (t) => {
  const daemon = userDaemon(t, { tun: false });
  const { directory, docker, start } = daemon;
  start();
  must(docker(['load', '-i', imageArchive(directory)]));
  t.match(
    daemon.log(),
    /networks have no way out, and no ports can be published: slirp4netns: open\(.*tun.*\): Permission denied .*which a user must be able to open/,
  );
  t.match(docker(['run', '--rm', '-p', '8080:80', IMAGE, 'true']), { status: 125, stderr: /slirp4netns: .*tun/ });
  must(docker(['run', '-d', '--name', 'one', IMAGE, ...serve('one')]));
  const address = docker(['inspect', '-f', '{{.NetworkSettings.IPAddress}}', 'one']).stdout.trim();
  const ask = ['sh', '-c', `echo | nc -w 3 ${address} 80 && echo reached`];
  t.equal(docker(['run', '--rm', IMAGE, ...ask]).stdout, 'reached\n', 'containers reach each other all the same');

  const limited = docker(['run', '--rm', '-m', '64m', IMAGE, 'echo', 'runs']);
  if (docker(['info', '-f', '{{.CgroupDriver}}']).stdout === 'none\n') {
    t.match(limited, { status: 0, stdout: 'runs\n', stderr: /Limitation discarded/ });
    t.match(docker(['pause', 'one']), { status: 1, stderr: /cgroup not exist/ });
  }
  must(docker(['commit', 'one', 'two']));
  t.equal(must(docker(['run', '--rm', '--privileged', 'two', 'cat', '/www/index.html'])).stdout, 'one\n');
  t.match(must(docker(['run', '--rm', '--network', 'host', IMAGE, 'cat', '/proc/net/dev'])).stdout, /up0/);
  t.not(
    docker(['run', '--rm', '--privileged', '--network', 'host', IMAGE, 'ip', 'link', 'set', 'up0', 'down']).status,
    0,
    "the host's links are not its",
  );
  must(docker(['rm', '-f', 'one']));
});

t.test('a daemon that cannot begin says why, and leaves no namespaces', { skip }, async (t) => {
  const { user, processes, execRoot } = userDaemon(t);
  const refused = user([RUNTIME, 'daemon', '--data-root', '/nonexistent/data']);
  t.match(refused, { status: 1, stderr: /--data-root: "\/nonexistent\/data": EACCES[\s\S]*hint: give a --data-root/ });
  t.ok(eventually(() => processes(/tsrun-snapshot hold/).length === 0));
  t.notOk(existsSync(join(execRoot, 'namespaces')));
  t.match(user([RUNTIME, 'daemon', '--exec-root', '/nonexistent/exec']), {
    status: 1,
    stderr: /--exec-root: .*EACCES/,
  });
});
